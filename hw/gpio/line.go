package gpio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Direction of a requested line.
type Direction uint8

// The directions. AsIs leaves the line as it is: it can be read only.
const (
	AsIs Direction = iota
	Input
	Output
)

// Bias of an input line.
type Bias uint8

// The biases. BiasAsIs leaves what is set.
const (
	BiasAsIs Bias = iota
	BiasDisabled
	PullUp
	PullDown
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
	Direction Direction
	ActiveLow bool
	Bias      Bias
	Drive     Drive
	Value     bool          // first value of an output: true is active
	Edges     bool          // report both edges of an input
	Debounce  time.Duration // of an input; 0 is none. Whole microseconds
}

// Line is a requested line. It is held until Close.
type Line struct {
	file  *os.File
	ioctl Ioctl
	raw   [16 * eventSize]byte
}

// Event is one edge of a line.
type Event struct {
	Active bool          // the edge led to the active level
	Time   time.Duration // on CLOCK_MONOTONIC
	Seq    uint32        // counts this line's edges from 1, wrapping; a gap is edges that the kernel saw and had no room to keep
}

// Request takes the line at offset. An error that is unix.EBUSY means that it
// is in use.
func (c *Chip) Request(offset int, o Options) (*Line, error) {
	if offset < 0 || offset >= c.Lines() {
		return nil, fmt.Errorf("%s has lines 0 to %d, not %d", c.Name(), c.Lines()-1, offset)
	}
	request := unix.GPIOV2LineRequest{Num_lines: 1, Config: o.config()}
	request.Offsets[0] = uint32(offset) //nolint:gosec // not negative
	copy(request.Consumer[:len(request.Consumer)-1], o.Consumer)
	if o.Edges {
		request.Event_buffer_size = eventBuffer
	}
	if err := control(c.file, c.ioctl, unix.GPIO_V2_GET_LINE_IOCTL, unsafe.Pointer(&request)); err != nil {
		return nil, fmt.Errorf("request line %d of %s: %w", offset, c.Name(), err)
	}
	if err := unix.SetNonblock(int(request.Fd), true); err != nil {
		return nil, errors.Join(err, unix.Close(int(request.Fd)))
	}
	name := fmt.Sprintf("%s line %d", c.Name(), offset)
	file := os.NewFile(uintptr(request.Fd), name) //nolint:gosec // a descriptor is not negative
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
	o.Direction = Output
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
	v := unix.GPIOV2LineValues{Mask: 1}
	if err := control(l.file, l.ioctl, unix.GPIO_V2_LINE_GET_VALUES_IOCTL, unsafe.Pointer(&v)); err != nil {
		return false, fmt.Errorf("read %s: %w", l.file.Name(), err)
	}
	return v.Bits&1 != 0, nil
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

// Events waits for edges and returns them, oldest first, as many as there are
// and fit: at most 16. Interrupt and Close end the wait. It is called by one goroutine at a
// time. buf is used for the result if it is large enough.
func (l *Line) Events(buf []Event) ([]Event, error) {
	n, err := l.file.Read(l.raw[:])
	if err != nil {
		return nil, fmt.Errorf("wait for edges: %w", err)
	}
	return decodeEvents(buf[:0], l.raw[:n])
}

// Interrupt ends the wait of Events, now and from now on.
func (l *Line) Interrupt() {
	_ = l.file.SetReadDeadline(time.Unix(1, 0)) // fails on a closed line alone, which nobody waits for
}

// decodeEvents appends the edges in raw, whole struct gpio_v2_line_event in
// the machine's byte order, to events.
func decodeEvents(events []Event, raw []byte) ([]Event, error) {
	if len(raw)%eventSize != 0 {
		return nil, fmt.Errorf("the kernel gave %d bytes, not whole edges of %d", len(raw), eventSize)
	}
	order := binary.NativeEndian
	for ; len(raw) > 0; raw = raw[eventSize:] {
		id := order.Uint32(raw[8:])
		if id != unix.GPIO_V2_LINE_EVENT_RISING_EDGE && id != unix.GPIO_V2_LINE_EVENT_FALLING_EDGE {
			return nil, fmt.Errorf("the kernel gave an edge of unknown kind %d", id)
		}
		events = append(events, Event{
			Active: id == unix.GPIO_V2_LINE_EVENT_RISING_EDGE,
			Time:   time.Duration(order.Uint64(raw)), //nolint:gosec // nanoseconds since boot
			Seq:    order.Uint32(raw[20:]),
		})
	}
	return events, nil
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
