package client

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
)

// TestAwakeWhileReachable shows that the awake time ends when nothing reaches the client any
// more, whatever else it would be, and follows what the network grants meanwhile.
func TestAwakeWhileReachable(t *testing.T) {
	const second = time.Second
	for _, tt := range []struct{ awake, reachable, want time.Duration }{
		{0, 0, 93 * second},
		{0, 20 * second, 20 * second},
		{0, 3 * time.Minute, 93 * second},
		{10 * second, 20 * second, 10 * second},
		{60 * second, 20 * second, 20 * second},
		{0, 1, 3 * second}, // a request is repeated after 2 s × 1.5
	} {
		var p atomic.Pointer[Params]
		p.Store(&Params{QueueMode: true, Awake: tt.awake, Reachable: tt.reachable})
		simulate(t, func(c *Config) { c.Params = func(uint16) Params { return *p.Load() } }, func(l *lab) {
			l.run()
			l.after(tt.want - time.Millisecond)
			l.wantState(Registered)
			l.after(2 * time.Millisecond)
			l.wantState(Asleep)

			// The network grants another time while the client is awake.
			if err := l.client.Update(101); err != nil {
				l.t.Fatal(err)
			}
			synctest.Wait()
			l.wantState(Registered)
			p.Store(&Params{QueueMode: true, Awake: tt.awake, Reachable: 8 * second})
			l.client.ParamsChanged()
			l.after(8*second - time.Millisecond)
			l.wantState(Registered)
			l.after(2 * time.Millisecond)
			l.wantState(Asleep)
		})
	}
}

// psm is a modem in power saving mode: it hears for a while after each message, then sleeps
// until something is sent or its tracking area has to be updated.
type psm struct {
	active, periodic time.Duration // T3324, T3412

	mu      sync.Mutex
	last    time.Time // of being active
	wakeUps int
	deaf    int // messages that came while it slept
}

// passes takes a message on its way.
func (m *psm) passes(_ *Link, d coap.Direction, _ []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if now := time.Now(); now.Sub(m.last) > m.active {
		if d == coap.Received {
			m.deaf++
		}
		m.wakeUps++
	}
	m.last = time.Now()
}

// updates has the modem update its tracking area if it is time, and reports whether it has.
func (m *psm) updates() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Since(m.last) < m.periodic {
		return false
	}
	m.wakeUps++
	m.last = time.Now()
	return true
}

// psmDay is a day with T3324 = 20 s and T3412 = 1 h, of a client that tells a temperature every ten
// minutes and gathers for 70 minutes, and is or is not told when the modem wakes up.
func psmDay(t *testing.T, told bool) *psm {
	t.Helper()
	m := &psm{active: 20 * time.Second, periodic: time.Hour}
	simulate(t, func(c *Config) {
		c.Params = func(uint16) Params {
			return Params{QueueMode: true, Reachable: m.active, Gather: 70 * time.Minute}
		}
		c.Trace = m.passes
	}, func(l *lab) {
		l.t.Helper()
		l.publish(l.accounts, func(b *model.Batch) { b.Set(0, 1, lwm2m.Integer(2*86400)) })
		l.run()
		w := l.observe(temperature, senmlCBOR)
		for minute := range 24 * 60 {
			if minute%10 == 0 {
				l.temperature(0, 21+float64(minute%100)/10)
			}
			l.after(time.Minute)
			if m.updates() && told {
				l.client.RadioOn(m.periodic)
				synctest.Wait()
			}
		}
		l.after(2 * time.Hour) // for the last ones
		if values := len(datedAll(l.t, w.began, senmlCBOR, w.payloads())); values != 24*6 {
			l.t.Errorf("%d values were told, want %d", values, 24*6)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		for i, s := range l.states {
			if s.State == Asleep && l.states[i-1].State != Asleep && s.Since.Sub(l.states[i-1].Since).Round(time.Second) != m.active {
				l.t.Fatalf("fell asleep after %v, want %v", s.Since.Sub(l.states[i-1].Since), m.active)
			}
		}
	})
	return m
}

// TestPSMDay shows what it spares the modem that one wake-up serves all: without being told the
// client wakes it up again soon after it has been awake by itself.
func TestPSMDay(t *testing.T) {
	apart, together := psmDay(t, false), psmDay(t, true)
	t.Logf("wake-ups in a day: %d, together %d", apart.wakeUps, together.wakeUps)
	if apart.deaf > 0 || together.deaf > 0 {
		t.Errorf("%d and %d messages came to a modem that sleeps", apart.deaf, together.deaf)
	}
	if together.wakeUps > 26 || 10*apart.wakeUps < 14*together.wakeUps {
		t.Errorf("%d wake-ups, together %d", apart.wakeUps, together.wakeUps)
	}
}

// TestModemWakesForNothing shows that a modem which is awake by itself is left alone if it will
// be so again in time.
func TestModemWakesForNothing(t *testing.T) {
	simulate(t, gathering(5*time.Hour), func(l *lab) {
		l.publish(l.accounts, func(b *model.Batch) { b.Set(0, 1, lwm2m.Integer(86400)) })
		l.run()
		l.observe(temperature, senmlCBOR)
		l.asleep()
		l.client.RadioOn(6 * time.Hour) // there is nothing to tell, and the Update is far
		l.temperature(0, 21)
		synctest.Wait()
		l.client.RadioOn(time.Hour)
		l.client.RadioOn(0)
		synctest.Wait()
		l.wantCalls()
		l.client.RadioOn(6 * time.Hour)
		synctest.Wait()
		l.wantCalls("POST /rd/1 []")
	})
}

// TestUpdateBeforeSlowerMessages: the parameters become those of a slower bearer. The Update that was planned comes as early as its repetitions
// need by these, and no later.
func TestUpdateBeforeSlowerMessages(t *testing.T) {
	var p atomic.Pointer[Params]
	p.Store(&Params{})
	simulate(t, func(c *Config) {
		c.Params, c.Rand = func(uint16) Params { return *p.Load() }, func() float64 { return 0 }
	}, func(l *lab) {
		l.run()
		began := time.Now()
		s := l.client.Status()[0]
		if left := s.NextUpdate.Sub(began); left > s.Lifetime-93*time.Second {
			l.t.Errorf("an Update after %v of %v", left, s.Lifetime)
		}
		slow := coap.Params{AckTimeout: 10 * time.Second, AckRandomFactor: 1.5, MaxRetransmit: 4}
		p.Store(&Params{CoAP: slow})
		l.client.ParamsChanged()
		synctest.Wait()
		want, _ := updateAfter(s.Lifetime, slow, 0)
		l.after(want + time.Second)
		if next := l.client.Status()[0].NextUpdate; next.Before(began.Add(2*want-time.Second)) || next.After(began.Add(2*want+time.Second)) {
			l.t.Errorf("no Update after %v of %v: the next one is planned after %v", want, s.Lifetime, next.Sub(began))
		}
	})
}
