// Package spidev speaks Linux's SPI character device (linux/spi/spidev.h): full
// duplex transfers with one part behind one chip select.
//
// It knows the kernel's structures and nothing of the part. What the device tree
// says of the part's wiring stays: a lower speed, an inverted chip select.
package spidev

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The bits of a request that say which way its data go are other ones on some
// architectures (asm/ioctl.h); these requests are known on all.
const (
	direction = 0xe0000000
	toKernel  = uint(unix.RNDADDTOENTCNT) & direction // _IOW
	toUser    = uint(unix.RNDGETENTCNT) & direction   // _IOR
)

// Requests of linux/spi/spidev.h.
const (
	requestReadMode  = toUser | 1<<16 | 'k'<<8 | 1
	requestMode      = toKernel | 1<<16 | 'k'<<8 | 1
	requestReadSpeed = toUser | 4<<16 | 'k'<<8 | 4
	requestTransfer  = toKernel | uint(unsafe.Sizeof(transfer{}))<<16 | 'k'<<8
)

// transfer is struct spi_ioc_transfer.
type transfer struct {
	tx, rx    uint64 // addresses
	length    uint32
	speed     uint32 // Hz
	delay     uint16
	bits      uint8
	change    uint8
	txBits    uint8
	rxBits    uint8
	wordDelay uint8
	_         uint8
}

// clockMode are the bits of the mode that a part decides: CPHA and CPOL.
const clockMode = 0x03

// Settings are what a part needs of its bus.
type Settings struct {
	Mode  uint8  // 0 to 3: CPOL is bit 1, CPHA bit 0
	Speed uint32 // the most it takes, in Hz
}

// Device is an open part on an SPI bus. One transfer runs at a time, by the care
// of its owner.
type Device struct {
	file  *os.File
	ioctl Ioctl
	speed uint32
}

// Open opens the device at path, "/dev/spidev0.0", and sets it up. A nil ioctl
// is the kernel's.
func Open(path string, s Settings, ioctl Ioctl) (*Device, error) {
	if ioctl == nil {
		ioctl = kernelIoctl
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	d := &Device{file: file, ioctl: ioctl, speed: s.Speed}
	if err := d.set(s); err != nil {
		return nil, errors.Join(fmt.Errorf("%s is not an SPI device: %w", path, err), file.Close())
	}
	return d, nil
}

func (d *Device) set(s Settings) error {
	var mode uint8
	if err := d.control(requestReadMode, unsafe.Pointer(&mode)); err != nil {
		return err
	}
	if wanted := mode&^clockMode | s.Mode; wanted != mode {
		if err := d.control(requestMode, unsafe.Pointer(&wanted)); err != nil {
			return fmt.Errorf("mode %d: %w", s.Mode, err)
		}
	}
	var speed uint32
	if err := d.control(requestReadSpeed, unsafe.Pointer(&speed)); err != nil {
		return err
	}
	if speed > 0 {
		d.speed = min(d.speed, speed)
	}
	return nil
}

// Tx writes w to the part and reads as many bytes into r at the same time.
// Errors wrap the errno.
func (d *Device) Tx(w, r []byte) error {
	if len(w) == 0 || len(w) != len(r) {
		return fmt.Errorf("%s: %d bytes out and %d in: %w", d.file.Name(), len(w), len(r), unix.EINVAL)
	}
	var pin runtime.Pinner // the structure below holds addresses that the collector must know of
	defer pin.Unpin()
	pin.Pin(&w[0])
	pin.Pin(&r[0])
	t := &transfer{
		tx: uint64(uintptr(unsafe.Pointer(&w[0]))), rx: uint64(uintptr(unsafe.Pointer(&r[0]))),
		length: uint32(len(w)), speed: d.speed, bits: 8, //nolint:gosec // the kernel refuses what exceeds its buffer
	}
	if err := d.control(requestTransfer, unsafe.Pointer(t)); err != nil {
		return fmt.Errorf("%s: %w", d.file.Name(), err)
	}
	return nil
}

// Close closes the device.
func (d *Device) Close() error { return d.file.Close() }

// String returns the path of the device.
func (d *Device) String() string { return d.file.Name() }

func (d *Device) control(request uint, arg unsafe.Pointer) error {
	conn, err := d.file.SyscallConn()
	if err != nil {
		return err
	}
	var done error
	if err := conn.Control(func(fd uintptr) { done = d.ioctl(fd, request, arg) }); err != nil {
		return err
	}
	return done
}

// Ioctl performs one ioctl(2) on a device. arg points to the structure that
// belongs to request.
type Ioctl func(fd uintptr, request uint, arg unsafe.Pointer) error

func kernelIoctl(fd uintptr, request uint, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, uintptr(request), uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}
