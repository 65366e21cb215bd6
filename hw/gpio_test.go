package hw

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/hw/gpio"
	"lwm2m-agent/hw/gpio/gpiotest"
)

// gpioBoard is a board with one chip of four lines, and its path.
type gpioBoard struct {
	*Board
	sim  *gpiotest.Sim
	dev  string
	path string
	r    *record
}

func newGPIOBoard(t *testing.T, opts Options) *gpioBoard {
	t.Helper()
	g := &gpioBoard{sim: gpiotest.New(), dev: t.TempDir(), r: newRecord()}
	g.path = filepath.Join(g.dev, "gpiochip0")
	g.addChip(t)
	opts.Dev = g.dev
	opts.Jitter = func() float64 { return 0 }
	g.Board = NewBoard(g.r, opts)
	g.platform.gpio = g.sim.Ioctl
	return g
}

func (g *gpioBoard) addChip(t *testing.T) {
	t.Helper()
	if err := g.sim.AddChip(g.dev, "gpiochip0", "209c000.gpio", "", "DOOR", "PUMP", "LED"); err != nil {
		t.Fatal(err)
	}
}

// run applies setup and runs the board, and returns when it is ready.
func (g *gpioBoard) run(t *testing.T, setup Setup) (end func() error) {
	t.Helper()
	if err := g.Apply(t.Context(), setup); err != nil {
		t.Fatal(err)
	}
	end = start(t, g.Board)
	<-g.Ready()
	return end
}

func (g *gpioBoard) drive(t *testing.T, offset int, high bool) {
	t.Helper()
	if err := g.sim.Drive(g.path, offset, high); err != nil {
		t.Fatal(err)
	}
}

// until waits for a reading of a channel that is as wanted.
func (r *record) until(t *testing.T, u Unit, channel string, wanted func(Reading) bool) Reading {
	t.Helper()
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	for {
		for _, reading := range r.of(u, channel) {
			if wanted(reading) {
				return reading
			}
		}
		select {
		case <-r.news:
		case <-limit.C:
			t.Fatalf("%s %s is not as wanted, at last %+v", u.Name, channel, r.last(t, u, channel))
		}
	}
}

func hasValue(v Value) func(Reading) bool { return func(r Reading) bool { return r.Value == v } }

func TestGPIOIn(t *testing.T) {
	g := newGPIOBoard(t, Options{})
	door := sensorUnit("door")
	g.drive(t, 1, true)
	end := g.run(t, Setup{Sensors: []Config{{
		Name: "door", Driver: "gpio-in", Chip: "/dev/gpiochip0", Line: LineName("DOOR"), Active: ActiveLow, Debounce: 5 * time.Millisecond,
	}}})
	g.r.until(t, door, "state", hasValue(Bool(false)))
	if consumer, used := g.sim.Used(g.path, 1); consumer != "lwm2m-agent door" || !used {
		t.Errorf("the line is used by %q: %v", consumer, used)
	}
	if got := g.sim.Debounce(g.path, 1); got != 5*time.Millisecond {
		t.Errorf("the kernel debounces %v", got)
	}
	before := time.Now()
	g.drive(t, 1, false)
	opened := g.r.until(t, door, "state", hasValue(Bool(true)))
	if opened.Time.Before(before.Add(-time.Millisecond)) || opened.Time.After(time.Now()) || opened.Quality != Good {
		t.Errorf("driven at %v, reading %+v", before, opened)
	}
	g.drive(t, 1, true)
	g.drive(t, 1, false)
	g.r.until(t, door, "count", hasValue(Integer(2)))
	if err := end(); err != nil {
		t.Error(err)
	}
	if _, used := g.sim.Used(g.path, 1); used {
		t.Error("the line is still held after the end")
	}
}

// Edges faster than anybody can read them are counted all the same.
func TestGPIOInBurst(t *testing.T) {
	g := newGPIOBoard(t, Options{})
	pulses := sensorUnit("pulses")
	end := g.run(t, Setup{Sensors: []Config{{Name: "pulses", Driver: "gpio-in", Chip: "gpiochip0", Line: LineOffset(0), Edge: EdgeBoth}}})
	g.r.until(t, pulses, "state", hasValue(Bool(false)))
	const burst = 10_000
	for i := range burst {
		if i == burst/2 {
			g.sim.Lose(g.path, 0, 777)
		}
		g.drive(t, 0, i%2 == 0)
	}
	// What was lost at the end shows with the next edge that is kept.
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	driven, counted := int64(burst), int64(0)
	for counted != driven {
		g.drive(t, 0, driven%2 == 0)
		driven++
		select {
		case <-g.r.news:
		case <-limit.C:
			t.Fatalf("%d edges were driven and %d counted", driven, counted)
		}
		counted, _ = g.r.last(t, pulses, "count").Value.Integer()
	}
	if err := end(); err != nil {
		t.Error(err)
	}
	g.r.until(t, pulses, "count", func(r Reading) bool {
		return r.Quality == Uncertain && strings.Contains(r.Reason, "edges came faster than they were read")
	})
}

