package hw

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"periph.io/x/conn/v3/i2c/i2ctest"
)

// TestCRC8: the example of SHT3x data sheet table 20, and words of the examples
// of SCD4x data sheet section 3.6.
func TestCRC8(t *testing.T) {
	for word, want := range map[[2]byte]byte{{0xbe, 0xef}: 0x92, {0x01, 0xf4}: 0x33, {0x66, 0x67}: 0xa2, {0x5e, 0xb9}: 0x3c, {0xf8, 0x96}: 0x31} {
		if got := crc8(word[:]); got != want {
			t.Errorf("% x: %#02x, want %#02x", word, got, want)
		}
	}
}

func FuzzChecked(f *testing.F) {
	f.Add([]byte{0xbe, 0xef, 0x92})
	f.Add([]byte{0xff})
	f.Fuzz(func(t *testing.T, raw []byte) {
		words, err := decodeChecked(raw)
		if err == nil && len(words) != len(raw)/3 {
			t.Errorf("%d words of %d bytes", len(words), len(raw))
		}
	})
}

// wantGarbage plays what must be refused.
func wantGarbage(t *testing.T, driver string, ops []i2ctest.IO, want error, text string) {
	t.Helper()
	if readings, err := play(t, driver, ops); !errors.Is(err, want) || !strings.Contains(err.Error(), text) {
		t.Errorf("%v, error %v; want %v, %s", readings, err, want, text)
	}
}

// comesBack runs a part that works, is away and works again; gone makes it so.
func comesBack(t *testing.T, cfg Config, part func(w, r []byte) error, gone func(bool)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWire(cfg.Bus)
		w.change(cfg.Bus, func(b *wireBus) { b.parts[cfg.Address] = part })
		cfg.Interval = 10 * time.Second
		_, r, end := runBoard(t, w, Options{}, Setup{Sensors: []Config{cfg}})
		unit, channel := sensorUnit(cfg.Name), driversByName()[cfg.Driver].Channels[0].Name
		for _, away := range []bool{false, true, false} {
			gone(away)
			time.Sleep(2 * time.Minute)
			got := r.last(t, unit, channel)
			if away && (got.Quality != Invalid || got.Reason == "") || !away && got.Quality != Good {
				t.Errorf("away %v: %+v", away, got)
			}
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}
