package client

import (
	"context"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/lwm2m/model"
)

func TestRegister(t *testing.T) {
	simulate(t, nil, func(t *testing.T, l *lab) {
		l.run()
		l.wantState(Registered)
		calls := l.wantCalls(register)
		const list = `</>;rt="oma.lwm2m";ct="112 110 11542 60",</1>;ver=1.2,</1/0>,</3>;ver=1.2,</3/0>,</3303>;ver=1.1,</3303/0>`
		if got := calls[0].payload; got != list {
			t.Errorf("object list is\n%s, want\n%s", got, list)
		}
		s := l.status()
		if s.Location != "/rd/1" || s.Version != lwm2m.Version12 || s.Transport != "UDP" || s.Lifetime != 10*time.Minute || s.Words != "registered" {
			t.Errorf("status is %+v", s)
		}
		if s.SentBytes == 0 || s.ReceivedBytes == 0 || s.SentMessages != 1 || s.ReceivedMessages != 1 {
			t.Errorf("traffic is not counted: %+v", s)
		}
	})
}

// TestUpdateKeepsTheRegistration shows that an Update without anything to tell goes out
// before the lifetime has run out, early enough for retransmissions.
func TestUpdateKeepsTheRegistration(t *testing.T) {
	simulate(t, nil, func(t *testing.T, l *lab) {
		l.registered()
		began := time.Now()
		l.after(24 * time.Hour)
		calls := l.server.take()
		// 600 s - 93 s, and 5 % early with the random number 0.5
		every := time.Duration(0.95 * float64(507*time.Second))
		if want := int(24 * time.Hour / every); len(calls) != want {
			t.Fatalf("%d Updates in a day, want %d", len(calls), want)
		}
		for i, c := range calls {
			if c.String() != "POST /rd/1 []" || c.payload != "" || c.typ != coap.CON {
				t.Fatalf("call %d is %v %q", i, c, c.payload)
			}
			if due := began.Add(time.Duration(i+1) * every); c.at.Sub(due).Abs() > time.Millisecond {
				t.Fatalf("Update %d came after %v, want %v", i, c.at.Sub(began), due.Sub(began))
			}
		}
		if s := l.status(); s.State != Registered || !s.NextUpdate.After(time.Now()) {
			t.Errorf("status is %+v", s)
		}
	})
}

func TestInfiniteLifetimeNeedsNoUpdate(t *testing.T) {
	simulate(t, nil, func(t *testing.T, l *lab) {
		l.publish(l.accounts, func(b *model.Batch) { b.Set(0, 1, lwm2m.Integer(0)) })
		l.run()
		l.wantCalls("POST /rd [ep=lab lt=0 lwm2m=1.2 b=U]")
		l.after(30 * 24 * time.Hour)
		l.wantCalls()
		if s := l.status(); !s.NextUpdate.IsZero() {
			t.Errorf("an Update is due at %v", s.NextUpdate)
		}
	})
}

func TestLifetimeWritten(t *testing.T) {
	simulate(t, nil, func(t *testing.T, l *lab) {
		l.registered()
		l.wantCode(l.send(coap.PUT, "/1/0/1", lwm2m.FormatText, "100"), coap.Changed)
		synctest.Wait()
		l.wantCalls("POST /rd/1 [lt=100]")
		if got := l.status().NextUpdate.Sub(time.Now()); got != time.Duration(0.95*float64(50*time.Second)) {
			t.Errorf("next Update in %v", got)
		}
	})
}

// TestManyInstancesCostOneUpdate is issue 3's "many instances appearing at once".
func TestManyInstancesCostOneUpdate(t *testing.T) {
	simulate(t, nil, func(t *testing.T, l *lab) {
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
			t.Errorf("object list is %.60s … %s", calls[0].payload, calls[0].payload[len(calls[0].payload)-40:])
		}
	})
}

// TestUnrestIsBounded shows that instances which keep coming are told meanwhile.
func TestUnrestIsBounded(t *testing.T) {
	simulate(t, nil, func(t *testing.T, l *lab) {
		l.registered()
		for i := range 40 {
			l.temperature(uint16(i+1), 20)
			l.after(settleQuiet / 2)
		}
		l.after(settleMost)
		if n := len(l.server.take()); n != 2 {
			t.Errorf("20 s of new instances cost %d Updates, want 2", n)
		}
	})
}

