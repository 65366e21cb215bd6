package client

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
)

func TestRegister(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.run()
		l.wantState(Registered)
		calls := l.wantCalls(register)
		const list = `</>;rt="oma.lwm2m";ct="112 11544 110 11542 60",</1>;ver=1.2,</1/0>,</3>;ver=1.2,</3/0>,</3303>;ver=1.1,</3303/0>`
		if got := calls[0].payload; got != list {
			l.t.Errorf("object list is\n%s, want\n%s", got, list)
		}
		s := l.status()
		if s.Location != "/rd/1" || s.Version != lwm2m.Version12 || s.Transport != "UDP" || s.Lifetime != 10*time.Minute || s.Words != "registered" {
			l.t.Errorf("status is %+v", s)
		}
		if s.SentBytes == 0 || s.ReceivedBytes == 0 || s.SentMessages != 1 || s.ReceivedMessages != 1 {
			l.t.Errorf("traffic is not counted: %+v", s)
		}
	})
}

// TestUpdateKeepsTheRegistration shows that an Update without anything to tell goes out
// before the lifetime has run out, early enough for retransmissions.
func TestUpdateKeepsTheRegistration(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		began := time.Now()
		l.after(24 * time.Hour)
		calls := l.server.take()
		// 600 s - 93 s, and 5 % early with the random number 0.5
		every := time.Duration(0.95 * float64(507*time.Second))
		if want := int(24 * time.Hour / every); len(calls) != want {
			l.t.Fatalf("%d Updates in a day, want %d", len(calls), want)
		}
		for i, c := range calls {
			if c.String() != "POST /rd/1 []" || c.payload != "" || c.typ != coap.CON {
				l.t.Fatalf("call %d is %v %q", i, c, c.payload)
			}
			if due := began.Add(time.Duration(i+1) * every); c.at.Sub(due).Abs() > time.Millisecond {
				l.t.Fatalf("Update %d came after %v, want %v", i, c.at.Sub(began), due.Sub(began))
			}
		}
		if s := l.status(); s.State != Registered || !s.NextUpdate.After(time.Now()) {
			l.t.Errorf("status is %+v", s)
		}
	})
}

func TestInfiniteLifetimeNeedsNoUpdate(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.publish(l.accounts, func(b *model.Batch) { b.Set(0, 1, lwm2m.Integer(0)) })
		l.run()
		l.wantCalls("POST /rd [ep=lab lt=0 lwm2m=1.2 b=U]")
		l.after(30 * 24 * time.Hour)
		l.wantCalls()
		if s := l.status(); !s.NextUpdate.IsZero() {
			l.t.Errorf("an Update is due at %v", s.NextUpdate)
		}
	})
}

func TestLifetimeWritten(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		l.wantCode(l.send(coap.PUT, "/1/0/1", lwm2m.FormatText, "100"), coap.Changed)
		synctest.Wait()
		l.wantCalls("POST /rd/1 [lt=100]")
		if got := time.Until(l.status().NextUpdate); got != time.Duration(0.95*float64(50*time.Second)) {
			l.t.Errorf("next Update in %v", got)
		}
	})
}

// TestManyInstancesCostOneUpdate is issue 3's "many instances appearing at once".
func TestManyInstancesCostOneUpdate(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		for i := range 1000 {
			l.temperature(uint16(i+1), 20)
			if i%100 == 99 {
				l.after(30 * time.Millisecond)
			}
		}
		l.after(settleMost)
		calls := l.wantCalls("POST /rd/1 []")
		if !strings.HasSuffix(calls[0].payload, ",</3303/999>,</3303/1000>") || !strings.HasPrefix(calls[0].payload, `</>;rt="oma.lwm2m";ct=`) {
			l.t.Errorf("object list is %.60s … %s", calls[0].payload, calls[0].payload[len(calls[0].payload)-40:])
		}
	})
}

// TestUnrestIsBounded shows that instances which keep coming are told meanwhile.
func TestUnrestIsBounded(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		for i := range 40 {
			l.temperature(uint16(i+1), 20)
			l.after(settleQuiet / 2)
		}
		l.after(settleMost)
		if n := len(l.server.take()); n != 2 {
			l.t.Errorf("20 s of new instances cost %d Updates, want 2", n)
		}
	})
}

func TestValueChangesCostNoUpdate(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		l.temperature(0, 21)
		l.publish(l.device, func(b *model.Batch) { b.Set(0, 17, lwm2m.String("gateway")) })
		l.after(time.Minute)
		l.wantCalls()
	})
}

// TestInstanceThatComesAndGoes costs nothing if the list is as before in the end.
func TestInstanceThatComesAndGoes(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		l.temperature(7, 21)
		l.publish(l.sensors, func(b *model.Batch) { b.Delete(7) })
		l.after(time.Minute)
		l.wantCalls()
	})
}

func TestInitialDelay(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.publish(l.accounts, func(b *model.Batch) { b.Set(0, 14, lwm2m.Unsigned(30)) })
		l.run()
		l.after(29 * time.Second)
		l.wantState(Waiting)
		l.after(2 * time.Second)
		l.wantState(Registered)
	})
}

