package hw

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"

	"lwm2m-agent/hw/i2cdev"
)

func TestLM75(t *testing.T) {
	tests := []struct {
		name, driver string
		pairs        [][]byte
		want         float64
	}{
		{"lm75 awake", "lm75", [][]byte{{0x01}, {0x00}, {0x00}, {0x15, 0x80}}, 21.5},
		{"lm75 shut down", "lm75", [][]byte{{0x01}, {0x07}, {0x01, 0x06}, nil, {0x00}, {0x15, 0x80}}, 21.5},
		{"lm75 with noise in the bits that mean nothing", "lm75", [][]byte{{0x01}, {0x00}, {0x00}, {0x15, 0xff}}, 21.5},
		{"lm75b", "lm75b", [][]byte{{0x01}, {0x00}, {0x00}, {0xe7, 0x20}}, -24.875},
		{"tmp102", "tmp102", [][]byte{{0x01}, {0x60, 0xa0}, {0x00}, {0x19, 0x00}}, 25},
		{"tmp102 shut down", "tmp102", [][]byte{{0x01}, {0x61, 0xa0}, {0x01, 0x60, 0xa0}, nil, {0x00}, {0x19, 0x10}}, 25.0625},
		{"tmp102 in extended mode", "tmp102", [][]byte{{0x01}, {0x60, 0xb0}, {0x00}, {0x4b, 0x01}}, 150},
		{"tmp105 of 9 bits is set to 12", "tmp105", [][]byte{{0x01}, {0x00}, {0x01, 0x60}, nil, {0x00}, {0x7f, 0xf0}}, 127.9375},
		{"tmp105 keeps its alarm settings", "tmp105", [][]byte{{0x01}, {0x7e}, {0x00}, {0xc9, 0x00}}, -55},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			readings, err := play(t, tt.driver, transfers(0x48, tt.pairs...))
			if err != nil {
				t.Fatal(err)
			}
			wantValues(t, readings, map[string]float64{"temperature": tt.want})
		})
	}
}

// The first sample of a part that slept is not what it measured before.
func TestLM75Wakes(t *testing.T) {
	for config, want := range map[byte]time.Duration{0x01: 300 * time.Millisecond, 0x00: 0} {
		synctest.Test(t, func(t *testing.T) {
			p := newPlatform(Options{})
			begin, read := time.Now(), time.Time{}
			p.buses.openI2C = func(string) (i2c.BusCloser, error) {
				return sleeper(func(w, r []byte) {
					if len(r) == 1 {
						r[0] = config
					}
					if w[0] == lm75Temperature {
						read = time.Now()
					}
				}), nil
			}
			if _, err := p.probe(t.Context(), sensorUnit("x"), lm75Driver(), lm75At("x", bus0, 0x48)); err != nil || read.Sub(begin) != want {
				t.Errorf("with a configuration of %#02x it is read after %v, want %v: %v", config, read.Sub(begin), want, err)
			}
		})
	}
}

// sleeper is a part that answers any transfer.
type sleeper func(w, r []byte)

func (s sleeper) Tx(_ uint16, w, r []byte) error {
	s(w, r)
	return nil
}
func (sleeper) SetSpeed(physic.Frequency) error { return nil }
func (sleeper) Close() error                    { return nil }
func (sleeper) String() string                  { return "a part" }

// The examples of the data sheet, SBOS397 table 8 (13 bits) and 9 (12 bits).
func TestTMP102Examples(t *testing.T) {
	part := lm75Part{channel: lm75Channel(150), wide: true, zero: 0x0006}
	tests := map[uint16]float64{
		0x7ff0: 127.9375, 0x6400: 100, 0x5000: 80, 0x4b00: 75, 0x3200: 50, 0x1900: 25, 0x0040: 0.25,
		0x0000: 0, 0xffc0: -0.25, 0xe700: -25, 0xc900: -55,
		0x4b01: 150, 0x4001: 128, 0x3ff9: 127.9375, 0x3201: 100, 0x0021: 0.25, 0xffe1: -0.25, 0xf381: -25, 0xe481: -55,
	}
	for raw, want := range tests {
		if got, err := part.celsius(raw); got != want || err != nil {
			t.Errorf("%#04x: %v °C (%v), want %v", raw, got, err, want)
		}
	}
}

func TestLM75Garbage(t *testing.T) {
	tests := []struct {
		driver string
		raw    []byte
	}{
		{"tmp102", []byte{0xff, 0xff}}, // a bus that floats
		{"tmp102", []byte{0x19, 0x02}},
		{"tmp105", []byte{0x19, 0x01}},
		{"tmp105", []byte{0xc8, 0xf0}}, // -55.0625 °C
		{"lm75", []byte{0x7d, 0x80}},   // 125.5 °C
		{"lm75", []byte{0x80, 0x00}},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s % x", tt.driver, tt.raw), func(t *testing.T) {
			config := []byte{0x60}
			if tt.driver == "tmp102" {
				config = []byte{0x60, 0xa0}
			}
			if readings, err := play(t, tt.driver, transfers(0x4f, []byte{0x01}, config, []byte{0x00}, tt.raw)); !errors.Is(err, ErrGarbage) {
				t.Errorf("%v, error %v", readings, err)
			}
		})
	}
}

func FuzzLM75(f *testing.F) {
	f.Add(uint16(0x0000))
	f.Add(uint16(0x8000))
	f.Add(uint16(0xffff))
	f.Fuzz(func(t *testing.T, raw uint16) {
		for _, driver := range []Driver{lm75Driver(), lm75bDriver(), tmp102Driver(), tmp105Driver()} {
			d, err := driver.newSensor(nil)
			if err != nil {
				t.Fatal(err)
			}
			part := d.(*lm75).part
			celsius, err := part.celsius(raw)
			if r := part.channel.Range; err == nil && (celsius < r.Min || celsius > r.Max) {
				t.Errorf("%s: %#04x is %v °C", driver.Name, raw, celsius)
			}
		}
	})
}

// On an SMBus adapter a part that needs more than its commands says so.
func TestAdapterCannot(t *testing.T) {
	err := newError(sensorUnit("co2"), Config{Driver: "scd4x", Bus: "/dev/i2c-0", Address: 0x62}, i2cError("/dev/i2c-0", fmt.Errorf("x: %w", i2cdev.ErrNotSMBus)))
	if !errors.Is(err, ErrAdapter) || !strings.Contains(err.Error(), "SMBus commands only") || !strings.Contains(err.Error(), "put it on an adapter") {
		t.Error(err)
	}
}
