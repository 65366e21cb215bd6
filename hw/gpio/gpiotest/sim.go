// Package gpiotest is a GPIO controller for tests: it answers the ioctls of
// Linux's character device as the kernel does (drivers/gpio/gpiolib-cdev.c), and
// hands out real file descriptors from which edges are read.
//
// It knows the kernel's structures and none of the code that it is there to
// test.
package gpiotest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Flags and requests of linux/gpio.h.
const (
	flagUsed      = 1 << 0
	flagActiveLow = 1 << 1
	flagInput     = 1 << 2
	flagOutput    = 1 << 3
	flagEdges     = 1<<4 | 1<<5

	setConfig = 0xc110b40d
)

// Sim is a set of chips. Its Ioctl stands in for the kernel's.
type Sim struct {
	mu    sync.Mutex
	chips map[string]*chip // by path
	block chan struct{}    // not nil: ioctls on lines wait for it
}

type chip struct {
	name, label string
	lines       []*line
}

type line struct {
	name     string
	consumer string
	flags    uint64
	level    bool // of the wire
	debounce time.Duration
	request  *request // that holds it, or nil
	seq      uint32
	lose     int
}

// request is a descriptor that was handed out for lines.
type request struct {
	lines  []*line
	pipe   string // what /proc calls the descriptor
	events int    // the other end of it
	seq    uint32
}

// New returns a Sim without chips.
func New() *Sim { return &Sim{chips: make(map[string]*chip)} }

// AddChip makes the node dir/name of a chip with lines of these names.
func (s *Sim) AddChip(dir, name, label string, lines ...string) error {
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	c := &chip{name: name, label: label}
	for _, l := range lines {
		c.lines = append(c.lines, &line{name: l})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chips[path] = c
	return nil
}

// RemoveChip takes a chip away: its node vanishes and its lines fail.
func (s *Sim) RemoveChip(path string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.chips[path].lines {
		l.release()
	}
	delete(s.chips, path)
	return os.Remove(path)
}

// Drive puts a level on the wire of a line from outside.
func (s *Sim) Drive(path string, offset int, high bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.chips[path].lines[offset]
	if l.level == high {
		return nil
	}
	l.sweep()
	l.level = high
	if l.flags&flagEdges == 0 || l.request == nil {
		return nil
	}
	l.seq++
	l.request.seq++
	if l.lose > 0 {
		l.lose--
		return nil
	}
	return l.emit(offset)
}

// Lose makes the next n edges of a line find the kernel's buffer full.
func (s *Sim) Lose(path string, offset, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chips[path].lines[offset].lose = n
}

// Take makes the kernel use a line itself.
func (s *Sim) Take(path string, offset int, consumer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.chips[path].lines[offset]
	l.consumer, l.flags = consumer, l.flags|flagUsed
}

// Level is what a line's wire carries.
func (s *Sim) Level(path string, offset int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.chips[path].lines[offset].level
}

// Used reports whether a line is requested, and by whom.
func (s *Sim) Used(path string, offset int) (consumer string, used bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.chips[path].lines[offset]
	l.sweep()
	return l.consumer, l.flags&flagUsed != 0
}

// Requests is how many requests hold lines of a chip.
func (s *Sim) Requests(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	requests := make(map[*request]bool)
	for _, l := range s.chips[path].lines {
		if l.sweep(); l.request != nil {
			requests[l.request] = true
		}
	}
	return len(requests)
}

// Flags are those of linux/gpio.h that a line was requested with.
func (s *Sim) Flags(path string, offset int) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.chips[path].lines[offset].flags
}

// Debounce is the period that a line was requested with.
func (s *Sim) Debounce(path string, offset int) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.chips[path].lines[offset].debounce
}

// Hang makes calls on lines block until the function that it returns is called.
func (s *Sim) Hang() (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	block := make(chan struct{})
	s.block = block
	return func() {
		s.mu.Lock()
		s.block = nil
		s.mu.Unlock()
		close(block)
	}
}

