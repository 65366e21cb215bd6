package hw

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"lwm2m-agent/hw/modbus"
)

// Register says where a value is in a Modbus device.
type Register struct {
	Number    uint16 // as it goes over the wire: from 0
	Table     string // "input" (as not given), "holding", "coil", "discrete"
	Type      string // "uint16" (as not given), "int16", "int32", "uint32", "int64", "uint64", "float32", "float64"; bits have none
	WordOrder string // "big" (as not given): the highest word first, or "little"
}

// The defaults of a serial line (MODBUS over Serial Line V1.02, section 2.5.1),
// and how long an answer may take.
const (
	defaultBaud    = 19200
	defaultParity  = "even"
	defaultTimeout = time.Second
	maxTimeout     = 4 * time.Second
)

// modbusLimit is how long a call on a line may take: to connect and to ask.
const modbusLimit = 2*maxTimeout + time.Second

func modbusDriver() Driver {
	return Driver{
		Name:         "modbus",
		Bus:          BusModbus,
		Summary:      "Modbus devices over serial lines (RTU) and TCP: energy meters, PLCs, inverters; as an actuator a coil or a holding register",
		ChannelsVary: "those of `[[sensor.channel]]`, each with `register`, `table`, `type`, `word_order`; of an actuator \"state\" of a coil, \"value\" of a register",
		Settings: []Setting{
			{Key: "bus", Required: true, Help: `"tcp:192.0.2.7:502" or a serial line, "/dev/ttyUSB0"`},
			{Key: "unit", Help: "the device's number; 1"},
			{Key: "baud", Help: "of a serial line; 19200"},
			{Key: "parity", Help: `"none", "even" or "odd"; even`},
			{Key: "stop_bits", Help: "1 or 2; 1"},
			{Key: "timeout", Help: "how long an answer may take; 1s"},
			settingInterval,
			{Key: "register", Help: "of an actuator: the register's number from 0"},
			{Key: "table", Help: `of an actuator: "coil" or "holding"; coil`},
			{Key: "type", Help: "of an actuator's holding register; uint16"},
			{Key: "word_order", Help: `of an actuator's register: "big" or "little"; big`},
			settingSafe,
		},
		Proof:       "pymodbus over TCP and a PTY, the specification's examples",
		newSensor:   newModbusSensor,
		newActuator: newModbusOutput,
	}
}

// modbusPlace is a register that was checked.
type modbusPlace struct {
	channel Channel
	table   modbus.Table
	kind    modbus.Type
	first   uint16
	low     bool // lowest word first
}

func (p *modbusPlace) end() int { return int(p.first) + int(p.kind.Words()) }

// placeOfRegister checks r.
func placeOfRegister(name string, r Register, table modbus.Table) (modbusPlace, error) {
	p := modbusPlace{table: table, kind: modbus.Uint16, first: r.Number, low: r.WordOrder == "little"}
	if r.Table != "" {
		p.table = modbus.Table(r.Table)
	}
	if r.Type != "" {
		p.kind = modbus.Type(r.Type)
	}
	p.channel = Channel{Name: name, Quantity: Generic, Kind: KindFloat}
	switch {
	case !slices.Contains([]modbus.Table{modbus.Inputs, modbus.Holdings, modbus.Coils, modbus.Discretes}, p.table):
		return p, fmt.Errorf(`%s: table is "input", "holding", "coil" or "discrete", not %q`, name, r.Table)
	case r.WordOrder != "" && r.WordOrder != "big" && r.WordOrder != "little":
		return p, fmt.Errorf(`%s: word_order is "big" or "little", not %q`, name, r.WordOrder)
	case p.table.Bits() && r.Type != "":
		return p, fmt.Errorf("%s: table %s has bits, which take no type", name, p.table)
	case p.table.Bits():
		p.kind, p.channel.Kind, p.channel.Quantity = modbus.Bool, KindBool, State
	case !slices.Contains(modbus.Types(), p.kind):
		return p, fmt.Errorf("%s: type is one of %v, not %q", name, modbus.Types(), r.Type)
	}
	if p.end() > 1<<16 {
		return p, fmt.Errorf("%s: register %d and those behind it end after 65535", name, p.first)
	}
	return p, nil
}

