package hw

import (
	"cmp"
	"context"
	"fmt"

	"lwm2m-agent/hw/spidev"
)

// defaultReference is the reference voltage of an ADC where none is configured:
// the supply of most boards.
const defaultReference = 3.3

// mcp3208Start is the start bit and SGL/DIFF: one input against ground, at the
// place that leaves the result at the end of three bytes (Microchip DS21298E and
// DS21295D, figures 6-1).
const mcp3208Start = 0x3

// mcp3208Speed is the most that the parts take at 2.7 V: 1.0 MHz (DS21298E,
// section 1.0); the MCP3008 takes 1.35 MHz.
const mcp3208Speed = 1_000_000

func mcp3208Driver() Driver {
	return mcp3x08Driver(mcp3x08{name: "mcp3208", summary: "Microchip MCP3208, MCP3204", bits: 12})
}

func mcp3008Driver() Driver {
	return mcp3x08Driver(mcp3x08{name: "mcp3008", summary: "Microchip MCP3008, MCP3004", bits: 10})
}

func mcp3x08Driver(part mcp3x08) Driver {
	return Driver{
		Name:         part.name,
		Bus:          BusSPI,
		Summary:      fmt.Sprintf("%s: eight voltages of %d bits against ground, up to the reference's; of the small ones four", part.summary, part.bits),
		ChannelsVary: "in0 to in7 (V, 0 to the range), those that [[sensor.channel]] names or all",
		Settings:     []Setting{settingSPI, settingInterval, {Key: "range", Help: "the reference voltage in V; 3.3"}},
		Proof:        "transfers after the data sheet",
		spi:          spidev.Settings{Mode: 0, Speed: mcp3208Speed},
		newSensor: func(a *access) (device, error) {
			d := part
			d.access, d.reference = a, cmp.Or(a.cfg.Range, defaultReference)
			return &d, nil
		},
	}
}

// mcp3x08 is one of the parts. It has nothing that identifies it.
type mcp3x08 struct {
	name, summary string
	bits          int
	access        *access
	reference     float64
}

func (d *mcp3x08) Channels() []Channel {
	channels := make([]Channel, 8)
	for i := range channels {
		channels[i] = Channel{Name: fmt.Sprintf("in%d", i), Quantity: Voltage, Unit: "V", Kind: KindFloat, Range: Range{0, d.reference}}
	}
	return channels
}

func (d *mcp3x08) Open(context.Context) error { return nil }

func (d *mcp3x08) Close(context.Context) {}

func (d *mcp3x08) Sample(ctx context.Context) ([]Reading, error) {
	readings := make([]Reading, 0, 8)
	for input, c := range d.Channels() {
		if !d.access.cfg.wants(c.Name) {
			continue
		}
		digits, err := d.convert(ctx, input)
		if err != nil {
			return nil, err
		}
		volts := float64(digits) * d.reference / float64(int(1)<<d.bits) // equation 4-1
		readings = append(readings, Reading{Channel: c.Name, Value: Float(volts), Quality: Good})
	}
	return readings, nil
}

// convert measures one input. Before the result comes a null bit, which a line
// that nobody drives low does not have.
func (d *mcp3x08) convert(ctx context.Context, input int) (int, error) {
	command := (mcp3208Start<<3 | input) << (d.bits + 2)
	in, err := d.access.spi(ctx, byte(command>>16), byte(command>>8), byte(command)) //nolint:gosec // byte by byte
	if err != nil {
		return 0, err
	}
	result := int(in[1])<<8 | int(in[2])
	if null := 1 << d.bits; result&null != 0 {
		return 0, fmt.Errorf("%w: no null bit before the result % x", ErrNoAnswer, in)
	}
	return result & (1<<d.bits - 1), nil
}
