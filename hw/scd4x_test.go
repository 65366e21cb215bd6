package hw

import (
	"slices"
	"testing"
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
