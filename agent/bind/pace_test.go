package bind

import (
	"testing"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/hw"
	"lwm2m-agent/hw/process"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/client"
)

func TestWanted(t *testing.T) {
	room := config.Sensor{Name: "room", Instance: config.NoInstance, IntervalMin: time.Second, Settings: config.Settings{Interval: time.Minute}}
	f := newFixture(t, t.TempDir(), []config.Sensor{room, {Name: "mean", Instance: config.NoInstance}}, nil)
	f.Describe(hw.Unit{Role: hw.RoleSensor, Name: "room"}, []hw.Channel{{Name: "temperature", Quantity: hw.Temperature}, {Name: "humidity", Quantity: hw.Humidity}})
	f.Describe(hw.Unit{Role: hw.RoleSensor, Name: "mean"}, []hw.Channel{{Name: process.ChannelValue, Quantity: hw.Temperature}})
	wish := func(path string, least, most time.Duration) client.Wish {
		return client.Wish{Path: lwm2m.MustPath(path), Min: least, Max: most}
	}
	const temperature = "/3303/0/5700"
	for _, tt := range []struct {
		name   string
		wishes map[uint16][]client.Wish
		ruled  bool
		want   time.Duration
	}{
		{"nobody", nil, false, 0},
		{"another sensor's", map[uint16][]client.Wish{1: {wish("/3303/7", 0, time.Second), wish("/3304/1/5700", 0, time.Second)}}, false, 0},
		{"no wish", map[uint16][]client.Wish{1: {wish(temperature, 0, 0)}}, false, time.Minute},
		{"faster", map[uint16][]client.Wish{1: {wish(temperature, 0, 10*time.Second)}}, false, 10 * time.Second},
		{"of the whole object", map[uint16][]client.Wish{1: {wish("/3304", 0, 10*time.Second)}}, false, 10 * time.Second},
		{"what follows from it", map[uint16][]client.Wish{1: {wish("/3303/1", 0, 20*time.Second)}}, false, 20 * time.Second},
		{"content with what there is", map[uint16][]client.Wish{1: {wish(temperature, time.Second, time.Hour)}}, false, time.Minute},
		{"slower", map[uint16][]client.Wish{1: {wish(temperature, time.Hour, 0)}}, false, time.Hour},
		{"slower, but something looks at it", map[uint16][]client.Wish{1: {wish(temperature, time.Hour, 0)}}, true, time.Minute},
		{"faster, and something looks at it", map[uint16][]client.Wish{1: {wish(temperature, 0, time.Second)}}, true, time.Second},
		{"the fastest of two servers", map[uint16][]client.Wish{1: {wish(temperature, time.Hour, 0)}, 2: {wish("/3304/0", 0, 30*time.Second)}}, false, 30 * time.Second},
		{"one of two is in no hurry", map[uint16][]client.Wish{1: {wish(temperature, time.Hour, 0), wish(temperature, 0, 0)}}, false, time.Minute},
	} {
		f.processing = process.Setup{Derived: []process.Derived{{Name: "mean", Inputs: []process.Input{{Sensor: "room", Channel: "temperature"}}}}}
		f.wishes, f.ruled = tt.wishes, map[string]bool{"room": tt.ruled}
		if got := f.wanted(&room); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestRuledOf(t *testing.T) {
	cfg := weather()
	cfg.Sensors = append(cfg.Sensors, config.Sensor{Name: "plain", Channels: []config.Channel{mapped("value", config.Processing{Scale: 2})}})
	cfg.Actuators = []config.Actuator{{Name: "pump", Interlocks: []config.Interlock{{Input: "door/state"}}}}
	got := ruledOf(ProcessOf(cfg))
	for sensor, want := range map[string]bool{"room": true, "door": true, "plain": false} {
		if got[sensor] != want {
			t.Errorf("%s: %v", sensor, got[sensor])
		}
	}
}