// Ioctl answers as the kernel does.
func (s *Sim) Ioctl(fd uintptr, request uint, arg unsafe.Pointer) error {
	s.mu.Lock()
	block := s.block
	s.mu.Unlock()
	if block != nil && request != unix.GPIO_GET_CHIPINFO_IOCTL {
		<-block
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	file, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return unix.EBADF
	}
	switch request {
	case unix.GPIO_GET_CHIPINFO_IOCTL:
		return s.chipInfo(file, (*unix.GPIOChipInfo)(arg))
	case unix.GPIO_V2_GET_LINEINFO_IOCTL:
		return s.lineInfo(file, (*unix.GPIOV2LineInfo)(arg))
	case unix.GPIO_V2_GET_LINE_IOCTL:
		return s.getLine(file, (*unix.GPIOV2LineRequest)(arg))
	case unix.GPIO_V2_LINE_GET_VALUES_IOCTL:
		return s.values(file, (*unix.GPIOV2LineValues)(arg), false)
	case unix.GPIO_V2_LINE_SET_VALUES_IOCTL:
		return s.values(file, (*unix.GPIOV2LineValues)(arg), true)
	case setConfig:
		return s.setConfig(file, (*unix.GPIOV2LineConfig)(arg))
	}
	return unix.ENOTTY
}

func (s *Sim) chipInfo(file string, info *unix.GPIOChipInfo) error {
	c := s.chips[file]
	if c == nil {
		return unix.ENOTTY
	}
	copy(info.Name[:], c.name)
	copy(info.Label[:], c.label)
	info.Lines = uint32(len(c.lines)) //nolint:gosec // a handful
	return nil
}

func (s *Sim) lineInfo(file string, info *unix.GPIOV2LineInfo) error {
	c := s.chips[file]
	if c == nil {
		return unix.ENODEV
	}
	if int(info.Offset) >= len(c.lines) {
		return unix.EINVAL
	}
	l := c.lines[info.Offset]
	l.sweep()
	copy(info.Name[:], l.name)
	copy(info.Consumer[:], l.consumer)
	info.Flags = l.flags
	return nil
}

func (s *Sim) getLine(file string, r *unix.GPIOV2LineRequest) error {
	c := s.chips[file]
	if c == nil {
		return unix.ENODEV
	}
	if r.Num_lines == 0 || int(r.Num_lines) > len(r.Offsets) {
		return unix.EINVAL
	}
	q := &request{}
	for _, offset := range r.Offsets[:r.Num_lines] {
		if int(offset) >= len(c.lines) {
			return unix.EINVAL
		}
		l := c.lines[offset]
		if l.sweep(); l.flags&flagUsed != 0 || slices.Contains(q.lines, l) {
			return unix.EBUSY
		}
		q.lines = append(q.lines, l)
	}
	if err := q.configure(&r.Config); err != nil {
		return err
	}
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return err
	}
	for _, l := range q.lines {
		l.consumer, l.request, l.seq = text(r.Consumer[:]), q, 0
	}
	q.pipe, _ = os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fds[0]))
	q.events = fds[1]
	r.Fd = int32(fds[0]) //nolint:gosec // a descriptor
	return nil
}

// requested returns the request that a descriptor was handed out for.
func (s *Sim) requested(pipe string) *request {
	for _, c := range s.chips {
		for _, l := range c.lines {
			if l.request != nil && l.request.pipe == pipe {
				return l.request
			}
		}
	}
	return nil
}

func (s *Sim) values(file string, v *unix.GPIOV2LineValues, set bool) error {
	q := s.requested(file)
	switch {
	case q == nil:
		return unix.ENODEV
	case v.Mask == 0 || v.Mask>>(len(q.lines)-1) > 1:
		return unix.EINVAL
	case set && len(q.lines) > 1:
		return unix.EOPNOTSUPP // nobody asks for it
	case set && q.lines[0].flags&flagOutput == 0:
		return unix.EPERM
	case set:
		q.lines[0].level = (v.Bits&1 != 0) != (q.lines[0].flags&flagActiveLow != 0)
		return nil
	}
	v.Bits = 0
	for i, l := range q.lines {
		if v.Mask>>i&1 != 0 && l.active() {
			v.Bits |= 1 << i
		}
	}
	return nil
}

