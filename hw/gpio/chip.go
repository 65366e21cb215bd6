// Package gpio speaks version 2 of Linux's GPIO character device (linux/gpio.h,
// kernel 5.10 and later): chips, what their lines are, inputs with edges, many
// in one request, and outputs.
//
// It knows the kernel's structures and nothing of sensors or actuators. What was
// requested is a file of Go's poller: waiting for an edge costs neither a
// thread nor a timer, and an output's file can be handed to another process.
package gpio

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Chip is an open GPIO chip.
type Chip struct {
	file  *os.File
	ioctl Ioctl
	info  unix.GPIOChipInfo
}

// Info describes one line of a chip.
type Info struct {
	Offset    int
	Name      string // as given by the device tree or firmware; may be ""
	Consumer  string // who requested it; may be ""
	Used      bool   // requested, or held by the kernel
	Output    bool
	ActiveLow bool
}

// OpenChip opens the chip at path, "/dev/gpiochip0". A nil ioctl is the
// kernel's.
func OpenChip(path string, ioctl Ioctl) (*Chip, error) {
	if ioctl == nil {
		ioctl = kernelIoctl
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	c := &Chip{file: file, ioctl: ioctl}
	if err := control(file, ioctl, unix.GPIO_GET_CHIPINFO_IOCTL, unsafe.Pointer(&c.info)); err != nil {
		return nil, errors.Join(fmt.Errorf("%s is not a GPIO chip: %w", path, err), file.Close())
	}
	return c, nil
}

// Close closes the chip. Lines that were requested stay.
func (c *Chip) Close() error { return c.file.Close() }

// Path is where the chip was opened.
func (c *Chip) Path() string { return c.file.Name() }

// Name is the chip's system name: "gpiochip0".
func (c *Chip) Name() string { return text(c.info.Name[:]) }

// Label is the chip's label: "209c000.gpio".
func (c *Chip) Label() string { return text(c.info.Label[:]) }

// Lines is the number of lines.
func (c *Chip) Lines() int { return int(c.info.Lines) }

// Line describes the line at offset.
func (c *Chip) Line(offset int) (Info, error) {
	if offset < 0 || offset >= c.Lines() {
		return Info{}, fmt.Errorf("%s has lines 0 to %d, not %d", c.Name(), c.Lines()-1, offset)
	}
	in := unix.GPIOV2LineInfo{Offset: uint32(offset)} //nolint:gosec // not negative
	if err := control(c.file, c.ioctl, unix.GPIO_V2_GET_LINEINFO_IOCTL, unsafe.Pointer(&in)); err != nil {
		return Info{}, fmt.Errorf("ask %s for line %d: %w", c.Name(), offset, err)
	}
	return Info{
		Offset:    offset,
		Name:      text(in.Name[:]),
		Consumer:  text(in.Consumer[:]),
		Used:      in.Flags&flagUsed != 0,
		Output:    in.Flags&flagOutput != 0,
		ActiveLow: in.Flags&flagActiveLow != 0,
	}, nil
}

// Find returns the offset of the first line with that name; ok is false if
// there is none.
func (c *Chip) Find(name string) (offset int, ok bool, err error) {
	for offset := range c.Lines() {
		info, err := c.Line(offset)
		if err != nil {
			return 0, false, err
		}
		if info.Name == name {
			return offset, true, nil
		}
	}
	return 0, false, nil
}

// request takes lines with room for as many edges, and returns the file that
// holds them.
func (c *Chip) request(consumer string, offsets []int, config unix.GPIOV2LineConfig, edges uint32) (*os.File, error) {
	r := unix.GPIOV2LineRequest{Num_lines: uint32(len(offsets)), Config: config, Event_buffer_size: edges} //nolint:gosec // 64 at most
	for i, offset := range offsets {
		if offset < 0 || offset >= c.Lines() {
			return nil, fmt.Errorf("%s has lines 0 to %d, not %d", c.Name(), c.Lines()-1, offset)
		}
		r.Offsets[i] = uint32(offset) //nolint:gosec // not negative
	}
	copy(r.Consumer[:len(r.Consumer)-1], consumer)
	name := fmt.Sprintf("%s lines %v", c.Name(), offsets)
	if len(offsets) == 1 {
		name = fmt.Sprintf("%s line %d", c.Name(), offsets[0])
	}
	if err := control(c.file, c.ioctl, unix.GPIO_V2_GET_LINE_IOCTL, unsafe.Pointer(&r)); err != nil {
		return nil, fmt.Errorf("request %s: %w", name, err)
	}
	if err := unix.SetNonblock(int(r.Fd), true); err != nil {
		return nil, errors.Join(err, unix.Close(int(r.Fd)))
	}
	return os.NewFile(uintptr(r.Fd), name), nil //nolint:gosec // a descriptor is not negative
}

// control runs one ioctl on a file that may be closed at any time.
func control(file *os.File, ioctl Ioctl, request uint, arg unsafe.Pointer) error {
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var done error
	if err := conn.Control(func(fd uintptr) { done = ioctl(fd, request, arg) }); err != nil {
		return err
	}
	return done
}

func text(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}
