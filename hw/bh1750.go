package hw

import (
	"context"
	"encoding/binary"
	"time"
)

// Commands of the BH1750FVI (ROHM, technical note 11046EDT01, "Instruction Set
// Architecture").
const (
	bh1750PowerOn = 0x01
	bh1750Once    = 0x20 // in steps of 1 lx, then power down
)

// bh1750Conversion is the longest that such a measurement takes ("Electrical
// Characteristics": 180 ms).
const bh1750Conversion = 180 * time.Millisecond

func bh1750Channels() []Channel {
	return []Channel{{Name: "illuminance", Quantity: Illuminance, Unit: "lx", Kind: KindFloat, Range: Range{0, 65535 / 1.2}}}
}

func bh1750Driver() Driver {
	return Driver{
		Name:      "bh1750",
		Bus:       BusI2C,
		Summary:   "ROHM BH1750FVI: light",
		Addresses: []uint16{0x23, 0x5c},
		Channels:  bh1750Channels(),
		Settings:  []Setting{settingBus, settingAddress, settingInterval},
		Proof:     "the data sheet's example",
		newSensor: func(a *access) (device, error) { return &bh1750{a}, nil },
	}
}

// bh1750 has nothing that it could be known by.
type bh1750 struct{ access *access }

func (d *bh1750) Channels() []Channel { return bh1750Channels() }

func (d *bh1750) Open(ctx context.Context) error {
	return d.access.i2c(ctx).Tx([]byte{bh1750PowerOn}, nil)
}

func (d *bh1750) Close(context.Context) {}

// Sample measures once. At the end of the scale it may be brighter.
func (d *bh1750) Sample(ctx context.Context) ([]Reading, error) {
	dev := d.access.i2c(ctx)
	if err := dev.Tx([]byte{bh1750Once}, nil); err != nil {
		return nil, err
	}
	if err := pause(ctx, bh1750Conversion); err != nil {
		return nil, err
	}
	var raw [2]byte
	if err := dev.Tx(nil, raw[:]); err != nil {
		return nil, err
	}
	count := binary.BigEndian.Uint16(raw[:])
	r := Reading{Channel: "illuminance", Value: Float(float64(count) / 1.2), Quality: Good}
	if count == 0xffff {
		r.Quality, r.Reason = Uncertain, "it is as bright as the part can tell, or brighter"
	}
	return []Reading{r}, nil
}