func TestValueChangesCostNoUpdate(t *testing.T) {
	simulate(t, nil, func(t *testing.T, l *lab) {
		l.registered()
		l.temperature(0, 21)
		l.publish(l.device, func(b *model.Batch) { b.Set(0, 17, lwm2m.String("gateway")) })
		l.after(time.Minute)
		l.wantCalls()
	})
}

// TestInstanceThatComesAndGoes costs nothing if the list is as before in the end.
func TestInstanceThatComesAndGoes(t *testing.T) {
	simulate(t, nil, func(t *testing.T, l *lab) {
		l.registered()
		l.temperature(7, 21)
		l.publish(l.sensors, func(b *model.Batch) { b.Delete(7) })
		l.after(time.Minute)
		l.wantCalls()
	})
}

func TestVersionFallback(t *testing.T) {
	refuseUntil := func(v string) func(c call) *coap.Message {
		return func(c call) *coap.Message {
			if c.path == "/rd" && !strings.Contains(fmt.Sprint(c.queries), "lwm2m="+v) {
				return &coap.Message{Code: coap.PreconditionFailed}
			}
			return nil
		}
	}
	for _, v := range []string{"1.1", "1.0"} {
		t.Run(v, func(t *testing.T) {
			simulate(t, nil, func(t *testing.T, l *lab) {
				l.server.script = refuseUntil(v)
				l.run()
				l.wantState(Registered)
				if got := l.status().Version.String(); got != v {
					t.Errorf("registered with version %s", got)
				}
				// The lower version stays for the next Register.
				l.server.take()
				l.server.set(func(s *scripted) {
					s.script = func(c call) *coap.Message {
						if strings.HasPrefix(c.path, "/rd/1") {
							return &coap.Message{Code: coap.NotFound}
						}
						return nil
					}
				})
				if err := l.client.Update(101); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				l.wantCalls("POST /rd/1 []", fmt.Sprintf("POST /rd [ep=lab lt=600 lwm2m=%s b=U]", v))
			})
		})
	}
}

func TestVersionRefusedAltogether(t *testing.T) {
	simulate(t, nil, func(t *testing.T, l *lab) {
		l.server.script = func(call) *coap.Message { return &coap.Message{Code: coap.PreconditionFailed} }
		l.run()
		l.wantState(Waiting)
		if s := l.status(); !strings.Contains(s.LastError, "4.12") || !strings.Contains(s.Remedy, "version") {
			t.Errorf("status says %q, %q", s.LastError, s.Remedy)
		}
		if n := len(l.server.take()); n != 3 {
			t.Errorf("%d attempts, want one for each version", n)
		}
	})
}

// TestForgottenRegistration shows what an Update leads to that the server refuses.
func TestForgottenRegistration(t *testing.T) {
	for _, code := range []coap.Code{coap.NotFound, coap.BadRequest, coap.Forbidden, coap.InternalServerError} {
		t.Run(code.String(), func(t *testing.T) {
			simulate(t, nil, func(t *testing.T, l *lab) {
				l.registered()
				l.server.set(func(s *scripted) {
					s.script = func(c call) *coap.Message {
						if c.path == "/rd/1" {
							return &coap.Message{Code: code}
						}
						return nil
					}
				})
				l.after(9 * time.Minute)
				l.wantState(Registered)
				l.wantCalls("POST /rd/1 []", register)
				if s := l.status(); s.Location != "/rd/2" || !s.ErrorCleared || !strings.Contains(s.LastError, "Update was answered with") {
					t.Errorf("status is %+v", s)
				}
			})
		})
	}
}

