package hw

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"

	"lwm2m-agent/hw/spidev"
)

// The 32 bits of the MAX31855 (Maxim 19-5793, table 2).
const (
	max31855Fault    = 1 << 16
	max31855Reserved = 1<<17 | 1<<3 // always 0
)

// max31855Faults are what is wrong with the thermocouple, by bit.
var max31855Faults = []string{"it is not connected", "it touches ground", "it touches the supply"}

func max31855Channels() []Channel {
	return []Channel{
		{Name: "temperature", Quantity: Temperature, Unit: "Cel", Kind: KindFloat, Range: Range{-270, 1800}},
		{Name: "internal", Label: "cold junction", Quantity: Temperature, Unit: "Cel", Kind: KindFloat, Range: Range{-40, 125}},
	}
}

func max31855Driver() Driver {
	return Driver{
		Name:      "max31855",
		Bus:       BusSPI,
		Summary:   "Maxim MAX31855 with a thermocouple (the part is made for one type: K, J, N, T, S, R, E): temperature, and that of the part",
		Channels:  max31855Channels(),
		Settings:  []Setting{settingSPI, settingInterval},
		Proof:     "the data sheet's examples",
		spi:       spidev.Settings{Mode: 0, Speed: 5_000_000}, // serial interface timing, fSCL
		newSensor: func(a *access) (device, error) { return &max31855{a}, nil },
	}
}

// max31855 converts ten times a second by itself, and only says what it has. It
// has nothing that identifies it.
type max31855 struct{ access *access }

func (d *max31855) Channels() []Channel { return max31855Channels() }

func (d *max31855) Open(context.Context) error { return nil }

func (d *max31855) Close(context.Context) {}

func (d *max31855) Sample(ctx context.Context) ([]Reading, error) {
	in, err := d.access.spi(ctx, 0, 0, 0, 0)
	if err != nil {
		return nil, err
	}
	word := binary.BigEndian.Uint32(in)
	if word&max31855Reserved != 0 || word == 0 { // a line that nobody drives; exactly 0 °C at both ends is taken for it, too
		return nil, fmt.Errorf("%w: % x", ErrNoAnswer, in)
	}
	probe := Reading{Channel: "temperature", Quality: Good, Value: Float(float64(int32(word)>>18) / 4)} //nolint:gosec // two's complement, table 4
	if word&max31855Fault != 0 {
		probe = Reading{Channel: "temperature", Quality: Invalid, Reason: "the thermocouple: " + max31855Trouble(word)}
	}
	internal := float64(int16(word)>>4) / 16 //nolint:gosec // two's complement, table 5
	return withinRange(max31855Channels(), []Reading{probe, {Channel: "internal", Quality: Good, Value: Float(internal)}})
}

func max31855Trouble(word uint32) string {
	var found []string
	for bit, text := range max31855Faults {
		if word>>bit&1 != 0 {
			found = append(found, text)
		}
	}
	return strings.Join(found, ", ")
}
