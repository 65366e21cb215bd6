package hw

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// device is one configured sensor or actuator: a sampler, a watcher or an
// actuator. It lives as long as its configuration, and is opened and closed as
// the part comes and goes. One goroutine calls its methods. Making one does no
// I/O.
type device interface {
	// Channels are the channels known so far; Open may add to them.
	Channels() []Channel
	// Open finds the part and readies it. It is not called again before Close.
	Open(ctx context.Context) error
	// Close lets go of it, without waiting for what hangs.
	Close(ctx context.Context)
}

// sampler is a sensor that is read when it is due.
type sampler interface {
	device
	// Sample reads all channels. A zero Reading.Time stands for now. Readings
	// of single channels may be less than good; an error says that the device
	// as a whole failed, and is followed by Close.
	Sample(ctx context.Context) ([]Reading, error)
}

// watcher is a sensor that speaks for itself.
type watcher interface {
	device
	// Watch delivers what happens, beginning with the present state, until ctx
	// ends or the device fails, and says why it ended: never nil.
	Watch(ctx context.Context, deliver func([]Reading)) error
}

// sampleLimit bounds one sample with all its transfers and conversions.
const sampleLimit = 10 * time.Second

// unit runs one sensor or one actuator.
type unit struct {
	id       Unit
	cfg      Config
	driver   Driver
	device   device
	access   *access
	schedule *schedule
	backoff  *backoff
	sink     Sink
	log      *slog.Logger
	tried    func()        // when the device was tried, and the sink knows; only the first call counts
	changed  func(Status)  // when Status.Err is another
	keep     func() bool   // outputs stay as they are at the end
	jobs     chan job      // of an actuator
	held     func() string // why an actuator must be in its safe state; "": it need not
	trip     chan struct{} // receives when held has a reason; holds one

	cancel  context.CancelFunc
	started bool
	ended   chan struct{}

	last map[string]Value // of each channel; one goroutine's

	mu       sync.Mutex
	channels []Channel
	status   Status
	interval time.Duration // between samples
	due      *entry        // of a sampler that runs
}

// describe tells the sink about channels that are new.
func (u *unit) describe(channels []Channel) {
	u.mu.Lock()
	news := !slices.Equal(channels, u.channels)
	if news {
		u.channels = slices.Clone(channels)
	}
	u.mu.Unlock()
	if news {
		u.sink.Describe(u.id, slices.Clone(channels))
	}
}

// deliver completes readings and hands them to the sink.
func (u *unit) deliver(readings []Reading) {
	for i := range readings {
		r := &readings[i]
		if r.Time.IsZero() {
			r.Time = time.Now()
		}
		if r.Value.Kind() != KindNone {
			u.last[r.Channel] = r.Value
		} else if r.Quality != Good {
			r.Value = u.last[r.Channel]
		}
	}
	if len(readings) > 0 {
		u.sink.Deliver(u.id, readings)
	}
}

// works notes that the device does what it should.
func (u *unit) works() {
	u.mu.Lock()
	failed := u.status.Err != nil
	news := failed || u.status.Since.IsZero()
	if news {
		u.status.Err, u.status.Tries, u.status.Since = nil, 0, time.Now()
	}
	status := u.status
	u.mu.Unlock()
	u.backoff.reset()
	if failed {
		u.log.Debug("works again", slog.String("unit", u.id.Name), slog.String("role", u.id.Role.String()))
	}
	if news {
		u.changed(status)
	}
}

// fails notes that the device does not work, and tells its owner once for each reason, who says so: the log has it at debug.
func (u *unit) fails(err error) {
	failure := newError(u.id, u.cfg, err)
	reason := failure.Error()
	u.mu.Lock()
	u.status.Tries++
	news := u.status.Err == nil || u.status.Err.Error() != reason
	if u.status.Err == nil {
		u.status.Since = time.Now()
	}
	u.status.Err = failure
	status, channels := u.status, u.channels
	u.mu.Unlock()
	if !news {
		return
	}
	u.log.Debug("does not work", slog.String("error", reason))
	u.changed(status)
	readings := make([]Reading, 0, len(channels))
	for _, c := range channels {
		readings = append(readings, Reading{Channel: c.Name, Quality: Invalid, Reason: reason})
	}
	u.deliver(readings)
}

