package hw

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

func iioBufferDriver() Driver {
	return Driver{
		Name:         "iio-buffer",
		Bus:          BusSysfs,
		Summary:      "fast channels of a device that the kernel serves through IIO: all samples of its buffer, for vibration",
		ChannelsVary: "those of the device's `scan_elements`: accel_x, voltage0; of [[sensor.channel]], or all",
		Settings: []Setting{
			settingDevice, settingInterval,
			{Key: "trigger", Help: "the trigger's name; the one that is set, or the device's own"},
			{Key: "frequency", Help: "samples in a second, of the device or the trigger; as it is"},
		},
		Proof: "records and files as the kernel has them",
		newSensor: func(a *access) (device, error) {
			s, err := newSysSensor(a, iioClass())
			if err != nil {
				return nil, err
			}
			return &iioBuffer{access: a, known: s.Channels()}, nil
		},
	}
}

// Bounds of what is taken from a buffer at once. Readings are handed over at
// each interval, and when there are maxRecords: memory does not grow with the
// rate.
const (
	maxRecords = 1024
	maxRecord  = 512 // bytes
)

// bufferSilence is how long a buffer may give nothing, if that is longer than
// three samples or an interval, before its trigger is in doubt.
const bufferSilence = 5 * time.Second

// iioBuffer is a device that fills a buffer by itself. The kernel wakes the
// agent when there is enough of it.
type iioBuffer struct {
	access *access
	known  []Channel
	scan   *iioScan // while it is open
	file   *os.File // nil: only looked at
	on     bool     // it was switched on here
}

func (d *iioBuffer) Channels() []Channel { return d.known }

// Open finds the device, its channels and its trigger, and starts the buffer.
func (d *iioBuffer) Open(ctx context.Context) error {
	scan, err := blocking(ctx, d.access, func() (*iioScan, error) { return findIIOScan(d.access) })
	if err != nil {
		return nodeError(d.access.cfg.Device, err)
	}
	known := make([]Channel, len(scan.channels))
	for i, c := range scan.channels {
		known[i] = c.Channel
	}
	if err := hasChannels(known, d.access.cfg.Channels); err != nil {
		return err
	}
	d.known, d.scan, d.on = known, scan, false
	if d.access.looking {
		return nil
	}
	path := d.access.node(scan.node())
	if d.file, err = acquire(ctx, d.access, func() (*os.File, error) { return openStream(path) }); err != nil {
		return nodeError(scan.node(), err)
	}
	d.on, err = blocking(ctx, d.access, func() (bool, error) { return scan.start(d.access.cfg) })
	if err != nil {
		d.Close(ctx)
	}
	return err
}

// openStream opens a file for Go's poller. Nobody else can have it then.
func openStream(path string) (*os.File, error) { return os.OpenFile(path, os.O_RDONLY|nonblock, 0) }

// Close stops the buffer if Open has started it.
func (d *iioBuffer) Close(ctx context.Context) {
	if d.file == nil {
		return
	}
	scan, file, on := d.scan, d.file, d.on
	d.access.bus.finally(ctx, func() {
		if on {
			_ = scan.stop() // it is gone, or is started anew by who comes next
		}
		_ = file.Close() // was only read
	})
	d.file = nil
}

// Watch hands over what the buffer has at each interval, or sooner when there is
// much of it. A sample is a reading of each channel at its own time.
func (d *iioBuffer) Watch(ctx context.Context, deliver func([]Reading)) error {
	file := d.file
	if file == nil {
		deliver(nil) // looked at: it is there, and would run
		return ctx.Err()
	}
	defer context.AfterFunc(ctx, func() { _ = file.SetReadDeadline(time.Unix(1, 0)) })()
	records := newRecordReader(d.scan)
	last := time.Now()
	for {
		if err := file.SetReadDeadline(time.Now().Add(d.access.cfg.interval())); err != nil {
			return nodeError(d.access.cfg.Device, err)
		}
		if ctx.Err() != nil { // its deadline was the one before
			return context.Cause(ctx)
		}
		raw, err := records.fill(file)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			return nodeError(d.access.cfg.Device, err)
		case len(raw) == 0:
			if err := d.scan.silent(ctx, d.access, time.Since(last)); err != nil {
				return err
			}
			continue
		}
		last = time.Now()
		deliver(d.scan.readings(raw, d.access))
	}
}

// silent says why the buffer has given nothing for so long: the kernel does not
// always wake who waits for a device that goes. nil: it may still give something.
func (s *iioScan) silent(ctx context.Context, a *access, passed time.Duration) error {
	_, err := blocking(ctx, a, func() (os.FileInfo, error) { return os.Stat(s.folder) })
	if err != nil {
		return nodeError(a.cfg.Device, err)
	}
	if passed < max(a.silence, 3*s.period) {
		return nil
	}
	return fmt.Errorf("%w: no sample for %v; does its trigger %q run?", ErrNoAnswer, passed.Round(time.Second), s.trigger)
}

// recordReader gathers whole records.
type recordReader struct {
	size int
	raw  []byte
	rest []byte // of a record that is not whole
}

