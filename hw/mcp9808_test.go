package hw

import "testing"

func TestMCP9808(t *testing.T) {
	begin := func(config []byte, more ...[]byte) [][]byte {
		return append([][]byte{{0x06}, {0x00, 0x54}, {0x07}, {0x04, 0x00}, {0x01}, config, {0x08, 0x03}, nil}, more...)
	}
	tests := []struct {
		name  string
		pairs [][]byte
		want  float64
	}{
		{"25.25 °C", begin([]byte{0, 0}, []byte{0x05}, []byte{0x01, 0x94}), 25.25},
		{"with alarm bits", begin([]byte{0, 0}, []byte{0x05}, []byte{0xe1, 0x94}), 25.25},
		{"below zero", begin([]byte{0, 0}, []byte{0x05}, []byte{0x1f, 0xfc}), -0.25},
		{"shut down", begin([]byte{0x01, 0x08}, []byte{0x01, 0x00, 0x08}, nil, []byte{0x05}, []byte{0xc1, 0x90}), 25},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			readings, err := play(t, "mcp9808", transfers(0x18, tt.pairs...))
			if err != nil {
				t.Fatal(err)
			}
			wantValues(t, readings, map[string]float64{"temperature": tt.want})
		})
	}
	wantGarbage(t, "mcp9808", transfers(0x18, []byte{0x06}, []byte{0x00, 0x54}, []byte{0x07}, []byte{0x02, 0x00}), ErrWrongDevice, "0x0200")
	wantGarbage(t, "mcp9808", transfers(0x18, begin([]byte{0, 0}, []byte{0x05}, []byte{0x10, 0x00})...), ErrGarbage, "-256")
}
