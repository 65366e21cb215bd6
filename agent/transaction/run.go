package transaction

import (
	"cmp"
	"context"
	"log/slog"
	"time"
)

// Run carries transactions out until ctx ends. It returns nil.
func (m *Machine) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-m.wake:
		case <-timer.C:
		case <-ctx.Done():
			return nil
		}
		if next := m.step(ctx); next > 0 {
			timer.Reset(next)
		}
	}
}

// step does what is due and returns when to look again; 0: when something happens.
func (m *Machine) step(ctx context.Context) time.Duration {
	switch m.Status().Phase {
	case Applying:
		m.change()
		return m.try(ctx)
	case Trying:
		return m.judge(ctx)
	case Reverting:
		return m.goBack(ctx)
	case Resting:
	}
	return 0
}

func (m *Machine) change() {
	if m.cfg.OnChange != nil {
		m.cfg.OnChange()
	}
}

// try applies what was committed. The journal goes on saying Applying: a start does the same with both.
func (m *Machine) try(ctx context.Context) time.Duration {
	m.mu.Lock()
	text, pause, trial := m.text, m.pause, m.trial
	m.mu.Unlock()
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return 0 // the next start reverts it
	}
	err := m.cfg.Apply(ctx, text, trial)
	if ctx.Err() != nil {
		return 0
	}
	if err != nil {
		return m.revert(ctx, inapplicable, "it could not be applied: "+err.Error())
	}
	m.mu.Lock()
	m.rec, _ = m.rec.after(applied)
	m.mu.Unlock()
	return m.judge(ctx)
}

// judge ends a trial that somebody has vouched for or objected to, or whose time is over.
func (m *Machine) judge(ctx context.Context) time.Duration {
	m.mu.Lock()
	left, why, objection, confirm := time.Until(m.until), m.vouched, m.objects, m.confirmTime()
	m.mu.Unlock()
	switch {
	case objection != "":
		return m.revert(ctx, objected, objection)
	case why != "":
		return m.keep(why)
	case left > 0:
		return left
	}
	return m.revert(ctx, expired, cmp.Or(m.cfg.Missing(), "the servers were not reached")+", within "+confirm.String())
}

// keep ends a trial that was vouched for.
func (m *Machine) keep(why string) time.Duration {
	m.mu.Lock()
	undo := m.cfg.Redact(m.rec.Before, m.text)
	next := m.rec.over(vouched, m.cfg.Now(), why)
	next.Undo = &undo
	err := m.journal(next)
	m.mu.Unlock()
	if err != nil {
		m.failed("a configuration that is good could not be kept yet", err)
		return retryTime
	}
	m.failures = 0
	m.change()
	return 0
}

// revert ends a trial by going back to the former text.
func (m *Machine) revert(ctx context.Context, on event, reason string) time.Duration {
	m.mu.Lock()
	next, _ := m.rec.after(on)
	next.Reason = reason
	if err := m.journal(next); err != nil {
		m.cfg.Log.Error("a configuration is reverted, which is not on disk yet", slog.Any("error", err))
		m.rec = next
	}
	m.text, m.back = m.rec.Before, false
	m.mu.Unlock()
	return m.goBack(ctx)
}

// goBack brings the former text back.
func (m *Machine) goBack(ctx context.Context) time.Duration {
	m.mu.Lock()
	text, reason, back := m.rec.Before, m.rec.Reason, m.back
	m.mu.Unlock()
	if !back {
		// First what servers are reached with, which a failing disk does not stop.
		failure := m.cfg.Apply(ctx, text, Any)
		if ctx.Err() != nil {
			return 0
		}
		if back = failure == nil; !back {
			reason += "; the former configuration needs a restart of the agent: " + failure.Error()
		}
	}
	m.mu.Lock()
	m.back = back
	err := m.reverted(reason)
	m.mu.Unlock()
	if err != nil {
		return m.notBack(err)
	}
	m.failures = 0
	m.change()
	return 0
}

// reverted puts the former text on disk, and why it is back. Where it is left out, it stays so. The lock must be held.
func (m *Machine) reverted(reason string) error {
	if err := m.cfg.Disk.Replace(overlayFile, contentOf(m.rec.Before)); err != nil {
		return err
	}
	m.leftOut = m.leftOut && m.rec.Before != ""
	return m.journal(m.rec.over(restored, m.cfg.Now(), reason))
}

// notBack returns when it is tried again to put the former text on disk.
func (m *Machine) notBack(err error) time.Duration {
	m.failed("the former configuration is in force, but not on disk yet", err)
	return min(retryTime<<min(m.failures-1, 7), maxRetryTime)
}

// failed counts a failure of the disk, and tells of the first one.
func (m *Machine) failed(what string, err error) {
	log := m.cfg.Log.Error
	if m.failures > 0 {
		log = m.cfg.Log.Debug
	}
	m.failures++
	log(what, slog.Any("error", err))
}
