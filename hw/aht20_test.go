package hw

import "testing"

// aht20Raw is half of both scales: 50 °C and 50 %RH.
var aht20Raw = []byte{0x1c, 0x80, 0x00, 0x08, 0x00, 0x00, 0x00}

func TestAHT20(t *testing.T) {
	status, measure := []byte{0x71}, []byte{0xac, 0x33, 0x00}
	half := append([]byte(nil), aht20Raw...)
	half[6] = 0xb9
	busy := []byte{0x9c, 0, 0, 0, 0, 0, 0xb4}
	tests := []struct {
		name  string
		pairs [][]byte
	}{
		{"calibrated", [][]byte{status, {0x1c}, measure, nil, nil, half}},
		{"not calibrated yet", [][]byte{status, {0x10}, {0xbe, 0x08, 0x00}, nil, status, {0x18}, measure, nil, nil, half}},
		{"slow", [][]byte{status, {0x18}, measure, nil, nil, busy, nil, half}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			readings, err := play(t, "aht20", transfers(0x38, tt.pairs...))
			if err != nil {
				t.Fatal(err)
			}
			wantValues(t, readings, map[string]float64{"temperature": 50, "humidity": 50})
		})
	}
	wantGarbage(t, "aht20", transfers(0x38, status, []byte{0x1c}, measure, nil, nil, aht20Raw), ErrGarbage, "checksum")
	wantGarbage(t, "aht20", transfers(0x38, status, []byte{0x1c}, measure, nil, nil, busy, nil, busy), ErrGarbage, "never ends")
	wantGarbage(t, "aht20", transfers(0x38, status, []byte{0}, []byte{0xbe, 0x08, 0x00}, nil, status, []byte{0}), ErrGarbage, "calibration")
	wantGarbage(t, "aht20", transfers(0x38, status, []byte{0x1c}, measure, nil, nil, []byte{0x1c, 0x80, 0, 0, 0, 0, 0x00}), ErrGarbage, "checksum")
}
