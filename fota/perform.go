package fota

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// job is work beside Run's goroutine. There is one at a time.
type job struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// work starts a job in place of the one that runs. Its outcome is an event, unless
// the job is halted before.
func (u *Updater) work(ctx context.Context, f func(ctx context.Context, j *job) happening) {
	u.halt()
	ctx, cancel := context.WithCancel(ctx)
	j := &job{cancel: cancel, done: make(chan struct{})}
	u.job = j
	go func() {
		defer close(j.done)
		h := f(ctx, j)
		if ctx.Err() != nil {
			return // what a cut-off piece of work says of itself is of no use
		}
		h.job = j
		select {
		case u.inbox <- h:
		case <-ctx.Done():
		}
	}()
}

// halt ends the job that runs and waits for its end.
func (u *Updater) halt() {
	if u.job != nil {
		u.job.cancel()
		<-u.job.done
		u.job = nil
		u.mu.Lock()
		u.waits = Wait{} // that it has told last
		u.mu.Unlock()
	}
}

// do makes a job of calls of the back end: the event that follows, and failed if
// they fail.
func (u *Updater) do(ctx context.Context, then event, what string, f func(ctx context.Context, h *happening) error) {
	u.work(ctx, func(ctx context.Context, _ *job) happening {
		h := happening{event: then}
		if err := f(ctx, &h); err != nil {
			fail := failureOf(err, UpdateFailed)
			fail.Reason = what + ": " + fail.Reason
			return happening{event: failed, failure: fail}
		}
		return h
	})
}

// perform carries out an action whose event is on record.
func (u *Updater) perform(ctx context.Context, a action, h *happening) error {
	r := u.rec
	b := u.cfg.Backend
	switch a { //nolint:exhaustive // the others are part of the record
	case open:
		return u.open(ctx, h)
	case fetch:
		u.work(ctx, u.download(r))
	case verify:
		u.work(ctx, u.verify)
	case awaitConsent:
		u.awaitConsent()
	case install:
		u.do(ctx, installed, "install into slot "+r.New, func(ctx context.Context, h *happening) error {
			defer u.inhibit(ctx, &r)()
			return u.install(ctx, &r, h)
		})
	case activate:
		u.do(ctx, switched, "switch to slot "+r.New, func(ctx context.Context, _ *happening) error {
			defer u.inhibit(ctx, &r)()
			return b.Activate(ctx, r.New)
		})
	case reboot:
		u.reboot(ctx)
	case try:
		u.try(ctx)
	case confirm:
		u.confirm(ctx, r.New)
	case goBack:
		u.goBack(ctx, r)
	case leave:
		u.leave(ctx, u.cfg.Reboot)
	case fallBack:
		u.leave(ctx, u.cfg.FallBack)
	case vouch:
		return u.vouch(ctx)
	case discard:
		u.inspected.Swap(nil).stop()
		u.have.Store(0)
		if err := u.area.remove(); err != nil {
			u.cfg.Log.Warn("the package of a firmware update that is over was not removed", slog.Any("error", err))
		}
	}
	return nil
}

// inhibit keeps the machine up while a system is written and made the one that boots next.
func (u *Updater) inhibit(ctx context.Context, r *record) (release func()) {
	return u.cfg.Inhibit(ctx, fmt.Sprintf("firmware %s is being written to slot %s", r.Package.Version, r.New))
}

// install writes the other slot. Until that is done it must not boot; the one that
// runs must.
func (u *Updater) install(ctx context.Context, r *record, h *happening) error {
	slots, err := u.cfg.Backend.Slots(ctx)
	if err != nil {
		return err
	}
	if slots.Booted != r.Old {
		return Failf(UpdateFailed, "slot %q runs, where %q did", slots.Booted, r.Old)
	}
	if old, ok := slots.slot(r.Old); ok && !old.Good {
		if err := u.cfg.Backend.Mark(ctx, r.Old, true); err != nil {
			return err
		}
	}
	if err := u.cfg.Backend.Mark(ctx, r.New, false); err != nil {
		return err
	}
	h.image, err = u.cfg.Backend.Install(ctx, u.area.path(), r.New)
	return err
}

// verify has the back end look at the package, unless it has done so while it came.
func (u *Updater) verify(ctx context.Context, _ *job) happening {
	u.mu.Lock()
	serial, atOnce, automatic := u.rec.Serial, u.rec.Now, u.rec.Policy.Automatic
	u.mu.Unlock()
	found, err, known := u.inspected.Load().verdict(ctx, serial)
	if !known {
		found, err = u.cfg.Backend.Inspect(ctx, u.area.path())
	}
	if err != nil {
		return happening{event: refused, failure: failureOf(err, UpdateFailed)}
	}
	h := happening{event: verified, found: found}
	switch {
	case atOnce, automatic && !u.asks():
		h.event = verifiedNow
	case automatic:
		h.event = verifiedAsked
	}
	return h
}

