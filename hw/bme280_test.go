package hw

import (
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"

	"periph.io/x/conn/v3/i2c/i2ctest"
)

// The example of BST-BMP280-DS001 section 3.12: these words and UT = 519888,
// UP = 415148 are 25.08 °C and 100653.27 Pa.
func bmp280Example() (calib [26]byte, data [8]byte) {
	words := []int{27504, 26435, -1000, 36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000}
	for i, w := range words {
		binary.LittleEndian.PutUint16(calib[2*i:], uint16(w))
	}
	calib[25] = 75 // dig_H1
	put := func(at int, raw uint32) {
		data[at], data[at+1], data[at+2] = byte(raw>>12), byte(raw>>4), byte(raw<<4)
	}
	put(0, 415148)
	put(3, 519888)
	binary.BigEndian.PutUint16(data[6:], 26000)
	return calib, data
}

// humidityWords are H2 = 362, H3 = 0, H4 = 324, H5 = 50, H6 = 30.
var humidityWords = [7]byte{0x6a, 0x01, 0x00, 0x14, 0x24, 0x03, 0x1e}

func bme280Transfers(id byte, status ...byte) []i2ctest.IO {
	calib, data := bmp280Example()
	ops := transfers(0x76,
		[]byte{0xd0}, []byte{id},
		[]byte{0x88}, calib[:],
		[]byte{0xe1}, humidityWords[:],
		[]byte{0xf2, 0x01, 0xf4, 0x25}, nil,
	)
	for _, s := range status {
		ops = append(ops, i2ctest.IO{Addr: 0x76, W: []byte{0xf3}, R: []byte{s}})
	}
	return append(ops, i2ctest.IO{Addr: 0x76, W: []byte{0xf7}, R: data[:]})
}

func bmp280Transfers(id byte) []i2ctest.IO {
	calib, data := bmp280Example()
	return transfers(0x77,
		[]byte{0xd0}, []byte{id},
		[]byte{0x88}, calib[:],
		[]byte{0xf4, 0x25}, nil,
		[]byte{0xf3}, []byte{0x00},
		[]byte{0xf7}, data[:6],
	)
}

func TestBMP280DatasheetExample(t *testing.T) {
	for name, id := range map[string]byte{"BMP280": 0x58, "BME280": 0x60} {
		t.Run(name, func(t *testing.T) {
			readings, err := play(t, "bmp280", bmp280Transfers(id))
			if err != nil {
				t.Fatal(err)
			}
			wantValues(t, readings, map[string]float64{"temperature": 25.08, "pressure": 100653.27})
		})
	}
}

func TestBME280(t *testing.T) {
	for name, status := range map[string][]byte{"measured in time": {0x00}, "measured late": {0x08, 0x0c, 0x04}} {
		t.Run(name, func(t *testing.T) {
			readings, err := play(t, "bme280", bme280Transfers(0x60, status...))
			if err != nil {
				t.Fatal(err)
			}
			calib, _ := bmp280Example()
			c := decodeBME280(calib, humidityWords)
			_, fine := c.temperature(519888)
			wantValues(t, readings, map[string]float64{
				"temperature": 25.08, "pressure": 100653.27, "humidity": relativeInteger(c, 26000, int32(fine)),
			})
		})
	}
}

// relativeInteger is the 32-bit formula of BST-BME280-DS002 section 4.2.3, of
// which the one in floating point is independent.
func relativeInteger(c bme280Calibration, raw, fine int32) float64 {
	v := fine - 76800
	v = ((raw<<14 - int32(c.h4)<<20 - int32(c.h5)*v + 16384) >> 15) *
		((((((v*int32(c.h6))>>10)*(((v*int32(c.h3))>>11)+32768))>>10+2097152)*int32(c.h2) + 8192) >> 14)
	v -= ((((v >> 15) * (v >> 15)) >> 7) * int32(c.h1)) >> 4
	return float64(min(max(v, 0), 419430400)>>12) / 1024
}

func TestBME280HumidityFormulas(t *testing.T) {
	calib, _ := bmp280Example()
	c := decodeBME280(calib, humidityWords)
	for raw := int32(0); raw <= 0xffff; raw += 257 {
		for _, fine := range []int32{-200000, 0, 128422, 430000} {
			want, got := relativeInteger(c, raw, fine), c.relative(uint16(raw), float64(fine))
			if math.Abs(want-got) > 0.05 {
				t.Fatalf("raw %d at %d: %v %%, the integer formula says %v %%", raw, fine, got, want)
			}
		}
	}
}

