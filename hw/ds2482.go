package hw

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Commands of the DS2482-100 (Maxim 19-4930, "Function Commands") and its registers.
const (
	ds2482Reset     = 0xf0
	ds2482Pointer   = 0xe1 // set the read pointer
	ds2482Data      = 0xe1 // the read data register, for it
	ds2482Configure = 0xd2
	ds2482WireReset = 0xb4
	ds2482Bit       = 0x87
	ds2482Write     = 0xa5
	ds2482Read      = 0x96
	ds2482Triplet   = 0x78

	ds2482Active = 0x01 // APU, the active pull-up, of the configuration; written with its complement above it

	ds2482Busy     = 0x01 // 1WB of the status
	ds2482Presence = 0x02 // PPD
	ds2482Short    = 0x04 // SD
	ds2482Level    = 0x08 // LL
	ds2482WasReset = 0x10 // RST
	ds2482Single   = 0x20 // SBR: what the bit was
	ds2482Second   = 0x40 // TSB: the second of a triplet
	ds2482Took     = 0x80 // DIR: which way it went
)

// ds2482Polls bounds the questions whether the line is still busy: the longest
// that it is are 1.2 ms for a reset (table 3: t_RSTL + t_RSTH), and a question
// takes 50 µs at the least.
const ds2482Polls = 100

func ds2482Driver() Driver {
	return Driver{
		Name:      "ds2482",
		Bus:       BusI2C,
		Summary:   "Maxim DS2482-100, DS2482-800 (its first line), DS2483, DS2484 with a DS18B20, DS18S20, DS1822, DS1825 or DS28EA00 that has a supply: temperature",
		Addresses: addressRange(0x18, 0x1f),
		Channels:  ds18b20Channels(),
		Settings: []Setting{
			settingBus, settingAddress, {Key: "device", Help: `the thermometer's number, "28-00000a3b4c5d"; not needed where it is alone`}, settingInterval,
		},
		Proof:     "transfers after the data sheets, the DS18B20's examples",
		places:    func(_ Role, cfg Config) []string { return []string{"device " + cfg.Device} },
		newSensor: newDS2482,
	}
}

// ds2482 is one thermometer behind a bridge that others may be behind too. What
// belongs together on its line is done in one call on the bus.
type ds2482 struct {
	access *access
	code   [8]byte // of the thermometer; none until it was seen where it is alone
}

func newDS2482(a *access) (device, error) {
	d := &ds2482{access: a}
	if a.cfg.Device != "" {
		code, err := parseOneWire(a.cfg.Device)
		if err != nil {
			return nil, err
		}
		d.code = code
	}
	return d, nil
}

func (d *ds2482) Channels() []Channel { return ds18b20Channels() }

func (d *ds2482) Close(context.Context) {}

// Open resets the bridge and looks for the thermometer.
func (d *ds2482) Open(ctx context.Context) error {
	return d.access.bus.do(ctx, func() error {
		status, err := d.command(ds2482Reset)
		if err != nil {
			return err
		}
		if status&^ds2482Level != ds2482WasReset {
			return fmt.Errorf("%w: status %#02x after a reset instead of %#02x", ErrWrongDevice, status, ds2482WasReset)
		}
		var config [1]byte
		if err := d.access.tx([]byte{ds2482Configure, ds2482Active | 0xe0}, config[:]); err != nil {
			return err
		}
		if config[0] != ds2482Active {
			return fmt.Errorf("%w: configuration %#02x, not %#02x as written", ErrWrongDevice, config[0], ds2482Active)
		}
		return d.identify()
	})
}

// identify finds the thermometer where it is alone, and checks that it has a
// supply: without, it would need the line's for as long as it converts.
func (d *ds2482) identify() error {
	if d.access.cfg.Device == "" {
		found, err := d.search()
		if err != nil {
			return err
		}
		if len(found) != 1 {
			return fmt.Errorf("%w: %d devices are on the line; device is one of: %s", ErrWrongDevice, len(found), strings.Join(oneWireNames(found), ", "))
		}
		d.code = found[0]
	}
	if !slices.Contains(oneWireThermometers, d.code[0]) {
		return fmt.Errorf("%w: %s is no thermometer", ErrWrongDevice, oneWireName(d.code))
	}
	if err := d.ask(oneWireSupply); err != nil {
		return err
	}
	status, err := d.command(ds2482Bit, 0x80)
	if err == nil && status&ds2482Single == 0 {
		err = fmt.Errorf("%w: %s has no supply of its own, or is not there; connect its VDD", ErrWrongDevice, oneWireName(d.code))
	}
	return err
}

