package hw

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
)

// Registers of the DS3231 (Maxim 19-5170, figure 1).
const (
	ds3231Time   = 0x00 // seconds, minutes, hours, day, date, month, in BCD
	ds3231Last   = 0x12 // behind which comes ds3231Time again
	ds3231Status = 0x0f // status, aging offset, and the temperature in two bytes

	ds3231Stopped = 0x80 // OSF of the status
	ds3231Zero    = 0x70 // bits of it that are always 0
)

func ds3231Channels() []Channel {
	return []Channel{
		{Name: "temperature", Quantity: Temperature, Unit: "Cel", Kind: KindFloat, Range: Range{-40, 85}},
		{Name: "stopped", Quantity: State, Kind: KindBool},
	}
}

// ds3231Driver only reads: the clock itself is the kernel's affair (rtc-ds1307),
// which also gives the temperature through hwmon.
func ds3231Driver() Driver {
	return Driver{
		Name:      "ds3231",
		Bus:       BusI2C,
		Summary:   "Maxim DS3231: temperature of the clock, and whether it has stood still since it was set (its battery)",
		Addresses: []uint16{0x68},
		Channels:  ds3231Channels(),
		Settings:  []Setting{settingBus, settingAddress, settingInterval},
		Proof:     "transfers after the data sheet",
		newSensor: func(a *access) (device, error) { return &ds3231{a}, nil },
	}
}

type ds3231 struct{ access *access }

func (d *ds3231) Channels() []Channel { return ds3231Channels() }

// Open looks whether there is a time of day, and again behind the last register:
// the part has no identification, and clocks with memory there (DS1307, DS1338)
// have its address.
func (d *ds3231) Open(ctx context.Context) error {
	var raw [6]byte
	if err := d.access.i2c(ctx).Tx([]byte{ds3231Time}, raw[:]); err != nil {
		return err
	}
	var around [7]byte
	if err := d.access.i2c(ctx).Tx([]byte{ds3231Last}, around[:]); err != nil {
		return err
	}
	if !bytes.Equal(around[4:], raw[3:]) { // day, date and month
		return fmt.Errorf("%w: its registers do not begin anew after %#02x, as a DS3231's do", ErrWrongDevice, ds3231Last)
	}
	// The most that each can be, and the bits that say something else: 12 hours
	// and PM, the century.
	most := [6]byte{0x59, 0x59, 0x23, 0x07, 0x31, 0x12}
	flags := [6]byte{2: 0x60 & raw[2], 5: 0x80}
	if raw[2]&0x40 == 0 {
		flags[2] = 0
	}
	for i, b := range raw {
		if b &^= flags[i]; b > most[i] || b&0x0f > 9 {
			return fmt.Errorf("%w: % x is no time of day", ErrWrongDevice, raw)
		}
	}
	return nil
}

func (d *ds3231) Close(context.Context) {}

// Sample reads what the part measured within the last 64 s: a quarter of a degree
// in two's complement of ten bits, at the left (page 15).
func (d *ds3231) Sample(ctx context.Context) ([]Reading, error) {
	var raw [4]byte
	if err := d.access.i2c(ctx).Tx([]byte{ds3231Status}, raw[:]); err != nil {
		return nil, err
	}
	if raw[0]&ds3231Zero != 0 || raw[3]&0x3f != 0 {
		return nil, fmt.Errorf("%w: status and temperature % x have bits that are always 0", ErrGarbage, raw)
	}
	celsius := float64(int16(binary.BigEndian.Uint16(raw[2:]))) / 256 //nolint:gosec // two's complement
	return withinRange(ds3231Channels(), []Reading{
		{Channel: "temperature", Value: Float(celsius), Quality: Good},
		{Channel: "stopped", Value: Bool(raw[0]&ds3231Stopped != 0), Quality: Good},
	})
}
