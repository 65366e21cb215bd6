package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/lwm2m/model"
)

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
			simulate(t, nil, func(l *lab) {
				l.server.script = refuseUntil(v)
				l.run()
				l.wantState(Registered)
				if got := l.status().Version.String(); got != v {
					l.t.Errorf("registered with version %s", got)
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
					l.t.Fatal(err)
				}
				synctest.Wait()
				l.wantCalls("POST /rd/1 []", fmt.Sprintf("POST /rd [ep=lab lt=600 lwm2m=%s b=U]", v))
			})
		})
	}
}

func TestVersionRefusedAltogether(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.server.script = func(call) *coap.Message { return &coap.Message{Code: coap.PreconditionFailed} }
		l.run()
		l.wantState(Waiting)
		if s := l.status(); !strings.Contains(s.LastError, "4.12") || !strings.Contains(s.Remedy, "version") {
			l.t.Errorf("status says %q, %q", s.LastError, s.Remedy)
		}
		if n := len(l.server.take()); n != 3 {
			l.t.Errorf("%d attempts, want one for each version", n)
		}
	})
}

// TestForgottenRegistration shows what an Update leads to that the server refuses.
func TestForgottenRegistration(t *testing.T) {
	for _, code := range []coap.Code{coap.NotFound, coap.BadRequest, coap.Forbidden, coap.InternalServerError} {
		t.Run(code.String(), func(t *testing.T) {
			simulate(t, nil, func(l *lab) {
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
					l.t.Errorf("status is %+v", s)
				}
			})
		})
	}
}

// TestRegistrationsGone counts the registrations that another device of the same name, or a server without a memory, ends: not
// faster than Updates are due, and until one has stood.
func TestRegistrationsGone(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		l.server.set(func(s *scripted) {
			s.script = func(c call) *coap.Message {
				if c.path != "/rd" {
					return &coap.Message{Code: coap.NotFound}
				}
				return nil
			}
		})
		l.server.take()
		l.after(time.Hour) // of a lifetime of ten minutes
		if s, n := l.status(), len(l.server.take()); s.Gone < 5 || n > 2*s.Gone+1 || s.Gone > 15 {
			l.t.Errorf("%d are gone, %d requests", s.Gone, n)
		}
		l.server.set(func(s *scripted) { s.script = nil })
		l.after(15 * time.Minute)
		if s := l.status(); s.Gone == 0 {
			l.t.Error("none is gone, and the last one has not stood yet")
		}
		l.after(30 * time.Minute)
		if s := l.status(); s.Gone != 0 {
			l.t.Errorf("%d are gone, and the last one has stood", s.Gone)
		}
	})
}

// TestForgottenIsNoRefusal shows what is said of a server that was started anew, while its answer to the Register is awaited.
func TestForgottenIsNoRefusal(t *testing.T) {
	var mu sync.Mutex
	var seen []AccountStatus
	take := func() []AccountStatus {
		mu.Lock()
		defer mu.Unlock()
		defer func() { seen = nil }()
		return seen
	}
	simulate(t, func(c *Config) {
		c.OnStatus = func(s AccountStatus) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, s)
		}
	}, func(l *lab) {
		l.registered()
		l.server.set(func(s *scripted) {
			s.script = func(c call) *coap.Message {
				if c.path == "/rd/1" {
					return &coap.Message{Code: coap.NotFound}
				}
				return nil
			}
		})
		take()
		l.after(9 * time.Minute)
		l.wantState(Registered)
		anew, told := false, take()
		for _, s := range told {
			if s.Cause != NoCause {
				t.Errorf("%v: cause %d", s.State, s.Cause)
			}
			anew = anew || s.Words == "registering anew: Update was answered with 4.04" && strings.HasPrefix(s.Remedy, "nothing: the server no longer has the registration")
		}
		if !anew {
			t.Errorf("seen are %+v", told)
		}
	})
}

