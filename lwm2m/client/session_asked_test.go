package client

import (
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
)

// TestLifetimeOver shows that a registration which may be over is asked for first.
func TestLifetimeOver(t *testing.T) {
	live(t, nil, func(l *lives) {
		l.kill()
		l.after(601 * time.Second)
		l.start(20)
		l.after(0)
		l.wantCalls(updated)
		l.wantState(Registered)
	})
}

// TestBooted shows that a server hears of us at once after a boot: address translation on the way may have forgotten us, and
// the server would send to where nobody is.
func TestBooted(t *testing.T) {
	for _, boots := range [][2]string{{"first", "second"}, {"", "second"}} {
		live(t, func(c *Config) { c.Boot = []byte(boots[0]) }, func(l *lives) {
			w := l.observe(temperature, -1)
			l.kill()
			l.change = func(c *Config) { c.Boot = []byte(boots[1]) }
			l.start(21)
			l.after(0)
			l.wantCalls(updated)
			l.after(2 * saveQuiet)
			if got := w.payloads(); len(got) != 1 || got[0] != "21" || !l.status().Continued {
				l.t.Errorf("notified of %q, status is %+v", got, l.status())
			}
			l.kill()
			l.start(21) // in the same boot
			l.after(time.Second)
			l.wantCalls()
		})
	}
}

// TestClockBehind shows that a clock that has lost the time gives no registration up.
func TestClockBehind(t *testing.T) {
	live(t, nil, func(l *lives) {
		l.kill()
		l.change = func(c *Config) { c.Now = func() time.Time { return time.Now().AddDate(-20, 0, 0) } }
		l.start(20)
		l.after(0)
		l.wantCalls(updated)
		l.wantState(Registered)
	})
}

// TestAskedOnce shows that a server which is being asked already is waited for, and not looked after all the time.
func TestAskedOnce(t *testing.T) {
	live(t, nil, func(l *lives) {
		l.kill()
		l.server.set(func(s *scripted) { s.dead = true })
		clock := &restless{}
		l.change = func(c *Config) { c.Now = clock.now }
		l.start(20)
		l.after(askAfter / 2)
		_ = l.client.Update(101)
		l.after(askAfter)
		l.wantState(Updating)
		clock.check(t)
		l.server.set(func(s *scripted) { s.dead = false })
		l.after(time.Minute)
	})
}

// TestContactNoted shows that the disk knows of Updates that come often, too: a registration that they have kept up is gone on with at once.
func TestContactNoted(t *testing.T) {
	live(t, nil, func(l *lives) {
		w := l.observe(temperature, -1)
		l.after(6 * time.Hour)
		l.server.take()
		if n := l.store.of[edgeKey(101)]; n > 6*6 {
			l.t.Errorf("%d writes in 6 hours", n)
		}
		l.kill()
		l.start(21)
		l.after(time.Second)
		l.wantCalls()
		w.payloads()
	})
}

// TestAttributesOfASensorThatReturnsLate shows that attributes hold for an observation of an earlier process whose
// path has no value at the start, when it has one again.
func TestAttributesOfASensorThatReturnsLate(t *testing.T) {
	live(t, nil, func(l *lives) {
		l.temperature(5, 1)
		l.wantCode(l.ask(coap.PUT, "/3303/5/5700", "pmin=10", "pmax=300", "st=2"), coap.Changed)
		w := l.observe("/3303/5/5700", -1)
		l.end()
		l.start(20)
		l.after(5 * time.Second)
		for _, celsius := range []float64{10, 11, 12, 13, 14} {
			l.temperature(5, celsius)
			l.after(time.Second)
		}
		w.want("10s 14")
		l.after(10 * time.Second)
		l.temperature(5, 15.5)
		l.after(10 * time.Second)
		w.want() // no step
		l.temperature(5, 17.5)
		w.want("30s 17.5")
		l.after(5 * time.Minute)
		w.want("5m30s 17.5")
	})
}

// TestFirstUpdateInTime shows that the first Update after a restart leaves time for all of its retransmissions.
func TestFirstUpdateInTime(t *testing.T) {
	live(t, nil, func(l *lives) {
		l.observe(temperature, -1)
		before := l.status().NextUpdate
		l.kill()
		l.start(22)
		l.after(10 * time.Second)
		if s := l.status(); !s.NextUpdate.Equal(before) || !s.Continued {
			l.t.Errorf("next Update at %v, before the restart at %v", s.NextUpdate, before)
		}
	})
}

// TestBackAfterARestart shows that a value that comes back to what the server knew before a restart is told, if another one was
// told in between: from what was stored.
func TestBackAfterARestart(t *testing.T) {
	live(t, nil, func(l *lives) {
		w := l.toldAndEnded() // 21
		l.server.set(func(s *scripted) { s.refuse = errNoRoute })
		l.start(21)
		l.warm(10*time.Second, 22)
		l.after(10 * time.Second)
		l.server.set(func(s *scripted) { s.refuse = nil })
		l.client.NetworkChanged()
		l.after(time.Minute)
		l.temperature(0, 21)
		l.after(time.Hour)
		wantSame(l.t, "told", w.payloads(), "22", "21")
	})
}

// TestStoredAfterARestartInAnOutage shows that what is observed is stored when the agent is started anew while the server
// cannot be reached, and is told whether the registration goes on or another one follows.
func TestStoredAfterARestartInAnOutage(t *testing.T) {
	for _, known := range []bool{true, false} {
		live(t, nil, func(l *lives) {
			l.publish(l.accounts, func(b *model.Batch) { b.Set(0, 23, lwm2m.Boolean(false)) })
			began := time.Now()
			w := l.observe(temperature, senmlCBOR)
			l.end()
			l.server.set(func(s *scripted) { s.refuse = errNoRoute })
			l.start(20)
			l.publish(l.accounts, func(b *model.Batch) { b.Set(0, 23, lwm2m.Boolean(false)) })
			l.warm(10*time.Minute, 21, 22, 23)
			l.wantQueued(3)
			l.end() // and once more
			l.start(23)
			l.publish(l.accounts, func(b *model.Batch) { b.Set(0, 23, lwm2m.Boolean(false)) })
			l.warm(10*time.Minute, 24)
			l.server.set(func(s *scripted) {
				s.refuse = nil
				s.script = func(c call) *coap.Message {
					if c.path == "/rd/1" && !known {
						return &coap.Message{Code: coap.NotFound}
					}
					return nil
				}
			})
			l.client.NetworkChanged()
			l.after(10 * time.Minute)
			l.wantState(Registered)
			got := append(w.replays(began, senmlCBOR), l.deposits(began)...)
			wantSame(l.t, "told", got, "10m0s 5700=21", "20m0s 5700=22", "30m0s 5700=23", "30m5s 5700=23", "40m0s 5700=24")
			l.wantQueued(0)
		})
	}
}