func newRecordReader(s *iioScan) *recordReader {
	return &recordReader{size: s.layout.Size(), raw: make([]byte, 0, maxRecords*s.layout.Size())}
}

// fill reads until the file's deadline or until there is no more room, and
// returns whole records, which are valid until the next call.
func (r *recordReader) fill(file io.Reader) ([]byte, error) {
	r.raw = append(r.raw[:0], r.rest...)
	for len(r.raw) < cap(r.raw) {
		n, err := file.Read(r.raw[len(r.raw):cap(r.raw)])
		r.raw = r.raw[:len(r.raw)+n]
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("the buffer ended: %w", os.ErrNotExist)
		}
		if err != nil {
			return nil, err
		}
	}
	whole := len(r.raw) - len(r.raw)%r.size
	r.rest = append(r.rest[:0], r.raw[whole:]...)
	return r.raw[:whole], nil
}

// readings decodes whole records: each channel's samples, oldest first.
func (s *iioScan) readings(raw []byte, a *access) []Reading {
	n := len(raw) / s.layout.Size()
	wall, monotonic := a.clock()
	numbers := make([]int64, s.layout.Numbers())
	readings := make([]Reading, 0, n*len(s.channels))
	for i := range n {
		s.layout.Decode(raw[i*s.layout.Size():], numbers)
		at := wall.Add(-time.Duration(n-1-i) * s.period) // without a time stamp: the last is now
		if s.stamped {
			at = s.clock.time(numbers[len(numbers)-1], wall, monotonic)
		}
		for _, c := range s.channels {
			readings = append(readings, Reading{Channel: c.Name, Value: Float(c.value(float64(numbers[c.number]))), Time: at, Quality: Good})
		}
	}
	return readings
}

// stampClock is what a device's time stamps count.
type stampClock string

const (
	stampRealtime  stampClock = "realtime"
	stampMonotonic stampClock = "monotonic"
)

// time is the wall clock at a time stamp, in nanoseconds.
func (c stampClock) time(ns int64, wall time.Time, monotonic time.Duration) time.Time {
	if c == stampMonotonic {
		return wall.Add(time.Duration(ns) - monotonic)
	}
	return time.Unix(0, ns)
}

// node is the device's file.
func (s *iioScan) node() string { return "/dev/" + filepath.Base(s.folder) }

// start writes what is not as it is wanted, and starts the buffer. on is whether
// it did: a buffer that runs as it should was started by somebody who looks
// after it.
func (s *iioScan) start(cfg Config) (on bool, err error) {
	running, err := readAttribute(s.file("buffer/enable"))
	if err != nil {
		return false, err
	}
	steps, err := s.wanting(cfg)
	if err != nil {
		return false, err
	}
	if running == "1" && len(steps) == 0 {
		return false, nil
	}
	if running == "1" { // what it has is refused to be changed then
		steps = append([]step{{s.file("buffer/enable"), "0"}}, steps...)
	}
	for _, w := range append(steps, step{s.file("buffer/enable"), "1"}) {
		if err := writeAttribute(w.file, w.value); err != nil {
			return false, s.refused(w, err)
		}
	}
	return true, nil
}

func (s *iioScan) stop() error { return writeAttribute(s.file("buffer/enable"), "0") }

// step is a value to be written to a file.
type step struct{ file, value string }

// wanting is what has to be written, in order.
func (s *iioScan) wanting(cfg Config) ([]step, error) {
	var steps []step
	want := func(file, value string) error {
		is, err := readAttribute(file)
		if err == nil && is != value {
			steps = append(steps, step{file, value})
		}
		return err
	}
	for file, on := range s.elements {
		if err := want(file, on); err != nil {
			return nil, err
		}
	}
	if s.trigger != "" {
		if err := want(s.file("trigger/current_trigger"), s.trigger); err != nil {
			return nil, err
		}
	}
	if cfg.Frequency != 0 {
		if is, err := readNumber(s.rate); err != nil || is != cfg.Frequency {
			steps = append(steps, step{s.rate, fmt.Sprint(cfg.Frequency)})
		}
	}
	length := fmt.Sprint(2 * maxRecords)
	if err := want(s.file("buffer/length"), length); err != nil {
		return nil, err
	}
	if err := want(s.file("buffer/watermark"), fmt.Sprint(s.watermark(cfg))); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return steps, nil
}

// watermark is how many records the kernel gathers before it wakes the agent:
// those of an interval.
func (s *iioScan) watermark(cfg Config) int {
	if s.period <= 0 {
		return 1
	}
	return int(min(max(cfg.interval()/s.period, 1), maxRecords))
}

// refused says what could not be written.
func (s *iioScan) refused(w step, err error) error {
	name, relErr := filepath.Rel(s.folder, w.file)
	if relErr != nil {
		name = w.file
	}
	if writable(err) {
		return fmt.Errorf("write %q to %s: %w", w.value, name, err)
	}
	text := fmt.Sprintf("%s must be %q, and this user may not write it; docs/drivers.md has what root does", name, w.value)
	return &fault{text, ErrPermission, err}
}