// TestServerGoneAndBack shows the whole way: an Update into silence, a new connection,
// attempts that become rarer, and the registration once the server is back.
func TestServerGoneAndBack(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		l.server.set(func(s *scripted) { s.dead = true })
		l.after(482*time.Second + 93*time.Second)
		l.wantState(Registering) // after at most 93 s of silence, over a new connection
		if n := len(l.server.dialled()); n != 2 {
			l.t.Fatalf("dialled %d times", n)
		}
		l.after(2 * time.Minute)
		if s := l.status(); s.Attempts == 0 || !strings.Contains(s.Words, "no answer") || !strings.Contains(s.Remedy, "check that the server runs") {
			l.t.Fatalf("status is %q, %q after %d attempts", s.Words, s.Remedy, s.Attempts)
		}
		l.after(time.Hour)
		l.server.set(func(s *scripted) { s.dead = false })
		l.after(93*time.Second + 72*time.Second) // what is under way, and the longest back-off
		l.wantState(Registered)
		if s := l.status(); !s.ErrorCleared || s.Attempts != 0 {
			l.t.Errorf("status is %+v", s)
		}
	})
}

// TestRepeatedTrouble: a server that is gone for a day takes a line of the log each hour, not each minute, though the error
// has another port of ours each time.
func TestRepeatedTrouble(t *testing.T) {
	var log bytes.Buffer
	simulate(t, func(c *Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) }, func(l *lab) {
		warnings := func() int { return strings.Count(log.String(), "level=WARN") }
		l.server.refuse = otherPortError{new(int)}
		l.run()
		l.after(24 * time.Hour)
		if n := warnings(); n < 24 || n > 26 {
			l.t.Errorf("%d warnings in a day:\n%.1000s", n, log.String())
		}
		if s := l.status(); !strings.Contains(s.LastError, "read udp 192.0.2.53:53: i/o timeout") {
			l.t.Error(s.LastError)
		}
		// Another trouble, and the same after a success, are told at once.
		log.Reset()
		l.server.set(func(s *scripted) { s.refuse = errNoRoute })
		l.after(2 * time.Minute)
		if n := warnings(); n != 1 {
			l.t.Errorf("%d warnings of another trouble:\n%s", n, log.String())
		}
	})
}

// otherPortError is an error of a resolver that has another port each time.
type otherPortError struct{ n *int }

func (e otherPortError) Error() string {
	*e.n++
	return fmt.Sprintf("lookup h on 192.0.2.53:53: read udp 192.0.2.1:%d->192.0.2.53:53: i/o timeout", *e.n)
}

