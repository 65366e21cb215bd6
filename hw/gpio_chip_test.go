package hw

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestConsumerOf(t *testing.T) {
	for name, want := range map[string]string{
		"pump":                  "lwm2m-agent pump",
		strings.Repeat("n", 64): "lwm2m-agent " + strings.Repeat("n", 19),
		strings.Repeat("ü", 32): "lwm2m-agent " + strings.Repeat("ü", 9), // not half of one
	} {
		if got := consumerOf(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestOpenLine(t *testing.T) {
	g := newGPIOBoard(t, Options{})
	if err := g.sim.AddChip(g.dev, "gpiochip12", "expander", "VALVE"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(g.dev, "gpiochip3"), nil, 0o600); err != nil { // broken
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		cfg    Config
		chip   string
		offset int
		text   string // of the error
	}{
		{"path and number", Config{Chip: "/dev/gpiochip0", Line: LineOffset(3)}, "gpiochip0", 3, ""},
		{"path and name", Config{Chip: "/dev/gpiochip0", Line: LineName("LED")}, "gpiochip0", 3, ""},
		{"label", Config{Chip: "expander", Line: LineOffset(0)}, "gpiochip12", 0, ""},
		{"name alone", Config{Line: LineName("VALVE")}, "gpiochip12", 0, ""},
		{"no such number", Config{Chip: "gpiochip0", Line: LineOffset(4)}, "", 0, "line 4 of gpiochip0 does not exist"},
		{"no such name", Config{Chip: "expander", Line: LineName("LED")}, "", 0, "line LED of expander does not exist"},
		{"no such name anywhere", Config{Line: LineName("FAN")}, "", 0, "a line FAN does not exist"},
		{"no such chip", Config{Chip: "/dev/gpiochip7", Line: LineOffset(0)}, "", 0, "/dev/gpiochip7 does not exist"},
		{"no chip", Config{Chip: "/dev/gpiochip3", Line: LineOffset(0)}, "", 0, "is not a GPIO chip"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			chip, offset, err := g.platform.openLine(tt.cfg)
			if tt.text != "" {
				if err == nil || !strings.Contains(err.Error(), tt.text) {
					t.Errorf("error %v, want %q", err, tt.text)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer chip.Close()
			if chip.Name() != tt.chip || offset != tt.offset {
				t.Errorf("line %d of %s", offset, chip.Name())
			}
		})
	}
}

func TestProbeLine(t *testing.T) {
	g := newGPIOBoard(t, Options{})
	g.sim.Take(g.path, 3, "led0")
	end := g.run(t, pump(Safe{Value: Bool(true)}))
	tests := []struct {
		name string
		role Role
		cfg  Config
		want error
	}{
		{"free", RoleSensor, Config{Driver: "gpio-in", Chip: "gpiochip0", Line: LineOffset(0)}, nil},
		{"held by the agent", RoleActuator, Config{Driver: "gpio-out", Chip: "gpiochip0", Line: LineOffset(2)}, nil},
		{"held by the agent the other way", RoleSensor, Config{Driver: "gpio-in", Chip: "gpiochip0", Line: LineOffset(2)}, ErrBusy},
		{"held by the kernel", RoleActuator, Config{Driver: "gpio-out", Chip: "gpiochip0", Line: LineName("LED")}, ErrBusy},
		{"not there", RoleSensor, Config{Driver: "gpio-in", Chip: "gpiochip0", Line: LineOffset(4)}, ErrNoBus},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.cfg.Name = "probe"
			p := newPlatform(Options{Dev: g.dev})
			p.gpio = g.sim.Ioctl
			_, err := p.probe(t.Context(), Unit{tt.role, "probe"}, driversByName()[tt.cfg.Driver], tt.cfg)
			if !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
	if g.sim.Level(g.path, 2) {
		t.Error("a probe changed an output")
	}
	if err := end(); err != nil {
		t.Error(err)
	}
}

func TestGPIOScan(t *testing.T) {
	g := newGPIOBoard(t, Options{})
	g.sim.Take(g.path, 3, "led0")
	if err := os.WriteFile(filepath.Join(g.dev, "gpiochip1"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	found := g.platform.scanGPIO()
	if len(found) != 2 || found[1].Err == nil || found[1].Path != "/dev/gpiochip1" {
		t.Fatalf("%+v", found)
	}
	want := GPIOChip{
		Path: "/dev/gpiochip0", Name: "gpiochip0", Label: "209c000.gpio",
		Lines: []GPIOLine{
			{Offset: 0, Active: ActiveHigh},
			{Offset: 1, Name: "DOOR", Active: ActiveHigh},
			{Offset: 2, Name: "PUMP", Active: ActiveHigh},
			{Offset: 3, Name: "LED", Consumer: "led0", Used: true, Active: ActiveHigh},
		},
	}
	if diff := cmp.Diff(want, found[0]); diff != "" {
		t.Error(diff)
	}
}