func TestEdgeCounter(t *testing.T) {
	e := func(seq uint32, active bool) gpio.Event {
		return gpio.Event{Seq: seq, Active: active, Time: time.Duration(seq%1000) * time.Second}
	}
	soon := func(seq uint32, active bool, behind time.Duration) gpio.Event {
		return gpio.Event{Seq: seq, Active: active, Time: e(seq-1, active).Time + behind}
	}
	tests := []struct {
		name             string
		level            bool
		events           []gpio.Event
		missed           uint32
		active, inactive int64
	}{
		{"none", false, nil, 0, 0, 0},
		{"pulse", false, []gpio.Event{e(1, true), e(2, false)}, 0, 1, 1},
		{"the first edge came before the level was read", true, []gpio.Event{e(1, true), e(2, false)}, 0, 1, 1},
		{"one missed: it must have been inactive", false, []gpio.Event{e(1, true), e(3, true)}, 1, 2, 1},
		{"two missed", false, []gpio.Event{e(1, true), e(4, false)}, 2, 2, 2},
		{"three missed", false, []gpio.Event{e(1, true), e(5, true)}, 3, 3, 2},
		{"the first missed", false, []gpio.Event{e(2, false)}, 1, 1, 1},
		{"too short for the controller", false, []gpio.Event{e(1, true), e(2, true)}, 0, 2, 1},
		{"missed, and too short for the controller", false, []gpio.Event{e(1, true), e(4, true)}, 2, 3, 2},
		{"a pulse that was over when the kernel looked", false, []gpio.Event{e(1, true), e(2, false), e(3, false), soon(4, false, time.Millisecond)}, 0, 2, 2},
		{"two such pulses", false, []gpio.Event{e(1, true), e(2, false), e(3, false), soon(4, false, 5*time.Millisecond), e(5, false), soon(6, false, 0)}, 0, 3, 3},
		{"two pulses too short for the controller", false, []gpio.Event{e(1, true), e(2, false), e(3, false), soon(4, false, 6*time.Millisecond)}, 0, 3, 3},
		{"such a pulse, and the next one's beginning", false, []gpio.Event{e(1, true), e(2, false), e(3, false), soon(4, false, 0), e(5, true)}, 0, 3, 2},
		{"such a pulse, and one that was missed at once", false, []gpio.Event{e(1, true), e(2, false), e(3, false), {Seq: 6, Active: false, Time: e(3, false).Time}}, 2, 4, 4},
		{"numbers wrap", false, []gpio.Event{e(1<<31, false), e(1<<32-1, true), e(0, false), e(1, true)}, 1<<31 - 1 + 1<<31 - 2, 1<<31 + 1, 1 << 31},
		{"backwards", false, []gpio.Event{e(1, true), e(2, false), e(1, true)}, 0, 2, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var c edgeCounter
			c.begin(tt.level)
			missed := uint32(0)
			for _, event := range tt.events {
				missed += c.add(event)
			}
			if missed != tt.missed || c.active != tt.active || c.inactive != tt.inactive {
				t.Errorf("missed %d, active %d, inactive %d; want %d, %d, %d", missed, c.active, c.inactive, tt.missed, tt.active, tt.inactive)
			}
			if c.count("") != tt.active || c.count(EdgeInactive) != tt.inactive || c.count(EdgeBoth) != tt.active+tt.inactive {
				t.Error("counts by edge")
			}
		})
	}
}

// A line that was away and has another level had an edge meanwhile.
func TestEdgeCounterGoesOn(t *testing.T) {
	var c edgeCounter
	for _, level := range []bool{true, true, false, false, true} {
		c.begin(level)
	}
	if c.active != 1 || c.inactive != 1 {
		t.Errorf("%d active, %d inactive", c.active, c.inactive)
	}
}

