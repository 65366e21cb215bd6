package fota

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// Contact is how this machine stands with its servers, as far as an exchange of
// this run of the agent shows it: a session that was restored is none.
type Contact struct {
	Registered bool   // with one of them
	Answer     string // why not, from one that has answered: "4.03 Forbidden"; "" if none has
}

// Contact takes what is known about the servers. It does not block.
func (u *Updater) Contact(c Contact) {
	u.mu.Lock()
	same := u.said == c
	u.said = c
	u.mu.Unlock()
	if same {
		return
	}
	u.lookAgain()
}

// trial is the health gate of a new system.
type trial struct {
	began      time.Time
	registered time.Time // since when; zero: it is not
	without    time.Time // since when it is not
	extended   bool      // no server answers, but the machine is well
	open       bool      // the system that runs is the one that is tried; nothing is decided before that is known
}

// try begins the trial of a new system: it must be what was installed, and gets
// all its attempts to boot again, so that power cuts do not use them up.
func (u *Updater) try(ctx context.Context) {
	u.trial = trial{began: time.Now(), without: time.Now()}
	r := u.rec
	slots, err := u.cfg.Backend.Slots(ctx)
	if err != nil {
		u.grope(ctx, err, u.try)
		return
	}
	if running, _ := slots.slot(r.New); running.Image.differs(r.Image) {
		u.reject(ctx, fmt.Sprintf("slot %q holds version %q (%.12s), not version %q (%.12s) that was installed",
			r.New, running.Image.Version, running.Image.Hash, r.Image.Version, r.Image.Hash))
		return
	}
	if err := u.cfg.Backend.Activate(ctx, r.New); err != nil {
		u.cfg.Log.Error("the new firmware slot was not given its attempts to boot again", slog.Any("error", err))
	}
	u.trial.open = true
	u.judge(ctx)
}

// judge decides about a trial, or when to look again. It passes when a server has
// had the machine registered for the confirm time and the check finds it well. A
// machine that no server answers, though the check finds it well, has until the
// limit, if the check counts for that.
func (u *Updater) judge(ctx context.Context) {
	u.halt() // a check that is going on
	t, now := &u.trial, time.Now()
	u.mu.Lock()
	said := u.said
	u.mu.Unlock()
	switch {
	case !said.Registered && !t.registered.IsZero():
		t.registered, t.without = time.Time{}, now
	case !said.Registered:
	case t.registered.IsZero():
		t.registered = now
	}
	if !t.registered.IsZero() {
		if left := u.cfg.Confirm - now.Sub(t.registered); left > 0 {
			u.wait(left, u.judge)
			return
		}
		u.check(ctx, happening{event: passed})
		return
	}
	if left := u.cfg.Confirm - now.Sub(t.without); left > 0 {
		u.wait(left, u.judge)
		return
	}
	left := u.cfg.Limit - now.Sub(t.began)
	switch {
	case said.Answer != "":
		u.reject(ctx, fmt.Sprintf("no server has registered the new system in %s; one said: %s", u.cfg.Confirm, said.Answer))
	case !u.cfg.Lenient:
		u.reject(ctx, fmt.Sprintf("the new system is not registered after %s: no server answers", u.cfg.Confirm))
	case left <= 0:
		u.reject(ctx, fmt.Sprintf("no server has answered the new system in %s", u.cfg.Limit))
	case t.extended:
		u.wait(left, u.judge)
	default:
		t.extended = true
		u.check(ctx, happening{event: nothing})
		u.wait(left, u.judge)
	}
}

func (u *Updater) reject(ctx context.Context, reason string) {
	u.take(ctx, happening{event: rejected, failure: Failf(UpdateFailed, "%s", reason)})
}

// checkTime bounds the check of the machine.
const checkTime = 2 * time.Minute

// check looks at the machine: if it is well, h follows.
func (u *Updater) check(ctx context.Context, h happening) {
	if u.cfg.Check == nil {
		u.take(ctx, h)
		return
	}
	u.work(ctx, func(ctx context.Context, _ *job) happening {
		within, cancel := context.WithTimeout(ctx, checkTime)
		defer cancel()
		if err := u.cfg.Check(within); err != nil {
			return happening{event: rejected, failure: Failf(UpdateFailed, "the new system's check failed: %v", err)}
		}
		return h
	})
}
