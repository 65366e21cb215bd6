package client

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
)

func queueMode(c *Config) {
	c.Params = func(uint16) Params { return Params{QueueMode: true} }
}

// TestQueueModeDay is a day of an idle device in queue mode: an Update before the
// lifetime runs out, 93 s awake after each.
func TestQueueModeDay(t *testing.T) {
	simulate(t, queueMode, func(l *lab) {
		l.publish(l.accounts, func(b *model.Batch) { b.Set(0, 1, lwm2m.Integer(3600)) })
		l.run()
		l.wantCalls("POST /rd [ep=lab lt=3600 lwm2m=1.2 b=U Q]")
		l.after(24 * time.Hour)
		l.wantState(Asleep)
		calls := l.server.take()
		every := time.Duration(0.95 * float64(3507*time.Second))
		if want := int(24 * time.Hour / every); len(calls) != want {
			l.t.Errorf("%d Updates, want %d", len(calls), want)
		}
		for _, c := range calls {
			if c.String() != "POST /rd/1 []" || c.typ != coap.CON {
				l.t.Fatalf("received %v %v", c.typ, c)
			}
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		for i, s := range l.states {
			if s.State == Asleep && s.Since.Sub(l.states[i-1].Since).Round(time.Millisecond) != 93*time.Second {
				l.t.Fatalf("fell asleep after %v", s.Since.Sub(l.states[i-1].Since))
			}
			if now := l.states[len(l.states)-1]; s.State >= Registered && s.State <= Asleep && !s.Registered.Equal(now.Registered) {
				l.t.Fatalf("registered since %v, then since %v", s.Registered, now.Registered)
			}
		}
	})
}

// TestQueueModeBegins shows that queue mode which begins or ends later is told: from 1.1 on by a Register, as an Update has no
// parameter for it (Core, table of Update parameters), in 1.0 by the binding.
func TestQueueModeBegins(t *testing.T) {
	for _, v := range []lwm2m.Version{lwm2m.Version10, lwm2m.Version11, lwm2m.Version12} {
		var queue atomic.Bool
		simulate(t, func(c *Config) { c.Params = func(uint16) Params { return Params{Version: v, QueueMode: queue.Load()} } }, func(l *lab) {
			begun, ended := "POST /rd [ep=lab lt=600 lwm2m="+v.String()+" b=U Q]", "POST /rd [ep=lab lt=600 lwm2m="+v.String()+" b=U]"
			l.run()
			l.wantCalls(ended)
			if v == lwm2m.Version10 {
				begun, ended = "POST /rd/1 [b=UQ]", "POST /rd/1 [b=U]"
			}
			queue.Store(true)
			l.client.ParamsChanged()
			l.after(time.Second)
			l.wantCalls(begun)
			l.after(94 * time.Second)
			l.wantState(Asleep)
			queue.Store(false)
			l.client.ParamsChanged()
			l.after(time.Second)
			l.wantCalls(ended)
			l.after(94 * time.Second)
			l.wantState(Registered)
			l.server.take()
			l.wantCode(l.send(coap.PUT, "/1/0/7", lwm2m.FormatText, "UQ"), coap.Changed) // of 1.0, but what it says is clear
			l.after(time.Second)
			l.wantCalls(begun)
		})
	}
}

// TestQueueModeChangesWithUpdate shows that an Update which is due for another reason at that moment does not hide it.
func TestQueueModeChangesWithUpdate(t *testing.T) {
	var queue atomic.Bool
	simulate(t, func(c *Config) { c.Params = func(uint16) Params { return Params{QueueMode: queue.Load()} } }, func(l *lab) {
		l.registered()
		_ = l.client.Update(101)
		queue.Store(true)
		l.client.ParamsChanged()
		l.after(time.Second)
		l.wantCalls("POST /rd/1 []", "POST /rd [ep=lab lt=600 lwm2m=1.2 b=U Q]")
	})
}

func TestQueueModeOfVersion10(t *testing.T) {
	simulate(t, func(c *Config) {
		c.Params = func(uint16) Params { return Params{Version: lwm2m.Version10} }
	}, func(l *lab) {
		l.publish(l.accounts, func(b *model.Batch) { b.Set(0, 7, lwm2m.String("UQ")) })
		l.run()
		calls := l.wantCalls("POST /rd [ep=lab lt=600 lwm2m=1.0 b=UQ]")
		if want := `</>;rt="oma.lwm2m",</1>;ver=1.2,`; !strings.HasPrefix(calls[0].payload, want) {
			l.t.Errorf("object list is %s", calls[0].payload)
		}
		l.after(94 * time.Second)
		l.wantState(Asleep)
	})
}

// TestRequestsKeepAwake shows that each message in either direction begins the awake
// time anew.
func TestRequestsKeepAwake(t *testing.T) {
	simulate(t, queueMode, func(l *lab) {
		l.run()
		for range 4 {
			l.after(80 * time.Second)
			l.wantState(Registered)
			l.wantCode(l.ask(coap.GET, "/3/0/0"), coap.Content)
		}
		l.after(92 * time.Second)
		l.wantState(Registered)
		l.after(2 * time.Second)
		l.wantState(Asleep)
	})
}

// TestNotificationWakes shows that the server hears an Update before the notification,
// and that a change within pmin lets the device sleep on.
func TestNotificationWakes(t *testing.T) {
	simulate(t, queueMode, func(l *lab) {
		l.run()
		l.wantCode(l.ask(coap.PUT, temperature, "pmin=150"), coap.Changed)
		w := l.observe(temperature, -1)
		l.server.take()
		l.after(100 * time.Second)
		l.wantState(Asleep)
		l.temperature(0, 21)
		l.after(10 * time.Second)
		l.wantState(Asleep)
		l.wantCalls()
		if s := l.status(); s.Queued != 1 {
			l.t.Errorf("%d notifications wait, want 1", s.Queued)
		}
		l.after(40 * time.Second)
		l.wantState(Registered)
		l.wantCalls("POST /rd/1 []")
		w.want("2m30s 21")
		l.after(94 * time.Second)
		l.wantState(Asleep)
	})
}

// TestUpdateBeforeNotification shows the order on the wire.
func TestUpdateBeforeNotification(t *testing.T) {
	var sent []string
	simulate(t, func(c *Config) {
		queueMode(c)
		c.Trace = func(_ *Link, d coap.Direction, datagram []byte) {
			if m, err := coap.Parse(datagram); err == nil {
				sent = append(sent, map[coap.Direction]string{coap.Sent: ">", coap.Received: "<"}[d]+m.Code.String())
			}
		}
	}, func(l *lab) {
		l.run()
		w := l.observe(temperature, -1)
		l.after(94 * time.Second)
		sent = nil
		l.temperature(0, 21)
		w.want("1m34s 21")
		if want := []string{">POST", "<2.04", ">2.05"}; !slices.Equal(sent, want) {
			l.t.Errorf("messages are %v, want %v", sent, want)
		}
	})
}

// TestRequestToASleeper shows that what comes although the server must not send is
// answered all the same.
func TestRequestToASleeper(t *testing.T) {
	simulate(t, queueMode, func(l *lab) {
		l.run()
		l.after(94 * time.Second)
		l.wantState(Asleep)
		l.wantCode(l.ask(coap.GET, "/3/0/0"), coap.Content)
		l.wantState(Asleep)
	})
}

func TestTriggerWakes(t *testing.T) {
	simulate(t, queueMode, func(l *lab) {
		l.run()
		l.after(94 * time.Second)
		l.server.take()
		if err := l.client.Update(101); err != nil {
			l.t.Fatal(err)
		}
		synctest.Wait()
		l.wantState(Registered)
		l.wantCalls("POST /rd/1 []")
	})
}

// TestServerGoneWhileAsleep shows that what a sleeping client has to tell is stored while
// its Update is not answered, and told in order when it is.
func TestServerGoneWhileAsleep(t *testing.T) {
	simulate(t, queueMode, func(l *lab) {
		l.run()
		w := l.observe(temperature, -1)
		l.after(94 * time.Second)
		l.server.set(func(s *scripted) { s.dead = true })
		l.temperature(0, 21)
		l.after(30 * time.Second)
		l.wantState(Updating)
		l.temperature(0, 22)
		synctest.Wait()
		if s := l.status(); s.Queued != 2 {
			l.t.Errorf("%d notifications wait, want 2", s.Queued)
		}
		l.server.set(func(s *scripted) { s.dead = false })
		l.after(30 * time.Second) // a retransmission of the Update comes through
		l.wantState(Registered)
		if got := w.payloads(); !slices.Equal(got, []string{"21", "22"}) {
			l.t.Errorf("notified %q", got)
		}
	})
}

// TestIdleIsIdle shows that after the registration nothing wakes up before the next
// Update: one wake-up of the account in its whole time.
func TestIdleIsIdle(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.publish(l.accounts, func(b *model.Batch) { b.Set(0, 1, lwm2m.Integer(0)) })
		var wakeUps atomic.Int64
		clock := l.client.config.Now
		l.client.config.Now = func() time.Time { wakeUps.Add(1); return clock() }
		l.run()
		l.after(time.Minute)
		wakeUps.Store(0)
		l.after(365 * 24 * time.Hour)
		if n := wakeUps.Load(); n != 0 {
			l.t.Errorf("the account looked at the clock %d times in an idle year", n)
		}
	})
}