// modbusDevice is what sensors and outputs have in common.
type modbusDevice struct {
	access *access
	unit   byte
}

func newModbusDevice(a *access) (modbusDevice, error) {
	d := modbusDevice{a, 1}
	address, tcp := strings.CutPrefix(a.cfg.Bus, "tcp:")
	if a.cfg.Unit != "" {
		most := uint64(247)
		if tcp {
			most = 255
		}
		n, err := strconv.ParseUint(a.cfg.Unit, 10, 8)
		if err != nil || n > most || n == 0 && !tcp {
			return d, fmt.Errorf("unit is a number from 1 to %d, not %q", most, a.cfg.Unit)
		}
		d.unit = byte(n)
	}
	if tcp {
		if _, _, err := net.SplitHostPort(address); err != nil {
			return d, fmt.Errorf(`bus is "tcp:host:port" or a serial line, not %q`, a.cfg.Bus)
		}
		if a.cfg.Baud != 0 || a.cfg.Parity != "" || a.cfg.StopBits != 0 {
			return d, errors.New("baud, parity and stop_bits belong to a serial line")
		}
	}
	return d, nil
}

func (d *modbusDevice) Close(context.Context) {}

// ask makes one request in the line's lane.
func (d *modbusDevice) ask(ctx context.Context, f func(c *modbus.Client, unit byte, limit time.Duration) error) error {
	timeout := d.access.cfg.timeout()
	err := d.access.bus.do(ctx, func() error {
		c, err := d.access.bus.client(d.access.cfg, timeout)
		if err != nil {
			return err
		}
		err = f(c, d.unit, timeout)
		var refused modbus.ExceptionError
		if err != nil && !errors.As(err, &refused) && !errors.Is(err, modbus.ErrSilence) {
			d.access.bus.hangUp()
		}
		return err
	})
	return modbusError(d.access.cfg.Bus, err)
}

// modbusError says what an error means. An exception stays one.
func modbusError(bus string, err error) error {
	switch {
	case errors.Is(err, modbus.ErrSilence):
		return &fault{fmt.Sprintf("%v: %v", ErrNoAnswer, err), ErrNoAnswer, err}
	case errors.Is(err, modbus.ErrFrame):
		return &fault{fmt.Sprintf("%v: %v", ErrGarbage, err), ErrGarbage, err}
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return &fault{fmt.Sprintf("%s %v: %v", bus, ErrUnreachable, op.Err), ErrUnreachable, err}
	}
	return nodeError(bus, err)
}

func (c Config) timeout() time.Duration {
	if c.Timeout != 0 {
		return c.Timeout
	}
	return defaultTimeout
}

// line is how a serial line is set up.
func (c Config) line() modbus.Line {
	l := modbus.Line{Baud: defaultBaud, Parity: defaultParity, StopBits: 1}
	if c.Baud != 0 {
		l.Baud = c.Baud
	}
	if c.Parity != "" {
		l.Parity = c.Parity
	}
	if c.StopBits != 0 {
		l.StopBits = c.StopBits
	}
	return l
}

// client returns the open line or connection of the bus; in its lane.
func (u *bus) client(cfg Config, timeout time.Duration) (*modbus.Client, error) {
	if u.link != nil {
		return u.link, nil
	}
	if address, ok := strings.CutPrefix(u.path, "tcp:"); ok {
		conn, err := net.DialTimeout("tcp", address, timeout) //nolint:noctx // in its lane, which bounds it
		if err != nil {
			return nil, err
		}
		u.link = modbus.NewTCP(conn)
		return u.link, nil
	}
	file, err := modbus.OpenSerial(u.path, cfg.line())
	if err != nil {
		return nil, err
	}
	u.link = modbus.NewRTU(file, cfg.line().Baud)
	return u.link, nil
}

// hangUp closes the line; in its lane.
func (u *bus) hangUp() {
	if u.link != nil {
		_ = u.link.Close() // nothing is buffered, and nothing could be done about it
		u.link = nil
	}
}