// rebootTime is how long a reboot that is certain to come may take.
const rebootTime = 10 * time.Minute

// early reports whether the reboot into the new system still waits for its hours: what
// a local user installs does not.
func (u *Updater) early() bool { return !u.rec.Now && u.cfg.RebootHours.until(u.cfg.Now()) > 0 }

func (u *Updater) reboot(ctx context.Context) {
	now := u.rec.Now
	u.work(ctx, func(ctx context.Context, j *job) happening {
		if !now {
			u.awaitHours(ctx, j, u.cfg.RebootHours, ForRebootHours)
		}
		if ctx.Err() != nil { // the agent ends: the machine does not reboot for that
			return happening{event: nothing}
		}
		if err := u.cfg.Reboot(ctx); err != nil {
			return happening{event: failed, failure: Failf(UpdateFailed, "%v", err)}
		}
		timer := time.NewTimer(rebootTime)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		return happening{event: failed, failure: Failf(UpdateFailed, "the machine did not reboot in %s", rebootTime)}
	})
}

// confirm marks the new slot good. It has proved itself: what fails is tried again for the confirm time, before it is left for that.
func (u *Updater) confirm(ctx context.Context, slot string) {
	u.do(ctx, marked, "mark slot "+slot+" good", func(ctx context.Context, _ *happening) error {
		for began := time.Now(); ctx.Err() == nil; u.rest(ctx, pause) {
			err := u.cfg.Backend.Mark(ctx, slot, true)
			if err == nil || time.Since(began) >= u.cfg.Confirm {
				return err
			}
			u.cfg.Log.Warn("the new firmware slot is not marked good yet; it is tried again", slog.Any("error", err))
		}
		return ctx.Err()
	})
}

// goBack has the old slot boot next, and then forbids the new one: at no instant
// is there none to boot. A slot that a local user has left may stay good. A new system
// that cannot do so for the confirm time leaves it to the boot loader.
func (u *Updater) goBack(ctx context.Context, r record) {
	newRuns := u.newRuns
	u.work(ctx, func(ctx context.Context, _ *job) happening {
		for began := time.Now(); ctx.Err() == nil; u.rest(ctx, pause) {
			runsNew, err := u.forbid(ctx, &r)
			switch {
			case err == nil && runsNew:
				return happening{event: ousted}
			case err == nil:
				return happening{event: reverted}
			case newRuns && time.Since(began) >= u.cfg.Confirm && r.Starts >= maxRevertStarts:
				return happening{event: exhausted}
			case newRuns && time.Since(began) >= u.cfg.Confirm:
				u.cfg.Log.Error("the new firmware cannot go back: the machine is rebooted, for the boot loader to do so", slog.Any("error", err))
				return happening{event: unheard}
			}
			u.cfg.Log.Warn("the firmware is not rolled back yet; it is tried again", slog.Any("error", err))
		}
		return happening{event: nothing}
	})
}

// leave reboots into the old system, and goes on going back if the machine does not.
func (u *Updater) leave(ctx context.Context, reboot func(context.Context) error) {
	u.work(ctx, func(ctx context.Context, _ *job) happening {
		err := reboot(ctx)
		if err == nil {
			err = errors.New("the machine has not rebooted yet")
			u.rest(ctx, rebootTime)
		} else {
			u.rest(ctx, pause)
		}
		if ctx.Err() == nil {
			u.cfg.Log.Warn("the firmware is not rolled back yet; it is tried again", slog.Any("error", err))
		}
		return happening{event: retry}
	})
}

func (u *Updater) forbid(ctx context.Context, r *record) (runsNew bool, err error) {
	b := u.cfg.Backend
	if err := b.Activate(ctx, r.Old); err != nil {
		return false, err
	}
	if r.updates() {
		if err := b.Mark(ctx, r.New, false); err != nil {
			return false, err
		}
	}
	slots, err := b.Slots(ctx) // now: one slot alone is called the old one once it has to stay
	if err != nil {
		return false, err
	}
	if slots.Booted == r.Old {
		return false, b.Mark(ctx, r.Old, true)
	}
	return slots.Booted == r.New, nil
}

// rest waits.
func (u *Updater) rest(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// vouch marks the running slot good.
func (u *Updater) vouch(ctx context.Context) error {
	slots, err := u.cfg.Backend.Slots(ctx)
	if err != nil {
		return err
	}
	return u.cfg.Backend.Mark(ctx, slots.Booted, true)
}
