package agent

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"lwm2m-agent/agent/bind"
	"lwm2m-agent/agent/health"
)

// rehomingLimit is how long accounts that a bootstrap server wrote may take to register once.
const rehomingLimit = time.Hour

// rehoming goes back to the accounts that a bootstrap has replaced, if none of the new ones registers.
type rehoming struct {
	agent *Agent
	limit time.Duration
	news  chan struct{} // receives when a server may have been reached
	begun chan struct{} // receives when accounts were replaced
}

func newRehoming(a *Agent) *rehoming {
	return &rehoming{agent: a, limit: rehomingLimit, news: make(chan struct{}, 1), begun: make(chan struct{}, 1)}
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
		if err := a.accounts.Supersede(within, standing); err != nil {
			return err
		}
		err := save()
		if err == nil {
			nudge(r.begun)
		}
		return err
	}
}

// run watches new accounts until ctx ends. After a restart they have all of the time again.
func (r *rehoming) run(ctx context.Context) error {
	timer := time.NewTimer(r.limit)
	defer timer.Stop()
	t := r.trial(ctx)
	for {
		select {
		case <-r.begun:
			before := t
			if t = r.trial(ctx); before == nil {
				timer.Reset(r.limit)
			}
		case <-r.news:
			if t == nil {
				continue
			}
			if reached, _ := t.judge(r.agent.client.Status()); reached != "" {
				t = nil
				r.keep(reached)
			}
		case <-timer.C:
			if t != nil {
				t = nil
				r.goBack(ctx, r.missing())
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// trial begins to wait for one of the new accounts, nil if there is none to wait for.
func (r *rehoming) trial(ctx context.Context) *trial {
	a := r.agent
	wanted := a.accounts.Wanted()
	if len(wanted) == 0 {
		return nil
	}
	t := &trial{received: make(map[uint16]uint64), any: true}
	if a.client.Settle(ctx) == nil { // else the client has just started
		for _, s := range a.client.Status() {
			t.received[s.ShortServerID] = s.ReceivedMessages
		}
	}
	all := t.received
	t.received = make(map[uint16]uint64)
	for _, ssid := range wanted {
		t.received[ssid] = all[ssid]
		_ = a.client.Update(ssid) // it may be gone again
	}
	nudge(r.news)
	return t
}

// keep forgets the former accounts.
func (r *rehoming) keep(reached string) {
	a := r.agent
	a.log.Info("the accounts of the bootstrap are kept, the former ones forgotten", slog.String("why", reached))
	if err := a.accounts.Forget(); err != nil {
		a.log.Error("the former accounts are not forgotten yet", slog.Any("error", err))
		return
	}
	a.health.Clear(health.AccountsReverted, "")
	if err := a.store.Scrub(); err != nil {
		a.log.Warn("keys that are out of use may still be on disk", slog.Any("error", err))
	}
}

// missing says why the new accounts are given up.
func (r *rehoming) missing() string {
	var reasons []string
	wanted := r.agent.accounts.Wanted()
	for _, s := range r.agent.client.Status() {
		for _, ssid := range wanted {
			if s.ShortServerID == ssid {
				reasons = append(reasons, notReached(&s))
			}
		}
	}
	return strings.Join(reasons, "; ") + fmt.Sprintf(", within %v", r.limit)
}

// goBack puts the former accounts in force again.
func (r *rehoming) goBack(ctx context.Context, why string) {
	a := r.agent
	a.log.Warn("the former accounts are back: those of the bootstrap have not registered", slog.String("why", why))
	if err := a.accounts.GoBack(a.tree, a.objects.security, a.objects.server); err != nil {
		a.log.Error("the former accounts do not come back", slog.Any("error", err))
	}
	if err := a.access.Provision(ctx, a.config.Load(), true); err != nil {
		a.log.Error("the former servers have no rights yet", slog.Any("error", err))
	}
	a.health.Set(health.AccountsReverted, "", why)
	if err := a.store.Scrub(); err != nil {
		a.log.Warn("keys that are out of use may still be on disk", slog.Any("error", err))
	}
}