// TestServerGoneAndBack shows the whole way: an Update into silence, a new connection,
// attempts that become rarer, and the registration once the server is back.
func TestServerGoneAndBack(t *testing.T) {
	simulate(t, nil, func(t *testing.T, l *lab) {
		l.registered()
		l.server.set(func(s *scripted) { s.dead = true })
		l.after(482*time.Second + 93*time.Second)
		l.wantState(Registering) // after at most 93 s of silence, over a new connection
		if n := len(l.server.dialled()); n != 2 {
			t.Fatalf("dialled %d times", n)
		}
		l.after(2 * time.Minute)
		if s := l.status(); s.Attempts == 0 || !strings.Contains(s.Words, "no answer") || !strings.Contains(s.Remedy, "check that the server runs") {
			t.Fatalf("status is %q, %q after %d attempts", s.Words, s.Remedy, s.Attempts)
		}
		l.after(time.Hour)
		l.server.set(func(s *scripted) { s.dead = false })
		l.after(93*time.Second + 72*time.Second) // what is under way, and the longest back-off
		l.wantState(Registered)
		if s := l.status(); !s.ErrorCleared || s.Attempts != 0 {
			t.Errorf("status is %+v", s)
		}
	})
}

// TestBackOff shows the default for a device on Ethernet.
func TestBackOff(t *testing.T) {
	simulate(t, nil, func(t *testing.T, l *lab) {
		l.server.refuse = fmt.Errorf("connect: %w", &net.OpError{Op: "dial", Err: syscall.ENETUNREACH})
		l.run()
		l.after(10 * time.Minute)
		want := []time.Duration{0, 1, 2, 4, 8, 16, 32, 60, 60, 60}
		var at time.Duration
		for i, w := range want {
			at += w * time.Second
			if got := l.server.dialled()[i].Sub(l.server.dialled()[0]); got != at {
				t.Fatalf("attempt %d was after %v, want %v", i+1, got, at)
			}
		}
		if s := l.status(); !strings.Contains(s.Remedy, "no route") || !strings.Contains(s.Words, "next attempt in") {
			t.Errorf("status says %q, %q", s.Words, s.Remedy)
		}
		// The network comes back: the next attempt is now.
		l.server.set(func(s *scripted) { s.refuse = nil })
		l.client.NetworkChanged()
		synctest.Wait()
		l.wantState(Registered)
	})
}

// TestBackOffAsWritten shows that resources 17 to 19 of object 1 replace the policy.
func TestBackOffAsWritten(t *testing.T) {
	simulate(t, nil, func(t *testing.T, l *lab) {
		l.publish(l.accounts, func(b *model.Batch) {
			b.Set(0, 17, lwm2m.Unsigned(3))
			b.Set(0, 18, lwm2m.Unsigned(10))
			b.Set(0, 19, lwm2m.Unsigned(1000))
		})
		l.server.refuse = errNoRoute
		l.run()
		l.after(time.Hour)
		want := []time.Duration{0, 10, 20, 1000, 10, 20, 1000}
		var at time.Duration
		for i, w := range want {
			at += w * time.Second
			if got := l.server.dialled()[i].Sub(l.server.dialled()[0]); got != at {
				t.Fatalf("attempt %d was after %v, want %v", i+1, got, at)
			}
		}
	})
}

func TestInitialDelay(t *testing.T) {
	simulate(t, nil, func(t *testing.T, l *lab) {
		l.publish(l.accounts, func(b *model.Batch) { b.Set(0, 14, lwm2m.Unsigned(30)) })
		l.run()
		l.after(29 * time.Second)
		l.wantState(Waiting)
		l.after(2 * time.Second)
		l.wantState(Registered)
	})
}

// TestRejected shows a Register that the server does not want.
func TestRejected(t *testing.T) {
	simulate(t, nil, func(t *testing.T, l *lab) {
		l.server.script = func(call) *coap.Message {
			return &coap.Message{Code: coap.Forbidden, Payload: []byte("unknown endpoint")}
		}
		l.run()
		l.wantState(Waiting)
		s := l.status()
		if !strings.Contains(s.Words, `Register was answered with 4.03 ("unknown endpoint"); next attempt in 1s`) || !strings.Contains(s.Remedy, "endpoint name") {
			t.Errorf("status says %q, %q", s.Words, s.Remedy)
		}
		l.server.set(func(s *scripted) { s.script = nil })
		l.after(2 * time.Second)
		l.wantState(Registered)
	})
}

