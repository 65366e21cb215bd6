package hw

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// registers is a part whose registers follow each other, as bytes.
type registers struct {
	mu      sync.Mutex
	bytes   [256]byte
	written [][]byte
	guard   func(r *registers, register, value byte) byte // what a write leaves
}

func (p *registers) tx(w, r []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(w) == 0 {
		return unix.ENXIO
	}
	at := w[0]
	if len(w) > 1 {
		p.written = append(p.written, append([]byte(nil), w...))
	}
	for i, b := range w[1:] {
		if p.guard != nil {
			b = p.guard(p, at+byte(i), b)
		}
		p.bytes[at+byte(i)] = b
	}
	copy(r, p.bytes[at:])
	return nil
}

func (p *registers) get(at byte) byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bytes[at]
}

func (p *registers) set(at byte, values ...byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	copy(p.bytes[at:], values)
}

// mcp23017Part is one after a reset: all lines are inputs.
func mcp23017Part() *registers {
	p := &registers{}
	p.bytes[0x00], p.bytes[0x01] = 0xff, 0xff
	return p
}

func onLine(name, driver string, address uint16, line Line) Config {
	return Config{Name: name, Driver: driver, Bus: bus0, Address: address, Line: line}
}

// TestMCP23017: two outputs and three inputs of one part, which is reset in
// between, beside what it has no part in.
func TestMCP23017(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, part := newWire(bus0), mcp23017Part()
		w.buses[bus0].parts[0x20] = part.tx
		part.set(0x14, 0x00, 0x80) // B7 is another's, and on
		part.set(0x00, 0xff, 0x7f)
		pump := onLine("pump", "mcp23017", 0x20, LineName("a0"))
		lamp := onLine("lamp", "mcp23017", 0x20, LineName("b3"))
		lamp.Active, lamp.Safe = ActiveLow, Safe{Value: Bool(false)}
		doors := Config{
			Name: "doors", Driver: "mcp23017", Bus: bus0, Address: 0x20, Bias: BiasPullUp, Active: ActiveLow, Interval: time.Second,
			Channels: []ChannelConfig{{Name: "a1"}, {Name: "a7"}, {Name: "b0"}},
		}
		part.set(0x12, 0x82, 0x00)
		b, r, end := runBoard(t, w, Options{}, Setup{Sensors: []Config{doors}, Actuators: []Config{pump, lamp}})
		synctest.Wait()
		wants := func(register byte, what string, a, bb byte) {
			t.Helper()
			if part.get(register) != a || part.get(register+1) != bb {
				t.Errorf("%s %#02x %#02x, want %#02x %#02x", what, part.get(register), part.get(register+1), a, bb)
			}
		}
		wants(0x00, "directions", 0xfe, 0x77)
		wants(0x14, "latches", 0x00, 0x88)
		wants(0x0c, "pull-ups", 0x82, 0x01)
		for channel, want := range map[string]bool{"a1": false, "a7": false, "b0": true} {
			if got, _ := r.last(t, sensorUnit("doors"), channel).Value.Bool(); got != want {
				t.Errorf("%s %v, want %v", channel, got, want)
			}
		}
		for _, name := range []string{"pump", "lamp"} {
			if err := b.Set(t.Context(), name, "state", Bool(true)); err != nil {
				t.Fatal(err)
			}
		}
		wants(0x14, "latches", 0x01, 0x80)
		part.set(0x00, 0xff, 0xff) // a reset
		part.set(0x0c, 0, 0)
		part.set(0x14, 0, 0)
		part.set(0x12, 0x80, 0x01)
		time.Sleep(time.Second)
		synctest.Wait()
		wants(0x0c, "pull-ups", 0x82, 0x01)
		if got, _ := r.last(t, sensorUnit("doors"), "a1").Value.Bool(); !got {
			t.Error("a1 is not active")
		}
		if err := b.Set(t.Context(), "pump", "state", Bool(true)); err != nil {
			t.Fatal(err)
		}
		wants(0x00, "directions", 0xfe, 0xff)
		wants(0x14, "latches", 0x01, 0x00)
		if err := end(); err != nil {
			t.Error(err)
		}
		wants(0x14, "latches", 0x00, 0x08)
	})
}

