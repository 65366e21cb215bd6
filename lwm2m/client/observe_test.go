package client

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
)

var defaultCoAP = coap.DefaultParams()

const temperature = "/3303/0/5700"

func TestObserve(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		w := l.observe(temperature, -1)
		if string(w.first.Payload) != "20" {
			l.t.Errorf("first value is %q", w.first.Payload)
		}
		if s := l.status(); s.Observations != 1 {
			l.t.Errorf("status knows %d observations", s.Observations)
		}
		l.after(time.Second)
		l.temperature(0, 21)
		w.want("1s 21")
		l.after(time.Hour)
		w.want() // nothing has changed
		l.temperature(0, 22)
		l.after(0)
		l.temperature(0, 23)
		w.want("1h0m1s 22", "1h0m1s 23")
	})
}

func TestObserveNotThere(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		m := &coap.Message{Code: coap.GET}
		m.SetObserve(0)
		m.SetPath("/3303/7")
		if a := l.wantCode(l.do(m), coap.NotFound); a.Code.IsSuccess() {
			l.t.Error("observes what is not there")
		}
		if s := l.status(); s.Observations != 0 {
			l.t.Errorf("%d observations", s.Observations)
		}
	})
}

// TestPmin shows that a change within pmin is told when it is over, with the value of then.
func TestPmin(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		l.wantCode(l.ask(coap.PUT, temperature, "pmin=10"), coap.Changed)
		w := l.observe(temperature, -1)
		l.after(2 * time.Second)
		l.temperature(0, 21)
		l.after(2 * time.Second)
		l.temperature(0, 22)
		w.want()
		l.after(6 * time.Second)
		w.want("10s 22")
		l.after(30 * time.Second)
		l.temperature(0, 23)
		w.want("40s 23")
	})
}

func TestPmax(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		w := l.observe(temperature, -1)
		l.after(5 * time.Second)
		l.wantCode(l.ask(coap.PUT, temperature, "pmin=2", "pmax=20"), coap.Changed)
		l.after(40 * time.Second)
		w.want("20s 20", "40s 20")
		l.temperature(0, 21)
		w.want("45s 21")
		l.after(20 * time.Second)
		w.want("1m5s 21")
		l.wantCode(l.ask(coap.PUT, temperature, "pmax"), coap.Changed) // takes it away
		l.after(time.Minute)
		w.want()
	})
}

// TestPeriodsAreInherited shows the order: resource, instance, object, account.
func TestPeriodsAreInherited(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		w := l.observe(temperature, -1)
		step := func(want string) {
			l.t.Helper()
			l.after(200 * time.Second)
			w.want() // synchronises: no change, no pmax
			l.temperature(0, 1)
			l.after(200 * time.Second)
			w.mu.Lock()
			w.notes, w.began = nil, time.Now()
			w.mu.Unlock()
			l.temperature(0, 2)
			l.after(0)
			l.temperature(0, 3)
			l.after(200 * time.Second)
			w.want("0s 2", want+" 3")
		}
		step("0s")
		l.publish(l.accounts, func(b *model.Batch) { b.Set(0, 2, lwm2m.Integer(50)) })
		step("50s")
		l.wantCode(l.ask(coap.PUT, "/3303", "pmin=40"), coap.Changed)
		step("40s")
		l.wantCode(l.ask(coap.PUT, "/3303/0", "pmin=30"), coap.Changed)
		step("30s")
		l.wantCode(l.ask(coap.PUT, temperature, "pmin=20"), coap.Changed)
		step("20s")
		l.wantCode(l.ask(coap.PUT, temperature, "pmin"), coap.Changed)
		step("30s")
	})
}

// TestGreaterAndLess shows gt and lt with a value that rises and falls.
func TestGreaterAndLess(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		l.wantCode(l.ask(coap.PUT, temperature, "gt=25", "lt=15"), coap.Changed)
		w := l.observe(temperature, -1)
		for _, c := range []float64{22, 25, 26, 28, 25, 20, 15, 14, 13, 15, 30, 10} {
			l.after(time.Second)
			l.temperature(0, c)
			synctest.Wait()
		}
		w.want("3s 26", "5s 25", "8s 14", "10s 15", "11s 30", "12s 10")
	})
}

