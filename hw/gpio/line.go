package gpio

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Drive of an output line.
type Drive uint8

// The drives.
const (
	PushPull Drive = iota
	OpenDrain
	OpenSource
)

// Options say how a line is requested.
type Options struct {
	Consumer  string // shown to others, 31 bytes at most
	AsIs      bool   // leave the line as it is: it can be read only; else it becomes an output
	ActiveLow bool
	Drive     Drive
	Value     bool // first value of an output: true is active
}

// Line is a requested line, as a rule an output. It is held until Close.
type Line struct {
	file  *os.File
	ioctl Ioctl
}

// Request takes the line at offset. An error that is unix.EBUSY means that it
// is in use.
func (c *Chip) Request(offset int, o Options) (*Line, error) {
	file, err := c.request(o.Consumer, []int{offset}, o.config(), 0)
	if err != nil {
		return nil, err
	}
	return &Line{file: file, ioctl: c.ioctl}, nil
}

// Adopt makes a line of a handle of an output that another process requested,
// and configures it by o, but with the value that it has. The line owns file
// from here on, also on an error.
func Adopt(file *os.File, o Options, ioctl Ioctl) (*Line, error) {
	if ioctl == nil {
		ioctl = kernelIoctl
	}
	l := &Line{file: file, ioctl: ioctl}
	if err := l.KeepAsOutput(o); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return l, nil
}

// KeepAsOutput makes the line an output as o says, but of the value that it has.
func (l *Line) KeepAsOutput(o Options) (err error) {
	o.AsIs = false
	if o.Value, err = l.Value(); err != nil {
		return err
	}
	c := o.config()
	if err := control(l.file, l.ioctl, setConfigIoctl, unsafe.Pointer(&c)); err != nil {
		return fmt.Errorf("configure %s: %w", l.file.Name(), err)
	}
	return nil
}

// Value reads the line: true is active.
func (l *Line) Value() (bool, error) {
	bits, err := values(l.file, l.ioctl, 1)
	return bits&1 != 0, err
}

// SetValue drives an output: true is active.
func (l *Line) SetValue(active bool) error {
	v := unix.GPIOV2LineValues{Mask: 1}
	if active {
		v.Bits = 1
	}
	if err := control(l.file, l.ioctl, unix.GPIO_V2_LINE_SET_VALUES_IOCTL, unsafe.Pointer(&v)); err != nil {
		return fmt.Errorf("set %s: %w", l.file.Name(), err)
	}
	return nil
}

// Handle returns a duplicate of the line's file descriptor. While it is open
// the line keeps its value and nobody else can request it.
func (l *Line) Handle() (*os.File, error) {
	conn, err := l.file.SyscallConn()
	if err != nil {
		return nil, err
	}
	dup := -1
	var failed error
	err = conn.Control(func(fd uintptr) { dup, failed = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
	if err := errors.Join(err, failed); err != nil {
		return nil, fmt.Errorf("duplicate %s: %w", l.file.Name(), err)
	}
	return os.NewFile(uintptr(dup), l.file.Name()), nil
}

// Close releases the line. What an output drives then is the chip's affair;
// most leave it.
func (l *Line) Close() error { return l.file.Close() }