// snapshot returns the unit's status and channels.
func (u *unit) snapshot() (Status, []Channel) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.status, u.channels
}

// startAll begins to serve the devices of units. What each needs is known before
// the first is opened, so that what can be taken together is.
func startAll(ctx context.Context, units []*unit) {
	for _, u := range units {
		u.access.take(u.id, u.driver)
	}
	for _, u := range units {
		u.start(ctx)
	}
}

// start begins to serve the device until ctx ends or stop.
func (u *unit) start(ctx context.Context) {
	ctx, u.cancel = context.WithCancel(ctx)
	u.started = true
	go func() {
		defer close(u.ended)
		defer u.access.give()
		switch d := u.device.(type) {
		case sampler:
			u.runSampler(ctx, d)
		case watcher:
			u.runWatcher(ctx, d)
		case actuator:
			u.runActuator(ctx, d)
		}
	}()
}

// stop ends what start began and waits for it.
func (u *unit) stop(ctx context.Context) error {
	u.cancel()
	if !u.started {
		return nil
	}
	select {
	case <-u.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s %q does not end: %w", u.id.Role, u.id.Name, context.Cause(ctx))
	}
}

func (u *unit) runSampler(ctx context.Context, s sampler) {
	u.mu.Lock()
	due := u.schedule.add(u.interval)
	u.due = due
	u.mu.Unlock()
	defer u.schedule.remove(due)
	open := false
	defer func() {
		if open {
			s.Close(ctx)
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case <-due.tick:
		}
		readings, err := u.sample(ctx, s, &open)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			u.fails(err)
			u.retry(due)
		default:
			u.works()
			u.deliver(readings)
		}
		u.tried()
	}
}

// sample takes one sample. A device that was open and fails is opened anew and
// asked once more, so that one bad transfer, or a device that was replaced or
// whose node came back, is not a failure.
func (u *unit) sample(ctx context.Context, s sampler, open *bool) ([]Reading, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, sampleLimit, errors.New("the sample took too long"))
	defer cancel()
	u.access.hold()
	defer u.access.release(ctx)
	for {
		fresh := !*open
		if fresh {
			if err := u.open(ctx, s); err != nil {
				return nil, err
			}
			*open = true
		}
		readings, err := s.Sample(ctx)
		if err == nil {
			return readings, nil
		}
		s.Close(ctx)
		*open = false
		if fresh || ctx.Err() != nil || errors.Is(err, ErrHung) {
			return nil, err
		}
	}
}

// pace gives a sampler another interval.
func (u *unit) pace(interval time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.interval = interval
	if u.due != nil {
		u.schedule.pace(u.due, interval)
	}
}

// open opens the device and tells the sink if it has other channels.
func (u *unit) open(ctx context.Context, d device) error {
	if err := u.access.open(ctx, d); err != nil {
		return err
	}
	u.describe(d.Channels())
	return nil
}

// retry makes due ring again after the back-off instead of at its interval.
func (u *unit) retry(due *entry) {
	select {
	case <-due.tick:
	default:
	}
	u.schedule.again(due, u.backoff.delay())
}

func (u *unit) runWatcher(ctx context.Context, w watcher) {
	due := u.schedule.add(0)
	defer u.schedule.remove(due)
	for {
		select {
		case <-ctx.Done():
			return
		case <-due.tick:
		}
		err := u.watch(ctx, w)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errRegroup):
			u.schedule.again(due, 0)
			continue
		}
		u.fails(err)
		u.tried()
		u.retry(due)
	}
}

// watch opens w and passes on what it says until it fails.
func (u *unit) watch(ctx context.Context, w watcher) error {
	if err := u.open(ctx, w); err != nil {
		return err
	}
	defer w.Close(ctx)
	defer time.AfterFunc(sampleLimit, u.tried).Stop() // who has nothing to say yet keeps nobody waiting
	return w.Watch(ctx, func(readings []Reading) {
		u.works()
		u.deliver(readings)
		u.tried()
	})
}
