package hw

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// Registers of the MCP23017 (Microchip DS20001952C table 3-5: IOCON.BANK = 0, port
// B behind port A).
const (
	mcp23017Direction = 0x00 // IODIR: 1 is an input
	mcp23017Polarity  = 0x02 // IPOL
	mcp23017Control   = 0x0a // IOCON, at 0x0b too
	mcp23017PullUp    = 0x0c // GPPU: 100 kΩ
	mcp23017Port      = 0x12 // GPIO
	mcp23017Latch     = 0x14 // OLAT
	// mcp23017Odd are the bits of IOCON that a part as this driver takes it has at
	// 0: BANK, and bit 0, which is none (register 3-6).
	mcp23017Odd = 0x81
)

// mcp23017Lines are the names of the lines: A0 to A7, B0 to B7.
func mcp23017Lines() []string {
	names := make([]string, 0, 16)
	for _, port := range []string{"a", "b"} {
		for bit := range 8 {
			names = append(names, port+strconv.Itoa(bit))
		}
	}
	return names
}

func mcp23017Channels() []Channel {
	lines := mcp23017Lines()
	channels := make([]Channel, len(lines))
	for i, name := range lines {
		channels[i] = Channel{Name: name, Quantity: State, Kind: KindBool}
	}
	return channels
}

func mcp23017Driver() Driver {
	return Driver{
		Name:         "mcp23017",
		Bus:          BusI2C,
		Summary:      "Microchip MCP23017: 16 lines, inputs asked at each interval, outputs one actuator each; edges are counted through the kernel's driver and gpio-in",
		Addresses:    addressRange(0x20, 0x27),
		ChannelsVary: `of a sensor "a0" to "b7", those that [[sensor.channel]] names or all; of an actuator "state"`,
		Settings: []Setting{
			settingBus, settingAddress, settingInterval, settingActive,
			{Key: "bias", Help: `of a sensor: "pull-up" or "off"; off`},
			{Key: "line", Help: `of an actuator: "a0" to "b7"`},
			settingSafe,
		},
		Proof:       "transfers after the data sheet",
		places:      mcp23017Places,
		newSensor:   newMCP23017In,
		newActuator: newMCP23017Out,
	}
}

// mcp23017Places are the lines that a section takes for itself.
func mcp23017Places(role Role, cfg Config) []string {
	if role == RoleActuator {
		return []string{cfg.Line.String()}
	}
	var lines []string
	for _, name := range mcp23017Lines() {
		if cfg.wants(name) {
			lines = append(lines, name)
		}
	}
	return lines
}

// mcp23017Known checks that the part is one: it has no identification, but one
// control register at two addresses.
func mcp23017Known(a *access) error {
	control, err := a.readPair(mcp23017Control)
	if err == nil && (control>>8 != control&0xff || control&mcp23017Odd != 0) {
		err = fmt.Errorf("%w: its control register reads %#02x and %#02x", ErrWrongDevice, control&0xff, control>>8)
	}
	return err
}

// change replaces the bits of mask in a pair of registers by those of value. What
// is so already is not written.
func (a *access) change(register byte, mask, value uint16) error {
	old, err := a.readPair(register)
	if err != nil || old&mask == value&mask {
		return err
	}
	return a.tx(binary.LittleEndian.AppendUint16([]byte{register}, old&^mask|value&mask), nil)
}

// mcp23017In is lines as inputs.
type mcp23017In struct {
	access   *access
	channels []Channel
	mask     uint16
}

func newMCP23017In(a *access) (device, error) {
	if a.cfg.Line.Given() {
		return nil, errors.New(`a sensor names its lines by [[sensor.channel]]; line is for an actuator`)
	}
	if a.cfg.Bias == BiasPullDown {
		return nil, errors.New(`the part has no pull-down; bias is "pull-up" or "off"`)
	}
	d := &mcp23017In{access: a}
	for i, c := range mcp23017Channels() {
		if a.cfg.wants(c.Name) {
			d.channels = append(d.channels, c)
			d.mask |= 1 << i
		}
	}
	if len(a.cfg.Channels) > len(d.channels) {
		return nil, fmt.Errorf("the lines are %s", channelNames(mcp23017Channels()))
	}
	return d, nil
}

func (d *mcp23017In) Channels() []Channel { return d.channels }

