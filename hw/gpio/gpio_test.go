package gpio_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"lwm2m-agent/hw/gpio"
	"lwm2m-agent/hw/gpio/gpiotest"
)

// board is one chip of four lines at the path it returns.
func board(t *testing.T) (*gpiotest.Sim, string) {
	t.Helper()
	sim := gpiotest.New()
	dir := t.TempDir()
	if err := sim.AddChip(dir, "gpiochip0", "209c000.gpio", "DOOR", "", "PUMP", "LED"); err != nil {
		t.Fatal(err)
	}
	return sim, filepath.Join(dir, "gpiochip0")
}

func openChip(t *testing.T, sim *gpiotest.Sim, path string) *gpio.Chip {
	t.Helper()
	chip, err := gpio.OpenChip(path, sim.Ioctl)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { chip.Close() })
	return chip
}

func request(t *testing.T, chip *gpio.Chip, offset int, o gpio.Options) *gpio.Line {
	t.Helper()
	line, err := chip.Request(offset, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { line.Close() })
	return line
}

func TestKernelStructures(t *testing.T) {
	// The sizes are part of the ABI, linux/gpio.h, on every architecture.
	sizes := map[string][2]uintptr{
		"gpiochip_info":        {unsafe.Sizeof(unix.GPIOChipInfo{}), 68},
		"gpio_v2_line_values":  {unsafe.Sizeof(unix.GPIOV2LineValues{}), 16},
		"gpio_v2_line_config":  {unsafe.Sizeof(unix.GPIOV2LineConfig{}), 272},
		"gpio_v2_line_request": {unsafe.Sizeof(unix.GPIOV2LineRequest{}), 592},
		"gpio_v2_line_info":    {unsafe.Sizeof(unix.GPIOV2LineInfo{}), 256},
		"gpio_v2_line_event":   {unsafe.Sizeof(unix.GPIOV2LineEvent{}), 48},
	}
	for name, size := range sizes {
		if size[0] != size[1] {
			t.Errorf("struct %s has %d bytes, want %d", name, size[0], size[1])
		}
	}
}

func TestChip(t *testing.T) {
	sim, path := board(t)
	sim.Take(path, 3, "led0")
	chip := openChip(t, sim, path)
	if chip.Name() != "gpiochip0" || chip.Label() != "209c000.gpio" || chip.Lines() != 4 {
		t.Errorf("chip %q %q with %d lines", chip.Name(), chip.Label(), chip.Lines())
	}
	got, err := chip.Line(3)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(gpio.Info{Offset: 3, Name: "LED", Consumer: "led0", Used: true}, got); diff != "" {
		t.Error(diff)
	}
	if offset, ok, err := chip.Find("PUMP"); offset != 2 || !ok || err != nil {
		t.Errorf("PUMP: %d, %v, %v", offset, ok, err)
	}
	if _, ok, err := chip.Find("VALVE"); ok || err != nil {
		t.Errorf("VALVE: %v, %v", ok, err)
	}
	if _, err := chip.Line(4); err == nil {
		t.Error("line 4 of 4 is there")
	}
	if _, err := chip.Request(-1, gpio.Options{}); err == nil {
		t.Error("line -1 is there")
	}
}

func TestOpenChipRefuses(t *testing.T) {
	sim := gpiotest.New()
	path := filepath.Join(t.TempDir(), "other")
	if _, err := gpio.OpenChip(path, sim.Ioctl); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no node: %v", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := gpio.OpenChip(path, sim.Ioctl); !errors.Is(err, unix.ENOTTY) {
		t.Errorf("a plain file: %v", err)
	}
	if _, err := gpio.OpenChip(path, nil); !errors.Is(err, unix.ENOTTY) {
		t.Errorf("a plain file, asked of the real kernel: %v", err)
	}
}

func requestInputs(t *testing.T, chip *gpio.Chip, lines ...gpio.Input) *gpio.Inputs {
	t.Helper()
	in, err := chip.RequestInputs("test", lines)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	return in
}