// Sample converts, waits without keeping others from the bus, and reads.
func (d *ds2482) Sample(ctx context.Context) ([]Reading, error) {
	if err := d.access.bus.do(ctx, func() error { return d.ask(oneWireConvert) }); err != nil {
		return nil, err
	}
	if err := pause(ctx, oneWireConversion); err != nil {
		return nil, err
	}
	pad, err := blocking(ctx, d.access, func() (pad [9]byte, err error) {
		if err = d.ask(oneWireRead); err != nil {
			return pad, err
		}
		for i := range pad {
			if pad[i], err = d.read(); err != nil {
				return pad, err
			}
		}
		return pad, nil
	})
	if err != nil {
		return nil, err
	}
	celsius, err := oneWireCelsius(d.code[0], pad)
	if err != nil {
		return nil, err
	}
	return []Reading{{Channel: "temperature", Value: Float(celsius), Quality: Good}}, nil
}

// command gives the bridge a command and waits for its end. It returns the status.
func (d *ds2482) command(command ...byte) (byte, error) {
	var status [1]byte
	err := d.access.tx(command, status[:])
	for range ds2482Polls {
		if err != nil || status[0]&ds2482Busy == 0 {
			return status[0], err
		}
		err = d.access.tx(nil, status[:])
	}
	return 0, fmt.Errorf("%w: the 1-wire line never ends being busy", ErrGarbage)
}

// reset begins a conversation on the line.
func (d *ds2482) reset() error {
	status, err := d.command(ds2482WireReset)
	switch {
	case err != nil:
		return err
	case status&ds2482Short != 0:
		return fmt.Errorf("%w: the 1-wire line is shorted", ErrGarbage)
	case status&ds2482Presence == 0:
		return &fault{ErrNoAnswer.Error() + " on the 1-wire line", ErrNoAnswer, unix.ENXIO}
	}
	return nil
}

func (d *ds2482) write(b ...byte) error {
	for _, one := range b {
		if _, err := d.command(ds2482Write, one); err != nil {
			return err
		}
	}
	return nil
}

func (d *ds2482) read() (byte, error) {
	if _, err := d.command(ds2482Read); err != nil {
		return 0, err
	}
	var b [1]byte
	err := d.access.tx([]byte{ds2482Pointer, ds2482Data}, b[:])
	return b[0], err
}

// ask gives the thermometer a command.
func (d *ds2482) ask(command byte) error {
	if err := d.reset(); err != nil {
		return err
	}
	return d.write(append(append([]byte{oneWireMatch}, d.code[:]...), command)...)
}

// maxOneWire bounds the devices of one line.
const maxOneWire = 32

// search finds the devices on the line: at each bit of their codes where both
// values answer, the way that was not taken yet (DS18B20 data sheet, "Search ROM").
func (d *ds2482) search() (found [][8]byte, err error) {
	var code [8]byte
	for fork := 64; fork >= 0 && len(found) < maxOneWire; { // first time: no way was taken yet
		if err := d.reset(); err != nil {
			return nil, err
		}
		if err := d.write(oneWireSearch); err != nil {
			return nil, err
		}
		next := -1
		for bit := range 64 {
			before := code[bit/8]>>(bit%8)&1 == 1
			way := bit < fork && fork < 64 && before || bit == fork
			direction := byte(0)
			if way {
				direction = 0x80
			}
			status, err := d.command(ds2482Triplet, direction)
			if err != nil {
				return nil, err
			}
			if status&(ds2482Single|ds2482Second) == ds2482Single|ds2482Second {
				return nil, fmt.Errorf("%w: a device left the 1-wire line during the search", ErrGarbage)
			}
			taken := status&ds2482Took != 0
			if status&(ds2482Single|ds2482Second) == 0 && !taken {
				next = bit
			}
			code[bit/8] &^= 1 << (bit % 8)
			if taken {
				code[bit/8] |= 1 << (bit % 8)
			}
		}
		if crc := oneWireCRC(code[:7]); crc != code[7] {
			return nil, fmt.Errorf("%w: the checksum of % x is %#02x, not %#02x", ErrGarbage, code[:7], crc, code[7])
		}
		found = append(found, code)
		fork = next
	}
	return found, nil
}