func TestStep(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		w := l.observe(temperature, -1)
		l.wantCode(l.ask(coap.PUT, temperature, "st=2"), coap.Changed)
		for _, c := range []float64{21, 21.9, 22, 20.5, 19, 21, 21.5} {
			l.after(time.Second)
			l.temperature(0, c)
			synctest.Wait()
		}
		w.want("3s 22", "5s 19", "6s 21")
	})
}

// TestEdge shows edge with a relay that is switched on and off.
func TestEdge(t *testing.T) {
	for edge, want := range map[string][]string{
		"edge=1": {"1s 1", "3s 1"}, "edge=0": {"2s 0", "4s 0"}, "pmin=0": {"1s 1", "2s 0", "3s 1", "4s 0"},
	} {
		simulate(t, nil, func(l *lab) {
			relays, err := l.tree.AddRegistered(3306, model.Plain{})
			if err != nil {
				l.t.Fatal(err)
			}
			turn := func(on bool) {
				l.publish(relays, func(b *model.Batch) {
					b.Create(0)
					b.Set(0, 5850, lwm2m.Boolean(on))
				})
				synctest.Wait()
			}
			turn(false)
			l.registered()
			const relay = "/3306/0/5850"
			l.wantCode(l.ask(coap.PUT, relay, edge), coap.Changed)
			w := l.observe(relay, -1)
			for _, on := range []bool{true, false, true, false} {
				l.after(time.Second)
				turn(on)
			}
			w.want(want...)
			l.wantCode(l.ask(coap.PUT, temperature, "edge=1"), coap.BadRequest) // no Boolean
		})
	}
}

// TestLimitsWithinPmin shows that a crossing within pmin is told when it is over, even
// if the value has come back: it had to be told.
func TestLimitsWithinPmin(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		l.wantCode(l.ask(coap.PUT, temperature, "gt=25", "pmin=10"), coap.Changed)
		w := l.observe(temperature, -1)
		for _, c := range []float64{26, 24} {
			l.after(time.Second)
			l.temperature(0, c)
			synctest.Wait()
		}
		l.after(time.Minute)
		w.want("10s 24")
	})
}

// TestLimitsBelowTheObservedPath shows that limits of a resource mean nothing for an
// observation of its instance, but that con does.
func TestLimitsBelowTheObservedPath(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		l.wantCode(l.ask(coap.PUT, temperature, "gt=25", "con=1"), coap.Changed)
		w := l.observe("/3303/0", senmlJSON)
		l.after(time.Second)
		l.temperature(0, 24)
		w.want(`1s [{"bn":"/3303/0/","n":"5700","v":24}] CON`)
	})
}

// TestLimitsBelowTheObservedPathUntil12 shows that before 1.2 limits of a resource hold when
// its instance is observed; the other resources have none.
func TestLimitsBelowTheObservedPathUntil12(t *testing.T) {
	old := func(c *Config) { c.Params = func(uint16) Params { return Params{Version: lwm2m.Version11} } }
	simulate(t, old, func(l *lab) {
		l.run()
		l.wantCode(l.ask(coap.PUT, temperature, "gt=25"), coap.Changed)
		w := l.observe("/3303/0", int(lwm2m.FormatSenMLJSON))
		l.after(time.Second)
		l.temperature(0, 24)
		w.want()
		l.temperature(0, 26)
		w.want(`1s [{"bn":"/3303/0/","n":"5700","v":26}]`)
		l.publish(l.sensors, func(b *model.Batch) { b.Set(0, 5750, lwm2m.String("roof")) })
		l.after(time.Second)
		if len(w.notes) != 1 || !strings.Contains(w.notes[0].payload, "roof") {
			l.t.Errorf("notified %v", w.notes)
		}
	})
}

func TestObserveObject(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		w := l.observe("/3303", int(lwm2m.FormatSenMLJSON))
		l.temperature(0, 21)
		w.want(`0s [{"bn":"/3303/","n":"0/5700","v":21}]`)
		l.temperature(1, 5)
		w.want(`0s [{"bn":"/3303/","n":"0/5700","v":21},{"n":"1/5700","v":5}]`)
		l.publish(l.sensors, func(b *model.Batch) { b.Delete(0) })
		w.want(`0s [{"bn":"/3303/","n":"1/5700","v":5}]`)
	})
}

