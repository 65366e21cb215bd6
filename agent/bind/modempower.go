package bind

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"lwm2m-agent/agent/store"
)

// ModemPower switches what modems have their power from, and leaves none without: what is switched off is noted on disk before, and who finds
// the note, at last the next start, switches it on. A gateway whose modem has no power is out of everybody's reach.
type ModemPower struct {
	set  func(ctx context.Context, actuator string, on bool) error
	kept *store.SmallBucket
	log  *slog.Logger
	news chan struct{} // receives when something is owed

	mu  sync.Mutex      // held while something is switched, which hw bounds
	off map[string]bool // by actuator; true: it is owed, since nobody else switches it on
}

// NewModemPower returns a ModemPower that switches actuators by set.
func NewModemPower(st *store.Store, log *slog.Logger, set func(ctx context.Context, actuator string, on bool) error) *ModemPower {
	return &ModemPower{set: set, kept: st.SmallBucket("power/"), log: log, news: make(chan struct{}, 1), off: make(map[string]bool)}
}

// Switch switches an actuator. Whoever switches it off switches it on; where that fails, Run goes on with it.
func (p *ModemPower) Switch(ctx context.Context, actuator string, on bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if on {
		err := p.on(ctx, actuator)
		if err != nil {
			latest(p.news, struct{}{})
		}
		return err
	}
	p.note(actuator, []byte{})
	p.off[actuator] = false
	return p.set(ctx, actuator, false)
}

// on switches an actuator on; p.mu is held.
func (p *ModemPower) on(ctx context.Context, actuator string) error {
	if err := p.set(ctx, actuator, true); err != nil {
		p.off[actuator] = true
		return err
	}
	delete(p.off, actuator)
	p.note(actuator, nil)
	return nil
}

// note keeps that an actuator is off, or with nil that it is not. A disk that is full must not keep a modem from being healed.
func (p *ModemPower) note(actuator string, record []byte) {
	if err := p.kept.Save(actuator, record); err != nil {
		p.log.Warn("it is not kept whether a modem has power", slog.String("actuator", actuator), slog.Any("error", err))
	}
}

// The pauses between attempts to switch something on double from one to the other.
const (
	shortestOwed = time.Second
	longestOwed  = time.Minute
)

// Run switches on those of the actuators that an earlier run of the agent has left off, and what Switch could not, until ctx ends.
func (p *ModemPower) Run(ctx context.Context, actuators []string) error {
	p.mu.Lock()
	for _, a := range actuators {
		if record, err := p.kept.Load(a); err == nil && record != nil {
			p.off[a] = true
		}
	}
	p.mu.Unlock()
	pause, level := shortestOwed, slog.LevelWarn
	for {
		var again <-chan time.Time
		if p.pay(ctx, level) {
			pause, level = shortestOwed, slog.LevelWarn
		} else {
			again = time.After(pause)
			pause, level = min(2*pause, longestOwed), slog.LevelDebug
		}
		select {
		case <-again:
		case <-p.news:
		case <-ctx.Done():
			return nil
		}
	}
}

// pay switches on what is owed, logs at a level what cannot be, and reports whether nothing is left.
func (p *ModemPower) pay(ctx context.Context, level slog.Level) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := true
	for actuator, owed := range p.off {
		if !owed {
			continue
		}
		if err := p.on(ctx, actuator); err != nil {
			all = false
			p.log.Log(ctx, level, "a modem is without power, and it cannot be switched on", slog.String("actuator", actuator), slog.Any("error", err))
		} else {
			p.log.Warn("a modem was left without power, which is on again", slog.String("actuator", actuator))
		}
	}
	return all
}

// GiveBack switches on whatever is off: nobody does when the agent has ended.
func (p *ModemPower) GiveBack(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for actuator := range p.off {
		if err := p.on(ctx, actuator); err != nil {
			p.log.Warn("a modem is left without power", slog.String("actuator", actuator), slog.Any("error", err))
		}
	}
}
