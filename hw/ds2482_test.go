package hw

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// bridge is a DS2482 with thermometers on its line, at the level of bits.
type bridge struct {
	wire    []*thermometer1 // on the line
	status  byte
	data    byte
	config  byte
	pointer byte // 0xf0 status, 0xe1 data, 0xc3 configuration
	busy    int  // how often the line says yet that it is busy
	shorted bool
	resets  int
}

// thermometer1 is a thermometer on the line: it takes in bits, and gives some.
type thermometer1 struct {
	code     [8]byte
	pad      [9]byte
	powered  bool
	active   bool // since the last reset, as far as it was addressed
	received []byte
	bits     int  // of the command or code that comes in
	asked    byte // its function command
	given    int  // bits given
	searched int  // bits of the search
}

func (b *bridge) tx(w, r []byte) error {
	if len(w) > 0 {
		if err := b.command(w); err != nil {
			return err
		}
	}
	for i := range r {
		switch b.pointer {
		case 0xe1:
			r[i] = b.data
		case 0xc3:
			r[i] = b.config
		default:
			r[i] = b.status
			if b.busy > 0 {
				b.busy--
				r[i] |= 0x01
			}
		}
	}
	return nil
}

func (b *bridge) command(w []byte) error {
	switch w[0] {
	case 0xf0:
		*b = bridge{wire: b.wire, shorted: b.shorted, resets: b.resets, status: 0x18, pointer: 0xf0}
	case 0xe1:
		b.pointer = w[1]
		return nil
	case 0xd2:
		if w[1]>>4 != ^w[1]&0x0f {
			return unix.EREMOTEIO
		}
		b.config, b.pointer, b.status = w[1]&0x0f, 0xc3, b.status&^0x10
		return nil
	case 0xb4:
		b.reset()
	case 0x87:
		b.status = b.status&^0x20 | b.slot(w[1]&0x80 != 0)<<5
	case 0xa5:
		for i := range 8 {
			b.slot(w[1]>>i&1 == 1)
		}
	case 0x96:
		b.data = 0
		for i := range 8 {
			b.data |= b.slot(true) << i
		}
	case 0x78:
		b.triplet(w[1]&0x80 != 0)
	}
	b.pointer, b.busy = 0xf0, 2
	return nil
}

func (b *bridge) reset() {
	b.resets++
	b.status &^= 0x06
	switch {
	case b.shorted:
		b.status |= 0x04
	case len(b.wire) > 0:
		b.status |= 0x02
	}
	for _, d := range b.wire {
		*d = thermometer1{code: d.code, pad: d.pad, powered: d.powered, active: true, asked: 0, searched: -1}
	}
}

// slot is one time slot: what the line is at.
func (b *bridge) slot(high bool) byte {
	level := byte(1)
	if !high {
		level = 0
	}
	for _, d := range b.wire {
		level &= d.slot(high)
	}
	return level
}

// slot takes in a bit and returns what the thermometer does to the line.
func (d *thermometer1) slot(high bool) byte {
	switch {
	case !d.active:
		return 1
	case d.asked == 0xbe:
		bit := d.pad[d.given/8%9] >> (d.given % 8) & 1
		d.given++
		return bit
	case d.asked == 0xb4 && !d.powered:
		return 0
	case d.asked != 0:
		return 1
	}
	if d.bits%8 == 0 {
		d.received = append(d.received, 0)
	}
	if high {
		d.received[d.bits/8] |= 1 << (d.bits % 8)
	}
	if d.bits++; d.bits%8 == 0 {
		d.take()
	}
	return 1
}

// take looks at the bytes that came in: a search, or a code and a command.
func (d *thermometer1) take() {
	n := len(d.received)
	switch {
	case n == 1 && d.received[0] == 0xf0:
		d.searched = 0
	case n == 1:
		d.active = d.received[0] == 0x55
	case n == 9:
		d.active = string(d.received[1:]) == string(d.code[:])
	case n == 10:
		d.asked = d.received[9]
	}
}

// triplet is a step of the search (table 3 of the DS2482-100's data sheet).
func (b *bridge) triplet(way bool) {
	bit, complement := byte(1), byte(1)
	for _, d := range b.wire {
		if d.active && d.searched >= 0 {
			own := d.code[d.searched/8] >> (d.searched % 8) & 1
			bit &= own
			complement &= 1 - own
		}
	}
	taken := way
	if bit != complement || bit == 1 {
		taken = bit == 1
	}
	for _, d := range b.wire {
		if d.active && d.searched >= 0 {
			d.active = (d.code[d.searched/8]>>(d.searched%8)&1 == 1) == taken
			d.searched++
		}
	}
	b.status = b.status&^0xe0 | bit<<5 | complement<<6
	if taken {
		b.status |= 0x80
	}
}

// at returns a thermometer of a name that has measured.
func at1Wire(t *testing.T, name string, low, high byte) *thermometer1 {
	t.Helper()
	code, err := parseOneWire(name)
	if err != nil {
		t.Fatal(err)
	}
	d := &thermometer1{code: code, powered: true, pad: [9]byte{low, high, 0x4b, 0x46, 0x7f, 0xff, 0x0c, 0x10}}
	d.pad[8] = oneWireCRC(d.pad[:8])
	return d
}

