package hw

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"periph.io/x/conn/v3/i2c"
)

// Registers of the MCP9808 (Microchip DS25095A section 5).
const (
	mcp9808Config       = 0x01
	mcp9808Ambient      = 0x05
	mcp9808Manufacturer = 0x06 // 0x0054
	mcp9808Device       = 0x07 // 0x04 and a revision
	mcp9808Resolution   = 0x08 // 3: 1/16 °C, a conversion in 250 ms
	mcp9808Shutdown     = 0x0100
)

// mcp9808Conversion is how long a conversion of 1/16 °C takes (table 5-1).
const mcp9808Conversion = 250 * time.Millisecond

func mcp9808Channels() []Channel {
	return []Channel{{Name: "temperature", Quantity: Temperature, Unit: "Cel", Kind: KindFloat, Range: Range{-40, 125}}}
}

func mcp9808Driver() Driver {
	return Driver{
		Name:      "mcp9808",
		Bus:       BusI2C,
		Summary:   "Microchip MCP9808: temperature",
		Addresses: addressRange(0x18, 0x1f),
		Channels:  mcp9808Channels(),
		Settings:  []Setting{settingBus, settingAddress, settingInterval},
		Proof:     "transfers after the data sheet, its formula",
		newSensor: func(a *access) (device, error) { return &mcp9808{a}, nil },
	}
}

type mcp9808 struct{ access *access }

func (d *mcp9808) Channels() []Channel { return mcp9808Channels() }

// Open identifies the part, wakes it and sets its finest resolution.
func (d *mcp9808) Open(ctx context.Context) error {
	dev := d.access.i2c(ctx)
	manufacturer, err := readWord(dev, mcp9808Manufacturer)
	if err != nil {
		return err
	}
	part, err := readWord(dev, mcp9808Device)
	if err != nil {
		return err
	}
	if manufacturer != 0x0054 || part>>8 != 0x04 {
		return fmt.Errorf("%w: manufacturer %#04x and device %#04x instead of 0x0054 and 0x04xx", ErrWrongDevice, manufacturer, part)
	}
	config, err := readWord(dev, mcp9808Config)
	if err != nil {
		return err
	}
	if err := dev.Tx([]byte{mcp9808Resolution, 0x03}, nil); err != nil {
		return err
	}
	if config&mcp9808Shutdown == 0 {
		return nil
	}
	config &^= mcp9808Shutdown
	if err := dev.Tx(binary.BigEndian.AppendUint16([]byte{mcp9808Config}, config), nil); err != nil {
		return err
	}
	return pause(ctx, mcp9808Conversion)
}

// readWord reads a register of 16 bits, high byte first.
func readWord(dev *i2c.Dev, register byte) (uint16, error) {
	var raw [2]byte
	err := dev.Tx([]byte{register}, raw[:])
	return binary.BigEndian.Uint16(raw[:]), err
}

func (d *mcp9808) Close(context.Context) {}

// Sample reads the ambient register: three alarm bits, then two's complement of
// 13 bits that counts 1/16 °C (register 5-4, equation 5-1).
func (d *mcp9808) Sample(ctx context.Context) ([]Reading, error) {
	raw, err := readWord(d.access.i2c(ctx), mcp9808Ambient)
	if err != nil {
		return nil, err
	}
	celsius := float64(int16(raw<<3)) / 128 //nolint:gosec // two's complement
	return withinRange(mcp9808Channels(), []Reading{{Channel: "temperature", Value: Float(celsius), Quality: Good}})
}
