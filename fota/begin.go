package fota

import (
	"context"
	"log/slog"
	"time"
)

// The most starts in one phase: a system that comes up that often and does not get
// on never will.
const (
	maxStarts       = 5
	maxRevertStarts = 10
)

// begin goes on where the journal says.
func (u *Updater) begin(ctx context.Context) {
	slots, err := u.cfg.Backend.Slots(ctx)
	if u.rec.Phase < Installing {
		done := u.markRunning(ctx, slots, err)
		u.take(ctx, happening{event: started, failure: Failf(ConnectionLost, "the agent ended while the package was being received")})
		if !done {
			u.markPause = pause
			u.marking.Reset(pause)
		}
		return
	}
	if err != nil {
		u.grope(ctx, err, u.begin)
		return
	}
	u.newRuns = u.rec.updates() && slots.Booted == u.rec.New && !slots.Single
	h := u.startOf(slots.Booted)
	if h.event == startedOld {
		u.markRunning(ctx, slots, nil)
	}
	u.take(ctx, h)
}

// grope is what is done while the slots cannot be read, in the middle of an update: it is
// tried again. A new system that cannot read them for the confirm time can neither prove
// itself nor go back; it is rebooted until the boot loader has it fall back.
func (u *Updater) grope(ctx context.Context, err error, again func(context.Context)) {
	u.cfg.Log.Error("the slots of the firmware cannot be read; it is tried again", slog.Any("error", err))
	r := u.rec
	booted := r.Boot == "" || r.Boot != u.cfg.BootID
	fresh := r.Phase == Trial || booted && (r.Phase == Switching || r.Phase == Rebooting || r.Phase == Reverting && r.updates())
	switch {
	case u.blind.IsZero():
		u.blind = time.Now()
	case fresh && r.Starts < maxRevertStarts && time.Since(u.blind) >= u.cfg.Confirm:
		u.blind = time.Now()
		r.Starts++
		if err := u.save(r); err != nil {
			break
		}
		u.cfg.Log.Error("the new firmware cannot tell which slot runs: the machine is rebooted, for the boot loader to go back")
		u.work(ctx, func(ctx context.Context, _ *job) happening {
			if err := u.cfg.FallBack(ctx); err != nil && ctx.Err() == nil {
				u.cfg.Log.Error("the machine did not reboot", slog.Any("error", err))
			}
			return happening{event: nothing}
		})
	}
	u.wait(pause, again)
}

// startOf says what it means that the agent starts in a slot.
func (u *Updater) startOf(booted string) happening {
	r := &u.rec
	same := r.Boot != "" && r.Boot == u.cfg.BootID
	limit := maxStarts
	if r.Phase == Reverting {
		limit = maxRevertStarts
	}
	switch {
	case booted != r.Old && booted != r.New:
		return happening{event: startedAstray, failure: Failf(UpdateFailed, "slot %q runs, neither %q nor %q", booted, r.Old, r.New)}
	case booted == r.Old && r.Phase == Rebooting && same && u.early():
		return happening{event: startedEarly}
	case r.Starts >= limit && r.Phase != Confirming:
		return happening{event: exhausted, failure: Failf(UpdateFailed, "%d starts while %s", r.Starts, r.Phase)}
	case booted == r.New && r.Phase == Installing:
		return happening{event: startedNew, failure: Failf(UpdateFailed, "slot %q was started while it was being written", r.New)}
	case booted == r.New && r.Phase == Reverting && r.Summoned && !same:
		return happening{
			event:   startedBack,
			failure: Failf(UpdateFailed, "rollback: the system in slot %q did not stay up: slot %q was started in its place", r.Old, r.New),
		}
	case booted == r.New:
		return happening{event: startedNew}
	case same:
		return happening{event: startedSame}
	}
	return happening{
		event:   startedOld,
		failure: Failf(UpdateFailed, "the new system in slot %q did not stay up: slot %q was started in its place", r.New, r.Old),
	}
}

// markRunning tells the boot environment that the running system has come up, so
// that power cuts do not use up its attempts to boot. It is not on trial.
func (u *Updater) markRunning(ctx context.Context, slots Slots, err error) (done bool) {
	if err == nil {
		if running, ok := slots.slot(slots.Booted); !ok || running.Good {
			return true
		}
		err = u.cfg.Backend.Mark(ctx, slots.Booted, true)
	}
	if err != nil {
		u.cfg.Log.Error("the running firmware slot was not marked good", slog.Any("error", err))
	}
	return err == nil
}

// markLater tries to mark the running slot again, with growing pauses, until an update
// is installed: what answers for the slots may have started after the agent.
func (u *Updater) markLater(ctx context.Context) {
	if u.rec.Phase >= Installing {
		return
	}
	if u.rec.Phase != Verifying { // or the back end is asked by somebody else
		slots, err := u.cfg.Backend.Slots(ctx)
		if u.markRunning(ctx, slots, err) {
			return
		}
		u.markPause = min(2*u.markPause, time.Hour)
	}
	u.marking.Reset(u.markPause)
}
