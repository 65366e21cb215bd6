package hw

import (
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// sht3xStatus is a part after power-on: reset detected, alert pending (table 17).
var sht3xStatus = []byte{0x80, 0x10, 0xe1}

func TestSHT3x(t *testing.T) {
	readings, err := play(t, "sht3x", transfers(0x44,
		[]byte{0xf3, 0x2d}, sht3xStatus,
		[]byte{0x24, 0x00}, nil,
		nil, []byte{0x66, 0x66, 0x93, 0x80, 0x00, 0xa2}))
	if err != nil {
		t.Fatal(err)
	}
	wantValues(t, readings, map[string]float64{"temperature": 25, "humidity": 50})
}

func TestSHT3xFaults(t *testing.T) {
	wantGarbage(t, "sht3x", transfers(0x45, []byte{0xf3, 0x2d}, []byte{0xff, 0xff, 0xff}), ErrGarbage, "checksum") // a bus that floats
	wantGarbage(t, "sht3x", transfers(0x45, []byte{0xf3, 0x2d}, sht3xStatus, []byte{0x24, 0x00}, nil,
		nil, []byte{0x66, 0x66, 0x93, 0x80, 0x01, 0xa2}), ErrGarbage, "checksum of 80 01")
}

// A part that vanishes marks its values invalid, and comes back.
func TestSHT3xComesBack(t *testing.T) {
	var away atomic.Bool
	part := func(w, r []byte) error {
		switch {
		case away.Load():
			return unix.ENXIO
		case len(r) == 3:
			copy(r, sht3xStatus)
		case len(r) == 6:
			copy(r, []byte{0x66, 0x66, 0x93, 0x80, 0x00, 0xa2})
		}
		return nil
	}
	comesBack(t, Config{Name: "air", Driver: "sht3x", Bus: "/dev/i2c-1", Address: 0x44}, part, away.Store)
}
