package i2cdev

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// adapter answers the ioctls of i2c-dev for parts that echo: what is read is
// the address, counting up.
type adapter struct {
	funcs   uintptr
	parts   map[uint16]bool
	held    map[uint16]bool // by a kernel driver
	slave   uintptr
	wrote   []byte
	quick   []uint16
	read    []uint16
	failure error // of what nobody answers
	smbus   func(address uint16, call *smbusCall) error
}

func (a *adapter) ioctl(_ uintptr, request uint, number uintptr, arg unsafe.Pointer) error {
	switch request {
	case 0x0705: // I2C_FUNCS
		*(*uintptr)(arg) = a.funcs
	case 0x0703: // I2C_SLAVE
		if a.held[uint16(number)] {
			return unix.EBUSY
		}
		a.slave = number
	case 0x0707: // I2C_RDWR
		t := (*transfer)(arg)
		for _, m := range unsafe.Slice((*message)(t.messages), t.count) {
			if !a.parts[m.address] {
				return a.failure
			}
			data := unsafe.Slice((*byte)(m.buf), m.length)
			if m.flags == 0 {
				a.wrote = append(a.wrote, data...)
				continue
			}
			for i := range data {
				data[i] = byte(m.address) + byte(i)
			}
		}
	case 0x0720: // I2C_SMBUS
		call := (*smbusCall)(arg)
		if a.smbus != nil {
			return a.smbus(uint16(a.slave), call)
		}
		if call.size == 0 {
			a.quick = append(a.quick, uint16(a.slave))
		} else {
			a.read = append(a.read, uint16(a.slave))
		}
		if !a.parts[uint16(a.slave)] {
			return a.failure
		}
	}
	return nil
}

func open(t *testing.T, a *adapter) *Bus {
	t.Helper()
	path := filepath.Join(t.TempDir(), "i2c-1")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	bus, err := Open(path, a.ioctl)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { bus.Close() })
	return bus
}

func TestKernelStructures(t *testing.T) {
	// linux/i2c.h and linux/i2c-dev.h, with pointers of 8 and of 4 bytes.
	pointer := unsafe.Sizeof(uintptr(0))
	if got, want := unsafe.Sizeof(message{}), 8+pointer; got != want {
		t.Errorf("struct i2c_msg has %d bytes, want %d", got, want)
	}
	if got, want := unsafe.Sizeof(transfer{}), 2*pointer; got != want {
		t.Errorf("struct i2c_rdwr_ioctl_data has %d bytes, want %d", got, want)
	}
	if got, want := unsafe.Sizeof(smbusCall{}), 8+pointer; got != want {
		t.Errorf("struct i2c_smbus_ioctl_data has %d bytes, want %d", got, want)
	}
}

func TestTx(t *testing.T) {
	a := &adapter{funcs: funcI2C, parts: map[uint16]bool{0x48: true}, failure: unix.ENXIO}
	bus := open(t, a)
	var r [3]byte
	if err := bus.Tx(0x48, []byte{0x01, 0x60}, r[:]); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.wrote, []byte{0x01, 0x60}) || r != [3]byte{0x48, 0x49, 0x4a} {
		t.Errorf("wrote % x, read % x", a.wrote, r)
	}
	if err := bus.Tx(0x49, nil, r[:]); !errors.Is(err, unix.ENXIO) {
		t.Errorf("nobody answers: %v", err)
	}
	if err := bus.Tx(0x49, nil, nil); err != nil {
		t.Errorf("nothing to do: %v", err)
	}
	for name, err := range map[string]error{
		"address of 8 bits": bus.Tx(0x80, []byte{1}, nil),
		"8193 bytes":        bus.Tx(0x48, make([]byte, 8193), nil),
	} {
		if !errors.Is(err, unix.EINVAL) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "i2c-1")
	if _, err := Open(path, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no node: %v", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, nil); !errors.Is(err, unix.ENOTTY) {
		t.Errorf("a plain file, asked of the real kernel: %v", err)
	}
}

func TestProbe(t *testing.T) {
	const both = funcQuick | funcReadByte
	tests := []struct {
		name        string
		funcs       uintptr
		address     uint16
		quick, read int
		answers     bool
		err         error
	}{
		{"a part by a quick write", both, 0x48, 1, 0, true, nil},
		{"nobody by a quick write", both, 0x49, 1, 0, false, nil},
		{"first EEPROM by reading", both, 0x50, 0, 1, true, nil},
		{"last EEPROM by reading", both, 0x5f, 0, 1, false, nil},
		{"before the EEPROMs", both, 0x4f, 1, 0, false, nil},
		{"after the EEPROMs", both, 0x60, 1, 0, false, nil},
		{"EEPROM protection by reading", both, 0x30, 0, 1, false, nil},
		{"no quick write: by reading", funcReadByte, 0x48, 0, 1, true, nil},
		{"no reading: by a quick write", funcQuick, 0x48, 1, 0, true, nil},
		{"no reading: EEPROMs are not asked", funcQuick, 0x50, 0, 0, false, unix.EOPNOTSUPP},
		{"neither", 0, 0x48, 0, 0, false, unix.EOPNOTSUPP},
		{"held by a kernel driver", both, 0x1d, 0, 0, false, unix.EBUSY},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := &adapter{
				funcs: tt.funcs, failure: unix.EREMOTEIO,
				parts: map[uint16]bool{0x48: true, 0x50: true, 0x1d: true}, held: map[uint16]bool{0x1d: true},
			}
			answers, err := open(t, a).Probe(tt.address)
			if answers != tt.answers || !errors.Is(err, tt.err) {
				t.Errorf("answers %v, error %v; want %v, %v", answers, err, tt.answers, tt.err)
			}
			if len(a.quick) != tt.quick || len(a.read) != tt.read {
				t.Errorf("%d quick writes and %d reads, want %d and %d", len(a.quick), len(a.read), tt.quick, tt.read)
			}
			if len(a.wrote) > 0 {
				t.Errorf("data was written: % x", a.wrote)
			}
		})
	}
}

func TestProbeError(t *testing.T) {
	a := &adapter{funcs: funcQuick, failure: unix.ETIMEDOUT}
	if _, err := open(t, a).Probe(0x48); !errors.Is(err, unix.ETIMEDOUT) {
		t.Errorf("a stuck bus: %v", err)
	}
}
