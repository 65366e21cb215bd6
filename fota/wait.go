package fota

import (
	"context"
	"log/slog"
	"time"
)

// Reason is what an update waits for, in words.
type Reason string

// The reasons.
const (
	ForDownloadHours Reason = "the download hours"
	ForRebootHours   Reason = "the reboot hours"
	ForDataBudget    Reason = "the data budget"
	ForAnotherTry    Reason = "another attempt"
)

// Wait is what an update that could go on waits for. The zero value is nothing.
type Wait struct {
	For   Reason
	Until time.Time // by Config.Now; it may be earlier
	Why   string    // of another attempt: what the last one has ended with
}

// await waits as long as there is something to wait for, or until the end of a context. It reports whether there was anything.
func (u *Updater) await(ctx context.Context, j *job, look func() (w Wait, ok bool)) (waited bool) {
	for ctx.Err() == nil {
		w, ok := look()
		if !ok {
			break
		}
		if !waited {
			u.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "a firmware update waits", slog.String("for", string(w.For)), slog.Time("until", w.Until))
		}
		waited = true
		u.tellWait(ctx, j, w)
		u.rest(ctx, min(w.Until.Sub(u.cfg.Now()), longestRest))
	}
	if waited {
		u.tellWait(ctx, j, Wait{})
	}
	return waited
}

// tellWait shows what is waited for; the zero Wait ends that.
func (u *Updater) tellWait(ctx context.Context, j *job, w Wait) {
	u.mu.Lock()
	same := u.waits == w
	u.waits = w
	u.mu.Unlock()
	if same {
		return
	}
	select {
	case u.inbox <- happening{job: j, shown: true}:
	case <-ctx.Done():
	}
}

// deferral is the defer period as this run of the agent sees it.
type deferral struct {
	known bool          // false: it began in an earlier run, and has not been looked at
	over  time.Duration // at the latest, by Config.Elapsed
	older bool          // it began in an earlier run: how much has passed since then is what the clock says
}

// maxDefer is the longest defer period, in seconds: a year.
const maxDefer = 365 * 24 * 3600

// deferPeriod returns how long the local user may defer an update.
func (p Policy) deferPeriod() time.Duration {
	return time.Duration(min(p.MaxDefer, maxDefer)) * time.Second
}

// awaitConsent waits for the end of the defer period. In the run of the agent in which the period begins, its time is what passes, sleep of the machine
// included, whatever the clock is set to. After a restart it is what the clock says, which may be set right later on; but no longer than the whole period.
func (u *Updater) awaitConsent() {
	d := &u.deferral
	if !d.known {
		*d = deferral{known: true, over: u.cfg.Elapsed() + u.rec.Policy.deferPeriod(), older: true}
	}
	left := d.over - u.cfg.Elapsed()
	if d.older {
		left = min(left, u.rec.Until.Sub(u.cfg.Clock()))
	} else if until := u.cfg.Clock().Add(left); until.Sub(u.rec.Until).Abs() > time.Minute {
		r := u.rec
		r.Until = until
		_ = u.save(r) // or the next time
	}
	u.wait(max(0, min(left, longestRest)), func(ctx context.Context) {
		if left <= longestRest {
			u.take(ctx, happening{event: agreed})
			return
		}
		u.awaitConsent()
	})
}

// Woken says that the machine has slept (suspend), in which timers stand still: a defer period may be over. It does not block.
func (u *Updater) Woken() { u.lookAgain() }

func (u *Updater) lookAgain() {
	select {
	case u.look <- struct{}{}:
	default:
	}
}

// worthTelling is the shortest time until another attempt that is told.
const worthTelling = 30 * time.Second

// restUntilNext waits until the next attempt.
func (d *transfer) restUntilNext(ctx context.Context, pause time.Duration, why error) {
	u := d.updater
	if pause >= worthTelling {
		u.tellWait(ctx, d.job, Wait{For: ForAnotherTry, Until: u.cfg.Now().Add(pause), Why: failureOf(why, ConnectionLost).Reason})
		defer u.tellWait(ctx, d.job, Wait{})
	}
	u.rest(ctx, pause)
}
