package agent

import (
	"context"
	"time"

	"lwm2m-agent/agent/clock"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/agent/store"
	"lwm2m-agent/host"
)

// openClock makes the clock by which certificates are judged. What is shown and
// logged has the machine's own time: see docs/security.md.
func (a *Agent) openClock() *clock.Clock {
	c := clock.Config{
		Built: a.opts.Built, Wall: a.opts.Now, Elapsed: host.SinceBoot, Synchronized: synchronized,
		Store: a.store.Bucket(store.Meta), Doubt: a.clockDoubted, Looked: a.judgeConfiguration, Log: a.log,
	}
	if a.opts.Simulated {
		c.Synchronized = nil
	}
	return clock.New(c)
}

// synchronized asks the machine whether a time server keeps its clock.
func synchronized() bool {
	const limit = 2 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), limit) //nolint:forbidigo // a clock is given no context
	defer cancel()
	return host.ClockSynchronized(ctx)
}

func (a *Agent) clockDoubted(why string) {
	if why == "" {
		a.health.Clear(health.ClockWrong, "")
		return
	}
	a.health.Set(health.ClockWrong, "", why)
}

func (a *Agent) watchClock(ctx context.Context) error {
	machine := newSleeper()
	return host.WatchClock(ctx, func() { // the kernel says that the clock was set at each resume too
		a.clock.Stepped()
		a.woken(machine.slept())
	})
}
