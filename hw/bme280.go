package hw

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"periph.io/x/conn/v3/i2c"
)

// Registers of the BME280 (Bosch BST-BME280-DS002 section 5.3; the BMP280 of
// BST-BMP280-DS001 section 4.3 has the same without humidity).
const (
	bme280Calib    = 0x88 // 26 bytes
	bme280ID       = 0xd0
	bme280CalibHum = 0xe1 // 7 bytes
	bme280CtrlHum  = 0xf2
	bme280Status   = 0xf3
	bme280CtrlMeas = 0xf4
	bme280Data     = 0xf7 // pressure 3, temperature 3, humidity 2
)

// One sample of each quantity, once, then sleep: the setting for weather of
// section 3.5.1.
const (
	bme280Humidity1x = 0x01
	bme280Forced1x   = 1<<5 | 1<<2 | 0x01
	bme280Measuring  = 0x08
)

// bme280Conversion is the longest that such a measurement takes (appendix B:
// 1.25 + 2.3 + 2.3+0.575 + 2.3+0.575 ms).
const bme280Conversion = 9300 * time.Microsecond

const (
	chipBMP280 = 0x58
	chipBME280 = 0x60
)

func bme280Channels(humidity bool) []Channel {
	channels := []Channel{
		{Name: "temperature", Quantity: Temperature, Unit: "Cel", Kind: KindFloat, Range: Range{-40, 85}},
		{Name: "pressure", Quantity: Pressure, Unit: "Pa", Kind: KindFloat, Range: Range{30000, 110000}},
	}
	if humidity {
		channels = append(channels, Channel{Name: "humidity", Quantity: Humidity, Unit: "%RH", Kind: KindFloat, Range: Range{0, 100}})
	}
	return channels
}

func bme280Driver() Driver {
	return bmx280("bme280", "Bosch BME280: temperature, humidity, pressure",
		"the data sheet's example; humidity against the data sheet's integer formula", true)
}

func bmp280Driver() Driver {
	return bmx280("bmp280", "Bosch BMP280, and a BME280 without its humidity: temperature, pressure",
		"the data sheet's example", false)
}

func bmx280(name, summary, proof string, humidity bool) Driver {
	return Driver{
		Name:      name,
		Bus:       BusI2C,
		Summary:   summary,
		Addresses: addressRange(0x76, 0x77),
		Channels:  bme280Channels(humidity),
		Settings:  []Setting{settingBus, settingAddress, settingInterval},
		Proof:     proof,
		newSensor: func(a *access) (device, error) { return &bme280{access: a, humidity: humidity}, nil },
	}
}

// bme280 is written here rather than taken from periph's bmxx80, whose errors
// lose the errno, which waits without end for a part that answers garbage, and
// which takes the signed H4 and H5 as unsigned.
type bme280 struct {
	access   *access
	humidity bool
	calib    bme280Calibration
}

func (d *bme280) Channels() []Channel { return bme280Channels(d.humidity) }

// Open identifies the part and reads its calibration.
func (d *bme280) Open(ctx context.Context) error {
	dev := d.access.i2c(ctx)
	var id [1]byte
	if err := dev.Tx([]byte{bme280ID}, id[:]); err != nil {
		return err
	}
	switch {
	case id[0] == chipBME280, id[0] == chipBMP280 && !d.humidity:
	case id[0] == chipBMP280:
		return fmt.Errorf(`%w: a BMP280 without humidity; use driver = "bmp280"`, ErrWrongDevice)
	default:
		return fmt.Errorf("%w: chip id %#02x instead of %#02x", ErrWrongDevice, id[0], chipBME280)
	}
	var t, h [26]byte
	if err := dev.Tx([]byte{bme280Calib}, t[:]); err != nil {
		return err
	}
	if d.humidity {
		if err := dev.Tx([]byte{bme280CalibHum}, h[:7]); err != nil {
			return err
		}
	}
	d.calib = decodeBME280(t, [7]byte(h[:7]))
	if d.calib.t1 == 0 || d.calib.p1 == 0 {
		return fmt.Errorf("%w: calibration is empty", ErrGarbage)
	}
	return nil
}

func (d *bme280) Close(context.Context) {}

func (d *bme280) Sample(ctx context.Context) ([]Reading, error) {
	dev := d.access.i2c(ctx)
	start := []byte{bme280CtrlMeas, bme280Forced1x}
	if d.humidity {
		start = []byte{bme280CtrlHum, bme280Humidity1x, bme280CtrlMeas, bme280Forced1x}
	}
	if err := dev.Tx(start, nil); err != nil {
		return nil, err
	}
	if err := bme280Wait(ctx, dev); err != nil {
		return nil, err
	}
	size := 6
	if d.humidity {
		size = 8
	}
	raw := make([]byte, size)
	if err := dev.Tx([]byte{bme280Data}, raw); err != nil {
		return nil, err
	}
	return d.decode(raw)
}

