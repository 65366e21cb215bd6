package agent

import (
	"net/url"
	"testing"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/health"
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

// TestOrderIsKept: who waits for the turn of another server goes on to wait after a sleep, and when a new system is to be proven.
func TestOrderIsKept(t *testing.T) {
	l := newLab(t)
	cfg := l.config()
	cfg.Firmware = &config.Firmware{Backend: config.FirmwareFile}
	first := cfg.Servers[0]
	first.ShortServerID, first.Fingerprint, first.More = 102, "2", map[string]any{"priority": int64(1), "failure_block": true}
	first.URI = &url.URL{Scheme: "coap+tcp", Host: "127.0.0.1:1"} // where nothing listens
	cfg.Servers[0].More = map[string]any{"priority": int64(2)}
	cfg.Servers = append(cfg.Servers, first)
	a, _ := l.run(t, cfg)
	a.await(t, health.ServerUnreachable, true)
	for what, ask := range map[string]func(){"sleep": func() { a.woken(8 * time.Hour) }, "trial": a.firmware.prove} {
		ask()
		if err := a.client.Alive(t.Context()); err != nil { // they have heard of it
			t.Fatal(err)
		}
		if s := a.client.Status()[0]; !s.Held {
			t.Errorf("%s: server %d is %s", what, s.ShortServerID, s.Words)
		}
	}
}
