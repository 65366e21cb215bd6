package rig

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"

	"lwm2m-agent/test/workspace"
)

// dps310 is the register file of the DPS310 (data sheet V1.2, section 7). QEMU gives it fixed measurements, no property for them, and the
// calibration coefficients below, by which its memory is found.
type dps310 [0x22]byte

var calibration = []byte{0x0e, 0x1e, 0xdd, 0x13, 0xca, 0x5f, 0x21, 0x52, 0xf9, 0xc6, 0x04, 0xd1, 0xdb, 0x47, 0x00, 0x5b, 0xfb, 0x3a}

const (
	pressureRegister     = 0x00 // three bytes, the highest first
	temperatureRegister  = 0x03
	pressureConfig       = 0x06 // oversampling in the low nibble
	temperatureConfig    = 0x07
	coefficientsRegister = 0x10
)

// SetPressure sets what the DPS310 measures, in Pa. Linux 6.1's driver is right from about 51 kPa to 100.5 kPa; beyond, its 64-bit
// arithmetic overflows and it is off by 128 Pa.
func (b *Board) SetPressure(t workspace.T, pascal float64) {
	t.Helper()
	if err := setPressure(b.process.PID(), pascal); err != nil {
		t.Fatalf("set the pressure to %v Pa: %v", pascal, err)
	}
}

// setPressure changes the emulated chip's registers in QEMU's memory.
func setPressure(pid int, pascal float64) error {
	memory, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer memory.Close()
	at, err := findChip(memory, pid)
	if err != nil {
		return err
	}
	var chip dps310
	if _, err := memory.ReadAt(chip[:], at); err != nil {
		return err
	}
	raw, err := chip.rawFor(pascal)
	if err != nil {
		return err
	}
	_, err = memory.WriteAt([]byte{byte(raw >> 16), byte(raw >> 8), byte(raw)}, at+pressureRegister)
	return err
}

// findChip returns the address of the chip's registers on QEMU's heap. The guest's memory, where a driver may keep the coefficients too,
// lies elsewhere.
func findChip(memory *os.File, pid int) (int64, error) {
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return 0, err
	}
	defer maps.Close()
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		if !bytes.HasSuffix(lines.Bytes(), []byte("[heap]")) {
			continue
		}
		var from, to int64
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x", &from, &to); err != nil {
			return 0, err
		}
		heap := make([]byte, to-from)
		if _, err := memory.ReadAt(heap, from); err != nil {
			return 0, err
		}
		if i := bytes.Index(heap, calibration); i >= coefficientsRegister {
			return from + int64(i) - coefficientsRegister, nil
		}
	}
	return 0, errors.New("the chip is not on QEMU's heap")
}

// signed is a two's complement number of so many bits, beginning at a bit of the coefficients.
func (c *dps310) signed(first, bits int) float64 {
	n := 0
	for i := first; i < first+bits; i++ {
		n = n<<1 | int(c[coefficientsRegister+i/8])>>(7-i%8)&1
	}
	return float64(n - n>>(bits-1)<<bits)
}

func (c *dps310) measured(register int) float64 {
	return float64(int32(uint32(c[register])<<24|uint32(c[register+1])<<16|uint32(c[register+2])<<8) >> 8)
}

// scales are the compensation scale factors by oversampling (data sheet, table 9).
var scales = [8]float64{524288, 1572864, 3670016, 7864320, 253952, 516096, 1040384, 2088960}

// compensation gives the pressure in Pa, and its slope, of a scaled raw value (data sheet, section 4.9.1).
func (c *dps310) compensation() func(p float64) (pascal, slope float64) {
	c00, c10, c01 := c.signed(24, 20), c.signed(44, 20), c.signed(64, 16)
	c11, c20, c21, c30 := c.signed(80, 16), c.signed(96, 16), c.signed(112, 16), c.signed(128, 16)
	t := c.measured(temperatureRegister) / scales[c[temperatureConfig]&7]
	return func(p float64) (pascal, slope float64) {
		return c00 + p*(c10+p*(c20+p*c30)) + t*c01 + t*p*(c11+p*c21), c10 + p*(2*c20+p*3*c30) + t*(c11+2*p*c21)
	}
}

// rawFor returns the raw value that makes the chip measure a pressure, by Newton's method from where it stands.
func (c *dps310) rawFor(pascal float64) (int32, error) {
	scale := scales[c[pressureConfig]&7]
	pressure := c.compensation()
	p := c.measured(pressureRegister) / scale
	for range 50 {
		now, slope := pressure(p)
		p += (pascal - now) / slope
	}
	raw := math.Round(p * scale)
	if reached, _ := pressure(raw / scale); math.Abs(reached-pascal) > 1 || math.Abs(raw) >= 1<<23 {
		return 0, errors.New("out of the chip's range")
	}
	return int32(raw), nil
}