// Lines of one request are as each was asked for, one read has the edges of all,
// and each counts its own.
func TestEdges(t *testing.T) {
	sim, path := board(t)
	in := requestInputs(t, openChip(t, sim, path),
		gpio.Input{Offset: 3, Bias: gpio.PullDown}, gpio.Input{Offset: 0, ActiveLow: true, Debounce: 20 * time.Millisecond})
	if got := [2]time.Duration{sim.Debounce(path, 3), sim.Debounce(path, 0)}; got != [2]time.Duration{0, 20 * time.Millisecond} {
		t.Errorf("the kernel was told to debounce %v", got)
	}
	if low, down := sim.Flags(path, 0)>>1&1, sim.Flags(path, 3)>>9&1; low != 1 || down != 1 {
		t.Errorf("flags %#x, %#x", sim.Flags(path, 0), sim.Flags(path, 3))
	}
	if consumer, used := sim.Used(path, 0); consumer != "test" || !used || sim.Requests(path) != 1 {
		t.Errorf("used by %q: %v, in %d requests", consumer, used, sim.Requests(path))
	}
	drive := func(offset int, levels ...bool) {
		for _, level := range levels {
			if err := sim.Drive(path, offset, level); err != nil {
				t.Fatal(err)
			}
		}
	}
	drive(0, true, false)
	sim.Lose(path, 0, 3)
	drive(0, true, false)
	drive(3, true)
	drive(0, true, false)
	got, err := in.Events(nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		if got[i].Time <= 0 || i > 0 && got[i].Time < got[i-1].Time {
			t.Errorf("edge %d at %v", i, got[i].Time)
		}
		got[i].Time = 0
	}
	// Active is low on line 0.
	want := []gpio.Event{{Active: false, Seq: 1}, {Active: true, Seq: 2}, {Offset: 3, Active: true, Seq: 1}, {Active: true, Seq: 6}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	active, err := in.Values()
	if diff := cmp.Diff([]bool{true, true}, active); diff != "" || err != nil {
		t.Errorf("values %v\n%s", err, diff)
	}
}

func TestRequestInputsRefuses(t *testing.T) {
	sim, path := board(t)
	sim.Take(path, 2, "regulator")
	chip := openChip(t, sim, path)
	for name, tt := range map[string]struct {
		lines []gpio.Input
		want  error
	}{
		"none":         {nil, unix.EINVAL},
		"too many":     {make([]gpio.Input, gpio.MaxInputs+1), unix.EINVAL},
		"one in use":   {[]gpio.Input{{Offset: 1}, {Offset: 2}}, unix.EBUSY},
		"one twice":    {[]gpio.Input{{Offset: 1}, {Offset: 1}}, unix.EBUSY},
		"one too high": {[]gpio.Input{{Offset: 1}, {Offset: 4}}, nil},
	} {
		if _, err := chip.RequestInputs("test", tt.lines); err == nil || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, used := sim.Used(path, 1); used {
		t.Error("a line of a request that failed is held")
	}
}

func TestRest(t *testing.T) {
	sim, path := board(t)
	in := requestInputs(t, openChip(t, sim, path), gpio.Input{})
	in.Interrupt()
	if err := sim.Drive(path, 0, true); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Events(nil); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after Interrupt: %v", err)
	}
	for _, want := range []int{1, 0} {
		if got, err := in.Rest(nil); len(got) != want || err != nil {
			t.Errorf("%v, %v; want %d edges", got, err, want)
		}
	}
	in.Close()
	if _, err := in.Rest(nil); err == nil {
		t.Error("closed lines have edges")
	}
}

func TestEventsEndWithTheLine(t *testing.T) {
	sim, path := board(t)
	for name, end := range map[string]func(*gpio.Inputs) error{
		"closed": (*gpio.Inputs).Close,
		"interrupted": func(in *gpio.Inputs) error {
			in.Interrupt()
			return nil
		},
		"gone": func(*gpio.Inputs) error { return sim.RemoveChip(path) },
	} {
		t.Run(name, func(t *testing.T) {
			if err := sim.AddChip(filepath.Dir(path), "gpiochip0", "again", "A"); err != nil {
				t.Fatal(err)
			}
			in := requestInputs(t, openChip(t, sim, path), gpio.Input{})
			failed := make(chan error)
			go func() {
				_, err := in.Events(nil)
				failed <- err
			}()
			if err := end(in); err != nil {
				t.Fatal(err)
			}
			if err := <-failed; err == nil {
				t.Error("no error")
			}
			in.Close()
		})
	}
}

func TestOutput(t *testing.T) {
	sim, path := board(t)
	line := request(t, openChip(t, sim, path), 2, gpio.Options{ActiveLow: true})
	if !sim.Level(path, 2) {
		t.Error("an inactive line that is active low is not high at first")
	}
	if err := line.SetValue(true); err != nil {
		t.Fatal(err)
	}
	if sim.Level(path, 2) {
		t.Error("an active line that is active low is not low")
	}
	if active, err := line.Value(); !active || err != nil {
		t.Errorf("read back %v, %v", active, err)
	}
}

func TestBusy(t *testing.T) {
	sim, path := board(t)
	chip := openChip(t, sim, path)
	line := request(t, chip, 2, gpio.Options{})
	if _, err := chip.Request(2, gpio.Options{}); !errors.Is(err, unix.EBUSY) {
		t.Errorf("a line in use: %v", err)
	}
	line.Close()
	requestInputs(t, chip, gpio.Input{Offset: 2})
}

func TestHandover(t *testing.T) {
	sim, path := board(t)
	chip := openChip(t, sim, path)
	line := request(t, chip, 2, gpio.Options{Consumer: "old", Value: true})
	handle, err := line.Handle()
	if err != nil {
		t.Fatal(err)
	}
	if err := line.Close(); err != nil {
		t.Fatal(err)
	}
	if _, used := sim.Used(path, 2); !used || !sim.Level(path, 2) {
		t.Fatal("the line was let go")
	}
	next, err := gpio.Adopt(handle, gpio.Options{Value: false}, sim.Ioctl)
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	if !sim.Level(path, 2) {
		t.Error("adopting the line changed it")
	}
	if err := next.SetValue(false); err != nil || sim.Level(path, 2) {
		t.Errorf("the adopted line does not obey: %v", err)
	}
}

func TestAdoptRefuses(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gpio.Adopt(file, gpio.Options{}, nil); err == nil {
		t.Error("a plain file was adopted as a line")
	}
	if err := file.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("the file was left open: %v", err)
	}
}

func TestKeepAsOutput(t *testing.T) {
	sim, path := board(t)
	if err := sim.Drive(path, 2, true); err != nil {
		t.Fatal(err)
	}
	line := request(t, openChip(t, sim, path), 2, gpio.Options{AsIs: true, ActiveLow: true})
	if err := line.SetValue(true); !errors.Is(err, unix.EPERM) {
		t.Errorf("a line as it is was set: %v", err)
	}
	if err := line.KeepAsOutput(gpio.Options{ActiveLow: true, Value: true}); err != nil {
		t.Fatal(err)
	}
	if !sim.Level(path, 2) {
		t.Error("the level changed")
	}
}
