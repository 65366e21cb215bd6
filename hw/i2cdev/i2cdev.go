// Package i2cdev speaks Linux's I2C character device (linux/i2c-dev.h): combined
// transfers, SMBus commands in their place where an adapter knows no others, and
// the two harmless ways of asking whether an address answers.
//
// It knows the kernel's structures and nothing of the parts on a bus. Unlike
// the bus of periph's host package it takes any device path, and its errors
// keep the errno: whether a device did not acknowledge (unix.ENXIO or
// unix.EREMOTEIO) or the adapter is gone (unix.ENODEV) decides what an operator
// is told.
package i2cdev

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"
)

// Requests of linux/i2c-dev.h.
const (
	requestSlave = 0x0703 // I2C_SLAVE
	requestFuncs = 0x0705 // I2C_FUNCS
	requestRdWr  = 0x0707 // I2C_RDWR
	requestSMBus = 0x0720 // I2C_SMBUS
)

// maxTransfer is the longest message that the kernel takes (drivers/i2c/i2c-dev.c).
const maxTransfer = 8192

// Bus is an open I2C adapter. It implements i2c.BusCloser, and leaves it to its
// owner that one transfer runs at a time. While it is open the kernel cannot
// remove the adapter: i2c_del_adapter waits for it. Open it for no longer than
// it is used.
type Bus struct {
	file  *os.File
	ioctl Ioctl
	funcs uint
}

var _ i2c.BusCloser = (*Bus)(nil)

// Open opens the adapter at path, "/dev/i2c-1". A nil ioctl is the kernel's.
func Open(path string, ioctl Ioctl) (*Bus, error) {
	if ioctl == nil {
		ioctl = kernelIoctl
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	b := &Bus{file: file, ioctl: ioctl}
	var funcs uintptr // unsigned long
	if err := b.control(requestFuncs, 0, unsafe.Pointer(&funcs)); err != nil {
		return nil, errors.Join(fmt.Errorf("%s is not an I2C adapter: %w", path, err), file.Close())
	}
	b.funcs = uint(funcs)
	return b, nil
}

// Close closes the adapter.
func (b *Bus) Close() error { return b.file.Close() }

// String returns the path of the adapter.
func (b *Bus) String() string { return b.file.Name() }

// SetSpeed implements i2c.Bus. The speed is the device tree's affair.
func (b *Bus) SetSpeed(physic.Frequency) error {
	return errors.New("the speed of an I2C bus is set by the kernel")
}

// message is struct i2c_msg of linux/i2c.h.
type message struct {
	address uint16
	flags   uint16
	length  uint16
	buf     unsafe.Pointer
}

const flagRead = 0x0001 // I2C_M_RD

// transfer is struct i2c_rdwr_ioctl_data of linux/i2c-dev.h.
type transfer struct {
	messages unsafe.Pointer
	count    uint32
}

// Tx implements i2c.Bus: it writes w, if any, to the 7-bit address and reads r,
// if any, after a repeated start. On an adapter that knows SMBus commands only
// it is the command that looks the same on the wire; where there is none the
// error is ErrNotSMBus and nothing was sent. Other errors wrap the errno.
func (b *Bus) Tx(address uint16, w, r []byte) error {
	if address > 0x7f || len(w) > maxTransfer || len(r) > maxTransfer {
		return fmt.Errorf("%s: transfer of %d and %d bytes with address %#x: %w", b, len(w), len(r), address, unix.EINVAL)
	}
	if b.funcs&funcI2C == 0 {
		return b.command(address, w, r)
	}
	return b.combined(address, w, r)
}

// combined is Tx by I2C_RDWR.
func (b *Bus) combined(address uint16, w, r []byte) error {
	var pin runtime.Pinner // the structures below hold pointers that the collector must know of
	defer pin.Unpin()
	messages := new([2]message)
	n := 0
	add := func(flags uint16, buf []byte) {
		if len(buf) > 0 {
			pin.Pin(&buf[0])
			messages[n] = message{address: address, flags: flags, length: uint16(len(buf)), buf: unsafe.Pointer(&buf[0])} //nolint:gosec // bounded by maxTransfer
			n++
		}
	}
	add(0, w)
	add(flagRead, r)
	if n == 0 {
		return nil
	}
	pin.Pin(messages)
	t := &transfer{messages: unsafe.Pointer(messages), count: uint32(n)}
	if err := b.control(requestRdWr, 0, unsafe.Pointer(t)); err != nil {
		return fmt.Errorf("%s address %#02x: %w", b, address, err)
	}
	return nil
}

// Probe reports whether a device answers at the 7-bit address, in the way that
// is known to do the least harm (i2cdetect(8)): it reads a byte where EEPROMs
// and clock chips live, which a write without data may confuse, and elsewhere
// writes the address alone. The error is unix.EBUSY where a kernel driver holds
// the address; then nothing was sent.
func (b *Bus) Probe(address uint16) (bool, error) {
	if err := b.control(requestSlave, uintptr(address), nil); err != nil {
		return false, err
	}
	quick := b.funcs&funcQuick != 0
	readable := b.funcs&funcReadByte != 0
	eeprom := address >= 0x30 && address <= 0x37 || address >= 0x50 && address <= 0x5f
	var err error
	switch {
	case readable && (eeprom || !quick):
		var data smbusData
		err = b.smbus(smbusRead, 0, smbusByte, &data)
	case quick && !eeprom:
		err = b.smbus(smbusWrite, 0, smbusQuick, nil)
	default:
		return false, fmt.Errorf("%s: no harmless way to ask address %#02x: %w", b, address, unix.EOPNOTSUPP)
	}
	return err == nil, notAbsence(err)
}

// notAbsence is nil for the errors by which adapters say that nobody answered.
// A bus that times out says nothing of the kind: it is stuck.
func notAbsence(err error) error {
	for _, absent := range []error{unix.ENXIO, unix.EREMOTEIO, unix.EIO} {
		if errors.Is(err, absent) {
			return nil
		}
	}
	return err
}

func (b *Bus) control(request uint, number uintptr, arg unsafe.Pointer) error {
	conn, err := b.file.SyscallConn()
	if err != nil {
		return err
	}
	var done error
	if err := conn.Control(func(fd uintptr) { done = b.ioctl(fd, request, number, arg) }); err != nil {
		return err
	}
	return done
}

// Ioctl performs one ioctl(2) on an adapter. arg points to the structure that
// belongs to request; where a request takes a number instead, arg is nil.
type Ioctl func(fd uintptr, request uint, number uintptr, arg unsafe.Pointer) error

func kernelIoctl(fd uintptr, request uint, number uintptr, arg unsafe.Pointer) error {
	var errno unix.Errno
	if arg != nil {
		_, _, errno = unix.Syscall(unix.SYS_IOCTL, fd, uintptr(request), uintptr(arg))
	} else {
		_, _, errno = unix.Syscall(unix.SYS_IOCTL, fd, uintptr(request), number)
	}
	if errno != 0 {
		return errno
	}
	return nil
}
