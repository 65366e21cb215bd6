package rig

import (
	"math"
	"testing"
)

// chip is QEMU's chip as it comes out of reset; its driver in Linux shows 92.947 kPa.
func chip() *dps310 {
	c := &dps310{0xfe, 0x2f, 0xee, 0x02, 0x69, 0xa6, 0x00, 0x80}
	copy(c[coefficientsRegister:], calibration)
	return c
}

func TestCompensation(t *testing.T) {
	c := chip()
	pascal, _ := c.compensation()(c.measured(pressureRegister) / scales[0])
	if math.Abs(pascal-92947) > 1 {
		t.Errorf("pressure after reset = %v Pa, want 92947", pascal)
	}
}

func TestRawFor(t *testing.T) {
	for _, want := range []float64{92947, 101325, 30000, 110000} {
		c := chip()
		raw, err := c.rawFor(want)
		if err != nil {
			t.Errorf("%v Pa: %v", want, err)
			continue
		}
		got, _ := c.compensation()(float64(raw) / scales[0])
		if math.Abs(got-want) > 1 {
			t.Errorf("raw value %d gives %v Pa, want %v", raw, got, want)
		}
	}
	if raw, err := chip().rawFor(1e9); err == nil {
		t.Errorf("an impossible pressure has the raw value %d", raw)
	}
}
