package i2cdev

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"unsafe"
)

// ErrNotSMBus is a transfer that an adapter which knows SMBus commands only,
// such as the i801 and piix4 of PCs, cannot make.
var ErrNotSMBus = errors.New("the adapter knows SMBus commands only, and has none for this transfer")

// Adapter functions of linux/i2c.h.
const (
	funcI2C           = 0x00000001
	funcQuick         = 0x00010000
	funcReadByte      = 0x00020000
	funcWriteByte     = 0x00040000
	funcReadByteData  = 0x00080000
	funcWriteByteData = 0x00100000
	funcReadWord      = 0x00200000
	funcWriteWord     = 0x00400000
	funcProcessCall   = 0x00800000
	funcReadBlock     = 0x04000000 // I2C_FUNC_SMBUS_READ_I2C_BLOCK
	funcWriteBlock    = 0x08000000 // I2C_FUNC_SMBUS_WRITE_I2C_BLOCK
)

// Directions and sizes of linux/i2c.h.
const (
	smbusWrite       = 0
	smbusRead        = 1
	smbusQuick       = 0
	smbusByte        = 1
	smbusByteData    = 2
	smbusWordData    = 3
	smbusProcessCall = 4
	smbusBlock       = 8 // I2C_SMBUS_I2C_BLOCK_DATA: no length on the wire
)

// maxBlock is I2C_SMBUS_BLOCK_MAX.
const maxBlock = 32

// smbusData is union i2c_smbus_data: a byte, a word in the machine's order, or a
// length and as many bytes.
type smbusData [maxBlock + 2]byte

// smbusCall is struct i2c_smbus_ioctl_data of linux/i2c-dev.h.
type smbusCall struct {
	read    uint8
	command uint8
	size    uint32
	data    unsafe.Pointer
}

// form is an SMBus command that puts a transfer of just these lengths on the
// wire (Documentation/i2c/smbus-protocol.rst).
type form struct {
	fewest, most int // bytes to write, the command among them
	readMin      int // bytes to read
	readMax      int
	needs        uint
	size         uint32
}

// forms are tried in order: what a part's data sheet calls a byte or a word goes
// as one, since adapters that know blocks are fewer.
var forms = [...]form{
	{0, 0, 1, 1, funcReadByte, smbusByte},
	{1, 1, 0, 0, funcWriteByte, smbusByte},
	{2, 2, 0, 0, funcWriteByteData, smbusByteData},
	{1, 1, 1, 1, funcReadByteData, smbusByteData},
	{3, 3, 0, 0, funcWriteWord, smbusWordData},
	{1, 1, 2, 2, funcReadWord, smbusWordData},
	{3, 3, 2, 2, funcProcessCall, smbusProcessCall},
	{2, maxBlock + 1, 0, 0, funcWriteBlock, smbusBlock},
	{1, 1, 1, maxBlock, funcReadBlock, smbusBlock},
}

func (f *form) fits(funcs uint, w, r int) bool {
	return funcs&f.needs != 0 && w >= f.fewest && w <= f.most && r >= f.readMin && r <= f.readMax
}

// command is Tx by I2C_SMBUS.
func (b *Bus) command(address uint16, w, r []byte) error {
	for i := range forms {
		if f := &forms[i]; f.fits(b.funcs, len(w), len(r)) {
			if err := b.run(f, address, w, r); err != nil {
				return fmt.Errorf("%s address %#02x: %w", b, address, err)
			}
			return nil
		}
	}
	return fmt.Errorf("%s address %#02x, %d bytes to write and %d to read: %w", b, address, len(w), len(r), ErrNotSMBus)
}

// run makes the transfer in the form that fits it.
func (b *Bus) run(f *form, address uint16, w, r []byte) error {
	if err := b.control(requestSlave, uintptr(address), nil); err != nil {
		return err
	}
	var (
		data    smbusData
		command uint8
		read    = uint8(smbusWrite)
	)
	if len(w) > 0 {
		command = w[0]
		f.put(&data, w[1:])
	}
	if len(r) > 0 {
		read = smbusRead
		if f.size == smbusBlock {
			data[0] = uint8(len(r)) //nolint:gosec // at most maxBlock
		}
	}
	if f.size == smbusProcessCall {
		read = smbusWrite // reads all the same
	}
	if err := b.smbus(read, command, f.size, &data); err != nil {
		return err
	}
	f.take(&data, r)
	return nil
}

// put lays down what is written after the command. Words go low byte first on
// the wire.
func (f *form) put(data *smbusData, bytes []byte) {
	switch f.size {
	case smbusByteData:
		copy(data[:], bytes)
	case smbusWordData, smbusProcessCall:
		if len(bytes) == 2 {
			binary.NativeEndian.PutUint16(data[:], binary.LittleEndian.Uint16(bytes))
		}
	case smbusBlock:
		data[0] = uint8(len(bytes)) //nolint:gosec // at most maxBlock
		copy(data[1:], bytes)
	}
}

// take picks up what was read.
func (f *form) take(data *smbusData, r []byte) {
	switch {
	case len(r) == 0:
	case f.size == smbusWordData, f.size == smbusProcessCall:
		binary.LittleEndian.PutUint16(r, binary.NativeEndian.Uint16(data[:]))
	case f.size == smbusBlock:
		copy(r, data[1:])
	default:
		copy(r, data[:])
	}
}

func (b *Bus) smbus(read, command uint8, size uint32, data *smbusData) error {
	var pin runtime.Pinner
	defer pin.Unpin()
	if data != nil {
		pin.Pin(data)
	}
	call := &smbusCall{read: read, command: command, size: size, data: unsafe.Pointer(data)}
	return b.control(requestSMBus, 0, unsafe.Pointer(call))
}
