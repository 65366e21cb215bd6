package agent

import (
	"log/slog"
	"time"

	"lwm2m-agent/host"
)

// sleeper tells how long the machine has slept (suspend). Timers stand still meanwhile: an Update that was due in an hour is due an hour after it
// has woken, when servers have long forgotten it.
type sleeper struct {
	elapsed func() time.Duration // sleep included
	awake   func() time.Duration // without sleep
	known   time.Duration        // that was told before
}

func newSleeper() *sleeper {
	began := time.Now()
	s := &sleeper{elapsed: host.SinceBoot, awake: func() time.Duration { return time.Since(began) }}
	s.slept()
	return s
}

// slept returns how long the machine has slept since the last call.
func (s *sleeper) slept() time.Duration {
	all := s.elapsed() - s.awake()
	since := all - s.known
	s.known = all
	return since
}

// shortestSleep is what is worth an Update: address translations on the way forget a connection so soon.
const shortestSleep = 30 * time.Second

// woken has accounts tell their servers that the machine is there again, or try again, after it has slept for some time.
func (a *Agent) woken(slept time.Duration) {
	if slept < shortestSleep {
		return
	}
	a.log.Info("the machine has slept", slog.Duration("for", slept.Round(time.Second)))
	if a.firmware != nil {
		a.firmware.now.Load().Woken()
	}
	a.client.NetworkChanged() // what waits tries at once, but not before its turn or what a server has asked for
	for _, s := range a.client.Status() {
		if err := a.client.UpdateRegistered(s.ShortServerID); err != nil { // the account has gone meanwhile
			a.log.Debug("no Update after a sleep", slog.Int("short_server_id", int(s.ShortServerID)), slog.Any("error", err))
		}
	}
}