func TestDisable(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.publish(l.accounts, func(b *model.Batch) { b.Set(0, 5, lwm2m.Integer(100)) })
		l.registered()
		answered := time.Time{}
		l.server.set(func(s *scripted) {
			s.script = func(c call) *coap.Message {
				if c.code == coap.DELETE {
					answered = c.at
				}
				return nil
			}
		})
		l.wantCode(l.ask(coap.POST, "/1/0/4"), coap.Changed)
		l.after(disableDelay - time.Millisecond)
		l.wantCalls() // the answer must have time to arrive
		l.after(time.Millisecond)
		l.wantCalls("DELETE /rd/1 []")
		l.wantState(Disabled)
		if s := l.status(); !strings.Contains(s.Words, "disabled") || s.NextAttempt.Sub(answered) != 100*time.Second {
			l.t.Errorf("status is %+v", s)
		}
		l.after(99 * time.Second)
		l.wantCalls()
		l.after(2 * time.Second)
		l.wantCalls(register)
		l.wantState(Registered)
	})
}

func TestDisabledIsEnabledByUpdate(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		if err := l.client.Disable(101, time.Hour); err != nil {
			l.t.Fatal(err)
		}
		l.after(disableDelay)
		l.wantState(Disabled)
		if err := l.client.Update(101); err != nil {
			l.t.Fatal(err)
		}
		synctest.Wait()
		l.wantState(Registered)
		l.wantCalls("DELETE /rd/1 []", register)
	})
}

// TestTriggerAnswersFirst shows the order on the wire: the answer to the Execute, then
// the Update.
func TestTriggerAnswersFirst(t *testing.T) {
	var sent []string
	simulate(t, func(c *Config) {
		c.Trace = func(_ *Link, d coap.Direction, datagram []byte) {
			if m, err := coap.Parse(datagram); err == nil && d == coap.Sent && m.Code != coap.Empty {
				sent = append(sent, m.Code.String())
			}
		}
	}, func(l *lab) {
		l.registered()
		l.wantCode(l.ask(coap.POST, "/1/0/8"), coap.Changed)
		synctest.Wait()
		l.wantCalls("POST /rd/1 []")
		if got := strings.Join(sent, " "); got != "POST 2.04 POST" {
			l.t.Errorf("sent %s", got)
		}
	})
}

// TestTriggeredWhileUpdating: a server that has an Update and asks for another one may do so before its answer to the first is here.
func TestTriggeredWhileUpdating(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		answers := make(chan coap.Code, 1)
		l.server.set(func(s *scripted) {
			s.script = func(call) *coap.Message {
				s.set(func(s *scripted) { s.script = nil })
				go func() { answers <- l.ask(coap.POST, "/1/0/8").Code }()
				time.Sleep(time.Second)
				return nil
			}
		})
		if err := l.client.Update(101); err != nil {
			l.t.Fatal(err)
		}
		l.after(time.Minute)
		l.wantCalls("POST /rd/1 []", "POST /rd/1 []")
		if got := <-answers; got != coap.Changed {
			l.t.Errorf("the trigger is answered with %v", got)
		}
	})
}

func TestDeregister(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		if err := l.client.Deregister(l.t.Context()); err != nil {
			l.t.Fatal(err)
		}
		l.wantCalls("DELETE /rd/1 []")
		l.wantState(Stopped)
		l.account(1, 102, 600)
		synctest.Wait()
		l.wantCalls()
	})
}

func TestDeregisterIntoSilence(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		l.server.set(func(s *scripted) { s.dead = true })
		ctx, cancel := context.WithTimeout(l.t.Context(), 5*time.Second)
		defer cancel()
		if err := l.client.Deregister(ctx); err == nil {
			l.t.Error("Deregister does not say that nobody answered")
		}
		l.after(2 * time.Minute)
		l.wantState(Stopped)
	})
}

// TestEndKeepsTheRegistration shows that the end of Run sends nothing.
func TestEndKeepsTheRegistration(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		l.stop()
		l.stop = nil
		l.wantCalls()
		if s := l.client.Status(); s[0].State != Stopped {
			l.t.Errorf("state is %v", s[0].State)
		}
	})
}

func TestAccountsComeAndGo(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		l.account(1, 102, 3600)
		l.publish(l.security, func(b *model.Batch) { // without a Server instance
			b.Create(2)
			b.Set(2, 10, lwm2m.Integer(103))
		})
		l.publish(l.security, func(b *model.Batch) { // a bootstrap server
			b.Create(3)
			b.Set(3, 1, lwm2m.Boolean(true))
		})
		synctest.Wait()
		if all := l.client.Status(); len(all) != 2 || all[1].ShortServerID != 102 || all[1].State != Registered {
			l.t.Fatalf("accounts are %+v", all)
		}
		l.wantCalls("POST /rd [ep=lab lt=3600 lwm2m=1.2 b=U]")
		l.after(2 * time.Second)
		l.wantCalls("POST /rd/1 []") // there is one more instance of object 1
		l.publish(l.security, func(b *model.Batch) { b.Delete(1) })
		l.publish(l.accounts, func(b *model.Batch) { b.Delete(1) })
		synctest.Wait()
		l.wantCalls("DELETE /rd/2 []")
		l.wantState(Registered)
		l.after(2 * time.Second)
		l.wantCalls("POST /rd/1 []")
		if err := l.client.Update(102); err == nil {
			l.t.Error("there is still an account 102")
		}
	})
}