func TestBME280SignedWords(t *testing.T) {
	tests := []struct {
		name   string
		words  [7]byte
		h4, h5 int16
		h6     int8
	}{
		{"positive", humidityWords, 324, 50, 30},
		{"largest", [7]byte{3: 0x7f, 4: 0xff, 5: 0x7f, 6: 0x7f}, 2047, 2047, 127},
		{"minus one", [7]byte{3: 0xff, 4: 0xff, 5: 0xff, 6: 0xff}, -1, -1, -1},
		{"smallest", [7]byte{3: 0x80, 4: 0x00, 5: 0x80, 6: 0x80}, -2048, -2048, -128},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if c := decodeBME280([26]byte{}, tt.words); c.h4 != tt.h4 || c.h5 != tt.h5 || c.h6 != tt.h6 {
				t.Errorf("H4 %d, H5 %d, H6 %d", c.h4, c.h5, c.h6)
			}
		})
	}
}

func TestBME280Refuses(t *testing.T) {
	_, data := bmp280Example()
	calib, _ := bmp280Example()
	set := func(ops []i2ctest.IO, n int, r []byte) []i2ctest.IO {
		ops[n].R = r
		return ops[:n+1]
	}
	notMeasured := func(at int, raw ...byte) []byte {
		d := data
		copy(d[at:], raw)
		return d[:]
	}
	noPressureWord := calib
	noPressureWord[6], noPressureWord[7] = 0, 0
	tests := []struct {
		name, driver string
		ops          []i2ctest.IO
		want         error
		text         string
	}{
		{"a BMP280", "bme280", set(bme280Transfers(0x58, 0), 0, []byte{0x58}), ErrWrongDevice, `use driver = "bmp280"`},
		{"another chip", "bme280", set(bme280Transfers(0x61, 0), 0, []byte{0x61}), ErrWrongDevice, "chip id 0x61 instead of 0x60"},
		{"a bus that floats", "bmp280", set(bmp280Transfers(0xff), 0, []byte{0xff}), ErrWrongDevice, "0xff"},
		{"no calibration", "bmp280", set(bmp280Transfers(0x58), 1, make([]byte, 26)), ErrGarbage, "calibration is empty"},
		{"no dig_P1", "bmp280", set(bmp280Transfers(0x58), 1, noPressureWord[:]), ErrGarbage, "calibration is empty"},
		{"it never ends measuring", "bme280", set(bme280Transfers(0x60, 8, 8, 8), 6, []byte{8}), ErrGarbage, "never ends"},
		{"no temperature", "bme280", set(bme280Transfers(0x60, 0), 5, notMeasured(3, 0x80, 0, 0)), ErrGarbage, "nothing was measured"},
		{"no pressure", "bme280", set(bme280Transfers(0x60, 0), 5, notMeasured(0, 0x80, 0, 0)), ErrGarbage, "nothing was measured"},
		{"no humidity", "bme280", set(bme280Transfers(0x60, 0), 5, notMeasured(6, 0x80, 0)), ErrGarbage, "humidity was not measured"},
		{"impossible temperature", "bme280", set(bme280Transfers(0x60, 0), 5, notMeasured(3, 0xff, 0xff, 0xf0)), ErrGarbage, "temperature"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := play(t, tt.driver, tt.ops)
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func FuzzBME280(f *testing.F) {
	calib, data := bmp280Example()
	f.Add(calib[:], humidityWords[:], data[:])
	f.Add(make([]byte, 26), make([]byte, 7), make([]byte, 8))
	ones := []byte(strings.Repeat("\xff", 26))
	f.Add(ones, ones[:7], ones[:8])
	f.Fuzz(func(t *testing.T, calib, words, data []byte) {
		if len(calib) != 26 || len(words) != 7 || len(data) != 8 {
			return
		}
		d := bme280{humidity: true, calib: decodeBME280([26]byte(calib), [7]byte(words))}
		readings, err := d.decode(data)
		if err != nil {
			return
		}
		for i, r := range readings {
			value, _ := r.Value.Float()
			c := d.Channels()[i]
			margin := (c.Range.Max - c.Range.Min) / 5
			if !(value >= c.Range.Min-margin && value <= c.Range.Max+margin) {
				t.Errorf("%s %v", r.Channel, value)
			}
		}
	})
}