func TestPlain(t *testing.T) {
	for text, want := range map[string]string{
		"read udp 10.0.0.1:4->10.0.0.2:53: refused":                                         "read udp 10.0.0.2:53: refused",
		"read udp [::1]:4->[::1]:53: refused":                                               "read udp [::1]:53: refused",
		"answered with 4.00 (\"a->b: c:1->d\")":                                             "answered with 4.00 (\"a->b: c:1->d\")",
		"x: read tcp 10.0.0.1:4->10.0.0.2:5: reset; read tcp 10.0.0.1:6->10.0.0.2:5: reset": "x: read tcp 10.0.0.2:5: reset; read tcp 10.0.0.2:5: reset",
	} {
		if got := plain(errors.New(text)); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestBackOff shows the default for a device on Ethernet.
func TestBackOff(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.server.refuse = fmt.Errorf("connect: %w", &net.OpError{Op: "dial", Err: syscall.ENETUNREACH})
		l.run()
		l.after(10 * time.Minute)
		var at time.Duration
		for i, seconds := range []int{0, 1, 2, 4, 8, 16, 32, 60, 60, 60} {
			at += time.Duration(seconds) * time.Second
			if got := l.server.dialled()[i].Sub(l.server.dialled()[0]); got != at {
				l.t.Fatalf("attempt %d was after %v, want %v", i+1, got, at)
			}
		}
		if s := l.status(); !strings.Contains(s.Remedy, "no route") || !strings.Contains(s.Words, "next attempt in") {
			l.t.Errorf("status says %q, %q", s.Words, s.Remedy)
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
	simulate(t, nil, func(l *lab) {
		l.publish(l.accounts, func(b *model.Batch) {
			b.Set(0, 17, lwm2m.Unsigned(3))
			b.Set(0, 18, lwm2m.Unsigned(10))
			b.Set(0, 19, lwm2m.Unsigned(1000))
		})
		l.server.refuse = errNoRoute
		l.run()
		l.after(time.Hour)
		var at time.Duration
		for i, seconds := range []int{0, 10, 20, 1000, 10, 20, 1000} {
			at += time.Duration(seconds) * time.Second
			if got := l.server.dialled()[i].Sub(l.server.dialled()[0]); got != at {
				l.t.Fatalf("attempt %d was after %v, want %v", i+1, got, at)
			}
		}
	})
}

// TestRejected shows a Register that the server does not want.
func TestRejected(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.server.script = func(call) *coap.Message {
			return &coap.Message{Code: coap.Forbidden, Payload: []byte("unknown endpoint")}
		}
		l.run()
		l.wantState(Waiting)
		s := l.status()
		if !strings.Contains(s.Words, `Register was answered with 4.03 ("unknown endpoint"); next attempt in 1 s`) || !strings.Contains(s.Remedy, "endpoint name") {
			l.t.Errorf("status says %q, %q", s.Words, s.Remedy)
		}
		l.server.set(func(s *scripted) { s.script = nil })
		l.after(2 * time.Second)
		l.wantState(Registered)
	})
}

func TestAcceptedWithoutLocation(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.server.script = func(call) *coap.Message { return &coap.Message{Code: coap.Created} }
		l.run()
		l.wantState(Waiting)
		if s := l.status(); !strings.Contains(s.LastError, "Location-Path") {
			l.t.Errorf("status says %q", s.LastError)
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
		{&dtls.TimeoutError{Awaited: "ServerHello"}, "check that the server runs, that its address and port are right (with DTLS 5684"},
		{&dtls.Error{Alert: dtls.AlertDecryptError, Remote: true}, "compare identity and key"},
		{&dtls.Error{Alert: dtls.AlertUnknownPSKIdentity, Remote: true}, "does not know the identity"},
		{&dtls.Error{Alert: dtls.AlertInternalError, Remote: true}, "compare identity and key"},
		{&net.DNSError{Err: "no such host", Name: "x.invalid"}, "host name"},
		{fmt.Errorf("%w: scheme", ErrAccount), "configuration"},
	} {
		var alerts []dtls.Alert
		simulate(t, func(conf *Config) {
			conf.OnAlert = func(_ uint16, a dtls.Alert) { alerts = append(alerts, a) }
		}, func(l *lab) {
			l.server.refuse = fmt.Errorf("connect: %w", c.err)
			l.run()
			l.wantState(Waiting)
			if s := l.status(); !strings.Contains(s.Remedy, c.remedy) || s.LastError == "" {
				l.t.Errorf("%v: remedy is %q", c.err, s.Remedy)
			}
			if e, ok := c.err.(*dtls.Error); ok && (len(alerts) != 1 || alerts[0] != e.Alert) { //nolint:errorlint // of the table above
				l.t.Errorf("alerts are %v", alerts)
			}
			l.server.set(func(s *scripted) { s.refuse = nil })
			l.after(2 * time.Second)
			l.wantState(Registered)
		})
	}
}

// TestFirstSilence shows what the status says before the first attempt has failed: that
// takes a minute and a half, which a technician does not wait.
func TestFirstSilence(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.server.dead = true
		l.run()
		l.wantState(Registering)
		if s := l.status(); s.Words != "registering" {
			l.t.Errorf("at first the status says %q", s.Words)
		}
		l.after(12 * time.Second)
		if s := l.status(); s.Words != "registering, no answer for 12 s" {
			l.t.Errorf("status says %q", s.Words)
		}
	})
}

// TestSilentUpdate shows that the status says for how long an Update has had no answer, before
// that is known to be a trouble.
func TestSilentUpdate(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		l.server.set(func(s *scripted) { s.dead = true })
		if err := l.client.Update(101); err != nil {
			l.t.Fatal(err)
		}
		l.after(time.Second)
		if s := l.status(); s.Words != "registered, sending an Update" {
			l.t.Errorf("at first the status says %q", s.Words)
		}
		l.after(11 * time.Second)
		if s := l.status(); s.Words != "registered, sending an Update, no answer for 12 s" {
			l.t.Errorf("status says %q", s.Words)
		}
	})
}