func (s *Sim) setConfig(file string, c *unix.GPIOV2LineConfig) error {
	q := s.requested(file)
	if q == nil {
		return unix.ENODEV
	}
	return q.configure(c)
}

func (l *line) active() bool { return l.level != (l.flags&flagActiveLow != 0) }

// configure sets every line as c says, or none.
func (q *request) configure(c *unix.GPIOV2LineConfig) error {
	if int(c.Num_attrs) > len(c.Attrs) {
		return unix.EINVAL
	}
	flags := make([]uint64, len(q.lines))
	for i := range q.lines {
		flags[i] = c.Flags
		if a := attribute(c, unix.GPIO_V2_LINE_ATTR_ID_FLAGS, i); a != nil {
			flags[i] = a.Flags
		}
		output := flags[i]&flagOutput != 0
		if output && flags[i]&(flagInput|flagEdges) != 0 || !output && flags[i]&flagInput == 0 && flags[i]&flagEdges != 0 {
			return unix.EINVAL
		}
	}
	for i, l := range q.lines {
		l.flags = flags[i] | flagUsed
		if a := attribute(c, unix.GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES, i); a != nil {
			l.level = (a.Flags>>i&1 != 0) != (l.flags&flagActiveLow != 0)
		}
		if a := attribute(c, unix.GPIO_V2_LINE_ATTR_ID_DEBOUNCE, i); a != nil {
			l.debounce = time.Duration(*(*uint32)(unsafe.Pointer(&a.Flags))) * time.Microsecond
		}
	}
	return nil
}

// attribute is the first of an id that is said of the line at an index.
func attribute(c *unix.GPIOV2LineConfig, id uint32, index int) *unix.GPIOV2LineAttribute {
	for i := range c.Attrs[:c.Num_attrs] {
		if a := &c.Attrs[i]; a.Attr.Id == id && a.Mask>>index&1 != 0 {
			return &a.Attr
		}
	}
	return nil
}

// emit writes struct gpio_v2_line_event.
func (l *line) emit(offset int) error {
	id := uint32(unix.GPIO_V2_LINE_EVENT_FALLING_EDGE)
	if l.active() {
		id = unix.GPIO_V2_LINE_EVENT_RISING_EDGE
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return err
	}
	raw := make([]byte, unsafe.Sizeof(unix.GPIOV2LineEvent{}))
	order := binary.NativeEndian
	order.PutUint64(raw, uint64(now.Nano())) //nolint:gosec // since boot
	order.PutUint32(raw[8:], id)
	order.PutUint32(raw[12:], uint32(offset)) //nolint:gosec // a handful
	order.PutUint32(raw[16:], l.request.seq)
	order.PutUint32(raw[20:], l.seq)
	_, err := unix.Write(l.request.events, raw)
	if err == unix.EAGAIN {
		return nil // full: counted and not kept
	}
	return err
}

// sweep frees the line if the descriptor that holds it was closed.
func (l *line) sweep() {
	if l.request == nil {
		return
	}
	poll := []unix.PollFd{{Fd: int32(l.request.events)}} //nolint:gosec // a descriptor
	if n, err := unix.Poll(poll, 0); err == nil && n == 1 && poll[0].Revents&unix.POLLERR != 0 {
		l.release()
	}
}

// release frees the line, and those that are held with it.
func (l *line) release() {
	if l.request == nil {
		l.free()
		return
	}
	_ = unix.Close(l.request.events)
	for _, held := range l.request.lines {
		held.free()
	}
}

func (l *line) free() {
	l.request, l.consumer, l.debounce = nil, "", 0
	l.flags &^= flagUsed
}

func text(b []byte) string { return string(b[:bytes.IndexByte(b, 0)]) }
