package i2cdev

import (
	"bytes"
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// stub is what i2c-stub is: 256 registers behind SMBus commands, and no more
// functions than it is given.
type stub struct {
	registers [256]byte
	pointer   uint8
	sizes     []uint32 // of the commands that came
}

func (s *stub) smbus(address uint16, call *smbusCall) error {
	if address != 0x48 {
		return unix.ENXIO
	}
	s.sizes = append(s.sizes, call.size)
	data := (*smbusData)(call.data)
	switch at := s.registers[call.command:]; {
	case call.size == smbusByte && call.read == smbusRead:
		data[0] = s.registers[s.pointer]
	case call.size == smbusByte:
		s.pointer = call.command
	case call.size == smbusByteData && call.read == smbusRead:
		copy(data[:1], at)
	case call.size == smbusByteData:
		copy(at, data[:1])
	case call.size == smbusWordData && call.read == smbusRead:
		copy(data[:2], at) // a little-endian machine
	case call.size == smbusWordData:
		copy(at, data[:2])
	case call.size == smbusProcessCall:
		data[0], data[1] = data[1], data[0]
	case call.size == smbusBlock && call.read == smbusRead:
		copy(data[1:1+data[0]], at)
	case call.size == smbusBlock:
		copy(at, data[1:1+data[0]])
	default:
		return unix.EOPNOTSUPP
	}
	return nil
}

const all = funcQuick | funcReadByte | funcWriteByte | funcReadByteData | funcWriteByteData | funcReadWord | funcWriteWord |
	funcProcessCall | funcReadBlock | funcWriteBlock

func TestSMBus(t *testing.T) {
	long := bytes.Repeat([]byte{7}, 32)
	tests := []struct {
		name  string
		funcs uintptr
		w     []byte
		want  []byte // what is read
		size  uint32
		err   error
	}{
		{"receive byte", all, nil, []byte{0x10}, smbusByte, nil},
		{"send byte", all, []byte{2}, nil, smbusByte, nil},
		{"read byte", all, []byte{1}, []byte{0x11}, smbusByteData, nil},
		{"write byte", all, []byte{1, 9}, nil, smbusByteData, nil},
		{"read word", all, []byte{1}, []byte{0x11, 0x12}, smbusWordData, nil},
		{"write word", all, []byte{1, 9, 8}, nil, smbusWordData, nil},
		{"process call", all, []byte{1, 9, 8}, []byte{8, 9}, smbusProcessCall, nil},
		{"read 3", all, []byte{1}, []byte{0x11, 0x12, 0x13}, smbusBlock, nil},
		{"write 3", all, []byte{1, 9, 8, 7}, nil, smbusBlock, nil},
		{"write 32", all, append([]byte{1}, long...), nil, smbusBlock, nil},
		{"word as block", all &^ funcReadWord, []byte{1}, []byte{0x11, 0x12}, smbusBlock, nil},
		{"no blocks", all &^ funcReadBlock, []byte{1}, []byte{0, 0, 0}, 0, ErrNotSMBus},
		{"write 33", all, append([]byte{1, 1}, long...), nil, 0, ErrNotSMBus},
		{"read 33", all, []byte{1}, make([]byte, 33), 0, ErrNotSMBus},
		{"read without a command", all, nil, make([]byte, 6), 0, ErrNotSMBus},
		{"command of 16 bits", all, []byte{0x24, 0}, make([]byte, 6), 0, ErrNotSMBus},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &stub{}
			for i := range s.registers {
				s.registers[i] = byte(0x10 + i)
			}
			bus := open(t, &adapter{funcs: tt.funcs, smbus: s.smbus})
			r := make([]byte, len(tt.want))
			err := bus.Tx(0x48, tt.w, r)
			if !errors.Is(err, tt.err) || !bytes.Equal(r, tt.want) {
				t.Errorf("read % x, want % x; error %v", r, tt.want, err)
			}
			if tt.err != nil {
				if len(s.sizes) > 0 {
					t.Errorf("commands were sent: %v", s.sizes)
				}
				return
			}
			if len(s.sizes) != 1 || s.sizes[0] != tt.size {
				t.Errorf("commands %v, want one of size %d", s.sizes, tt.size)
			}
			if len(tt.w) > 1 && len(tt.want) == 0 && !bytes.Equal(s.registers[1:len(tt.w)], tt.w[1:]) {
				t.Errorf("registers % x", s.registers[1:len(tt.w)])
			}
		})
	}
}

func TestSMBusErrors(t *testing.T) {
	bus := open(t, &adapter{funcs: all, smbus: (&stub{}).smbus, held: map[uint16]bool{0x1d: true}})
	if err := bus.Tx(0x49, []byte{1}, make([]byte, 1)); !errors.Is(err, unix.ENXIO) {
		t.Errorf("nobody answers: %v", err)
	}
	if err := bus.Tx(0x1d, []byte{1}, make([]byte, 1)); !errors.Is(err, unix.EBUSY) {
		t.Errorf("held by a kernel driver: %v", err)
	}
}
