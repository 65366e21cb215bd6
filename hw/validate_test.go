package hw

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// good is a setup with nothing wrong.
func good() Setup {
	return Setup{
		Sensors: []Config{
			{Name: "cold room", Driver: "bme280", Bus: "/dev/i2c-1", Address: 0x76, Interval: 10 * time.Second},
			{Name: "warm room", Driver: "bme280", Bus: "/dev/i2c-1", Address: 0x77},
			{Name: "other bus", Driver: "bmp280", Bus: "/dev/i2c-2", Address: 0x76},
			{Name: "door", Driver: "gpio-in", Chip: "/dev/gpiochip0", Line: LineOffset(17), Debounce: 20 * time.Millisecond, Active: ActiveLow, Bias: BiasPullUp, Edge: EdgeBoth, Interval: DefaultInterval},
			{Name: "gate", Driver: "gpio-in", Line: LineName("GATE")},
			{Name: "cpu", Driver: "thermal", Device: "cpu-thermal", Channels: []ChannelConfig{{Name: "temperature"}}},
			{Name: "air", Driver: "iio", Device: "dps310", Channels: []ChannelConfig{{Name: "pressure"}, {Name: "in_odd"}}},
			{Name: "wave", Driver: "sim", Wave: WaveRamp, Min: -5, Max: 5, Period: time.Minute, Seed: 1, Unit: "Cel"},
			{Name: "pump", Driver: "sim"},
		},
		Actuators: []Config{
			{Name: "pump", Driver: "gpio-out", Chip: "gpiochip0", Line: LineOffset(0), Safe: Safe{Value: Bool(true)}, Drive: DriveOpenDrain},
			{Name: "lamp", Driver: "sim", Safe: Safe{Keep: true}},
		},
	}
}

