package hw

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// inputsOf is a setup of n inputs at the chip, the first lines of it.
func inputsOf(n int) Setup {
	var setup Setup
	for i := range n {
		cfg := Config{Name: fmt.Sprintf("in%d", i), Driver: "gpio-in", Chip: "gpiochip1", Line: LineOffset(i), Edge: EdgeBoth}
		switch i % 4 { // other settings and other names of the chip make no other request
		case 1:
			cfg.Chip, cfg.Bias = "/dev/gpiochip1", BiasPullUp
		case 2:
			cfg.Chip, cfg.Debounce = "expander", time.Millisecond
		case 3:
			cfg.Chip, cfg.Line, cfg.Active = "", LineName(fmt.Sprintf("L%d", i)), ActiveLow
		}
		setup.Sensors = append(setup.Sensors, cfg)
	}
	return setup
}

// newExpander is a board with a second chip of so many lines.
func newExpander(t *testing.T, lines int) *gpioBoard {
	t.Helper()
	g := newGPIOBoard(t, Options{})
	g.path = filepath.Join(g.dev, "gpiochip1")
	names := make([]string, lines)
	for i := range names {
		names[i] = fmt.Sprintf("L%d", i)
	}
	if err := g.sim.AddChip(g.dev, "gpiochip1", "expander", names...); err != nil {
		t.Fatal(err)
	}
	return g
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// Sixty-four inputs of a chip cost one request, one descriptor and two goroutines
// (its reader and its lane) beside one for each sensor.
func TestGPIOInputsTogether(t *testing.T) {
	const lines = 64
	g := newExpander(t, lines)
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	end := g.run(t, inputsOf(lines))
	if got := g.sim.Requests(g.path); got != 1 {
		t.Errorf("%d requests", got)
	}
	const more = 4 + 2 // Run and its schedule; what waits for the lane of the opening to end
	if got := runtime.NumGoroutine() - goroutines; got > lines+more {
		t.Errorf("%d goroutines", got)
	}
	if got := openFiles(t) - files; got > 4 { // both ends of the line's pipe, and Go's poller
		t.Errorf("%d files", got)
	}
	for i := range lines {
		g.drive(t, i, true)
		g.drive(t, i, false)
	}
	for i := range lines {
		unit := sensorUnit(fmt.Sprintf("in%d", i))
		g.r.until(t, unit, "count", hasValue(Integer(2)))
		if got := g.r.last(t, unit, "state"); got.Value != Bool(i%4 == 3) || got.Quality != Good {
			t.Errorf("in%d: %+v", i, got)
		}
	}
	if err := end(); err != nil {
		t.Error(err)
	}
	if got := g.sim.Requests(g.path); got != 0 {
		t.Errorf("%d requests are left", got)
	}
}

// A line that another holds costs its own sensor only, and a few requests more.
func TestGPIOInputsBusy(t *testing.T) {
	const lines = 16
	for name, busy := range map[string]int{"the first": 0, "one in the middle": 6, "the last": lines - 1} {
		t.Run(name, func(t *testing.T) {
			g := newExpander(t, lines)
			g.sim.Take(g.path, busy, "regulator")
			end := g.run(t, inputsOf(lines))
			if got := g.sim.Requests(g.path); got < 1 || got > 4 {
				t.Errorf("%d requests", got)
			}
			for i := range lines {
				got := g.r.last(t, sensorUnit(fmt.Sprintf("in%d", i)), "state")
				refused := strings.Contains(got.Reason, `the line is in use by "regulator"`)
				if (got.Quality == Good) == (i == busy) || refused != (i == busy) {
					t.Errorf("in%d: %+v", i, got)
				}
			}
			if err := end(); err != nil {
				t.Error(err)
			}
		})
	}
}

// Lines that differ in more ways than the kernel takes at once are taken in parts.
func TestGPIOInputsOfManyKinds(t *testing.T) {
	const lines = 14
	g := newExpander(t, lines)
	setup := inputsOf(lines)
	for i := range setup.Sensors {
		setup.Sensors[i].Debounce = time.Duration(i+1) * time.Millisecond
	}
	end := g.run(t, setup)
	if got := g.sim.Requests(g.path); got != 2 {
		t.Errorf("%d requests", got)
	}
	for i := range lines {
		if got := g.sim.Debounce(g.path, i); got != time.Duration(i+1)*time.Millisecond {
			t.Errorf("line %d: %v", i, got)
		}
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

// A sensor that goes gives its line back at once, and no edge of the others is
// lost. One that changes is begun with what it has now.
func TestGPIOInputsChange(t *testing.T) {
	g := newExpander(t, 4)
	setup := inputsOf(4)
	end := g.run(t, setup)
	const edges = 400
	for i := range edges {
		g.drive(t, 0, i%2 == 0)
	}
	setup.Sensors = setup.Sensors[:3:3]
	setup.Sensors[1].Bias = BiasPullDown
	setup.Actuators = []Config{{Name: "out", Driver: "gpio-out", Chip: "gpiochip1", Line: LineOffset(3)}}
	if err := g.Apply(t.Context(), setup); err != nil {
		t.Fatal(err)
	}
	g.r.until(t, actuatorUnit("out"), "state", func(r Reading) bool { return r.Quality == Good })
	g.r.until(t, sensorUnit("in1"), "state", func(Reading) bool { return g.sim.Flags(g.path, 1)>>9&1 == 1 })
	g.drive(t, 0, true)
	g.r.until(t, sensorUnit("in0"), "count", hasValue(Integer(edges+1)))
	for _, r := range g.r.of(sensorUnit("in0"), "state") {
		if r.Quality != Good {
			t.Errorf("a sensor that stays was disturbed: %+v", r)
		}
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}