// pullUp is the wanted content of GPPU.
func (d *mcp23017In) pullUp() uint16 {
	if d.access.cfg.Bias == BiasPullUp {
		return d.mask
	}
	return 0
}

// Open makes the lines inputs, but for a probe.
func (d *mcp23017In) Open(ctx context.Context) error {
	return d.access.bus.do(ctx, func() error {
		if err := mcp23017Known(d.access); err != nil || d.access.looking {
			return err
		}
		return errors.Join(
			d.access.change(mcp23017Direction, d.mask, d.mask),
			d.access.change(mcp23017Polarity, d.mask, 0),
			d.access.change(mcp23017PullUp, d.mask, d.pullUp()),
		)
	})
}

func (d *mcp23017In) Close(context.Context) {}

// Sample reads all lines at once. A part that was reset meanwhile has lost its
// pull-ups, without which lines say anything.
func (d *mcp23017In) Sample(ctx context.Context) ([]Reading, error) {
	levels, err := blocking(ctx, d.access, func() (uint16, error) {
		if d.pullUp() != 0 && !d.access.looking {
			if got, err := d.access.readPair(mcp23017PullUp); err != nil || got&d.mask != d.mask {
				return 0, orReset(err)
			}
		}
		return d.access.readPair(mcp23017Port)
	})
	if err != nil {
		return nil, err
	}
	if d.access.cfg.Active == ActiveLow {
		levels = ^levels
	}
	readings := make([]Reading, 0, len(d.channels))
	for i, c := range mcp23017Channels() {
		if d.mask>>i&1 == 1 {
			readings = append(readings, Reading{Channel: c.Name, Value: Bool(levels>>i&1 == 1), Quality: Good})
		}
	}
	return readings, nil
}

// orReset is err, or that the part has lost its settings: it is opened anew then.
func orReset(err error) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: it has lost its settings; was its supply interrupted", ErrGarbage)
}

// mcp23017Out is one line as an output.
type mcp23017Out struct {
	access *access
	bit    uint16 // of the line
}

func newMCP23017Out(a *access) (actuator, error) {
	if a.cfg.Bias != "" || a.cfg.interval() != DefaultInterval {
		return nil, errors.New("bias and interval are for inputs")
	}
	i := slices.Index(mcp23017Lines(), a.cfg.Line.String())
	if i < 0 {
		return nil, fmt.Errorf("line is one of %s", channelNames(mcp23017Channels()))
	}
	return &mcp23017Out{access: a, bit: 1 << i}, nil
}

func (d *mcp23017Out) Channels() []Channel { return gpioOutChannels() }

// Open sets the latch before the line becomes an output, so that it begins in its
// safe state.
func (d *mcp23017Out) Open(ctx context.Context) error {
	return d.access.bus.do(ctx, func() error {
		if err := mcp23017Known(d.access); err != nil || d.access.looking {
			return err
		}
		if safe := d.access.cfg.Safe; !safe.Keep {
			on, _ := safe.value(gpioOutChannels()[0]).Bool()
			if err := d.drive(on); err != nil {
				return err
			}
		}
		return d.access.change(mcp23017Direction, d.bit, 0)
	})
}

// drive sets the latch.
func (d *mcp23017Out) drive(on bool) error {
	var level uint16
	if on != (d.access.cfg.Active == ActiveLow) {
		level = d.bit
	}
	return d.access.change(mcp23017Latch, d.bit, level)
}

func (d *mcp23017Out) Close(context.Context) {}

func (d *mcp23017Out) Set(ctx context.Context, _ string, v Value) error {
	on, _ := v.Bool()
	return d.access.bus.do(ctx, func() error { return d.drive(on) })
}

// State reads the latch, and that the line still is an output.
func (d *mcp23017Out) State(ctx context.Context) ([]Reading, error) {
	latch, err := blocking(ctx, d.access, func() (uint16, error) {
		direction, err := d.access.readPair(mcp23017Direction)
		if err != nil || direction&d.bit != 0 && !d.access.looking {
			return 0, orReset(err)
		}
		return d.access.readPair(mcp23017Latch)
	})
	if err != nil {
		return nil, err
	}
	on := (latch&d.bit != 0) != (d.access.cfg.Active == ActiveLow)
	return []Reading{{Channel: "state", Value: Bool(on), Quality: Good}}, nil
}
