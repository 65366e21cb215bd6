package hw

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"reflect"
	"sync"
	"sync/atomic"
	"time"
)

// Sink takes what a [Board] has to say. Its methods are called from several
// goroutines at once, in order for one sensor; they must return promptly and
// must not call the Board, but for its Interlock and its Pace.
type Sink interface {
	// Describe says which channels a sensor or actuator has: once when it is
	// applied if that is known then, and again when its device shows others.
	Describe(unit Unit, channels []Channel)
	// Deliver hands over readings: those of one sample together, a channel
	// more than once only where it changed several times, oldest first.
	Deliver(unit Unit, readings []Reading)
	// Removed says that a sensor or actuator is no longer part of the setup.
	Removed(unit Unit)
}

// Role tells sensors from actuators; each has names of its own.
type Role uint8

// The roles.
const (
	RoleSensor Role = iota
	RoleActuator
)

// String returns "sensor" or "actuator".
func (r Role) String() string { return [...]string{"sensor", "actuator"}[min(r, RoleActuator)] }

// Unit names one sensor or one actuator of a setup.
type Unit struct {
	Role Role
	Name string
}

// Options are what a [Board] stands on. The zero value of a field is its
// default.
type Options struct {
	Sys    string         // root of sysfs; "/sys"
	Dev    string         // root of device nodes: replaces the "/dev" of configured paths; "/dev"
	Log    *slog.Logger   // nil discards
	Jitter func() float64 // in [0,1), spreads retries; math/rand/v2.Float64

	// Changed, if not nil, is called when a sensor or actuator begins to fail,
	// fails for another reason, or works (again). It is bound like a Sink.
	Changed func(Status)

	// WriteLED, if not nil, writes an attribute ("brightness", "trigger") of an LED that this process may
	// not write itself.
	WriteLED func(ctx context.Context, name, attribute, value string) error

	// WritePWM, if not nil, writes an attribute of a PWM channel that this process may not write itself, or
	// its number to "export" of its chip.
	WritePWM func(ctx context.Context, chip string, channel uint16, attribute, value string) error

	// Handles are GPIO lines kept from a former process by [Board.Handles],
	// by actuator name. Those that no actuator claims are closed.
	Handles map[string]*os.File
}

// Status is the state of one sensor or actuator.
type Status struct {
	Unit   Unit
	Driver string
	Where  string    // "/dev/i2c-1 0x76"
	Since  time.Time // of the present state; zero until it was tried
	Err    error     // nil when it works; a *Error otherwise
	// Tries counts the attempts that failed since it worked last.
	Tries int
}

// Board owns the sensors and actuators: it opens, samples and drives them, and
// brings those back that were away. The zero Board is not usable.
type Board struct {
	sink     Sink
	opts     Options
	platform *platform
	schedule *schedule
	ready    chan struct{}
	running  chan struct{}
	keep     atomic.Bool
	applying chan struct{} // holds one element while Apply, or the beginning or end of Run, changes the units

	mu      sync.Mutex
	order   []Unit
	units   map[Unit]*unit
	locks   map[string]string // why an actuator is held in its safe state; "" is not, none is not known yet
	run     context.Context   // Run's; nil before
	pending int               // units of the first setup that were not tried yet; -1 when told
}

// NewBoard returns a board that hands everything to sink.
func NewBoard(sink Sink, opts Options) *Board {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Jitter == nil {
		opts.Jitter = rand.Float64
	}
	opts.Handles = maps.Clone(opts.Handles)
	return &Board{
		sink:     sink,
		opts:     opts,
		platform: newPlatform(opts),
		schedule: newSchedule(),
		ready:    make(chan struct{}),
		running:  make(chan struct{}),
		applying: make(chan struct{}, 1),
		units:    make(map[Unit]*unit),
		locks:    make(map[string]string),
	}
}

// stopLimit bounds the end of Run.
const stopLimit = 4 * time.Second

// Run serves the setup until ctx ends, and then puts every actuator into its
// safe state, or leaves it where [Board.Keep] said so. It returns nil after an
// orderly end, and an error that names what could not be ended in time. It is
// called once.
func (b *Board) Run(ctx context.Context) error {
	b.applying <- struct{}{}
	b.mu.Lock()
	b.run = ctx
	b.pending = len(b.units)
	units := b.inOrder()
	b.mu.Unlock()
	close(b.running)
	b.closeUnclaimed()
	var scheduling sync.WaitGroup
	scheduling.Go(func() { b.schedule.run(ctx) })
	startAll(ctx, units)
	b.tried(false)
	<-b.applying
	<-ctx.Done()
	b.applying <- struct{}{} // and never given back: nothing starts from here on
	err := b.stop(ctx)
	scheduling.Wait()
	return err
}

// stop waits for what Run started.
func (b *Board) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
	defer cancel()
	b.mu.Lock()
	units := b.inOrder()
	b.mu.Unlock()
	var errs []error
	for _, u := range units {
		errs = append(errs, u.stop(ctx))
	}
	return errors.Join(append(errs, b.platform.buses.wait(ctx))...)
}

// Running is closed when Run has begun: from here on actuators can be set.
func (b *Board) Running() <-chan struct{} { return b.running }

// Ready is closed when every sensor and actuator of the first setup was tried
// once and the sink knows the outcome; whatever hangs, or is open and has said
// nothing, counts as tried when its time is up.
func (b *Board) Ready() <-chan struct{} { return b.ready }

// tried counts down to readiness.
func (b *Board) tried(one bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if one {
		b.pending--
	}
	if b.pending == 0 {
		b.pending = -1
		close(b.ready)
	}
}

// String returns "board".
func (b *Board) String() string { return "board" }