// TestObservedInstanceGoes shows the last notification of an observation.
func TestObservedInstanceGoes(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		w := l.observe(temperature, -1)
		l.publish(l.sensors, func(b *model.Batch) { b.Delete(0) })
		l.after(settleQuiet)
		w.want("1s 4.04")
		if s := l.status(); s.Observations != 0 {
			l.t.Errorf("%d observations are left", s.Observations)
		}
	})
}

func TestCancel(t *testing.T) {
	t.Run("Observe 1", func(t *testing.T) {
		simulate(t, nil, func(l *lab) {
			l.registered()
			w := l.observe(temperature, -1)
			m, err := w.observation.Cancel(l.t.Context())
			if err != nil || m.Code != coap.Content || string(m.Payload) != "20" {
				l.t.Fatalf("answer is %v, %v", m, err)
			}
			if _, ok := m.Observe(); ok {
				l.t.Error("the answer has an Observe option")
			}
			l.wantNoObservation(w)
		})
	})
	t.Run("RST", func(t *testing.T) {
		simulate(t, nil, func(l *lab) {
			l.registered()
			w := l.observe(temperature, -1)
			w.observation.Forget()
			l.temperature(0, 30) // answered with RST
			l.after(time.Second)
			l.wantNoObservation(w)
		})
	})
}

func (l *lab) wantNoObservation(w *watcher) {
	l.t.Helper()
	if s := l.status(); s.Observations != 0 {
		l.t.Errorf("%d observations are left", s.Observations)
	}
	sent := l.status().SentMessages
	l.temperature(0, 31)
	l.after(time.Second)
	w.want()
	if got := l.status().SentMessages; got != sent {
		l.t.Errorf("%d messages sent after the end", got-sent)
	}
}

// TestObservationEndsWithRegister is the specification's rule (Core, section 6.4.1).
func TestObservationEndsWithRegister(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		w := l.observe(temperature, -1)
		l.server.set(func(s *scripted) {
			s.script = func(c call) *coap.Message {
				if c.path == "/rd/1" {
					return &coap.Message{Code: coap.NotFound}
				}
				return nil
			}
		})
		if err := l.client.Update(101); err != nil {
			l.t.Fatal(err)
		}
		synctest.Wait()
		l.wantState(Registered)
		l.wantNoObservation(w)
	})
}

// TestConfirmableOnceADay is RFC 7641, section 4.5.
func TestConfirmableOnceADay(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		w := l.observe(temperature, -1)
		for i := range 60 {
			l.after(time.Hour)
			l.temperature(0, float64(i))
			synctest.Wait()
		}
		var confirmed []time.Duration
		for _, n := range w.notes {
			if n.typ == coap.CON {
				confirmed = append(confirmed, n.after)
			}
		}
		if got := fmt.Sprint(confirmed); got != "[24h0m0s 48h0m0s]" || len(w.notes) != 60 {
			l.t.Errorf("%d notifications, confirmable after %s", len(w.notes), got)
		}
	})
}

// TestUnconfirmedNotificationFindsTheServerGone shows what follows a CON without ACK: an
// Update, and when that is not answered either, a new connection.
func TestUnconfirmedNotificationFindsTheServerGone(t *testing.T) {
	simulate(t, func(c *Config) {
		c.Params = func(uint16) Params { return Params{ConfirmEvery: time.Second} }
	}, func(l *lab) {
		l.publish(l.accounts, func(b *model.Batch) { b.Set(0, 1, lwm2m.Integer(86400)) })
		l.run()
		l.observe(temperature, -1)
		l.after(2 * time.Second)
		l.server.set(func(s *scripted) { s.dead = true })
		l.temperature(0, 21)
		l.after(94 * time.Second)
		l.wantState(Updating)
		if s := l.status(); s.Queued != 1 {
			l.t.Errorf("%d notifications wait, want 1", s.Queued)
		}
		l.after(94 * time.Second)
		l.server.set(func(s *scripted) { s.dead = false })
		l.after(94*time.Second + 72*time.Second)
		l.wantState(Registered)
	})
}

