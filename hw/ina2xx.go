package hw

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"periph.io/x/conn/v3/i2c"
)

// Registers of the INA219 (TI SBOS448G section 8.6) and the INA226 (SBOS547A
// section 7.6). Current and power are computed here from the two voltages, so
// that nothing depends on the calibration register, which a loss of power clears.
const (
	inaConfig       = 0x00
	inaShunt        = 0x01
	inaBus          = 0x02
	ina226Ready     = 0x06
	ina226Maker     = 0xfe // 0x5449
	ina226Die       = 0xff // 0x226 and a revision
	ina219Converted = 0x02 // CNVR in the register of the bus voltage
	ina226Converted = 0x08 // CVRF
)

// defaultShunt is the resistor of most breakout boards, in Ohm.
const defaultShunt = 0.1

// inaPart is what tells the two apart.
type inaPart struct {
	config    uint16 // one measurement of both voltages, averaged
	wait      time.Duration
	shuntStep float64 // V
	shuntFull int     // the end of the scale
	busShift  uint
	busStep   float64 // V
	busMost   float64
}

func inaChannels(p inaPart) []Channel {
	return []Channel{
		{Name: "voltage", Quantity: Voltage, Unit: "V", Kind: KindFloat, Range: Range{0, p.busMost}},
		{Name: "current", Quantity: Current, Unit: "A", Kind: KindFloat},
		{Name: "power", Quantity: Power, Unit: "W", Kind: KindFloat},
	}
}

// ina219Driver: 32 V, ±320 mV, both converted 128 times in 68.1 ms each (tables 5
// and 6), which may take a tenth longer.
func ina219Driver() Driver {
	return inaDriver("ina219", "TI INA219: voltage, current, power", inaPart{
		config: 0x3ffb, wait: 150 * time.Millisecond,
		shuntStep: 10e-6, shuntFull: 32000, busShift: 3, busStep: 4e-3, busMost: 32,
	})
}

// ina226Driver: 16 conversions of 1.1 ms of each (tables 6 to 8; 1.21 ms at most).
func ina226Driver() Driver {
	return inaDriver("ina226", "TI INA226: voltage, current, power", inaPart{
		config: 0x4523, wait: 39 * time.Millisecond,
		shuntStep: 2.5e-6, shuntFull: 32767, busStep: 1.25e-3, busMost: 40.96,
	})
}

func inaDriver(name, summary string, part inaPart) Driver {
	return Driver{
		Name:      name,
		Bus:       BusI2C,
		Summary:   summary,
		Addresses: addressRange(0x40, 0x4f),
		Channels:  inaChannels(part),
		Settings:  []Setting{settingBus, settingAddress, settingInterval, {Key: "shunt", Help: "the resistor that the current goes through, in Ohm; 0.1"}},
		Proof:     "transfers after the data sheet, its example",
		newSensor: func(a *access) (device, error) { return &ina{a, part}, nil },
	}
}

type ina struct {
	access *access
	part   inaPart
}

func (d *ina) Channels() []Channel { return inaChannels(d.part) }

// Open identifies an INA226. An INA219 is known by its configuration, which reads
// as it was written.
func (d *ina) Open(ctx context.Context) error {
	dev := d.access.i2c(ctx)
	if d.part.busShift == 0 {
		maker, err := readWord(dev, ina226Maker)
		if err != nil {
			return err
		}
		die, err := readWord(dev, ina226Die)
		if err == nil && (maker != 0x5449 || die>>4 != 0x226) {
			err = fmt.Errorf("%w: manufacturer %#04x and die %#04x instead of 0x5449 and 0x226x", ErrWrongDevice, maker, die)
		}
		return err
	}
	if err := d.start(dev); err != nil {
		return err
	}
	config, err := readWord(dev, inaConfig)
	if err == nil && config != d.part.config {
		err = fmt.Errorf("%w: its configuration reads %#04x, not %#04x as written", ErrWrongDevice, config, d.part.config)
	}
	return err
}

func (d *ina) Close(context.Context) {}

func (d *ina) start(dev *i2c.Dev) error {
	return dev.Tx(binary.BigEndian.AppendUint16([]byte{inaConfig}, d.part.config), nil)
}

// Sample measures once.
func (d *ina) Sample(ctx context.Context) ([]Reading, error) {
	dev := d.access.i2c(ctx)
	if err := d.start(dev); err != nil {
		return nil, err
	}
	if err := pause(ctx, d.part.wait); err != nil {
		return nil, err
	}
	if d.part.busShift == 0 {
		ready, err := readWord(dev, ina226Ready)
		if err != nil {
			return nil, err
		}
		if ready&ina226Converted == 0 {
			return nil, fmt.Errorf("%w: it never ends converting", ErrGarbage)
		}
	}
	bus, err := readWord(dev, inaBus)
	if err != nil {
		return nil, err
	}
	if d.part.busShift > 0 && bus&ina219Converted == 0 {
		return nil, fmt.Errorf("%w: it never ends converting", ErrGarbage)
	}
	shunt, err := readWord(dev, inaShunt)
	if err != nil {
		return nil, err
	}
	return d.readings(bus>>d.part.busShift, int(int16(shunt))) //nolint:gosec // two's complement
}

func (d *ina) readings(bus uint16, shunt int) ([]Reading, error) {
	resistor := d.access.cfg.Shunt
	if resistor == 0 {
		resistor = defaultShunt
	}
	volts := float64(bus) * d.part.busStep
	amperes := float64(shunt) * d.part.shuntStep / resistor
	readings := []Reading{
		{Channel: "voltage", Value: Float(volts), Quality: Good},
		{Channel: "current", Value: Float(amperes), Quality: Good},
		{Channel: "power", Value: Float(volts * amperes), Quality: Good},
	}
	if max(shunt, -shunt) >= d.part.shuntFull {
		for i := range readings[1:] {
			r := &readings[1+i]
			r.Quality, r.Reason = Uncertain, "the current is at the end of the scale; a smaller shunt is needed"
		}
	}
	return withinRange(inaChannels(d.part), readings)
}
