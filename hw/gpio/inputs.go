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

// MaxInputs is how many lines one request takes (GPIO_V2_LINES_MAX).
const MaxInputs = 64

// ErrAttributes says that lines differ in more ways than one request can say.
var ErrAttributes = errors.New("too many different settings for one request")

// Bias of an input line.
type Bias uint8

// The biases. BiasAsIs leaves what is set.
const (
	BiasAsIs Bias = iota
	BiasDisabled
	PullUp
	PullDown
)

// Input says how one line is requested as an input with both edges reported.
type Input struct {
	Offset    int
	ActiveLow bool
	Bias      Bias
	Debounce  time.Duration // 0 is none. Whole microseconds
}

// Inputs are lines of one chip that were requested together. They are held
// until Close. The kernel keeps up to 1024 of their edges.
type Inputs struct {
	file  *os.File
	ioctl Ioctl
	lines int
	raw   [64 * eventSize]byte
}

// Event is one edge of a line.
type Event struct {
	Offset int           // of the line on its chip
	Active bool          // the edge led to the active level
	Time   time.Duration // on CLOCK_MONOTONIC
	Seq    uint32        // counts this line's edges from 1, wrapping; a gap is edges that the kernel saw and had no room to keep
}

// RequestInputs takes all lines, 1 to MaxInputs, or none. consumer is shown to
// others, 31 bytes at most. An error that is unix.EBUSY means that one of them
// is in use; one that is ErrAttributes, that they must be taken in parts.
func (c *Chip) RequestInputs(consumer string, lines []Input) (*Inputs, error) {
	if len(lines) == 0 || len(lines) > MaxInputs {
		return nil, fmt.Errorf("%d lines in one request: %w", len(lines), unix.EINVAL)
	}
	config, err := inputConfig(lines)
	if err != nil {
		return nil, err
	}
	offsets := make([]int, len(lines))
	for i, l := range lines {
		offsets[i] = l.Offset
	}
	file, err := c.request(consumer, offsets, config, eventBuffer)
	if err != nil {
		return nil, err
	}
	return &Inputs{file: file, ioctl: c.ioctl, lines: len(lines)}, nil
}

// Values reads the lines, in the order of the request: true is active.
func (in *Inputs) Values() ([]bool, error) {
	bits, err := values(in.file, in.ioctl, ^uint64(0)>>(MaxInputs-in.lines))
	if err != nil {
		return nil, err
	}
	active := make([]bool, in.lines)
	for i := range active {
		active[i] = bits>>i&1 != 0
	}
	return active, nil
}

// Events waits for edges and returns them, oldest first, as many as there are
// and fit: at most 64. Interrupt and Close end the wait. It is called by one
// goroutine at a time. buf is used for the result if it is large enough.
func (in *Inputs) Events(buf []Event) ([]Event, error) {
	n, err := in.file.Read(in.raw[:])
	if err != nil {
		return nil, fmt.Errorf("wait for edges: %w", err)
	}
	return decodeEvents(buf[:0], in.raw[:n])
}

// Rest returns the edges that are there, as Events does but without waiting, and
// after Interrupt too; none if there are none.
func (in *Inputs) Rest(buf []Event) ([]Event, error) {
	conn, err := in.file.SyscallConn()
	if err != nil {
		return nil, err
	}
	var n int
	var failed error
	err = conn.Control(func(fd uintptr) { n, failed = unix.Read(int(fd), in.raw[:]) })
	if err := errors.Join(err, failed); err != nil && !errors.Is(err, unix.EAGAIN) {
		return nil, fmt.Errorf("read the last edges: %w", err)
	}
	return decodeEvents(buf[:0], in.raw[:max(n, 0)])
}

// Interrupt ends the wait of Events, now and from now on.
func (in *Inputs) Interrupt() {
	_ = in.file.SetReadDeadline(time.Unix(1, 0)) // fails on closed lines alone, which nobody waits for
}

// Close releases the lines.
func (in *Inputs) Close() error { return in.file.Close() }

// inputConfig is the kernel's form of lines. Flags and debounce periods that
// several lines have are said once, for all of them.
func inputConfig(lines []Input) (unix.GPIOV2LineConfig, error) {
	c := unix.GPIOV2LineConfig{Flags: lines[0].flags()}
	said := make(map[unix.GPIOV2LineAttribute]uint64) // and the lines it is said of, a bit each
	for i, l := range lines {
		if flags := l.flags(); flags != c.Flags {
			said[unix.GPIOV2LineAttribute{Id: unix.GPIO_V2_LINE_ATTR_ID_FLAGS, Flags: flags}] |= 1 << i
		}
		if l.Debounce > 0 {
			said[unix.GPIOV2LineAttribute{Id: unix.GPIO_V2_LINE_ATTR_ID_DEBOUNCE, Flags: debounceField(l.Debounce)}] |= 1 << i
		}
	}
	if len(said) > len(c.Attrs) {
		return c, ErrAttributes
	}
	for a, mask := range said {
		c.Attrs[c.Num_attrs] = unix.GPIOV2LineConfigAttribute{Attr: a, Mask: mask}
		c.Num_attrs++
	}
	return c, nil
}

func (l Input) flags() uint64 {
	flags := flagInput | flagEdgeRising | flagEdgeFalling
	if l.ActiveLow {
		flags |= flagActiveLow
	}
	switch l.Bias {
	case BiasDisabled:
		flags |= flagBiasDisabled
	case PullUp:
		flags |= flagPullUp
	case PullDown:
		flags |= flagPullDown
	case BiasAsIs:
	}
	return flags
}

// debounceField puts a period in microseconds where the kernel looks for it:
// the attribute is a union, and the period its first 32 bits.
func debounceField(d time.Duration) (field uint64) {
	us := uint32(min(d.Microseconds(), 1<<32-1)) //nolint:gosec // bounded on this line
	*(*uint32)(unsafe.Pointer(&field)) = us      // the first half, in either byte order
	return field
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
			Offset: int(order.Uint32(raw[12:])),
			Active: id == unix.GPIO_V2_LINE_EVENT_RISING_EDGE,
			Time:   time.Duration(order.Uint64(raw)), //nolint:gosec // nanoseconds since boot
			Seq:    order.Uint32(raw[20:]),
		})
	}
	return events, nil
}