// TestOneEncodingForSeveralObservers shows that observers of the same path get the same.
func TestOneEncodingForSeveralObservers(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		text, json, again := l.observe(temperature, -1), l.observe(temperature, int(lwm2m.FormatSenMLJSON)), l.observe(temperature, -1)
		l.temperature(0, 21)
		text.want("0s 21")
		again.want("0s 21")
		json.want(`0s [{"bn":"/3303/0/5700","v":21}]`)
		if _, err := text.observation.Cancel(l.t.Context()); err != nil {
			l.t.Fatal(err)
		}
		l.temperature(0, 22)
		text.want()
		again.want("0s 22")
	})
}

// TestChangesFasterThanReported shows that an overload costs notifications, not memory,
// and that the last value arrives.
func TestChangesFasterThanReported(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		w := l.observe(temperature, -1)
		l.publish(l.sensors, func(b *model.Batch) {
			for i := range 10_000 {
				b.Set(0, 5700, lwm2m.Float(float64(i)))
			}
		})
		l.after(time.Second)
		w.mu.Lock()
		defer w.mu.Unlock()
		if n := len(w.notes); n == 0 || n > 5 || w.notes[n-1].payload != "9999" {
			l.t.Errorf("notified %v", w.notes)
		}
	})
}

// TestObserveWithAttributes shows that attributes of an Observe (1.2) come before those
// that were written, for this observation only.
func TestObserveWithAttributes(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		l.wantCode(l.ask(coap.PUT, temperature, "pmin=10"), coap.Changed)
		own, plain := l.observe(temperature, -1, "pmin=3", "st=2"), l.observe(temperature, 0)
		l.after(time.Second)
		l.temperature(0, 21)
		l.after(20 * time.Second)
		own.want()
		plain.want("10s 21")
		l.temperature(0, 22)
		own.want("21s 22")
		m := &coap.Message{Code: coap.GET}
		m.SetObserve(0)
		m.SetPath(temperature)
		m.AddQuery("pmin=x")
		l.wantCode(l.do(m), coap.BadRequest)
	})
	simulate(t, func(c *Config) { c.Params = func(uint16) Params { return Params{Version: lwm2m.Version11} } }, func(l *lab) {
		l.run()
		w := l.observe(temperature, -1, "pmin=3")
		l.temperature(0, 21)
		w.want("0s 21") // 1.1 does not know them
	})
}

// TestConfirmable shows the attribute con and the default mode of the account.
func TestConfirmable(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		w := l.observe(temperature, -1)
		step := func(want string) {
			l.t.Helper()
			l.count++
			l.temperature(0, l.count)
			w.want(fmt.Sprintf("0s %v%s", l.count, want))
		}
		step("")
		l.wantCode(l.ask(coap.PUT, temperature, "con=1"), coap.Changed)
		step(" CON")
		step(" CON")
		l.wantCode(l.ask(coap.PUT, temperature, "con"), coap.Changed)
		step("")
		l.publish(l.accounts, func(b *model.Batch) { b.Set(0, 26, lwm2m.Integer(1)) })
		synctest.Wait()
		step(" CON")
		l.wantCode(l.ask(coap.PUT, temperature, "con=0"), coap.Changed)
		step("")
	})
}

// TestConfirmableWaits shows that while a CON is on its way changes wait, and that the
// last of them is told then.
func TestConfirmableWaits(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		l.wantCode(l.ask(coap.PUT, temperature, "con=1"), coap.Changed)
		w := l.observe(temperature, -1)
		l.server.set(func(s *scripted) { s.dead = true })
		for _, c := range []float64{21, 22, 23} {
			l.temperature(0, c)
			l.after(100 * time.Millisecond)
		}
		l.server.set(func(s *scripted) { s.dead = false })
		l.after(5 * time.Second)
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.notes) != 2 || w.notes[0].payload != "21" || w.notes[1].payload != "23" {
			l.t.Errorf("notified %v", w.notes)
		}
	})
}
