package hw

import (
	"testing"
)

// TestBH1750: the example of "Measurement sequence example", 0x8390 is 28067 lx.
func TestBH1750(t *testing.T) {
	readings, err := play(t, "bh1750", transfers(0x23, []byte{0x01}, nil, []byte{0x20}, nil, nil, []byte{0x83, 0x90}))
	if err != nil {
		t.Fatal(err)
	}
	wantValues(t, readings, map[string]float64{"illuminance": 28066.667})
	readings, err = play(t, "bh1750", transfers(0x5c, []byte{0x01}, nil, []byte{0x20}, nil, nil, []byte{0xff, 0xff}))
	if err != nil || readings[0].Quality != Uncertain {
		t.Errorf("at the end of the scale: %+v, %v", readings, err)
	}
}
