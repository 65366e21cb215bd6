package hw

import (
	"errors"
	"io/fs"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/i2c"

	"lwm2m-agent/hw/spidev"
)

// thermocouple is a MAX31855 at 100.75 °C behind an SPI device.
type thermocouple struct {
	spiPart
	gone, opened *atomic.Bool
}

func (p thermocouple) Tx(_ uint16, w, r []byte) error {
	if p.gone.Load() {
		return unix.ESHUTDOWN
	}
	if len(w) != 4 {
		return unix.EINVAL
	}
	copy(r, []byte{0x06, 0x4c, 0x19, 0x00})
	return nil
}

func (p thermocouple) Close() error {
	p.opened.Store(false)
	return nil
}

func oven(name string) Config {
	return Config{Name: name, Driver: "max31855", Bus: "/dev/spidev1.0", Interval: 10 * time.Second}
}

// A part on SPI is sampled with the settings it needs, is away and comes back,
// and is open no longer than it is used.
func TestSPI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var gone, opened atomic.Bool
		r := newRecord()
		b := NewBoard(r, Options{Jitter: func() float64 { return 0.5 }})
		b.platform.buses.openSPI = func(path string, s spidev.Settings) (i2c.BusCloser, error) {
			if want := (spidev.Settings{Mode: 0, Speed: 5_000_000}); path != "/dev/spidev1.0" || s != want {
				t.Errorf("%s is opened with %+v", path, s)
			}
			if gone.Load() {
				return nil, &fs.PathError{Op: "open", Path: path, Err: unix.ENOENT}
			}
			opened.Store(true)
			return thermocouple{gone: &gone, opened: &opened}, nil
		}
		if err := b.Apply(t.Context(), Setup{Sensors: []Config{oven("oven")}}); err != nil {
			t.Fatal(err)
		}
		end := start(t, b)
		unit := sensorUnit("oven")
		sleep(t, time.Second)
		if got := r.last(t, unit, "temperature"); got.Value != Float(100.75) || got.Quality != Good || opened.Load() {
			t.Errorf("%+v; open: %v", got, opened.Load())
		}
		gone.Store(true)
		sleep(t, 10*time.Second)
		if got := r.last(t, unit, "internal"); got.Quality != Invalid || !strings.Contains(got.Reason, "max31855 at /dev/spidev1.0: /dev/spidev1.0 does not exist") {
			t.Errorf("%+v", got)
		}
		gone.Store(false)
		sleep(t, maxRetry)
		if got := r.last(t, unit, "internal"); got.Value != Float(25) || got.Quality != Good {
			t.Errorf("%+v", got)
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

func TestSPIErrors(t *testing.T) {
	if got := nodeError("/dev/spidev1.0", unix.ESHUTDOWN); !errors.Is(got, ErrNoBus) {
		t.Errorf("a bus that was removed: %v", got)
	}
	two := oven("other")
	two.Bus = "spidev1.0"
	problems := Validate(Setup{Sensors: []Config{oven("oven"), two}})
	if len(problems) != 1 || problems[0].Error() != `sensor "other": /dev/spidev1.0 is used by sensor "oven" already; give each its own` || problems[0].Key != "bus" {
		t.Errorf("two parts at one chip select: %v", problems)
	}
	four := oven("four")
	four.Address = 0x48
	if problems := Validate(Setup{Sensors: []Config{four}}); len(problems) == 0 {
		t.Error("a part on SPI has an address")
	}
}

func TestSPIScan(t *testing.T) {
	p := newPlatform(Options{
		Dev: sysTree(t, map[string]string{"spidev0.1": "", "spidev0.0": "", "spidev10.0": ""}),
		Sys: sysTree(t, map[string]string{"class/spidev/spidev0.1/device/modalias": "spi:mcp3008\n"}),
	})
	want := []SPIDevice{{Path: "/dev/spidev0.0"}, {Path: "/dev/spidev0.1", Name: "mcp3008"}, {Path: "/dev/spidev10.0"}}
	if diff := cmp.Diff(want, p.scanSPI()); diff != "" {
		t.Error(diff)
	}
}