func TestGPIOInChipVanishesAndReturns(t *testing.T) {
	g := newGPIOBoard(t, Options{})
	door := sensorUnit("door")
	end := g.run(t, Setup{Sensors: []Config{{Name: "door", Driver: "gpio-in", Chip: "gpiochip0", Line: LineOffset(1)}}})
	g.drive(t, 1, true)
	g.r.until(t, door, "count", hasValue(Integer(1)))
	if err := g.sim.RemoveChip(g.path); err != nil {
		t.Fatal(err)
	}
	gone := g.r.until(t, door, "state", func(r Reading) bool {
		return r.Quality == Invalid && r.Value == Bool(true) && strings.Contains(r.Reason, `sensor "door": gpio-in at gpiochip0 line 1: `)
	})
	g.addChip(t)
	g.r.until(t, door, "state", func(r Reading) bool { return r.Quality == Good && r.Time.After(gone.Time) })
	g.drive(t, 1, true)
	g.r.until(t, door, "count", hasValue(Integer(2))) // it goes on where it was
	if err := end(); err != nil {
		t.Error(err)
	}
}

func pump(safe Safe) Setup {
	return Setup{Actuators: []Config{{
		Name: "pump", Driver: "gpio-out", Chip: "209c000.gpio", Line: LineName("PUMP"), Active: ActiveLow, Safe: safe,
	}}}
}

func TestGPIOOut(t *testing.T) {
	for name, on := range map[string]bool{"safe is off": false, "safe is on": true} {
		t.Run(name, func(t *testing.T) {
			g := newGPIOBoard(t, Options{})
			end := g.run(t, pump(Safe{Value: Bool(on)}))
			unit := actuatorUnit("pump")
			if g.sim.Level(g.path, 2) == on { // active is low
				t.Error("at start it is not in its safe state")
			}
			if got := g.r.last(t, unit, "state"); got.Value != Bool(on) || got.Quality != Good {
				t.Errorf("at start: %+v", got)
			}
			if err := g.Set(t.Context(), "pump", "state", Bool(!on)); err != nil {
				t.Fatal(err)
			}
			if g.sim.Level(g.path, 2) != on {
				t.Error("Set did not drive it")
			}
			if got := g.r.last(t, unit, "state"); got.Value != Bool(!on) {
				t.Errorf("after Set: %+v", got)
			}
			if err := end(); err != nil {
				t.Error(err)
			}
			if g.sim.Level(g.path, 2) == on {
				t.Error("after the end it is not in its safe state")
			}
			if _, used := g.sim.Used(g.path, 2); used {
				t.Error("after the end the line is still held")
			}
		})
	}
}

func TestGPIOOutKeepsItsLevel(t *testing.T) {
	for name, setup := range map[string]Setup{"configured": pump(Safe{Keep: true}), "asked for": pump(Safe{})} {
		t.Run(name, func(t *testing.T) {
			g := newGPIOBoard(t, Options{})
			keeps := setup.Actuators[0].Safe.Keep
			end := g.run(t, setup)
			if got := g.r.last(t, actuatorUnit("pump"), "state"); got.Value != Bool(keeps) {
				t.Errorf("the wire is low at start, which is active: %+v", got)
			}
			if err := g.Set(t.Context(), "pump", "state", Bool(true)); err != nil {
				t.Fatal(err)
			}
			if !keeps {
				g.Keep()
			}
			if err := end(); err != nil {
				t.Error(err)
			}
			if g.sim.Level(g.path, 2) {
				t.Error("it did not keep its level")
			}
		})
	}
}

// An output survives the agent: its handle is kept open meanwhile.
func TestGPIOOutHandover(t *testing.T) {
	g := newGPIOBoard(t, Options{})
	end := g.run(t, pump(Safe{}))
	if err := g.Set(t.Context(), "pump", "state", Bool(true)); err != nil {
		t.Fatal(err)
	}
	handles, err := g.Handles(t.Context())
	if err != nil || len(handles) != 1 {
		t.Fatalf("%v, %v", handles, err)
	}
	g.Keep()
	if err := end(); err != nil {
		t.Error(err)
	}
	if _, used := g.sim.Used(g.path, 2); !used || g.sim.Level(g.path, 2) {
		t.Fatal("the output was let go between the processes")
	}
	unclaimed, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	handles["valve"] = unclaimed
	next := &gpioBoard{sim: g.sim, dev: g.dev, path: g.path, r: newRecord()}
	next.Board = NewBoard(next.r, Options{Dev: g.dev, Handles: handles})
	next.platform.gpio = g.sim.Ioctl
	end = next.run(t, pump(Safe{}))
	if got := next.r.last(t, actuatorUnit("pump"), "state"); got.Value != Bool(true) || g.sim.Level(g.path, 2) {
		t.Errorf("the next process finds %+v", got)
	}
	if err := unclaimed.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a handle that nobody claimed was left open: %v", err)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
	if !g.sim.Level(g.path, 2) {
		t.Error("after an orderly end it is not in its safe state")
	}
}

