package hw

import (
	"fmt"
	"slices"
	"testing"
)

// TestINA226: 11.98 V as in the programming example of SBOS547A (0x2570), and
// 25 mV at 0.1 Ohm.
func TestINA226(t *testing.T) {
	begin := [][]byte{{0xfe}, {0x54, 0x49}, {0xff}, {0x22, 0x60}, {0x00, 0x45, 0x23}, nil}
	played := func(more ...[]byte) [][]byte { return append(slices.Clip(begin), more...) }
	readings, err := play(t, "ina226", transfers(0x40, played([]byte{0x06}, []byte{0, 0x08}, []byte{0x02}, []byte{0x25, 0x70}, []byte{0x01}, []byte{0x27, 0x10})...))
	if err != nil {
		t.Fatal(err)
	}
	wantValues(t, readings, map[string]float64{"voltage": 11.98, "current": 0.25, "power": 2.995})
	wantGarbage(t, "ina226", transfers(0x40, played([]byte{0x06}, []byte{0, 0})...), ErrGarbage, "never ends")
	wantGarbage(t, "ina226", transfers(0x40, begin[0], []byte{0x39, 0x9f}, begin[2], []byte{0x39, 0x9f}), ErrWrongDevice, "0x399f")
	readings, err = play(t, "ina226", transfers(0x40, played([]byte{0x06}, []byte{0, 0x08}, []byte{0x02}, []byte{0x25, 0x70}, []byte{0x01}, []byte{0x7f, 0xff})...))
	if err != nil || readings[0].Quality != Good || readings[1].Quality != Uncertain || readings[2].Quality != Uncertain {
		t.Errorf("at the end of the scale: %+v, %v", readings, err)
	}
}

// TestINA219: 11.98 V and 20 mV, the programming example of SBOS448G (0x5d98 and
// 0x07d0), with the bit that says converted.
func TestINA219(t *testing.T) {
	set, config := []byte{0x00, 0x3f, 0xfb}, []byte{0x00}
	played := func(bus, shunt []byte) [][]byte {
		return [][]byte{set, nil, config, {0x3f, 0xfb}, set, nil, {0x02}, bus, {0x01}, shunt}
	}
	for shunt, want := range map[[2]byte]float64{{0x07, 0xd0}: 0.2, {0xf8, 0x30}: -0.2} {
		t.Run(fmt.Sprintf("%v A", want), func(t *testing.T) {
			readings, err := play(t, "ina219", transfers(0x45, played([]byte{0x5d, 0x9a}, shunt[:])...))
			if err != nil {
				t.Fatal(err)
			}
			wantValues(t, readings, map[string]float64{"voltage": 11.98, "current": want, "power": 11.98 * want})
		})
	}
	wantGarbage(t, "ina219", transfers(0x45, played([]byte{0x5d, 0x98}, nil)[:8]...), ErrGarbage, "never ends")
	wantGarbage(t, "ina219", transfers(0x45, set, nil, config, []byte{0x41, 0x27}), ErrWrongDevice, "0x4127")
}