func TestAcceptedWithoutLocation(t *testing.T) {
	simulate(t, nil, func(t *testing.T, l *lab) {
		l.server.script = func(call) *coap.Message { return &coap.Message{Code: coap.Created} }
		l.run()
		l.wantState(Waiting)
		if s := l.status(); !strings.Contains(s.LastError, "Location-Path") {
			t.Errorf("status says %q", s.LastError)
		}
	})
}

// TestDTLSTroubleInWords shows what a wrong key looks like.
func TestDTLSTroubleInWords(t *testing.T) {
	for _, c := range []struct {
		err    error
		remedy string
	}{
		{&dtls.TimeoutError{Awaited: "Finished"}, "compare identity and key"},
		{&dtls.TimeoutError{Awaited: "ServerHello"}, "check that the server runs"},
		{&dtls.Error{Alert: dtls.AlertDecryptError, Remote: true}, "compare identity and key"},
		{&dtls.Error{Alert: dtls.AlertUnknownPSKIdentity, Remote: true}, "does not know the identity"},
		{&net.DNSError{Err: "no such host", Name: "x.invalid"}, "host name"},
		{fmt.Errorf("%w: scheme", ErrAccount), "configuration"},
	} {
		var alerts []dtls.Alert
		simulate(t, func(conf *Config) {
			conf.OnAlert = func(_ uint16, a dtls.Alert) { alerts = append(alerts, a) }
		}, func(t *testing.T, l *lab) {
			l.server.refuse = fmt.Errorf("connect: %w", c.err)
			l.run()
			l.wantState(Waiting)
			if s := l.status(); !strings.Contains(s.Remedy, c.remedy) || s.LastError == "" {
				t.Errorf("%v: remedy is %q", c.err, s.Remedy)
			}
			if e, ok := c.err.(*dtls.Error); ok && (len(alerts) != 1 || alerts[0] != e.Alert) { //nolint:errorlint // of the table above
				t.Errorf("alerts are %v", alerts)
			}
			l.server.set(func(s *scripted) { s.refuse = nil })
			l.after(2 * time.Second)
			l.wantState(Registered)
		})
	}
}

// TestConnectionLost shows a server that ends the connection.
func TestConnectionLost(t *testing.T) {
	simulate(t, nil, func(t *testing.T, l *lab) {
		l.registered()
		l.server.hangUp()
		l.after(2 * time.Second)
		l.wantState(Registered)
		l.wantCalls(register)
		if len(l.server.dialled()) != 2 {
			t.Errorf("dialled %d times, want 2", len(l.server.dialled()))
		}
	})
}

// TestConnectionLostAgainAndAgain shows that a server which hangs up at once is not
// stormed.
func TestConnectionLostAgainAndAgain(t *testing.T) {
	simulate(t, nil, func(t *testing.T, l *lab) {
		l.server.script = func(c call) *coap.Message {
			if c.path == "/rd" {
				time.AfterFunc(time.Millisecond, l.server.hangUp)
			}
			return nil
		}
		l.run()
		l.after(10 * time.Minute)
		if n := len(l.server.dialled()); n > 17 {
			t.Errorf("dialled %d times in 10 minutes", n)
		}
	})
}

func TestDisable(t *testing.T) {
	simulate(t, nil, func(t *testing.T, l *lab) {
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
		synctest.Wait()
		l.wantCalls("DELETE /rd/1 []")
		l.wantState(Disabled)
		if s := l.status(); !strings.Contains(s.Words, "disabled") || s.NextAttempt.Sub(answered) != 100*time.Second {
			t.Errorf("status is %+v", s)
		}
		l.after(99 * time.Second)
		l.wantCalls()
		l.after(2 * time.Second)
		l.wantCalls(register)
		l.wantState(Registered)
	})
}