func TestMCP23017Refuses(t *testing.T) {
	wantGarbage(t, "mcp23017", transfers(0x20, []byte{0x0a}, []byte{0x00, 0x40}), ErrWrongDevice, "control register reads 0x00 and 0x40")
	wantGarbage(t, "mcp23017", transfers(0x20, []byte{0x0a}, []byte{0xff, 0xff}), ErrWrongDevice, "0xff") // a bus that floats
	line := func(name string) Config { return onLine(name, "mcp23017", 0x20, LineName(name)) }
	inputs := func(channels ...string) Config {
		c := Config{Name: "in", Driver: "mcp23017", Bus: bus0, Address: 0x20}
		for _, name := range channels {
			c.Channels = append(c.Channels, ChannelConfig{Name: name})
		}
		return c
	}
	pulled := inputs("a0")
	pulled.Bias = BiasPullDown
	biased := line("a0")
	biased.Bias = BiasPullUp
	for name, tt := range map[string]struct {
		setup Setup
		want  string
	}{
		"each a line of its own":     {Setup{Sensors: []Config{inputs("a0", "a1")}, Actuators: []Config{line("a2"), line("b7")}}, ""},
		"an input that is an output": {Setup{Sensors: []Config{inputs("a0", "a1")}, Actuators: []Config{line("a1")}}, `i2c-0 0x20 a1 is used by sensor "in" already`},
		"all are inputs":             {Setup{Sensors: []Config{inputs()}, Actuators: []Config{line("a1")}}, `a1 is used by sensor "in"`},
		"no such line":               {Setup{Actuators: []Config{line("c0")}}, "line is one of a0, a1"},
		"no line":                    {Setup{Actuators: []Config{{Name: "x", Driver: "mcp23017", Bus: bus0, Address: 0x20}}}, "line is one of a0, a1"},
		"no such channel":            {Setup{Sensors: []Config{inputs("a8")}}, "the lines are a0, a1"},
		"no pull-down":               {Setup{Sensors: []Config{pulled}}, "no pull-down"},
		"bias of an output":          {Setup{Actuators: []Config{biased}}, "are for inputs"},
		"another part":               {Setup{Sensors: []Config{inputs("a0"), {Name: "x", Driver: "pca9685", Bus: bus0, Address: 0x20}}}, "no driver"},
	} {
		problems := Validate(tt.setup)
		if tt.want == "" && len(problems) > 0 || tt.want != "" && (len(problems) == 0 || !strings.Contains(problems[0].Error(), tt.want)) {
			t.Errorf("%s: %v", name, problems)
		}
	}
}

// pca9685Part is one after power-on (tables 4 and 5): asleep, all outputs off. The
// prescaler is written in sleep alone, and several bytes if AI is set.
func pca9685Part() *registers {
	p := &registers{guard: func(p *registers, register, value byte) byte {
		asleep := p.bytes[0x00]&0x10 != 0
		switch {
		case register == 0xfe && !asleep:
			return p.bytes[register]
		case register == 0x00 && !asleep && value&0x10 != 0:
			return value | 0x80 // outputs were at work: RESTART
		case register == 0x00 && value&0x80 != 0:
			return value &^ 0x80 // which clears it
		case register == 0x00:
			return value | p.bytes[0]&0x80
		}
		return value
	}}
	p.bytes[0x00], p.bytes[0x01], p.bytes[0xfe] = 0x11, 0x04, 0x1e
	for channel := range 16 {
		p.bytes[6+4*channel+3] = 0x10
	}
	return p
}

// TestPCA9685: outputs of a part that has just got power, at 1 kHz; then it loses
// its power.
func TestPCA9685(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, part := newWire(bus0), pca9685Part()
		w.buses[bus0].parts[0x40] = part.tx
		fan, lamp := onLine("fan", "pca9685", 0x40, LineOffset(0)), onLine("lamp", "pca9685", 0x40, LineOffset(15))
		fan.Frequency, lamp.Frequency, lamp.Active, lamp.Safe = 1000, 1000, ActiveLow, Safe{Value: Float(25)}
		b, r, end := runBoard(t, w, Options{}, Setup{Actuators: []Config{fan, lamp}})
		synctest.Wait()
		wants := func(when string, register byte, want ...byte) {
			t.Helper()
			part.mu.Lock()
			defer part.mu.Unlock()
			if got := part.bytes[int(register) : int(register)+len(want)]; string(got) != string(want) {
				t.Errorf("%s: register %#02x has % x, want % x", when, register, got, want)
			}
		}
		wants("at first", 0x00, 0x20, 0x04)
		wants("at first", 0xfe, 5) // 25 MHz / (4096 * 1 kHz) - 1
		wants("fan at first", 6, 0, 0, 0, 0x10)
		wants("lamp at first", 66, 0, 0, 0x00, 0x0c)
		for _, tt := range []struct {
			name, channel string
			v             Value
			register      byte
			want          []byte
			level         float64
		}{
			{"fan", "level", Float(50), 6, []byte{0, 0, 0x00, 0x08}, 50},
			{"fan", "level", Float(0.001), 6, []byte{0, 0, 1, 0}, 100.0 / 4096},
			{"fan", "level", Float(100), 6, []byte{0, 0x10, 0, 0}, 100},
			{"fan", "state", Bool(false), 6, []byte{0, 0, 0, 0x10}, 0},
			{"fan", "state", Bool(true), 6, []byte{0, 0x10, 0, 0}, 100},
			{"lamp", "level", Float(100), 66, []byte{0, 0, 0, 0x10}, 100},
			{"lamp", "state", Bool(false), 66, []byte{0, 0x10, 0, 0}, 0},
		} {
			if err := b.Set(t.Context(), tt.name, tt.channel, tt.v); err != nil {
				t.Fatal(err)
			}
			wants(tt.name+" "+tt.v.String(), tt.register, tt.want...)
			if got, _ := r.last(t, actuatorUnit(tt.name), "level").Value.Float(); got < tt.level-1e-9 || got > tt.level+1e-9 {
				t.Errorf("%s %s: level %v, want %v", tt.name, tt.v, got, tt.level)
			}
		}
		part.mu.Lock()
		part.bytes = pca9685Part().bytes
		part.mu.Unlock()
		if err := b.Set(t.Context(), "fan", "level", Float(50)); err != nil {
			t.Error(err)
		}
		wants("after it lost its power", 0xfe, 5)
		wants("after it lost its power", 6, 0, 0, 0, 0x08)
		if err := end(); err != nil {
			t.Error(err)
		}
		wants("at the end", 66, 0, 0, 0x00, 0x0c)
	})
}

