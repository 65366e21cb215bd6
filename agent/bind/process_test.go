package bind

import (
	"strings"
	"testing"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/hw"
	"lwm2m-agent/hw/process"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/objects/registry"
)

func mapped(name string, p config.Processing) config.Channel {
	return config.Channel{Name: name, Resource: config.NoResource, Instance: config.NoInstance, Processing: p}
}

// weather is a configuration with an alarm, a dew point and an energy.
func weather() *config.Config {
	high := 30.0
	room := config.Sensor{Name: "room", Driver: "bme280", Instance: config.NoInstance, Channels: []config.Channel{
		mapped("temperature", config.Processing{Offset: -1, Unit: "K", AlarmHigh: &high}), mapped("humidity", config.Processing{}),
	}}
	room.Settings = config.Settings{Bus: "/dev/i2c-1", Address: 0x76}
	derived := func(name, kind string, inputs ...string) config.Derived {
		return config.Derived{Name: name, Kind: kind, Inputs: inputs, Resource: config.NoResource, Instance: config.NoInstance}
	}
	return &config.Config{
		Sensors: []config.Sensor{room},
		Derived: []config.Derived{derived("dew", "dew_point", "room/temperature", "room/humidity"), derived("energy", "integral", "room/humidity")},
	}
}

func TestProcessedReadings(t *testing.T) {
	cfg := weather()
	dir := t.TempDir()
	unit := hw.Unit{Role: hw.RoleSensor, Name: "room"}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	feed := func(f *fixture, seconds int, values map[string]hw.Value) {
		readings := make([]hw.Reading, 0, 2)
		for _, channel := range []string{"temperature", "humidity"} {
			r := hw.Reading{Channel: channel, Value: values[channel], Time: at.Add(time.Duration(seconds) * time.Second), Quality: hw.Good}
			if r.Value.Kind() == hw.KindNone {
				r.Quality, r.Reason = hw.Invalid, "no device answers"
			}
			readings = append(readings, r)
		}
		f.stage.Deliver(unit, readings)
	}
	begin := func() *fixture {
		f := newFixture(t, dir, nil, nil)
		if err := f.Apply(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		return f
	}
	f := begin()
	good := map[string]hw.Value{"temperature": hw.Float(21), "humidity": hw.Float(50)}
	feed(f, 0, good)
	feed(f, 60, good)
	for path, want := range map[string]lwm2m.Value{
		"/3303/0/5700": lwm2m.Float(293.15), "/3303/0/5701": lwm2m.String("K"), "/3304/0/5700": lwm2m.Float(50),
		"/3303/1/5750": lwm2m.String("dew"), "/3303/1/5701": lwm2m.String("Cel"), "/3200/0/5750": lwm2m.String("room alarm"), "/3200/0/5500": lwm2m.Boolean(true),
		"/3300/0/5700": lwm2m.Float(3000),
	} {
		if got := f.value(path); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	if got := f.value("/3303/1/5700").Float(); got < 9.25 || got > 9.26 {
		t.Errorf("dew point %v", got)
	}
	feed(f, 61, map[string]hw.Value{"temperature": hw.Float(21)})
	for _, path := range []string{"/3304/0/5700", "/3303/1/5700", "/3300/0/5700"} {
		readings, err := f.tree.Readings(model.FromLocal(), lwm2m.MustPath(path))
		if err != nil || len(readings) != 1 || readings[0].Quality != model.Invalid {
			t.Errorf("%s reads as %+v, %v", path, readings, err)
		}
	}
	if got := f.value("/3303/1/6042"); got != lwm2m.Integer(1) {
		t.Errorf("the quality of a dew point without a humidity is %v", got)
	}
	if err := f.cfg.Store.Close(); err != nil {
		t.Fatal(err)
	}
	f = begin()
	feed(f, 90, good)
	if got := f.value("/3300/0/5700"); got != lwm2m.Float(3000) {
		t.Errorf("after a restart the integral is %v", got)
	}
	if err := f.cfg.Store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, change := range []struct {
		unit string
		want float64
	}{{"s", 3000}, {"min", 50}, {"h", 0.833}, {"K", 0}, {"h", 0.833}} {
		cfg.Derived[1].Unit = change.unit
		f = begin()
		feed(f, 120, good)
		if got := f.value("/3300/0/5700"); got != lwm2m.Float(change.want) {
			t.Errorf("in %s the integral is %v, want %v", change.unit, got, change.want)
		}
		if err := f.cfg.Store.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestEnergySetBack: the energy of a meter, and an integral, that a server has set back stay so over a restart and when they
// are described anew. A meter that begins anew, or tells another unit, counts from there on; an integral may fall.
func TestEnergySetBack(t *testing.T) {
	dir := t.TempDir()
	sensors := []config.Sensor{
		{Name: "meter", Driver: "modbus", Instance: 0, Object: 3331},
		*derivedSensor(&config.Derived{Name: "net", Object: 3331, Instance: 1, Resource: config.NoResource}),
	}
	unit, at := hw.Unit{Role: hw.RoleSensor, Name: "meter"}, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	describe := func(f *fixture, unitOf string) {
		f.stage.Describe(unit, []hw.Channel{
			{Name: "energy", Quantity: hw.Energy, Unit: unitOf, Kind: hw.KindFloat}, {Name: "power", Quantity: hw.Power, Unit: "W", Kind: hw.KindFloat},
		})
	}
	start := func(unitOf string) *fixture {
		f := newFixture(t, dir, sensors, nil)
		f.sensors["meter"].Channels = []config.Channel{mapped("energy", config.Processing{})}
		f.stage.Apply(process.Setup{Derived: []process.Derived{{Name: "net", Kind: process.Integral, Inputs: []process.Input{{Sensor: "meter", Channel: "power"}}}}})
		describe(f, unitOf)
		return f
	}
	measure := func(f *fixture, energy, power float64) { // for a minute
		for range 2 {
			at = at.Add(time.Minute)
			f.stage.Deliver(unit, []hw.Reading{{Channel: "energy", Value: hw.Float(energy), Time: at, Quality: hw.Good}, {Channel: "power", Value: hw.Float(power), Time: at, Quality: hw.Good}})
		}
		at = at.Add(time.Hour)
	}
	wants := func(f *fixture, when string, energy, net float64) {
		t.Helper()
		if f.value("/3331/0/5700") != lwm2m.Float(energy) || f.value("/3331/1/5700") != lwm2m.Float(net) {
			t.Errorf("%s: %v and %v, want %v and %v", when, f.value("/3331/0/5700"), f.value("/3331/1/5700"), energy, net)
		}
	}
	again := func(f *fixture, unitOf string) *fixture {
		t.Helper()
		if err := f.cfg.Store.Close(); err != nil {
			t.Fatal(err)
		}
		return start(unitOf)
	}
	f := start("kWh")
	measure(f, 5000, 100)
	wants(f, "at first", 5000, 6000)
	for _, p := range []string{"/3331/0/5822", "/3331/1/5822"} {
		if err := f.tree.Execute(t.Context(), model.FromServer(1), lwm2m.MustPath(p), nil); err != nil {
			t.Fatal(err)
		}
	}
	wants(f, "set back", 0, 0)
	measure(f, 5003, 10)
	wants(f, "and on", 3, 600)
	describe(f, "kWh")
	measure(f, 5004, -20)
	wants(f, "described anew", 4, -600)
	f = again(f, "kWh")
	measure(f, 5005, 10)
	wants(f, "after a restart", 5, 0)
	f = again(f, "J")
	measure(f, 6000, 10)
	wants(f, "in another unit", 6000, 600)
	f = again(f, "kWh")
	measure(f, 2, 10)
	wants(f, "a meter that was replaced", 2, 1200)
	f = again(f, "kWh")
	measure(f, 5006, 10)
	wants(f, "it stays at that", 5006, 1800)
}

// meter adds a sensor with one channel, which it returns, and has the first derived one be its total.
func meter(c *config.Config, driver, channel string) *config.Channel {
	s := config.Sensor{Name: "meter", Driver: driver, Instance: config.NoInstance, Channels: []config.Channel{mapped(channel, config.Processing{})}}
	switch driver {
	case "gpio-in":
		s.Settings = config.Settings{Chip: "/dev/gpiochip0", Line: config.Line{Given: true}}
	case "counter":
		s.Settings = config.Settings{Device: "counter0"}
	case "modbus":
		s.Settings = config.Settings{Bus: "tcp:192.0.2.7:502"}
	}
	c.Sensors = append(c.Sensors, s)
	c.Derived[0].Kind, c.Derived[0].Inputs = "total", []string{"meter/" + channel}
	return &c.Sensors[len(c.Sensors)-1].Channels[0]
}

func TestCheckProcess(t *testing.T) {
	tests := []struct {
		name   string
		change func(*config.Config)
		want   string
	}{
		{"well", func(*config.Config) {}, ""},
		{"unit", func(c *config.Config) { c.Sensors[0].Channels[1].Processing.Unit = "Pa" }, `"%RH" cannot be told in "Pa"`},
		{"filter", func(c *config.Config) { c.Sensors[0].Channels[0].Processing.Filter = "median" }, "filter_size"},
		{"no such sensor", func(c *config.Config) { c.Derived[0].Inputs[0] = "attic/temperature" }, `there is no sensor "attic"`},
		{"no such channel", func(c *config.Config) { c.Derived[0].Inputs[0] = "room/wind" }, `has no channel "wind"; it has: temperature, pressure, humidity`},
		{"not above", func(c *config.Config) { c.Derived[0].Inputs[0] = "energy" }, `and no derived one above`},
		{"name of a sensor", func(c *config.Config) { c.Derived[0].Name = "room" }, "is the name of a sensor already"},
		{"units", func(c *config.Config) { c.Derived[0].Kind = "sum" }, `humidity: "%RH" cannot be`},
		{"object", func(c *config.Config) { c.Derived[0].Object = 17 }, "object 17 is not in the registry"},
		{"total", func(c *config.Config) { meter(c, "gpio-in", "count") }, ""},
		{"total of what is no count", func(c *config.Config) { c.Derived[0].Kind, c.Derived[0].Inputs = "total", []string{"room/humidity"} }, "humidity: a total is of a count"},
		{
			"total of a count that is scaled, and shown as one", func(c *config.Config) { meter(c, "gpio-in", "count").Processing.Scale = 0.01 },
			"(5501) is of whole numbers; scale and unit belong to a [[derived]] total of it\ninputs: count: a total is of a count as the driver has it",
		},
		{"scaled, and shown elsewhere", func(c *config.Config) {
			at := meter(c, "gpio-in", "count")
			at.Processing.Scale, at.Object, c.Derived = 0.01, 3300, nil
		}, ""},
		{"count that is seen at run time", func(c *config.Config) { meter(c, "counter", "count0").Processing.MaxRate = 9 }, ""},
		{"it is scaled", func(c *config.Config) { meter(c, "counter", "count0").Processing.Unit = "m3" }, "count0: a total is of a count"},
		{"total of a register", func(c *config.Config) { meter(c, "modbus", "energy").Register = &config.Register{} }, "energy: a total is of a count"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := weather()
			tt.change(cfg)
			got := Check(cfg, registry.Definitions())
			if tt.want == "" && len(got) == 0 {
				return
			}
			if len(got) == 0 || tt.want == "" || !strings.Contains(got.Error(), tt.want) {
				t.Errorf("%v, want %q", got, tt.want)
			}
		})
	}
}