func TestDisabledIsEnabledByUpdate(t *testing.T) {
	simulate(t, nil, func(t *testing.T, l *lab) {
		l.registered()
		if err := l.client.Disable(101, time.Hour); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		l.wantState(Disabled)
		if err := l.client.Update(101); err != nil {
			t.Fatal(err)
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
		c.Trace = func(_ uint16, d coap.Direction, datagram []byte) {
			if m, err := coap.Parse(datagram); err == nil && d == coap.Sent && m.Code != coap.Empty {
				sent = append(sent, m.Code.String())
			}
		}
	}, func(t *testing.T, l *lab) {
		l.registered()
		l.wantCode(l.ask(coap.POST, "/1/0/8"), coap.Changed)
		synctest.Wait()
		l.wantCalls("POST /rd/1 []")
		if got := strings.Join(sent, " "); got != "POST 2.04 POST" {
			t.Errorf("sent %s", got)
		}
	})
}

func TestDeregister(t *testing.T) {
	simulate(t, nil, func(t *testing.T, l *lab) {
		l.registered()
		if err := l.client.Deregister(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.wantCalls("DELETE /rd/1 []")
		l.wantState(Stopped)
		l.account(1, 102, 600)
		synctest.Wait()
		l.wantCalls()
	})
}

func TestDeregisterIntoSilence(t *testing.T) {
	simulate(t, nil, func(t *testing.T, l *lab) {
		l.registered()
		l.server.set(func(s *scripted) { s.dead = true })
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := l.client.Deregister(ctx); err == nil {
			t.Error("Deregister does not say that nobody answered")
		}
		l.after(2 * time.Minute)
		l.wantState(Stopped)
	})
}

// TestEndKeepsTheRegistration shows that the end of Run sends nothing.
func TestEndKeepsTheRegistration(t *testing.T) {
	simulate(t, nil, func(t *testing.T, l *lab) {
		l.registered()
		l.stop()
		l.stop = nil
		l.wantCalls()
		if s := l.client.Status(); s[0].State != Stopped {
			t.Errorf("state is %v", s[0].State)
		}
	})
}

func TestAccountsComeAndGo(t *testing.T) {
	simulate(t, nil, func(t *testing.T, l *lab) {
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
			t.Fatalf("accounts are %+v", all)
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
			t.Error("there is still an account 102")
		}
	})
}

// TestAccountRedirected shows a change of the server's URI.
func TestAccountRedirected(t *testing.T) {
	simulate(t, nil, func(t *testing.T, l *lab) {
		var uri string
		l.server.onDial = func(_ context.Context, to Server) { uri = to.URI }
		l.registered()
		l.publish(l.security, func(b *model.Batch) { b.Set(0, 0, lwm2m.String("coap://elsewhere.invalid")) })
		synctest.Wait()
		l.wantState(Registered)
		l.wantCalls(register)
		if uri != "coap://elsewhere.invalid" {
			t.Errorf("dialled %s", uri)
		}
	})
}

// TestNoAnswerBeforeRegistration shows that requests wait for the answer to the
// Register and are served then.
func TestNoAnswerBeforeRegistration(t *testing.T) {
	simulate(t, nil, func(t *testing.T, l *lab) {
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
			answer, _ := l.server.connection().Do(t.Context(), m)
			got <- answer
		}()
		l.after(100 * time.Millisecond)
		select {
		case m := <-got:
			t.Fatalf("answered with %v before the registration stands", m)
		default:
		}
		close(release)
		synctest.Wait()
		if m := <-got; m == nil || m.Code != coap.Content {
			t.Errorf("answer is %v", m)
		}
	})
}

// TestSessionContinues shows that a connection which continues a security context costs
// an Update and not a Register.
func TestSessionContinues(t *testing.T) {
	for _, e := range []event{continued, connected} {
		if to, _ := next(Connecting, e); (to == Updating) != (e == continued) {
			t.Errorf("%v leads to %v", e, to)
		}
	}
}

func TestStatusIsTold(t *testing.T) {
	simulate(t, nil, func(t *testing.T, l *lab) {
		l.registered()
		l.mu.Lock()
		defer l.mu.Unlock()
		var got []string
		for _, s := range l.states {
			got = append(got, s.State.String())
		}
		if want := "waiting connecting registering registered"; strings.Join(got, " ") != want {
			t.Errorf("told %v, want %s", got, want)
		}
	})
}