// Commands of 1-wire thermometers (DS18B20 data sheet, 19-7487, table 3).
const (
	oneWireSearch  = 0xf0
	oneWireMatch   = 0x55
	oneWireConvert = 0x44
	oneWireRead    = 0xbe
	oneWireSupply  = 0xb4
)

// oneWireConversion is how long one of 12 bits takes (table 2).
const oneWireConversion = 750 * time.Millisecond

// oneWireCRC is X^8 + X^5 + X^4 + 1, the lowest bit first (DS18B20 data sheet,
// "CRC Generation").
func oneWireCRC(data []byte) byte {
	var crc byte
	for _, b := range data {
		crc ^= b
		for range 8 {
			low := crc & 1
			if crc >>= 1; low != 0 {
				crc ^= 0x8c
			}
		}
	}
	return crc
}

// oneWireName is the code as the kernel writes it: family, and the number with
// its highest byte first.
func oneWireName(code [8]byte) string {
	return fmt.Sprintf("%02x-%012x", code[0], binary.LittleEndian.Uint64(code[:])>>8&(1<<48-1))
}

func oneWireNames(codes [][8]byte) []string {
	names := make([]string, len(codes))
	for i, c := range codes {
		names[i] = oneWireName(c)
	}
	return names
}

func parseOneWire(name string) (code [8]byte, err error) {
	family, number, _ := strings.Cut(name, "-")
	f, err1 := strconv.ParseUint(family, 16, 8)
	n, err2 := strconv.ParseUint(number, 16, 48)
	if err1 != nil || err2 != nil || len(family) != 2 || len(number) != 12 {
		return code, errors.New(`device is a family and a number, "28-00000a3b4c5d"`)
	}
	binary.LittleEndian.PutUint64(code[:], f|n<<8)
	code[7] = oneWireCRC(code[:7])
	return code, nil
}

// oneWireCelsius decodes the scratchpad of a thermometer (DS18B20 data sheet,
// figure 4 and table 1; DS18S20, 19-5474, "Operation, Measuring Temperature").
func oneWireCelsius(family byte, pad [9]byte) (float64, error) {
	raw := int16(binary.LittleEndian.Uint16(pad[:])) //nolint:gosec // two's complement
	switch {
	case pad == [9]byte{}: // whose checksum is right
		return 0, fmt.Errorf("%w: nothing but zeros; the line is shorted", ErrGarbage)
	case oneWireCRC(pad[:8]) != pad[8]:
		return 0, fmt.Errorf("%w: the checksum of % x is wrong", ErrGarbage, pad)
	case family != 0x10 && raw == 85*16 && pad[6] == 0x0c, family == 0x10 && raw == 85*2 && pad[6] == 0x0c && pad[7] == 0x10:
		return 0, fmt.Errorf("%w: it lost its power while it measured (85 °C is what it begins with)", ErrGarbage)
	}
	celsius := float64(raw) / 16
	if family == 0x10 { // half degrees, and what is left of the count
		celsius = float64(raw>>1) - 0.25 + (float64(pad[7])-float64(pad[6]))/max(float64(pad[7]), 1)
	} else if unused := int16(1)<<(3-pad[4]>>5&3) - 1; unused > 0 { // the last bits of less than 12 mean nothing
		celsius = float64(raw&^unused) / 16
	}
	if celsius < -55 || celsius > 125 {
		return 0, fmt.Errorf("%w: %v °C", ErrGarbage, celsius)
	}
	return celsius, nil
}
