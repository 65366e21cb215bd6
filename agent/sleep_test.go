package agent

import (
	"testing"
	"time"

	"lwm2m-agent/lwm2m/client"
	"lwm2m-agent/lwm2m/server"
)

// TestSleeper: a sleep is told once; time that passes is none, and that the two clocks began at different times neither.
func TestSleeper(t *testing.T) {
	elapsed, awake := 90*time.Hour, time.Hour
	s := &sleeper{elapsed: func() time.Duration { return elapsed }, awake: func() time.Duration { return awake }}
	s.slept()
	for _, step := range []struct{ awake, asleep time.Duration }{{time.Hour, 0}, {time.Minute, 8 * time.Hour}, {time.Hour, 0}, {0, time.Second}} {
		awake += step.awake
		elapsed += step.awake + step.asleep
		if got := s.slept(); got != step.asleep {
			t.Errorf("after %v: it has slept %v", step, got)
		}
	}
	if got := newSleeper().slept(); got.Abs() > time.Second {
		t.Errorf("this machine has slept %v", got)
	}
}

// TestUpdateAfterSleep: servers hear of a machine that has slept when it wakes, not when a timer is due that stood still.
func TestUpdateAfterSleep(t *testing.T) {
	l := newLab(t)
	a, _ := l.run(t, l.config())
	l.next(t, server.Registered)
	await(t, a, "registered", func(s client.AccountStatus) bool { return s.State == client.Registered })
	a.woken(shortestSleep - time.Second)
	a.woken(8 * time.Hour)
	l.next(t, server.Updated)
}
