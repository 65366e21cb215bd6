package hw

import (
	"bytes"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// scd4xBegin is what an opening takes; the serial number is the example of
// section 3.10.2.
func scd4xBegin(more ...[]byte) [][]byte {
	return append([][]byte{
		{0x3f, 0x86}, nil, {0x36, 0x82}, nil, nil, {0xf8, 0x96, 0x31, 0x9f, 0x07, 0xc2, 0x3b, 0xbe, 0x89}, {0x21, 0xb1}, nil,
	}, more...)
}

// TestSCD4x: the example of section 3.6.2, 500 ppm, 25 °C, 37 %RH.
func TestSCD4x(t *testing.T) {
	ready, read := []byte{0xe4, 0xb8}, []byte{0xec, 0x05}
	waiting := [][]byte{ready, nil, nil, {0x80, 0x00, 0xa2}}
	example := [][]byte{ready, nil, nil, {0x80, 0x06, 0x04}, read, nil, nil, {0x01, 0xf4, 0x33, 0x66, 0x67, 0xa2, 0x5e, 0xb9, 0x3c}}
	want := map[string]float64{"co2": 500, "temperature": 25, "humidity": 37}
	for name, more := range map[string][][]byte{"ready": example, "not yet": slices.Concat(waiting, waiting, example)} {
		t.Run(name, func(t *testing.T) {
			readings, err := play(t, "scd4x", transfers(0x62, scd4xBegin(more...)...))
			if err != nil {
				t.Fatal(err)
			}
			wantValues(t, readings, want)
		})
	}
	wantGarbage(t, "scd4x", transfers(0x62, scd4xBegin(slices.Concat(waiting, waiting, waiting, waiting, waiting, waiting)...)...), ErrGarbage, "does not measure")
	wantGarbage(t, "scd4x", transfers(0x62, scd4xBegin(ready, nil, nil, []byte{0x80, 0x06, 0x05})...), ErrGarbage, "checksum")
	readings, err := play(t, "scd4x", transfers(0x62, scd4xBegin(append(slices.Clone(example[:7]), []byte{0x00, 0x00, 0x81, 0x66, 0x67, 0xa2, 0x5e, 0xb9, 0x3c})...)...))
	if err != nil || readings[0].Quality != Invalid || readings[0].Value.Kind() != KindNone || readings[1].Quality != Good {
		t.Errorf("without a concentration: %+v, %v", readings, err)
	}
}

// scd4xPart answers as an SCD4x with the example of section 3.6.2, every 5 s while it measures. It does nothing until it is
// told to after it has lost its supply.
type scd4xPart struct {
	began time.Time // zero: it does not measure
	asked []byte
}

func (p *scd4xPart) transfer(w, r []byte) error {
	switch {
	case bytes.Equal(w, scd4xStop):
		p.began = time.Time{}
	case bytes.Equal(w, scd4xStart):
		p.began = time.Now()
	case w != nil:
		p.asked = bytes.Clone(w)
	case bytes.Equal(p.asked, scd4xReady):
		if copy(r, []byte{0x80, 0x00, 0xa2}); !p.began.IsZero() && time.Since(p.began) >= scd4xPeriod {
			copy(r, []byte{0x80, 0x06, 0x04})
		}
	case bytes.Equal(p.asked, scd4xRead):
		copy(r, []byte{0x01, 0xf4, 0x33, 0x66, 0x67, 0xa2, 0x5e, 0xb9, 0x3c})
		p.began = time.Now()
	default:
		copy(r, []byte{0xf8, 0x96, 0x31, 0x9f, 0x07, 0xc2, 0x3b, 0xbe, 0x89})
	}
	return nil
}

// TestSCD4xWithoutSupply: a part that has lost its supply is begun anew, and what it has measured last is told for two of its
// periods at most.
func TestSCD4xWithoutSupply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		part, w := new(scd4xPart), newWire("/dev/i2c-1")
		w.change("/dev/i2c-1", func(b *wireBus) { b.parts[0x62] = part.transfer })
		const interval = 2 * time.Second
		b, r, end := runBoard(t, w, Options{}, Setup{Sensors: []Config{{Name: "air", Driver: "scd4x", Bus: "/dev/i2c-1", Address: 0x62, Interval: interval}}})
		<-b.Ready()
		sleep(t, time.Minute)
		w.change("/dev/i2c-1", func(*wireBus) { part.began = time.Time{} })
		lost := time.Now()
		sleep(t, time.Minute)
		w.change("/dev/i2c-1", func(*wireBus) {
			if part.began.IsZero() {
				t.Error("it was not begun anew")
			}
		})
		for _, reading := range r.of(sensorUnit("air"), "co2") {
			if reading.Value != Float(500) || reading.Quality != Good {
				t.Errorf("told %+v, %v after the supply was lost", reading, reading.Time.Sub(lost))
			}
		}
		if last := r.last(t, sensorUnit("air"), "co2"); time.Since(last.Time) > 2*scd4xPeriod {
			t.Errorf("the last measurement is %v old", time.Since(last.Time))
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}
