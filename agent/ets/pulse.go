package ets

import (
	"context"
	"sync"
	"time"
)

// beat is how often a pulse looks at the time.
const beat = 50 * time.Millisecond

// pulse notes when this process stood still, and with it the device and the servers: a message is then seen later than it was sent, and the
// one after it seems to come early.
type pulse struct {
	mu     sync.Mutex
	stalls []stall
}

type stall struct {
	end    time.Time
	lasted time.Duration
}

// run notes until ctx ends where more than a beat is missing between two ticks.
func (p *pulse) run(ctx context.Context, ticks <-chan time.Time) {
	var last time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticks:
			if missing := now.Sub(last) - beat; !last.IsZero() && missing > beat {
				p.mu.Lock()
				p.stalls = append(p.stalls, stall{now, missing})
				p.mu.Unlock()
			}
			last = now
		}
	}
}

// stood is how long the process has stood still since a time.
func (p *pulse) stood(since time.Time) (sum time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.stalls {
		if s.end.After(since) {
			sum += s.lasted
		}
	}
	return sum
}
