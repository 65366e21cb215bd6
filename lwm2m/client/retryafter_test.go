package client

import (
	"strings"
	"testing"
	"time"

	"lwm2m-agent/lwm2m/coap"
)

// TestServerSaysWhenToComeBack shows that Max-Age in an answer of 5.03 (RFC 7252, section 5.9.3.4) or 4.29 (RFC 8516)
// puts the next attempt off, in spite of a network that changes, for a day at most.
func TestServerSaysWhenToComeBack(t *testing.T) {
	for _, c := range []struct {
		code coap.Code
		age  uint32 // 0: it does not say
		want time.Duration
	}{
		{coap.ServiceUnavailable, 300, 330 * time.Second}, // a tenth more: the middle of the jitter
		{coap.TooManyRequests, 300, 330 * time.Second},
		{coap.TooManyRequests, 0, time.Second},
		{coap.ServiceUnavailable, 1<<32 - 1, 24*time.Hour + 144*time.Minute},
		{coap.Forbidden, 300, time.Second}, // which may be cached so long, and says no more
	} {
		simulate(t, nil, func(l *lab) {
			l.server.script = func(call) *coap.Message {
				m := &coap.Message{Code: c.code}
				if c.age > 0 {
					m.SetMaxAge(c.age)
				}
				return m
			}
			l.run()
			l.wantState(Waiting)
			if got := time.Until(l.status().NextAttempt); got != c.want {
				l.t.Errorf("%v with %d: the next attempt is in %v, want %v", c.code, c.age, got, c.want)
			}
			if l.server.set(func(s *scripted) { s.script = nil }); c.want == time.Second {
				return
			}
			l.server.take()
			l.client.NetworkChanged()
			l.after(c.want - time.Second)
			l.wantCalls()
			l.after(2 * time.Second)
			l.wantCalls(register)
			l.server.set(func(s *scripted) { s.refuse = errNoRoute })
			l.server.hangUp()
			l.after(0)
			if got := time.Until(l.status().NextAttempt); got > time.Minute {
				l.t.Errorf("once it has registered it waits %v", got)
			}
		})
	}
}

// TestUpdatePutOff shows that a server which has no time for an Update (5.03, RFC 7252, section 5.9.3.4; 4.29, RFC 8516)
// is sent the next one when it wants one, and no Register: the registration and its observations go on, and what changes
// meanwhile is told then.
func TestUpdatePutOff(t *testing.T) {
	for _, c := range []struct {
		code coap.Code
		age  uint32 // 0: it does not say
		want time.Duration
	}{
		{coap.ServiceUnavailable, 300, 330 * time.Second},
		{coap.TooManyRequests, 300, 330 * time.Second},
		{coap.ServiceUnavailable, 0, time.Minute}, // RFC 7252, section 5.10.5
	} {
		simulate(t, nil, func(l *lab) {
			l.registered()
			w := l.observe("/3303/0/5700", -1)
			l.server.set(func(s *scripted) {
				s.script = func(call) *coap.Message {
					m := &coap.Message{Code: c.code}
					if c.age > 0 {
						m.SetMaxAge(c.age)
					}
					return m
				}
			})
			_ = l.client.Update(101)
			l.after(0)
			l.wantCalls("POST /rd/1 []")
			l.wantState(Registered)
			if s := l.status(); s.Cause != Refused || s.LastError != "Update was answered with "+c.code.String() || !s.ErrorCleared {
				l.t.Errorf("it says %v, %q, cleared %v", s.Cause, s.LastError, s.ErrorCleared)
			}
			l.server.set(func(s *scripted) { s.script = nil })
			l.temperature(0, 21)
			l.temperature(1, 5) // an instance more
			l.after(c.want - time.Second)
			w.want("0s 21")
			l.wantCalls()
			l.after(time.Second)
			if calls := l.wantCalls("POST /rd/1 []"); !strings.Contains(calls[0].payload, "</3303/1>") {
				l.t.Errorf("the Update has the list %q", calls[0].payload)
			}
			l.temperature(2, 5)
			l.after(2 * time.Second)
			l.wantCalls("POST /rd/1 []")
		})
	}
}

// TestUpdatePutOffTooLong shows that once the lifetime is over a Register follows, and is seen to be refused.
func TestUpdatePutOffTooLong(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		l.server.set(func(s *scripted) {
			s.script = func(call) *coap.Message {
				m := &coap.Message{Code: coap.ServiceUnavailable}
				m.SetMaxAge(200)
				return m
			}
		})
		l.after(10 * time.Minute) // the lifetime
		l.wantCalls("POST /rd/1 []")
		l.wantState(Registered)
		l.after(2 * time.Minute)
		l.wantCalls("POST /rd/1 []", register)
		l.wantState(Waiting)
		if s := l.status(); s.Cause != Refused || s.ErrorCleared {
			l.t.Errorf("it says %v, cleared %v", s.Cause, s.ErrorCleared)
		}
	})
}

// TestAskedToComeBackAtOnce shows that a person, or a server by SMS, need not wait.
func TestAskedToComeBackAtOnce(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.server.script = func(call) *coap.Message {
			m := &coap.Message{Code: coap.ServiceUnavailable}
			m.SetMaxAge(3600)
			return m
		}
		l.run()
		l.wantState(Waiting)
		l.server.set(func(s *scripted) { s.script = nil })
		_ = l.client.Update(101)
		l.after(0)
		l.wantState(Registered)
	})
}

// TestBootstrapServerSaysWhenToComeBack is the same for a bootstrap server.
func TestBootstrapServerSaysWhenToComeBack(t *testing.T) {
	bootstrapping(t, false, nil, func(l *bootLab) {
		l.server.script = func(c call) *coap.Message {
			if c.path == "/bspack" {
				return &coap.Message{Code: coap.NotFound}
			}
			m := &coap.Message{Code: coap.TooManyRequests}
			m.SetMaxAge(7200)
			return m
		}
		l.run()
		l.wantCalls(packRequest, bootRequestCall)
		const want = 7920 * time.Second
		if got := time.Until(l.client.BootstrapStatus().NextAttempt); got != want {
			t.Errorf("the next attempt is in %v, want %v", got, want)
		}
		l.server.set(func(s *scripted) { s.script = nil })
		l.client.NetworkChanged()
		l.after(want - time.Second)
		l.wantCalls()
		l.after(2 * time.Second)
		l.wantCalls(bootRequestCall)
		l.wantBootstrap(BootstrapOpen)
	})
}

// TestRetryWithoutJitter shows that a policy without jitter has none.
func TestRetryWithoutJitter(t *testing.T) {
	simulate(t, func(c *Config) {
		c.Params = func(uint16) Params { return Params{Retry: Retry{First: 10 * time.Second, Jitter: -1}} }
		c.Rand = func() float64 { return 0 }
	}, func(l *lab) {
		l.server.refuse = errNoRoute
		began := time.Now()
		l.run()
		l.after(30 * time.Second)
		dials := l.server.dialled()
		if len(dials) != 3 || dials[1].Sub(began) != 10*time.Second || dials[2].Sub(began) != 30*time.Second {
			t.Errorf("from %v on, attempts at %v", began, dials)
		}
	})
}
