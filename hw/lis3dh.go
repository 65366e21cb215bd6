package hw

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"
)

// Registers of the LIS3DH (ST DocID17530 rev. 2, section 8).
const (
	lis3dhIdentity = 0x0f // WHO_AM_I: 0x33
	lis3dhControl1 = 0x20 // data rate, power, axes
	lis3dhControl4 = 0x23 // block update, full scale, resolution
	lis3dhStatus   = 0x27 // and behind it the six bytes of the axes
	lis3dhFollow   = 0x80 // of a register's address: the next ones follow (section 6.1.1)

	lis3dhPart = 0x33
	lis3dhRate = 0x57 // 100 Hz, all axes (tables 30 and 31)
	lis3dhSet4 = 0x88 // bytes of one sample together, 12 bits (table 37)
	lis3dhNew  = 0x08 // ZYXDA (table 46)
)

// lis3dhTurnOn is how long the part takes to its first sample: 7 of 100 Hz (table
// 11); lis3dhPeriod is the time between two.
const (
	lis3dhTurnOn = 70 * time.Millisecond
	lis3dhPeriod = 10 * time.Millisecond
)

// standardGravity is 1 g in m/s² (ISO 80000-3).
const standardGravity = 9.80665

// lis3dhScale is a full scale in g with its bits (table 37) and what a digit is
// worth in g (table 4).
type lis3dhScale struct {
	full  float64
	bits  byte
	digit float64
}

var lis3dhScales = []lis3dhScale{{2, 0x00, 0.001}, {4, 0x10, 0.002}, {8, 0x20, 0.004}, {16, 0x30, 0.012}}

func (s lis3dhScale) channels() []Channel {
	channels := make([]Channel, 0, 3)
	for _, axis := range []string{"x", "y", "z"} {
		channels = append(channels, Channel{
			Name: axis, Quantity: Acceleration, Axis: axis, Unit: "m/s2", Kind: KindFloat,
			Range: Range{-s.full * standardGravity, s.full * standardGravity},
		})
	}
	return channels
}

func lis3dhDriver() Driver {
	return Driver{
		Name:         "lis3dh",
		Bus:          BusI2C,
		Summary:      "ST LIS3DH, LIS2DH12: acceleration of three axes, 100 times a second",
		Addresses:    addressRange(0x18, 0x19),
		ChannelsVary: "x, y, z (m/s2), each to the range both ways",
		Settings:     []Setting{settingBus, settingAddress, settingInterval, {Key: "range", Help: "full scale in g: 2, 4, 8 or 16; 2"}},
		Proof:        "transfers after the data sheet",
		newSensor: func(a *access) (device, error) {
			for _, s := range lis3dhScales {
				if s.full == a.cfg.Range || a.cfg.Range == 0 {
					return &lis3dh{a, s}, nil
				}
			}
			return nil, fmt.Errorf("range is 2, 4, 8 or 16 g, not %v", a.cfg.Range)
		},
	}
}

type lis3dh struct {
	access *access
	scale  lis3dhScale
}

func (d *lis3dh) Channels() []Channel { return d.scale.channels() }

// Open identifies the part and makes it measure by itself.
func (d *lis3dh) Open(ctx context.Context) error {
	dev := d.access.i2c(ctx)
	var id [1]byte
	if err := dev.Tx([]byte{lis3dhIdentity}, id[:]); err != nil {
		return err
	}
	if id[0] != lis3dhPart {
		return fmt.Errorf("%w: identity %#02x instead of %#02x", ErrWrongDevice, id[0], lis3dhPart)
	}
	for _, set := range [][]byte{{lis3dhControl4, lis3dhSet4 | d.scale.bits}, {lis3dhControl1, lis3dhRate}} {
		if err := dev.Tx(set, nil); err != nil {
			return err
		}
	}
	return pause(ctx, lis3dhTurnOn)
}

func (d *lis3dh) Close(context.Context) {}

// Sample reads the newest sample. The part makes one each 10 ms, which may just
// have been taken.
func (d *lis3dh) Sample(ctx context.Context) ([]Reading, error) {
	for range 3 {
		var raw [7]byte
		if err := d.access.i2c(ctx).Tx([]byte{lis3dhStatus | lis3dhFollow}, raw[:]); err != nil {
			return nil, err
		}
		if raw[0]&lis3dhNew != 0 {
			return d.readings(raw[1:]), nil
		}
		if err := pause(ctx, lis3dhPeriod); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: it does not measure", ErrGarbage)
}

// readings are 12 bits of two's complement for each axis, at the left.
func (d *lis3dh) readings(raw []byte) []Reading {
	readings := make([]Reading, 0, 3)
	for i, c := range d.scale.channels() {
		digits := int16(binary.LittleEndian.Uint16(raw[2*i:])) >> 4 //nolint:gosec // two's complement
		r := Reading{Channel: c.Name, Value: Float(float64(digits) * d.scale.digit * standardGravity), Quality: Good}
		if digits == -2048 || digits == 2047 {
			r.Quality, r.Reason = Uncertain, c.Name+" is at the end of the scale; a wider range is needed"
		}
		readings = append(readings, r)
	}
	return readings
}