// TestAccountRedirected shows a change of the server's URI.
func TestAccountRedirected(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		var uri string
		l.server.onDial = func(_ context.Context, to Server) { uri = to.URI }
		l.registered()
		l.publish(l.security, func(b *model.Batch) { b.Set(0, 0, lwm2m.String("coap://elsewhere.invalid")) })
		synctest.Wait()
		l.wantState(Registered)
		l.wantCalls(register)
		if uri != "coap://elsewhere.invalid" {
			l.t.Errorf("dialled %s", uri)
		}
	})
}

// TestNoAnswerBeforeRegistration shows that requests wait for the answer to the
// Register and are served then, with a status that says so.
func TestNoAnswerBeforeRegistration(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.publish(l.device, func(b *model.Batch) {
			b.Compute(0, 0, func() lwm2m.Value { return lwm2m.String(l.status().State.String()) })
		})
		release := make(chan struct{})
		l.server.script = func(c call) *coap.Message {
			if c.path == "/rd" {
				<-release
			}
			return nil
		}
		l.run()
		l.wantState(Registering)
		got := make(chan *coap.Message, 1)
		go func() {
			m := &coap.Message{Code: coap.GET}
			m.SetPath("/3/0/0")
			answer, _ := l.server.connection().Do(l.t.Context(), m)
			got <- answer
		}()
		l.after(100 * time.Millisecond)
		select {
		case m := <-got:
			l.t.Fatalf("answered with %v before the registration stands", m)
		default:
		}
		close(release)
		synctest.Wait()
		if m := <-got; m == nil || m.Code != coap.Content || string(m.Payload) != "registered" {
			l.t.Errorf("answer is %v", m)
		}
	})
}

func TestStatusIsTold(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		l.mu.Lock()
		defer l.mu.Unlock()
		got := make([]string, 0, len(l.states))
		for _, s := range l.states {
			got = append(got, s.State.String())
		}
		if want := "waiting connecting registering registered"; strings.Join(got, " ") != want {
			l.t.Errorf("told %v, want %s", got, want)
		}
	})
}

// TestParamsChange shows that other timers hold for the connection that there is, and for
// handshakes from then on.
func TestParamsChange(t *testing.T) {
	var slow atomic.Bool
	with := func(c *Config) {
		c.Params = func(uint16) Params {
			if slow.Load() {
				return Params{CoAP: coap.Params{AckTimeout: 10 * time.Second}, DTLSTimeout: 9 * time.Second}
			}
			return Params{}
		}
	}
	simulate(t, with, func(l *lab) {
		var handshake time.Duration
		l.server.onDial = func(_ context.Context, to Server) { handshake = to.DTLSTimeout }
		l.registered()
		slow.Store(true)
		l.client.ParamsChanged()
		synctest.Wait()
		l.server.set(func(s *scripted) { s.dead = true })
		l.outage(func() { l.after(120 * time.Second) })
		l.after(4 * time.Minute) // MAX_TRANSMIT_WAIT is 465 s now, and was 93 s
		l.wantState(Registered)
		for _, c := range l.server.take() {
			if c.path != "/rd/1" {
				l.t.Errorf("the client gave up: %s", c)
			}
		}
		l.server.hangUp()
		l.after(time.Minute)
		if handshake != 9*time.Second {
			l.t.Errorf("handshakes are repeated after %s", handshake)
		}
	})
}

// TestAlive shows that an account whose goroutine hangs is named.
func TestAlive(t *testing.T) {
	var gate atomic.Pointer[chan struct{}]
	simulate(t, func(c *Config) {
		c.OnStatus = func(AccountStatus) {
			if g := gate.Load(); g != nil {
				<-*g
			}
		}
	}, func(l *lab) {
		l.registered()
		if err := l.client.Alive(l.t.Context()); err != nil {
			l.t.Error(err)
		}
		free := make(chan struct{})
		gate.Store(&free)
		if err := l.client.Update(101); err != nil {
			l.t.Fatal(err)
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(l.t.Context(), time.Minute)
		defer cancel()
		if err := l.client.Alive(ctx); err == nil || !strings.Contains(err.Error(), "server 101") {
			l.t.Errorf("while it hangs: %v", err)
		}
		gate.Store(nil)
		close(free)
		if err := l.client.Alive(l.t.Context()); err != nil {
			l.t.Errorf("when it goes on: %v", err)
		}
	})
}