// bme280Wait waits for a measurement that was just started.
func bme280Wait(ctx context.Context, dev *i2c.Dev) error {
	for range 3 {
		if err := pause(ctx, bme280Conversion); err != nil {
			return err
		}
		var status [1]byte
		if err := dev.Tx([]byte{bme280Status}, status[:]); err != nil {
			return err
		}
		if status[0]&bme280Measuring == 0 {
			return nil
		}
	}
	return fmt.Errorf("%w: it never ends measuring", ErrGarbage)
}

// decode reads the data registers, in the order of section 4: pressure,
// temperature, humidity.
func (d *bme280) decode(raw []byte) ([]Reading, error) {
	const skipped20, skipped16 = 0x80000, 0x8000 // what a quantity reads that was not measured
	pressure, temperature := bme280Raw20(raw), bme280Raw20(raw[3:])
	if pressure == skipped20 || temperature == skipped20 {
		return nil, fmt.Errorf("%w: nothing was measured", ErrGarbage)
	}
	celsius, fine := d.calib.temperature(temperature)
	pascal, err := d.calib.pressure(pressure, fine)
	if err != nil {
		return nil, err
	}
	readings := []Reading{
		{Channel: "temperature", Value: Float(celsius), Quality: Good},
		{Channel: "pressure", Value: Float(pascal), Quality: Good},
	}
	if d.humidity {
		humidity := binary.BigEndian.Uint16(raw[6:])
		if humidity == skipped16 {
			return nil, fmt.Errorf("%w: humidity was not measured", ErrGarbage)
		}
		readings = append(readings, Reading{Channel: "humidity", Value: Float(d.calib.relative(humidity, fine)), Quality: Good})
	}
	return withinRange(d.Channels(), readings)
}

func bme280Raw20(b []byte) uint32 { return uint32(b[0])<<12 | uint32(b[1])<<4 | uint32(b[2])>>4 }

// bme280Calibration holds the words dig_T1 to dig_H6 of table 16.
type bme280Calibration struct {
	t1         uint16
	t2, t3     int16
	p1         uint16
	p          [8]int16 // dig_P2 to dig_P9
	h1, h3     uint8
	h2, h4, h5 int16
	h6         int8
}

func decodeBME280(t [26]byte, h [7]byte) bme280Calibration {
	word := func(at int) uint16 { return binary.LittleEndian.Uint16(t[at:]) }
	signed := func(u uint16) int16 { return int16(u) } //nolint:gosec // two's complement
	c := bme280Calibration{
		t1: word(0), t2: signed(word(2)), t3: signed(word(4)),
		p1: word(6),
		h1: t[25], h2: signed(binary.LittleEndian.Uint16(h[:])), h3: h[2],
		// Two signed words of 12 bits share the byte 0xE5.
		h4: signed(uint16(h[3])<<8|uint16(h[4]&0x0f)<<4) >> 4,
		h5: signed(uint16(h[5])<<8|uint16(h[4]&0xf0)) >> 4,
		h6: int8(h[6]), //nolint:gosec // two's complement
	}
	for i := range c.p {
		c.p[i] = signed(word(8 + 2*i))
	}
	return c
}

// temperature returns °C and the fine temperature that the other formulas take
// (appendix A, section 8.1).
func (c *bme280Calibration) temperature(raw uint32) (celsius, fine float64) {
	a := float64(raw)/16384 - float64(c.t1)/1024
	b := float64(raw)/131072 - float64(c.t1)/8192
	fine = a*float64(c.t2) + b*b*float64(c.t3)
	return fine / 5120, fine
}

// pressure returns Pa (appendix A, section 8.1).
func (c *bme280Calibration) pressure(raw uint32, fine float64) (float64, error) {
	p := func(n int) float64 { return float64(c.p[n-2]) }
	v1 := fine/2 - 64000
	v2 := v1*v1*p(6)/32768 + v1*p(5)*2
	v2 = v2/4 + p(4)*65536
	v1 = (p(3)*v1*v1/524288 + p(2)*v1) / 524288
	v1 = (1 + v1/32768) * float64(c.p1)
	if v1 == 0 {
		return 0, fmt.Errorf("%w: calibration divides by zero", ErrGarbage)
	}
	pa := (1048576 - float64(raw) - v2/4096) * 6250 / v1
	return pa + (p(9)*pa*pa/2147483648+pa*p(8)/32768+p(7))/16, nil
}

// relative returns the relative humidity in % (appendix A, section 8.1).
func (c *bme280Calibration) relative(raw uint16, fine float64) float64 {
	h := fine - 76800
	h = (float64(raw) - (float64(c.h4)*64 + float64(c.h5)/16384*h)) *
		(float64(c.h2) / 65536 * (1 + float64(c.h6)/67108864*h*(1+float64(c.h3)/67108864*h)))
	h *= 1 - float64(c.h1)*h/524288
	return min(max(h, 0), 100)
}