// A part that is at work goes on as it is: it is not put to sleep for a frequency
// that it has, and what is to be kept is kept. A probe writes nothing.
func TestPCA9685AtWork(t *testing.T) {
	w, part := newWire(bus0), pca9685Part()
	w.buses[bus0].parts[0x40] = part.tx
	part.bytes[0x00] = 0x01
	part.set(10, 0, 0, 0x00, 0x02)
	p := newPlatform(Options{Sys: t.TempDir()})
	p.buses.openI2C = w.openI2C
	cfg := onLine("fan", "pca9685", 0x40, LineOffset(1))
	readings, err := p.probe(t.Context(), actuatorUnit("fan"), driversByName()["pca9685"], cfg)
	if err != nil || len(part.written) > 0 || readings[1].Value != Float(12.5) {
		t.Errorf("a probe writes % x and reads %v, %v", part.written, readings, err)
	}
	cfg.Safe = Safe{Keep: true}
	err = p.session(t.Context(), RoleActuator, driversByName()["pca9685"], cfg, func(s *session) error { return s.access.open(t.Context(), s.device) })
	if err != nil || len(part.written) != 1 || string(part.written[0]) != "\x00\x20" {
		t.Errorf("it writes % x, %v", part.written, err)
	}
}

func TestPCA9685Refuses(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(a, b *Config)
		want   string
	}{
		"each its own": {func(_, _ *Config) {}, ""},
		"one output":   {func(a, b *Config) { b.Line = a.Line }, `i2c-0 0x40 0 is used by actuator "a" already`},
		"frequencies":  {func(_, b *Config) { b.Frequency = 50 }, `have one frequency; "a" has 200 Hz`},
		"too slow":     {func(a, b *Config) { a.Frequency, b.Frequency = 20, 20 }, "24 to 1526 Hz, not 20"},
		"too fast":     {func(a, b *Config) { a.Frequency, b.Frequency = 2000, 2000 }, "24 to 1526 Hz, not 2000"},
		"no output":    {func(_, b *Config) { b.Line = LineOffset(16) }, "0 to 15"},
		"another part": {func(_, b *Config) { *b = Config{Name: "b", Driver: "mcp23017", Bus: bus0, Address: 0x40} }, "no address 0x40"},
	} {
		a, b := onLine("a", "pca9685", 0x40, LineOffset(0)), onLine("b", "pca9685", 0x40, LineOffset(1))
		tt.change(&a, &b)
		problems := Validate(Setup{Actuators: []Config{a, b}})
		if tt.want == "" && len(problems) > 0 || tt.want != "" && (len(problems) == 0 || !strings.Contains(problems[0].Error(), tt.want)) {
			t.Errorf("%s: %v", name, problems)
		}
	}
	supply := Config{Name: "supply", Driver: "ina219", Bus: bus0, Address: 0x40}
	if problems := Validate(Setup{Sensors: []Config{supply}, Actuators: []Config{onLine("a", "pca9685", 0x40, LineOffset(0))}}); len(problems) != 1 || problems[0].Key != "address" {
		t.Errorf("an INA219 at its address: %v", problems)
	}
	w := newWire(bus0)
	part := &registers{}
	w.buses[bus0].parts[0x40] = part.tx
	part.set(0x00, 0x39, 0x9f) // an INA219
	p := newPlatform(Options{Sys: t.TempDir()})
	p.buses.openI2C = w.openI2C
	if _, err := p.probe(context.Background(), actuatorUnit("a"), driversByName()["pca9685"], onLine("a", "pca9685", 0x40, LineOffset(0))); !errors.Is(err, ErrWrongDevice) {
		t.Errorf("another part: %v", err)
	}
}
