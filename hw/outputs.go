package hw

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
)

// Set drives a channel of the actuator of that name and waits until it is done or ctx ends.
// The reading that follows goes to the sink. An actuator that is away is tried
// at once.
func (b *Board) Set(ctx context.Context, name, channel string, v Value) error {
	u, c, err := b.output(name, channel)
	if err != nil {
		return err
	}
	if v, err = c.fits(v); err != nil {
		return newError(u.id, u.cfg, err)
	}
	err = u.set(ctx, func(ctx context.Context, a actuator) error {
		if err := u.allows(c, v); err != nil {
			return err
		}
		return a.Set(ctx, channel, v)
	})
	if err == nil && u.log.Enabled(ctx, slog.LevelDebug) {
		u.log.DebugContext(ctx, "set", slog.String("actuator", name), slog.String("channel", channel), slog.String("value", v.String()))
	}
	return err
}

// allows refuses what is not the safe state of an actuator that is held in it.
// The error is ErrInterlocked.
func (u *unit) allows(c Channel, v Value) error {
	if reason := u.held(); reason != "" && v != u.cfg.Safe.value(c) {
		return fmt.Errorf("%w, %s", ErrInterlocked, reason)
	}
	return nil
}

// CanSet says without touching the device whether Set would be tried: the
// actuator is there and works, and v fits the channel.
func (b *Board) CanSet(name, channel string, v Value) error {
	u, c, err := b.output(name, channel)
	if err != nil {
		return err
	}
	if status, _ := u.snapshot(); status.Err != nil {
		return status.Err
	}
	if v, err = c.fits(v); err == nil {
		err = u.allows(c, v)
	}
	if err != nil {
		return newError(u.id, u.cfg, err)
	}
	return nil
}

// Interlock holds the actuator of that name in its safe state and says why,
// or, with an empty reason, releases it: then it stays safe until it is set
// again. It returns at once and concerns actuators whose Config is Interlocked;
// one that was never released is held.
func (b *Board) Interlock(name, reason string) {
	b.mu.Lock()
	before, known := b.locks[name]
	b.locks[name] = reason
	u := b.units[Unit{RoleActuator, name}]
	b.mu.Unlock()
	if u == nil || !u.cfg.Interlocked {
		return
	}
	switch {
	case reason == "" && before != "":
		b.opts.Log.Info("an output may be set again", slog.String("actuator", name))
	case reason != "" && before == "":
		b.opts.Log.Warn("an output must be in its safe state", slog.String("actuator", name), slog.String("why", reason))
		if known { // else it has been since it was opened
			u.makeSafeSoon()
		}
	}
}

// makeSafeSoon has the unit's goroutine make an output safe.
func (u *unit) makeSafeSoon() {
	select {
	case u.trip <- struct{}{}:
	default: // it has yet to obey the one before
	}
}

// held returns why an actuator must be in its safe state, or "".
func (b *Board) held(name string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if reason, known := b.locks[name]; known {
		return reason
	}
	return "its inputs are not known yet"
}

// Safe puts the actuator of that name into its safe state.
func (b *Board) Safe(ctx context.Context, name string) error {
	u, err := b.actuator(name)
	if err != nil {
		return err
	}
	return u.ask(ctx, u.makeSafe)
}

// Keep makes the end of Run leave the outputs as they are.
func (b *Board) Keep() { b.keep.Store(true) }

// Handles returns duplicates of the line handles of all actuators that have
// one, by actuator name, to be kept open over a restart. The caller closes
// them. The error joins those of single actuators; the map holds the others.
func (b *Board) Handles(ctx context.Context) (map[string]*os.File, error) {
	b.mu.Lock()
	units := b.inOrder()
	b.mu.Unlock()
	handles := make(map[string]*os.File)
	var errs []error
	for _, u := range units {
		if _, ok := u.device.(keeper); !ok {
			continue
		}
		var file *os.File
		err := u.ask(ctx, func(_ context.Context, a actuator) (err error) {
			file, err = a.(keeper).Handle()
			return err
		})
		if err != nil {
			errs = append(errs, err)
			continue
		}
		handles[u.id.Name] = file
	}
	return handles, errors.Join(errs...)
}

// actuator returns the actuator of that name.
func (b *Board) actuator(name string) (*unit, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	u := b.units[Unit{RoleActuator, name}]
	if u == nil {
		return nil, fmt.Errorf("actuator %q is %w", name, ErrNotKnown)
	}
	if b.run == nil {
		return nil, fmt.Errorf("actuator %q: the board does not run yet", name)
	}
	return u, nil
}

// output returns a channel of an actuator.
func (b *Board) output(name, channel string) (*unit, Channel, error) {
	u, err := b.actuator(name)
	if err != nil {
		return nil, Channel{}, err
	}
	_, channels := u.snapshot()
	for _, c := range channels {
		if c.Name == channel {
			return u, c, nil
		}
	}
	return nil, Channel{}, fmt.Errorf("channel %q of actuator %q is %w", channel, name, ErrNotKnown)
}
