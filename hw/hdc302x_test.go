package hw

import "testing"

func TestHDC302x(t *testing.T) {
	identify := []byte{0x37, 0x81}
	readings, err := play(t, "hdc302x", transfers(0x47,
		identify, []byte{0x30, 0x00, 0x33},
		[]byte{0x24, 0x00}, nil,
		nil, []byte{0x66, 0x66, 0x93, 0x80, 0x00, 0xa2}))
	if err != nil {
		t.Fatal(err)
	}
	wantValues(t, readings, map[string]float64{"temperature": 25, "humidity": 50})
	wantGarbage(t, "hdc302x", transfers(0x44, identify, sht3xStatus), ErrWrongDevice, "manufacturer 0x8010")
	wantGarbage(t, "hdc302x", transfers(0x44, identify, []byte{0x30, 0x00, 0x34}), ErrGarbage, "checksum")
}
