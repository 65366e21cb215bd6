package hw

import "testing"

func TestSHT4x(t *testing.T) {
	serial := []byte{0x12, 0x34, 0x37, 0xbe, 0xef, 0x92}
	tests := []struct {
		name string
		raw  []byte
		want map[string]float64
	}{
		{"in the middle", []byte{0x66, 0x66, 0x93, 0x80, 0x00, 0xa2}, map[string]float64{"temperature": 25, "humidity": 56.50}},
		{"drier than can be", []byte{0x00, 0x00, 0x81, 0x00, 0x00, 0x81}, map[string]float64{"temperature": -45, "humidity": 0}},
		{"wetter than can be", []byte{0xff, 0xff, 0xac, 0xff, 0xff, 0xac}, map[string]float64{"temperature": 130, "humidity": 100}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			readings, err := play(t, "sht4x", transfers(0x44, []byte{0x89}, nil, nil, serial, []byte{0xfd}, nil, nil, tt.raw))
			if err != nil {
				t.Fatal(err)
			}
			wantValues(t, readings, tt.want)
		})
	}
	wantGarbage(t, "sht4x", transfers(0x46, []byte{0x89}, nil, nil, make([]byte, 6)), ErrGarbage, "checksum")
}
