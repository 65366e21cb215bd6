package bind

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/hw"
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
		Actuators: []config.Actuator{{Name: "pump", Driver: "sim", Resource: config.NoResource}},
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

// TestConflicts: two parts at one address on both sides of a multiplexer are a
// problem of a line of the file.
func TestConflicts(t *testing.T) {
	dir := t.TempDir()
	class, device := filepath.Join(dir, "class/i2c-dev"), filepath.Join(dir, "bus/i2c/devices/i2c-5")
	for path, content := range map[string]string{class + "/i2c-1/name": "21a0000.i2c", class + "/i2c-5/name": "i2c-1-mux (chan_id 3)", device + "/name": "", dir + "/agent.toml": `
endpoint = "e"
[[server]]
short_server_id = 1
uri = "coap://127.0.0.1"
[[sensor]]
name = "a"
driver = "lm75"
bus = "/dev/i2c-1"
address = 0x48
[[sensor]]
name = "b"
driver = "lm75"
bus = "21a0000.i2c/0x70/3"
address = 0x48
`} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../1-0070", device+"/mux_device"); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(filepath.Join(dir, "agent.toml"), config.Options{StateDir: dir, Drivers: Drivers()})
	if err != nil {
		t.Fatal(err)
	}
	if problems := Check(cfg, registry.Definitions()); len(problems) > 0 {
		t.Fatal(problems)
	}
	problems := Conflicts(cfg, hw.Options{Sys: dir})
	want := filepath.Join(dir, "agent.toml") + `:15: sensor "b": address: 0x48 is used by sensor "a" on /dev/i2c-1 too, from which the channel 21a0000.i2c/0x70/3 is reached: both answer; give one another address`
	if len(problems) != 1 || problems[0].Error() != want {
		t.Errorf("%v\nwant %s", problems, want)
	}
}