const (
	warm = "28-00000a3b4c5d"
	cold = "28-0316a279ffee"
	old  = "10-000802824e58"
)

func behind(name, device string) Config {
	return Config{Name: name, Driver: "ds2482", Bus: bus0, Address: 0x18, Device: device, Interval: time.Second}
}

// TestDS2482: three thermometers share a bridge, and wait for their conversions
// side by side.
func TestDS2482(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, half := newWire(bus0), at1Wire(t, old, 0x32, 0x00)
		half.pad[6], half.pad[7] = 0x04, 0x10
		half.pad[8] = oneWireCRC(half.pad[:8])
		b := &bridge{wire: []*thermometer1{at1Wire(t, warm, 0x91, 0x01), at1Wire(t, cold, 0x5e, 0xff), half}}
		w.buses[bus0].parts[0x18] = b.tx
		_, r, end := runBoard(t, w, Options{}, Setup{Sensors: []Config{behind("warm", warm), behind("cold", cold), behind("old", old)}})
		time.Sleep(900 * time.Millisecond) // 750 ms for all three together
		synctest.Wait()
		// The examples of the DS18B20, table 1, and 25 - 0.25 + (16 - 4)/16.
		for name, want := range map[string]float64{"warm": 25.0625, "cold": -10.125, "old": 25.5} {
			if got, _ := r.last(t, sensorUnit(name), "temperature").Value.Float(); got != want {
				t.Errorf("%s: %v °C, want %v", name, got, want)
			}
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	})
}

func TestDS2482Alone(t *testing.T) {
	probe := func(b *bridge, device string) ([]Reading, error) {
		w := newWire(bus0)
		w.buses[bus0].parts[0x18] = b.tx
		p := newPlatform(Options{Sys: t.TempDir()})
		p.buses.openI2C = w.openI2C
		var readings []Reading
		var err error
		synctest.Test(t, func(t *testing.T) {
			readings, err = p.probe(t.Context(), sensorUnit("x"), driversByName()["ds2482"], behind("x", device))
		})
		return readings, err
	}
	readings, err := probe(&bridge{wire: []*thermometer1{at1Wire(t, warm, 0x91, 0x01)}}, "")
	if err != nil {
		t.Fatal(err)
	}
	wantValues(t, readings, map[string]float64{"temperature": 25.0625})
	parasite, broken, reset, nine := at1Wire(t, warm, 0x91, 0x01), at1Wire(t, warm, 0x91, 0x01), at1Wire(t, warm, 0x50, 0x05), at1Wire(t, warm, 0x97, 0x01)
	parasite.powered, broken.pad[8], nine.pad[4] = false, 0, 0x1f
	nine.pad[8] = oneWireCRC(nine.pad[:8])
	if readings, err = probe(&bridge{wire: []*thermometer1{nine}}, warm); err != nil || readings[0].Value != Float(25) {
		t.Errorf("of 9 bits: %v, %v", readings, err)
	}
	switch1 := at1Wire(t, "05-000000000001", 0, 0)
	for want, b := range map[string]*bridge{
		"3 devices are on the line; device is one of: 10-000802824e58, 28-0316a279ffee, 28-00000a3b4c5d": {wire: []*thermometer1{
			at1Wire(t, cold, 0, 0), at1Wire(t, warm, 0, 0), at1Wire(t, old, 0, 0),
		}},
		"no device answers on the 1-wire line": {},
		"the 1-wire line is shorted":           {shorted: true},
		"05-000000000001 is no thermometer":    {wire: []*thermometer1{switch1}},
		"has no supply of its own":             {wire: []*thermometer1{parasite}},
		"the checksum of 91 01":                {wire: []*thermometer1{broken}},
		"85 °C is what it begins with":         {wire: []*thermometer1{reset}},
	} {
		if _, err := probe(b, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	wantGarbage(t, "ds2482", transfers(0x18, []byte{0xf0}, []byte{0x00}), ErrWrongDevice, "status 0x00 after a reset")
	for _, device := range []string{"28", "28-1", "2-00000a3b4c5d", "28-00000a3b4c5g"} {
		if problems := Validate(Setup{Sensors: []Config{behind("x", device)}}); len(problems) != 1 {
			t.Errorf("device %q: %v", device, problems)
		}
	}
	if problems := Validate(Setup{Sensors: []Config{behind("x", warm), behind("y", warm)}}); len(problems) != 1 {
		t.Errorf("one device twice: %v", problems)
	}
}

// TestOneWireCRC: the code of Maxim's application note 27.
func TestOneWireCRC(t *testing.T) {
	if got := oneWireCRC([]byte{0x02, 0x1c, 0xb8, 0x01, 0x00, 0x00, 0x00}); got != 0xa2 {
		t.Errorf("checksum %#02x, want 0xa2", got)
	}
	code, err := parseOneWire("02-00000001b81c")
	if err != nil || code != [8]byte{0x02, 0x1c, 0xb8, 0x01, 0x00, 0x00, 0x00, 0xa2} || oneWireName(code) != "02-00000001b81c" {
		t.Errorf("% x, %v", code, err)
	}
}