// A handle that was kept is of the line that the actuator had before.
func TestGPIOOutHandoverOfAnotherLine(t *testing.T) {
	g := newGPIOBoard(t, Options{})
	end := g.run(t, pump(Safe{}))
	if err := g.Set(t.Context(), "pump", "state", Bool(true)); err != nil {
		t.Fatal(err)
	}
	handles, err := g.Handles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g.Keep()
	if err := end(); err != nil {
		t.Error(err)
	}
	next := &gpioBoard{sim: g.sim, dev: g.dev, path: g.path, r: newRecord()}
	next.Board = NewBoard(next.r, Options{Dev: g.dev, Handles: handles})
	next.platform.gpio = g.sim.Ioctl
	setup := pump(Safe{})
	setup.Actuators[0].Line = LineName("LED")
	end = next.run(t, setup)
	if got := next.r.last(t, actuatorUnit("pump"), "state"); got.Value != Bool(false) || !g.sim.Level(g.path, 3) {
		t.Errorf("on its new line: %+v", got)
	}
	if _, used := g.sim.Used(g.path, 2); used {
		t.Error("the line it had before is still held")
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

func TestGPIOOutBusy(t *testing.T) {
	g := newGPIOBoard(t, Options{})
	g.sim.Take(g.path, 2, "regulator")
	end := g.run(t, pump(Safe{}))
	const want = `actuator "pump": gpio-out at 209c000.gpio line PUMP: the line is in use by "regulator"; run "lwm2m-agent scan"`
	got := g.r.last(t, actuatorUnit("pump"), "state")
	if got.Quality != Invalid || got.Reason != want {
		t.Errorf("%+v", got)
	}
	for name, err := range map[string]error{
		"Set":    g.Set(t.Context(), "pump", "state", Bool(true)),
		"CanSet": g.CanSet("pump", "state", Bool(true)),
	} {
		var failure *Error
		if !errors.As(err, &failure) || !errors.Is(err, ErrBusy) || err.Error() != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

func TestGPIOOutChipVanishesAndReturns(t *testing.T) {
	g := newGPIOBoard(t, Options{})
	end := g.run(t, pump(Safe{}))
	if err := g.sim.RemoveChip(g.path); err != nil {
		t.Fatal(err)
	}
	if err := g.Set(t.Context(), "pump", "state", Bool(true)); !errors.Is(err, ErrNoBus) {
		t.Errorf("without a chip: %v", err)
	}
	g.addChip(t)
	if err := g.Set(t.Context(), "pump", "state", Bool(true)); err != nil {
		t.Errorf("with a chip again: %v", err)
	}
	if g.sim.Level(g.path, 2) {
		t.Error("it was not set")
	}
	if got := g.r.last(t, actuatorUnit("pump"), "state"); got.Quality != Good || got.Value != Bool(true) {
		t.Errorf("%+v", got)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

// An expander behind a bus that hangs: the agent goes on, and the end is in time.
func TestGPIOOutHangs(t *testing.T) {
	g := newGPIOBoard(t, Options{})
	g.platform.buses.limit = 100 * time.Millisecond
	end := g.run(t, pump(Safe{}))
	release := g.sim.Hang()
	if err := g.Set(t.Context(), "pump", "state", Bool(true)); !errors.Is(err, ErrHung) {
		t.Errorf("Set: %v", err)
	}
	if got := g.r.last(t, actuatorUnit("pump"), "state"); got.Quality != Invalid || !strings.Contains(got.Reason, "the bus hangs") {
		t.Errorf("%+v", got)
	}
	hung := time.Now()
	release()
	g.r.until(t, actuatorUnit("pump"), "state", func(r Reading) bool { return r.Quality == Good && r.Time.After(hung) })
	if err := end(); err != nil {
		t.Error(err)
	}
}
