package hw

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"slices"
	"sort"
	"time"
)

// actuator is a device that takes settings. Its Open leaves the output in its
// safe state without passing through another; while access.looking is set, it
// leaves it as it is.
type actuator interface {
	device
	// Set drives a channel. The value fits it (see fits).
	Set(ctx context.Context, channel string, v Value) error
	// State reads back what is driven.
	State(ctx context.Context) ([]Reading, error)
}

// keeper is an actuator whose output stays while a descriptor is open.
type keeper interface {
	Handle() (*os.File, error)
}

// job is something to be done to an actuator by its goroutine.
type job struct {
	do   func(ctx context.Context, a actuator) error
	sets bool       // somebody is in charge of the output
	done chan error // holds one
}

// endLimit bounds what is done to one actuator when the board ends.
const endLimit = 2 * time.Second

// runActuator serves a until ctx ends.
func (u *unit) runActuator(ctx context.Context, a actuator) {
	due := u.schedule.add(0)
	defer u.schedule.remove(due)
	watchdog := newWatchdog(u.cfg.Watchdog) // also over what a former process has left
	defer watchdog.Stop()
	open := false
	for {
		select {
		case <-ctx.Done():
			if open {
				u.endActuator(ctx, a, u.keep())
			}
			return
		case <-due.tick:
			if !open {
				_ = u.serve(ctx, a, &open, due, nil) // told to the sink and the log
			}
		case <-watchdog.C:
			if open { // else it is opened into its safe state
				u.log.Warn("an output was not set again in time and takes its safe state", slog.String("actuator", u.id.Name))
				_ = u.serve(ctx, a, &open, due, u.makeSafe)
			}
		case <-u.trip: // also if it is over already: it was unsafe
			if open {
				_ = u.serve(ctx, a, &open, due, u.makeSafe)
			}
		case j := <-u.jobs:
			if j.sets && u.cfg.Watchdog > 0 {
				watchdog.Reset(u.cfg.Watchdog)
			}
			j.done <- u.serve(ctx, a, &open, due, j.do)
		}
	}
}

// newWatchdog returns a timer that ends when d has passed; never, if d is 0.
func newWatchdog(d time.Duration) *time.Timer {
	timer := time.NewTimer(d)
	if d == 0 {
		timer.Stop()
	}
	return timer
}

// serve opens a if it is not open, does what is asked, and tells the sink what
// a drives then. A device that was open and fails is opened anew and asked once
// more.
func (u *unit) serve(ctx context.Context, a actuator, open *bool, due *entry, do func(context.Context, actuator) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, sampleLimit, errors.New("the actuator took too long"))
	defer cancel()
	defer u.tried()
	u.access.hold()
	defer u.access.release(ctx)
	for {
		fresh := !*open
		state, err := u.attempt(ctx, a, open, do)
		switch {
		case err == nil:
			u.works()
			u.deliver(state)
			return nil
		case errors.Is(err, ErrUnfit), errors.Is(err, ErrInterlocked), errors.Is(err, errGaveUp):
			return newError(u.id, u.cfg, err)
		}
		if *open {
			a.Close(ctx)
			*open = false
		}
		if fresh || errors.Is(err, ErrHung) {
			u.fails(err)
			u.retry(due)
			return newError(u.id, u.cfg, err)
		}
	}
}

func (u *unit) attempt(ctx context.Context, a actuator, open *bool, do func(context.Context, actuator) error) ([]Reading, error) {
	if !*open {
		if err := u.open(ctx, a); err != nil {
			return nil, err
		}
		*open = true
		if u.held() != "" { // a line that a former process kept may be on
			if err := u.makeSafe(ctx, a); err != nil {
				return nil, err
			}
		}
	}
	if do != nil {
		if err := do(ctx, a); err != nil {
			return nil, err
		}
	}
	return a.State(ctx)
}

// endActuator leaves a in its safe state, or as it is.
func (u *unit) endActuator(ctx context.Context, a actuator, keep bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endLimit)
	defer cancel()
	u.access.hold()
	defer u.access.release(ctx)
	if !keep {
		if err := u.makeSafe(ctx, a); err != nil {
			u.fails(fmt.Errorf("take the safe state: %w", err))
		}
	}
	a.Close(ctx)
}

// makeSafe drives every channel to its safe value, levels first: what is switched
// on before comes on at the level that it had last.
func (u *unit) makeSafe(ctx context.Context, a actuator) error {
	if u.cfg.Safe.Keep {
		return nil
	}
	channels := slices.Clone(a.Channels())
	sort.SliceStable(channels, func(i, j int) bool { return channels[i].Kind != KindBool && channels[j].Kind == KindBool })
	for _, c := range channels {
		if err := a.Set(ctx, c.Name, u.cfg.Safe.value(c)); err != nil {
			return err
		}
	}
	return nil
}

// errGaveUp is a job whose caller did not wait for it.
var errGaveUp = errors.New("given up")

// ask has do done by the unit's goroutine, with a context that ends with ctx.
func (u *unit) ask(ctx context.Context, do func(context.Context, actuator) error) error {
	return u.hand(ctx, job{done: make(chan error, 1)}, do)
}

// set is ask for what sets the output.
func (u *unit) set(ctx context.Context, do func(context.Context, actuator) error) error {
	return u.hand(ctx, job{sets: true, done: make(chan error, 1)}, do)
}

func (u *unit) hand(ctx context.Context, j job, do func(context.Context, actuator) error) error {
	j.do = func(inner context.Context, a actuator) error {
		inner, cancel := context.WithCancelCause(inner)
		defer cancel(nil)
		defer context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })()
		err := do(inner, a)
		if ctx.Err() != nil && err != nil {
			return fmt.Errorf("%w: %w", errGaveUp, err)
		}
		return err
	}
	select {
	case u.jobs <- j:
	case <-u.ended:
		return fmt.Errorf("actuator %q has ended: %w", u.id.Name, ErrNotKnown)
	case <-ctx.Done():
		return fmt.Errorf("actuator %q is busy: %w", u.id.Name, context.Cause(ctx))
	}
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("actuator %q: %w", u.id.Name, context.Cause(ctx))
	}
}

// value is the safe value of a channel.
func (s Safe) value(c Channel) Value {
	on, isBool := s.Value.Bool()
	number, _ := s.Value.Float()
	switch {
	case c.Kind == KindBool:
		return Bool(on || !isBool && number != 0)
	case isBool && on && c.Range.Known():
		return Float(c.Range.Max)
	}
	return Float(number)
}

// fits converts v to the channel's kind. The error is ErrUnfit.
func (c Channel) fits(v Value) (Value, error) {
	if v.Kind() == KindInteger && c.Kind == KindFloat {
		f, _ := v.Float()
		v = Float(f)
	}
	if v.Kind() != c.Kind {
		return Value{}, fmt.Errorf("%s takes a %s, not a %s: the value %w", c.Name, c.Kind, v.Kind(), ErrUnfit)
	}
	if f, ok := v.Float(); ok && c.Kind != KindBool {
		if math.IsNaN(f) || math.IsInf(f, 0) || c.Range.Known() && (f < c.Range.Min || f > c.Range.Max) {
			return Value{}, fmt.Errorf("%s takes %v to %v: %s %w", c.Name, c.Range.Min, c.Range.Max, v, ErrUnfit)
		}
	}
	return v, nil
}
