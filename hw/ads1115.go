package hw

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"
)

// Registers of the ADS1115 (TI SBAS444 section 9.6; ADS1113 and ADS1114 lack
// inputs, the ADS1015 has 12 bits in the same places).
const (
	ads1115Conversion = 0x00
	ads1115Config     = 0x01
)

// ads1115Setting is the configuration register (table 8): begin, one input
// against ground, ±6.144 V, once, 128 a second, no comparator. The input is bits
// 13 and 12.
const (
	ads1115Start   = 0x8000
	ads1115Setting = 0x4000 | 0x0100 | 4<<5 | 0x0003
)

// ads1115Wait is how long a conversion takes: 1/128 s and a tenth for the clock
// (section 7.5), and 25 µs to wake.
const ads1115Wait = 8700 * time.Microsecond

// ads1115Step is what a bit is worth at ±6.144 V (table 3).
const ads1115Step = 187.5e-6

func ads1115Channels() []Channel {
	channels := make([]Channel, 4)
	for i := range channels {
		channels[i] = Channel{Name: fmt.Sprintf("in%d", i), Quantity: Voltage, Unit: "V", Kind: KindFloat, Range: Range{-6.144, 6.144}}
	}
	return channels
}

func ads1115Driver() Driver {
	return Driver{
		Name:      "ads1115",
		Bus:       BusI2C,
		Summary:   "TI ADS1115, ADS1015: four voltages against ground, up to the supply's",
		Addresses: addressRange(0x48, 0x4b),
		Channels:  ads1115Channels(),
		Settings:  []Setting{settingBus, settingAddress, settingInterval},
		Proof:     "transfers after the data sheet",
		newSensor: func(a *access) (device, error) { return &ads1115{a}, nil },
	}
}

type ads1115 struct{ access *access }

func (d *ads1115) Channels() []Channel { return ads1115Channels() }

func (d *ads1115) Open(context.Context) error { return nil }

func (d *ads1115) Close(context.Context) {}

// Sample converts all inputs, or only those that the configuration speaks of.
func (d *ads1115) Sample(ctx context.Context) ([]Reading, error) {
	readings := make([]Reading, 0, 4)
	for input, c := range ads1115Channels() {
		if !d.access.cfg.wants(c.Name) {
			continue
		}
		volts, err := d.convert(ctx, uint16(input))
		if err != nil {
			return nil, err
		}
		readings = append(readings, Reading{Channel: c.Name, Value: Float(volts), Quality: Good})
	}
	return readings, nil
}

// convert measures one input. The part is known by its configuration, which
// reads as it was written, with bit 15 set when it is done.
func (d *ads1115) convert(ctx context.Context, input uint16) (float64, error) {
	dev := d.access.i2c(ctx)
	wanted := ads1115Setting | ads1115Start | input<<12
	if err := dev.Tx(binary.BigEndian.AppendUint16([]byte{ads1115Config}, wanted), nil); err != nil {
		return 0, err
	}
	for range 2 {
		if err := pause(ctx, ads1115Wait); err != nil {
			return 0, err
		}
		config, err := readWord(dev, ads1115Config)
		switch {
		case err != nil:
			return 0, err
		case config == wanted:
			raw, err := readWord(dev, ads1115Conversion)
			return float64(int16(raw)) * ads1115Step, err //nolint:gosec // two's complement
		case config != wanted&^ads1115Start:
			return 0, fmt.Errorf("%w: its configuration reads %#04x, not %#04x as written", ErrWrongDevice, config, wanted)
		}
	}
	return 0, fmt.Errorf("%w: it never ends converting", ErrGarbage)
}
