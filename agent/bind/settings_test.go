package bind

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/objects/registry"
)

// TestAppsAgainstSensors: what a sensor or an actuator feeds, no application
// owns.
func TestAppsAgainstSensors(t *testing.T) {
	cfg := &config.Config{
		Sensors: []config.Sensor{{
			Name: "meter", Driver: "sim", Object: 3305, Settings: config.Settings{Wave: "ramp", Max: 1, Period: 1e9, Interval: 1e9},
			Channels: []config.Channel{{Name: "value", Object: 3316, Resource: config.NoResource}},
		}},
		Actuators: []config.Actuator{{Name: "pump", Driver: "sim"}},
		Apps:      []config.App{{Name: "a", Objects: []uint16{3305, 3306, 3316, 3311}}},
	}
	problems := Check(cfg, registry.Definitions())
	got := make([]string, len(problems))
	for i, p := range problems {
		got[i] = p.Error()
	}
	want := []string{
		"objects: 3305 is what sensor meter feeds; give one of them another object",
		"objects: 3306 is what actuator pump feeds; give one of them another object",
		"objects: 3316 is what sensor meter feeds; give one of them another object",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