func TestValidate(t *testing.T) {
	if problems := Validate(good()); len(problems) > 0 {
		t.Fatalf("nothing is wrong, but: %v", problems)
	}
	sensor := func(n int, change func(*Config)) func(*Setup) { return func(s *Setup) { change(&s.Sensors[n]) } }
	tests := []struct {
		name   string
		change func(*Setup)
		key    string
		want   string
	}{
		{"no name", sensor(0, func(c *Config) { c.Name = "" }), "name", `sensor "": a name is missing`},
		{"name of 65 bytes", sensor(0, func(c *Config) { c.Name = strings.Repeat("n", 65) }), "name", "64 bytes at most"},
		{"name twice", sensor(1, func(c *Config) { c.Name = "cold room" }), "name", `cold room is used by sensor "cold room" already`},
		{"no driver", sensor(0, func(c *Config) { c.Driver = "" }), "driver", "no driver \"\" for this sensor; there are: "},
		{"unknown driver", sensor(0, func(c *Config) { c.Driver = "bme281" }), "driver", "no driver \"bme281\""},
		{"an actuator's driver", sensor(3, func(c *Config) { c.Driver = "gpio-out" }), "driver", "no driver \"gpio-out\" for this sensor"},
		{"a sensor's driver", func(s *Setup) { s.Actuators[0].Driver = "gpio-in" }, "driver", "for this actuator; there are: gpio-out, "},
		{"bus is missing", sensor(0, func(c *Config) { c.Bus = "" }), "bus", "bme280 needs bus"},
		{"line is missing", sensor(3, func(c *Config) { c.Line = Line{} }), "line", "gpio-in needs line"},
		{"interval of a line", sensor(3, func(c *Config) { c.Interval = time.Second }), "interval", "gpio-in takes no interval"},
		{"a key of another driver", sensor(0, func(c *Config) { c.Chip = "x" }), "chip", "bme280 takes no chip; it takes: bus, address, interval"},
		{"a safe simulated sensor", sensor(7, func(c *Config) { c.Safe.Keep = true }), "safe", "sim takes no safe"},
		{"a safe sensor", sensor(0, func(c *Config) { c.Safe.Keep = true }), "safe", "takes no safe"},
		{"address of another part", sensor(0, func(c *Config) { c.Address = 0x48 }), "address", "bme280 has no address 0x48; it can have: 0x76, 0x77"},
		{"address twice", sensor(1, func(c *Config) { c.Address, c.Bus = 0x76, "i2c-1" }), "address", `i2c-1 0x76 is used by sensor "cold room" already`},
		{"line twice", func(s *Setup) { s.Actuators[0].Line = LineOffset(17) }, "line", `gpiochip0 line 17 is used by sensor "door" already`},
		{"line below 0", sensor(3, func(c *Config) { c.Line = LineOffset(-1) }), "line", "a number from 0"},
		{"interval too short", sensor(0, func(c *Config) { c.Interval = 9 * time.Millisecond }), "interval", "interval is 10ms to 168h0m0s, not 9ms"},
		{"interval below 0", sensor(0, func(c *Config) { c.Interval = -time.Second }), "interval", "not -1s"},
		{"debounce too long", sensor(3, func(c *Config) { c.Debounce = 2 * time.Hour }), "debounce", "not 2h0m0s"},
		{"active", sensor(3, func(c *Config) { c.Active = "up" }), "active", `active is "high", "low", not "up"`},
		{"bias", sensor(3, func(c *Config) { c.Bias = "up" }), "bias", `not "up"`},
		{"edge", sensor(3, func(c *Config) { c.Edge = "rising" }), "edge", `not "rising"`},
		{"drive", func(s *Setup) { s.Actuators[0].Drive = "hard" }, "drive", `not "hard"`},
		{"wave", sensor(7, func(c *Config) { c.Wave = "saw" }), "wave", `not "saw"`},
		{"csv without file", sensor(7, func(c *Config) { c.Wave = WaveCSV }), "file", `wave = "csv" needs file`},
		{"max is min", sensor(7, func(c *Config) { c.Max = -5 }), "max", "max (-5) must be above min (-5)"},
		{"max is no number", sensor(7, func(c *Config) { c.Max = math.NaN() }), "max", "max (NaN)"},
		{"max is infinite", sensor(7, func(c *Config) { c.Max = math.Inf(1) }), "max", "max (+Inf)"},
		{"safe is a text", func(s *Setup) { s.Actuators[0].Safe.Value = Text("off") }, "safe", `safe is "off", "on", "keep" or a number`},
		{"a channel that it has not", sensor(0, func(c *Config) { c.Channels = []ChannelConfig{{Name: "light"}} }), "channel", `bme280 has no channel "light"; it has: temperature, pressure, humidity`},
		{"a channel that cannot be", sensor(6, func(c *Config) { c.Channels = []ChannelConfig{{Name: "a/b"}} }), "channel", `no channel that is called "a/b"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			setup := good()
			tt.change(&setup)
			problems := Validate(setup)
			if len(problems) != 1 || problems[0].Key != tt.key || !strings.Contains(problems[0].Error(), tt.want) {
				t.Errorf("problems %v, want one of %s: %q", problems, tt.key, tt.want)
			}
		})
	}
}

func TestValidateFindsAll(t *testing.T) {
	setup := Setup{
		Sensors:   []Config{{Name: "a", Driver: "bme280", Chip: "x"}},
		Actuators: []Config{{Name: "a", Driver: "sim"}, {Name: "a", Driver: "none"}},
	}
	type found struct {
		Unit  Unit
		Index int
		Key   string
	}
	problems := Validate(setup)
	got := make([]found, 0, len(problems))
	for _, p := range problems {
		got = append(got, found{p.Unit, p.Index, p.Key})
	}
	want := []found{
		{sensorUnit("a"), 0, "bus"},
		{sensorUnit("a"), 0, "address"},
		{sensorUnit("a"), 0, "chip"},
		{actuatorUnit("a"), 1, "name"},
		{actuatorUnit("a"), 1, "driver"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDriversTable(t *testing.T) {
	last := ""
	for _, d := range Drivers() {
		if d.Name <= last {
			t.Errorf("%s stands after %s", d.Name, last)
		}
		last = d.Name
		if d.Summary == "" || d.Bus == "" || d.Proof == "" || !d.Sensor() && !d.Actuator() {
			t.Errorf("%s: %+v is incomplete", d.Name, d)
		}
		if (len(d.Channels) == 0) == (d.ChannelsVary == "") {
			t.Errorf("%s states its channels twice or not at all", d.Name)
		}
		if (d.Bus == BusI2C) != (len(d.Addresses) > 0) {
			t.Errorf("%s: addresses %v on %s", d.Name, d.Addresses, d.Bus)
		}
		keys := make(map[string]bool)
		for _, s := range d.Settings {
			if keys[s.Key] || s.Help == "" {
				t.Errorf("%s: setting %+v", d.Name, s)
			}
			keys[s.Key] = true
		}
	}
}

func TestWhere(t *testing.T) {
	for want, cfg := range map[string]Config{
		"/dev/i2c-1 0x08":        {Bus: "/dev/i2c-1", Address: 8},
		"/dev/ttyUSB0":           {Bus: "/dev/ttyUSB0"},
		"/dev/gpiochip0 line 17": {Chip: "/dev/gpiochip0", Line: LineOffset(17)},
		"/dev/gpiochip0 line 0":  {Chip: "/dev/gpiochip0", Line: LineOffset(0)},
		"line DOOR":              {Line: LineName("DOOR")},
		"dps310":                 {Device: "dps310"},
		"/var/lib/recording.csv": {File: "/var/lib/recording.csv"},
		"":                       {},
	} {
		if got := cfg.Where(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if LineName("").Given() || !LineOffset(0).Given() {
		t.Error("a line is given or not")
	}
}

func TestSafeValue(t *testing.T) {
	state := Channel{Kind: KindBool}
	level := Channel{Kind: KindFloat, Range: Range{0, 100}}
	for _, tt := range []struct {
		safe         Safe
		state, level Value
	}{
		{Safe{}, Bool(false), Float(0)},
		{Safe{Value: Bool(false)}, Bool(false), Float(0)},
		{Safe{Value: Bool(true)}, Bool(true), Float(100)},
		{Safe{Value: Float(0)}, Bool(false), Float(0)},
		{Safe{Value: Float(30)}, Bool(true), Float(30)},
	} {
		if got := tt.safe.value(state); got != tt.state {
			t.Errorf("%+v: state %#v", tt.safe, got)
		}
		if got := tt.safe.value(level); got != tt.level {
			t.Errorf("%+v: level %#v", tt.safe, got)
		}
	}
}