// TestPortClosed shows that the kernel's word is in the status at once.
func TestPortClosed(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.server.closed = &net.OpError{Op: "write", Err: syscall.ECONNREFUSED}
		l.run()
		l.after(time.Second)
		if s := l.status(); s.Words != "registering (write: connection refused)" {
			l.t.Errorf("status says %q", s.Words)
		}
		l.server.set(func(s *scripted) { s.closed = nil })
		l.after(10 * time.Second)
		if s := l.status(); s.Words != "registered" {
			l.t.Errorf("status says %q", s.Words)
		}
	})
}

// TestConnectionIsOverAtOnce shows that a connection may be given up before its reader
// has begun.
func TestConnectionIsOverAtOnce(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.server.onDial = func(ctx context.Context, _ Server) { <-ctx.Done() }
		l.run()
		l.wantState(Connecting)
		a := l.client.accounts[101]
		near, far := pipe(nil, nil)
		a.inbox.mu.Lock() // both are taken at once
		a.inbox.items = append(a.inbox.items, dialled{attempt: a.attempt, nc: near}, command{event: stop})
		a.inbox.mu.Unlock()
		a.inbox.wake <- struct{}{}
		synctest.Wait()
		l.wantState(Stopped)
		if _, err := near.Write(nil); !errors.Is(err, net.ErrClosed) {
			l.t.Errorf("the first connection is open (%v)", err)
		}
		_ = far.Close()
	})
}

// TestConnectionLost shows a server that ends the connection.
func TestConnectionLost(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		l.server.hangUp()
		l.after(2 * time.Second)
		l.wantState(Registered)
		l.wantCalls(register)
		if len(l.server.dialled()) != 2 {
			l.t.Errorf("dialled %d times, want 2", len(l.server.dialled()))
		}
	})
}

// TestConnectionLostAgainAndAgain shows that a server which hangs up at once is not
// stormed.
func TestConnectionLostAgainAndAgain(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.server.script = func(c call) *coap.Message {
			if c.path == "/rd" {
				time.AfterFunc(time.Millisecond, l.server.hangUp)
			}
			return nil
		}
		l.run()
		l.after(10 * time.Minute)
		if n := len(l.server.dialled()); n > 17 {
			l.t.Errorf("dialled %d times in 10 minutes", n)
		}
	})
}

// TestShutOut: a server that refuses our key or certificate is tried ever more rarely, up to an hour, and never given up; a change of the network tries at
// once, and another trouble, such as a server that is silent, is waited for as before.
func TestShutOut(t *testing.T) {
	for _, alert := range []dtls.Alert{dtls.AlertBadCertificate, dtls.AlertUnknownCA, dtls.AlertCertificateExpired, dtls.AlertAccessDenied, dtls.AlertDecryptError} {
		simulate(t, nil, func(l *lab) {
			l.server.refuse = &dtls.Error{Alert: alert, Remote: true}
			dials := func() int {
				l.server.mu.Lock()
				defer l.server.mu.Unlock()
				n := len(l.server.dials)
				l.server.dials = nil
				return n
			}
			l.run()
			l.after(time.Minute)
			if n := dials(); n < 5 || n > 9 {
				t.Errorf("%v: %d attempts in the first minute", alert, n)
			}
			l.after(24 * time.Hour)
			if n := dials(); n < 24 || n > 40 {
				t.Errorf("%v: %d attempts in a day", alert, n)
			}
			if s := l.status(); s.Remedy == "" || s.Cause != Mistrusted {
				t.Errorf("%v: status is %+v", alert, s)
			}
			l.client.NetworkChanged()
			synctest.Wait()
			if n := dials(); n != 1 {
				t.Errorf("%v: %d attempts when the network has changed", alert, n)
			}
			l.server.set(func(s *scripted) { s.refuse = syscall.ECONNREFUSED })
			l.after(75 * time.Minute)
			if n := dials(); n < 10 {
				t.Errorf("%v: %d attempts at a server that is not there any more", alert, n)
			}
			l.server.set(func(s *scripted) { s.refuse = nil })
			l.after(2 * time.Minute)
			l.wantState(Registered)
		})
	}
}
