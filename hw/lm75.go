package hw

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"
)

// Registers of the LM75 family (TI SNOS808 table 2, TMP102 SBOS397 table 6,
// TMP105 SBOS648 table 3).
const (
	lm75Temperature = 0x00
	lm75Config      = 0x01
	lm75Shutdown    = 0x01 // SD, of the first byte of the configuration
)

// lm75Conversion is the longest that a conversion of any of them takes: of the
// LM75, SNIS153B, "Temperature-to-Digital Converter Characteristics"; of the
// TMP105 and TMP75 at 12 bits, SBOS648 section 6.5.
const lm75Conversion = 300 * time.Millisecond

// lm75Part is what tells the members of the family apart.
type lm75Part struct {
	channel Channel
	wide    bool   // the configuration has 16 bits
	set     byte   // bits of its first byte to set: the finest resolution
	zero    uint16 // bits of the temperature that are always 0
	noise   uint16 // bits of the temperature that mean nothing
}

func lm75Channel(highest float64) Channel {
	return Channel{Name: "temperature", Quantity: Temperature, Unit: "Cel", Kind: KindFloat, Range: Range{-55, highest}}
}

func lm75Driver() Driver {
	return lm75Family("lm75", "LM75 and its copies of 9 bits: TI LM75A, LM75B, LM75C, DS75", "the data sheet's examples", lm75Part{
		channel: lm75Channel(125),
		noise:   0x007f,
	})
}

func lm75bDriver() Driver {
	return lm75Family("lm75b", "NXP LM75A, LM75B, PCT2075 (11 bits)", "the data sheet's examples", lm75Part{
		channel: lm75Channel(127),
		noise:   0x001f,
	})
}

func tmp102Driver() Driver {
	return lm75Family("tmp102", "TMP102, TMP112, TMP1075 (12 bits)", "the data sheet's examples", lm75Part{
		channel: lm75Channel(150),
		wide:    true,
		zero:    0x0006,
	})
}

func tmp105Driver() Driver {
	return lm75Family("tmp105", "TMP105, TMP75, TMP175, TMP275 (set to 12 bits)", "live emulation (QEMU), the data sheet's examples", lm75Part{
		channel: lm75Channel(128),
		set:     0x60,
		zero:    0x000f,
	})
}

func lm75Family(name, summary, proof string, part lm75Part) Driver {
	return Driver{
		Name:      name,
		Bus:       BusI2C,
		Summary:   summary,
		Addresses: addressRange(0x48, 0x4f),
		Channels:  []Channel{part.channel},
		Settings:  []Setting{settingBus, settingAddress, settingInterval},
		Proof:     proof,
		newSensor: func(a *access) (device, error) { return &lm75{access: a, part: part}, nil },
	}
}

type lm75 struct {
	access *access
	part   lm75Part
}

func (d *lm75) Channels() []Channel { return []Channel{d.part.channel} }

// Open wakes the part and sets its resolution, and leaves its alarm settings. One
// that slept has an old temperature until its next conversion ends.
func (d *lm75) Open(ctx context.Context) error {
	dev := d.access.i2c(ctx)
	size := 1
	if d.part.wide {
		size = 2
	}
	config := make([]byte, size)
	if err := dev.Tx([]byte{lm75Config}, config); err != nil {
		return err
	}
	wanted := config[0]&^lm75Shutdown | d.part.set
	if wanted == config[0] {
		return nil
	}
	slept := config[0]&lm75Shutdown != 0
	config[0] = wanted
	if err := dev.Tx(append([]byte{lm75Config}, config...), nil); err != nil || !slept {
		return err
	}
	return pause(ctx, lm75Conversion)
}

func (d *lm75) Close(context.Context) {}

func (d *lm75) Sample(ctx context.Context) ([]Reading, error) {
	var raw [2]byte
	if err := d.access.i2c(ctx).Tx([]byte{lm75Temperature}, raw[:]); err != nil {
		return nil, err
	}
	celsius, err := d.part.celsius(binary.BigEndian.Uint16(raw[:]))
	if err != nil {
		return nil, err
	}
	return []Reading{{Channel: "temperature", Value: Float(celsius), Quality: Good}}, nil
}

// celsius decodes the temperature register: two's complement, 1/256 °C in the
// last of its 16 bits whatever the resolution. The TMP102 in its extended mode
// sets the last bit and counts 1/128 °C (SBOS397 table 8).
func (p lm75Part) celsius(raw uint16) (float64, error) {
	if raw&p.zero != 0 {
		return 0, fmt.Errorf("%w: temperature register %#04x has bits that are always 0", ErrGarbage, raw)
	}
	celsius := float64(int16(raw&^p.noise)) / 256 //nolint:gosec // two's complement
	if p.wide && raw&1 != 0 {
		celsius = float64(int16(raw&^1)) / 128 //nolint:gosec // two's complement
	}
	if celsius < p.channel.Range.Min || celsius > p.channel.Range.Max {
		return 0, fmt.Errorf("%w: %v °C", ErrGarbage, celsius)
	}
	return celsius, nil
}
