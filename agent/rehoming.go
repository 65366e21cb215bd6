package agent

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"lwm2m-agent/agent/bind"
	"lwm2m-agent/agent/health"
)

const (
	rehomingLimit = time.Hour        // how long accounts that a bootstrap server wrote may take to register once, after their delay
	rehomingPause = 30 * time.Second // after a first failure of the disk; then twice as long each time, up to the limit
)

// rehoming goes back to the accounts that a bootstrap has replaced, if none of the new ones registers; to the new ones
// again, if none of the former does; and so on: neither a mistake at the new server, nor a network that is down, leaves
// a device alone.
type rehoming struct {
	agent *Agent
	limit time.Duration
	pause time.Duration
	news  chan struct{} // receives when a server may have been reached
	begun chan struct{} // receives when accounts were replaced
}

func newRehoming(a *Agent) *rehoming {
	return &rehoming{agent: a, limit: rehomingLimit, pause: rehomingPause, news: make(chan struct{}, 1), begun: make(chan struct{}, 1)}
}

// nudge does not block.
func nudge(to chan struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}

// together is client.Config.Together, for what a bootstrap writes.
func (r *rehoming) together(ctx context.Context) (within context.Context, keep func() error) {
	a := r.agent
	within, save := bind.Together(ctx, a.store)
	var standing []uint16
	for _, s := range a.client.Status() { // now, not while the tree is changed
		if registered(&s) {
			standing = append(standing, s.ShortServerID)
		}
	}
	return within, func() error {
		if err := a.accounts.Supersede(within, standing, a.opts.Now().Add(r.limit)); err != nil {
			return err
		}
		err := save()
		if err == nil {
			nudge(r.begun)
		}
		return err
	}
}

// run watches accounts that are on trial until ctx ends. What a failing disk does not take is tried again.
func (r *rehoming) run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	t, reached, pause := r.trial(ctx, timer), "", r.pause
	for {
		select {
		case <-r.begun:
			t, reached, pause = r.trial(ctx, timer), "", r.pause
			continue
		case <-r.news:
			if t == nil || reached != "" {
				continue
			}
			if reached, _ = t.judge(r.agent.client.Status()); reached == "" {
				continue
			}
		case <-timer.C:
			if t == nil {
				continue
			}
		case <-ctx.Done():
			return nil
		}
		switch {
		case reached != "" && r.keep(reached):
			t, reached, pause = nil, "", r.pause
		case reached == "" && r.swap(ctx):
			t, pause = r.trial(ctx, timer), r.pause
		default:
			timer.Reset(pause)
			pause = min(2*pause, r.limit)
		}
	}
}

// trial begins to wait for one of the accounts on trial, nil if there are none. The timer ends it: at the time that was
// set when it began, which outlives a restart, but not after more than the limit and their delay, if the clock was set.
func (r *rehoming) trial(ctx context.Context, timer *time.Timer) *trial {
	a := r.agent
	p, ok := a.accounts.OnTrial()
	if !ok {
		return nil
	}
	received := make(map[uint16]uint64)
	if a.client.Settle(ctx) == nil { // else the client has just started
		for _, s := range a.client.Status() {
			received[s.ShortServerID] = s.ReceivedMessages
		}
	}
	t := &trial{received: make(map[uint16]uint64), any: true}
	for _, ssid := range p.Wanted {
		t.received[ssid] = received[ssid]
		_ = a.client.UpdateRegistered(ssid) // it may be gone again
	}
	timer.Reset(max(0, min(p.Until.Sub(a.opts.Now()), r.limit+p.Delay)))
	nudge(r.news)
	return t
}

// keep forgets the accounts that are not in force, and reports whether that is on disk.
func (r *rehoming) keep(reached string) bool {
	a := r.agent
	p, _ := a.accounts.OnTrial()
	if err := a.accounts.Forget(); err != nil {
		a.log.Error("the other accounts are not forgotten yet", slog.Any("error", err))
		return false
	}
	a.log.Info("one of the accounts on trial has registered: they are kept, the others forgotten", slog.Bool("former", p.Former), slog.String("why", reached))
	if !p.Former {
		a.health.Clear(health.AccountsReverted, "")
	}
	r.scrub()
	return true
}

func (r *rehoming) scrub() {
	if err := r.agent.store.Scrub(); err != nil {
		r.agent.log.Warn("keys that are out of use may still be on disk", slog.Any("error", err))
	}
}

// missing says why accounts are given up.
func (r *rehoming) missing(p bind.Trial) string {
	var reasons []string
	for _, s := range r.agent.client.Status() {
		if slices.Contains(p.Wanted, s.ShortServerID) {
			reasons = append(reasons, notReached(&s))
		}
	}
	return strings.Join(reasons, "; ") + fmt.Sprintf(", within %v", r.limit+p.Delay)
}

// swap puts the other accounts in force, and reports whether those that are on trial are others now, or none.
func (r *rehoming) swap(ctx context.Context) bool {
	a := r.agent
	p, _ := a.accounts.OnTrial()
	why := slog.String("why", r.missing(p))
	if err := a.accounts.Swap(a.tree, a.objects.security, a.objects.server, a.opts.Now().Add(r.limit)); err != nil {
		a.log.Error("the other accounts do not come back", slog.Any("error", err))
	}
	if now, onTrial := a.accounts.OnTrial(); !onTrial || now.Former == p.Former {
		return !onTrial
	}
	if p.Former {
		a.log.Warn("the accounts of the bootstrap are tried again: the former ones have not registered", why)
	} else {
		a.log.Warn("the former accounts are back: those of the bootstrap have not registered", why)
		a.health.Set(health.AccountsReverted, "", why.Value.String())
	}
	if err := a.access.Provision(ctx, a.config.Load(), true); err != nil {
		a.log.Error("their servers have no rights yet", slog.Any("error", err))
	}
	r.scrub()
	return true
}
