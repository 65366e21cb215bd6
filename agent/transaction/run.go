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
	m.mu.Lock()
	phase, applied, pause, text := m.rec.Phase, m.applied, m.pause, m.text
	m.mu.Unlock()
	switch {
	case phase == Trying && !applied:
		m.change()
		m.try(ctx, text, pause)
		return time.Nanosecond
	case phase == Trying:
		return m.judge(ctx)
	case phase == Reverting:
		return m.goBack(ctx)
	}
	return 0
}

func (m *Machine) change() {
	if m.cfg.OnChange != nil {
		m.cfg.OnChange()
	}
}

// try applies what was committed.
func (m *Machine) try(ctx context.Context, text string, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return // the next start reverts it
	}
	err := m.cfg.Apply(ctx, text, true)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.applied = true
	if err != nil && ctx.Err() == nil {
		m.objects = "it could not be applied: " + err.Error()
	}
}

// judge ends a trial that somebody has vouched for or objected to, or whose time is over.
func (m *Machine) judge(ctx context.Context) time.Duration {
	m.mu.Lock()
	left := time.Until(m.until)
	switch {
	case m.objects != "":
	case m.vouched != "":
		undo := m.cfg.Redact(m.rec.Before)
		next := m.rec.over(m.cfg.Now(), Kept, m.vouched)
		next.Undo = &undo
		err := m.journal(next)
		m.mu.Unlock()
		if err != nil {
			m.cfg.Log.Error("a configuration that is good could not be kept yet", slog.Any("error", err))
			return retryTime
		}
		m.change()
		return 0
	case left > 0:
		m.mu.Unlock()
		return left
	}
	confirm := m.confirmTime()
	reason := m.objects
	m.mu.Unlock()
	if reason == "" {
		reason = cmp.Or(m.cfg.Missing(), "the servers were not reached") + ", within " + confirm.String()
	}
	m.mu.Lock()
	next := m.rec
	next.Phase, next.Reason = Reverting, reason
	if err := m.journal(next); err != nil {
		m.cfg.Log.Error("a configuration is reverted, which is not on disk yet", slog.Any("error", err))
		m.rec = next
	}
	m.text = m.rec.Before
	m.mu.Unlock()
	return m.goBack(ctx)
}

// goBack brings the former text back.
func (m *Machine) goBack(ctx context.Context) time.Duration {
	m.mu.Lock()
	text := m.rec.Before
	m.mu.Unlock()
	// First what servers are reached with, which a failing disk does not stop.
	failure := m.cfg.Apply(ctx, text, false)
	if ctx.Err() != nil {
		return 0
	}
	m.mu.Lock()
	if failure != nil {
		m.rec.Reason += "; the former configuration needs a restart of the agent: " + failure.Error()
	}
	err := m.reverted()
	m.mu.Unlock()
	if err != nil {
		m.cfg.Log.Error("the former configuration is in force, but not on disk yet", slog.Any("error", err))
		return retryTime
	}
	m.change()
	return 0
}

// reverted puts the former text on disk, and that it is back. The lock must be held.
func (m *Machine) reverted() error {
	m.text = m.rec.Before
	if err := m.cfg.Disk.Replace(overlayFile, contentOf(m.text)); err != nil {
		m.rec.Phase = Reverting
		return err
	}
	return m.journal(m.rec.over(m.cfg.Now(), Reverted, m.rec.Reason))
}
