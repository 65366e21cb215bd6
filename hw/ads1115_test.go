package hw

import "testing"

func TestADS1115(t *testing.T) {
	config, data := []byte{0x01}, []byte{0x00}
	readings, err := play(t, "ads1115", transfers(0x48,
		[]byte{0x01, 0xc1, 0x83}, nil, config, []byte{0xc1, 0x83}, data, []byte{0x7f, 0xff},
		[]byte{0x01, 0xd1, 0x83}, nil, config, []byte{0x51, 0x83}, config, []byte{0xd1, 0x83}, data, []byte{0x00, 0x01},
		[]byte{0x01, 0xe1, 0x83}, nil, config, []byte{0xe1, 0x83}, data, []byte{0xff, 0xff},
		[]byte{0x01, 0xf1, 0x83}, nil, config, []byte{0xf1, 0x83}, data, []byte{0x45, 0x78}))
	if err != nil {
		t.Fatal(err)
	}
	wantValues(t, readings, map[string]float64{"in0": 6.1438125, "in1": 0.0001875, "in2": -0.0001875, "in3": 3.3345})
	begin := []byte{0x01, 0xc1, 0x83}
	wantGarbage(t, "ads1115", transfers(0x48, begin, nil, config, []byte{0x60, 0xa0}), ErrWrongDevice, "0x60a0")
	wantGarbage(t, "ads1115", transfers(0x48, begin, nil, config, []byte{0x41, 0x83}, config, []byte{0x41, 0x83}), ErrGarbage, "never ends")
}