// Apply makes setup the board's setup: what is new is started, what is gone is
// ended, what is different is begun anew, and the rest is not disturbed. It may
// be called before and during Run. If setup is not valid nothing changes, and
// the error joins the [Problem]s. It waits, within ctx, until what is gone has
// released its bus and lines.
func (b *Board) Apply(ctx context.Context, setup Setup) error {
	if problems := Validate(setup); len(problems) > 0 {
		errs := make([]error, len(problems))
		for i, p := range problems {
			errs[i] = p
		}
		return errors.Join(errs...)
	}
	select {
	case b.applying <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("apply the setup of sensors: %w", context.Cause(ctx))
	}
	defer func() { <-b.applying }()
	wanted, order := wantedUnits(setup)
	err := b.endUnwanted(ctx, wanted)
	return errors.Join(err, b.startMissing(wanted, order))
}

type wantedUnit struct {
	driver Driver
	cfg    Config
}

// wantedUnits returns the units of a valid setup and their order.
func wantedUnits(setup Setup) (map[Unit]wantedUnit, []Unit) {
	drivers := driversByName()
	wanted := make(map[Unit]wantedUnit)
	var order []Unit
	add := func(role Role, configs []Config) {
		for _, cfg := range configs {
			id := Unit{role, cfg.Name}
			wanted[id] = wantedUnit{drivers[cfg.Driver], cfg}
			order = append(order, id)
		}
	}
	add(RoleSensor, setup.Sensors)
	add(RoleActuator, setup.Actuators)
	return wanted, order
}

// endUnwanted ends the units that are not wanted as they are, and waits.
func (b *Board) endUnwanted(ctx context.Context, wanted map[Unit]wantedUnit) error {
	b.mu.Lock()
	var ending []*unit
	for _, u := range b.inOrder() {
		if w, ok := wanted[u.id]; !ok || !reflect.DeepEqual(w.cfg, u.cfg) {
			ending = append(ending, u)
			delete(b.units, u.id)
		}
	}
	b.mu.Unlock()
	for _, u := range ending {
		u.cancel()
	}
	errs := make([]error, 0, len(ending))
	for _, u := range ending {
		errs = append(errs, u.stop(ctx))
		if _, ok := wanted[u.id]; !ok {
			b.sink.Removed(u.id)
		}
	}
	return errors.Join(append(errs, b.platform.inputs.settle(ctx))...)
}

// startMissing makes the wanted units that are not there, and starts them if
// the board runs.
func (b *Board) startMissing(wanted map[Unit]wantedUnit, order []Unit) error {
	b.mu.Lock()
	run := b.run
	b.order = order
	var fresh []*unit
	var errs []error
	for _, id := range order {
		if b.units[id] != nil {
			continue
		}
		u, err := b.newUnit(id, wanted[id])
		if err != nil {
			errs = append(errs, err) // Validate made one just like it: does not happen
			continue
		}
		b.units[id] = u
		fresh = append(fresh, u)
	}
	b.mu.Unlock()
	for _, u := range fresh {
		u.describe(u.device.Channels())
	}
	if run != nil {
		startAll(run, fresh)
	}
	return errors.Join(errs...)
}

// newUnit makes a unit that is not started.
func (b *Board) newUnit(id Unit, w wantedUnit) (*unit, error) {
	u := &unit{
		id:       id,
		cfg:      w.cfg,
		driver:   w.driver,
		access:   &access{platform: b.platform, cfg: w.cfg},
		schedule: b.schedule,
		backoff:  newBackoff(w.cfg.interval(), b.opts.Jitter),
		sink:     b.sink,
		log:      b.opts.Log,
		tried:    sync.OnceFunc(func() { b.tried(true) }),
		changed:  func(Status) {},
		keep:     b.keep.Load,
		held:     func() string { return "" },
		trip:     make(chan struct{}, 1),
		cancel:   func() {},
		last:     make(map[string]Value),
		jobs:     make(chan job),
		ended:    make(chan struct{}),
		interval: w.cfg.interval(),
		status:   Status{Unit: id, Driver: w.cfg.Driver, Where: w.cfg.Where()},
	}
	if b.opts.Changed != nil {
		u.changed = b.opts.Changed
	}
	if w.cfg.Interlocked {
		u.held = func() string { return b.held(id.Name) }
	}
	if id.Role == RoleActuator {
		u.access.inherited = b.opts.Handles[id.Name]
		delete(b.opts.Handles, id.Name)
	}
	var err error
	u.device, err = w.driver.device(id.Role, u.access)
	return u, err
}

// closeUnclaimed closes the handles of a former process that nobody asked for.
func (b *Board) closeUnclaimed() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for name, file := range b.opts.Handles {
		if err := file.Close(); err != nil {
			b.opts.Log.Debug("close a kept line", slog.String("actuator", name), slog.Any("error", err))
		}
	}
	b.opts.Handles = nil
}

// inOrder returns the units in setup order. b.mu is held.
func (b *Board) inOrder() []*unit {
	units := make([]*unit, 0, len(b.units))
	for _, id := range b.order {
		if u := b.units[id]; u != nil {
			units = append(units, u)
		}
	}
	return units
}

// Pace has the sensor of that name sampled at another interval, as far as its
// Config allows; 0 is the configured one. It returns at once.
func (b *Board) Pace(name string, interval time.Duration) {
	b.mu.Lock()
	u := b.units[Unit{RoleSensor, name}]
	b.mu.Unlock()
	if u != nil {
		u.pace(u.cfg.paced(interval))
	}
}

// Status returns the state of every sensor and actuator, in setup order.
func (b *Board) Status() []Status {
	b.mu.Lock()
	units := b.inOrder()
	b.mu.Unlock()
	all := make([]Status, len(units))
	for i, u := range units {
		all[i], _ = u.snapshot()
	}
	return all
}
