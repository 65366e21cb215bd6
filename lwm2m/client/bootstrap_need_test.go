package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/lwm2m/model"
)

func TestFailure(t *testing.T) {
	for _, c := range []struct {
		err  error
		want failure
	}{
		{&codeError{code: coap.Forbidden}, refusal},
		{&codeError{code: coap.BadRequest}, refusal},
		{&codeError{code: coap.TooManyRequests}, silence},
		{&codeError{code: coap.ServiceUnavailable}, silence},
		{&dtls.Error{Alert: dtls.AlertUnknownPSKIdentity, Remote: true}, refusal},
		{&dtls.Error{Alert: dtls.AlertBadCertificate}, refusal},
		{&dtls.Error{Alert: dtls.AlertInternalError, Remote: true}, silence},
		{&dtls.Error{Alert: dtls.AlertCloseNotify, Remote: true}, silence},
		{&dtls.TimeoutError{Awaited: "Finished"}, refusal},
		{&dtls.TimeoutError{Awaited: "ServerHello"}, silence},
		{ErrAccount, refusal},
		{coap.ErrTimeout, silence},
		{&net.DNSError{Err: "no such host"}, offline},
		{errNoRoute, offline},
	} {
		if got := failureOf(fmt.Errorf("wrapped: %w", c.err)); got != c.want {
			t.Errorf("%v: %d, want %d", c.err, got, c.want)
		}
	}
}

// requests returns how many requests have come for the bootstrap, and for registrations.
func (l *bootLab) requests() (bootstrap, register int) {
	for _, c := range l.server.take() {
		switch {
		case strings.HasPrefix(c.path, "/bs"):
			bootstrap++
		case c.path == "/rd":
			register++
		}
	}
	return bootstrap, register
}

func answerRegister(code coap.Code) func(call) *coap.Message {
	return func(c call) *coap.Message {
		if c.path == "/rd" {
			return &coap.Message{Code: code}
		}
		return nil
	}
}

// TestRefusedServerLeadsToBootstrap: when all attempts have failed, not before, and only if
// the server says no and /1/x/16 allows it.
func TestRefusedServerLeadsToBootstrap(t *testing.T) {
	for name, c := range map[string]struct {
		code    coap.Code
		account func(*model.Batch)
		after   time.Duration // at which the last attempt has failed
		want    bool
	}{
		"forbidden":    {coap.Forbidden, nil, 15 * time.Second, true},
		"bad request":  {coap.BadRequest, nil, 15 * time.Second, true},
		"own trouble":  {coap.InternalServerError, nil, 15 * time.Second, false},
		"too many":     {coap.TooManyRequests, nil, 15 * time.Second, false},
		"not allowed":  {coap.Forbidden, func(b *model.Batch) { b.Set(0, 16, lwm2m.Boolean(false)) }, 15 * time.Second, false},
		"two attempts": {coap.Forbidden, func(b *model.Batch) { b.Set(0, 17, lwm2m.Integer(2)); b.Set(0, 18, lwm2m.Integer(4)) }, 4 * time.Second, true},
		"two sequences": {coap.Forbidden, func(b *model.Batch) {
			b.Set(0, 17, lwm2m.Integer(1))
			b.Set(0, 19, lwm2m.Integer(9))
			b.Set(0, 20, lwm2m.Integer(2))
		}, 9 * time.Second, true},
		"no second sequence": {coap.Forbidden, func(b *model.Batch) {
			b.Set(0, 17, lwm2m.Integer(2))
			b.Set(0, 18, lwm2m.Integer(4))
			b.Set(0, 19, lwm2m.Unsigned(never))
			b.Set(0, 20, lwm2m.Integer(3))
		}, 4 * time.Second, true},
	} {
		bootstrapping(t, true, nil, func(l *bootLab) {
			if c.account != nil {
				l.publish(l.accounts, c.account)
			}
			l.server.script = answerRegister(c.code)
			l.run()
			l.after(c.after - time.Second)
			if n, _ := l.requests(); n > 0 {
				t.Errorf("%s: bootstrap before all attempts have failed", name)
			}
			l.after(c.after) // half of it is added at random
			if n, _ := l.requests(); n > 0 != c.want {
				t.Errorf("%s: %d requests to the bootstrap server", name, n)
			}
			if reason := l.client.BootstrapStatus().Reason; c.want && reason != (BootstrapReason{BootstrapRefused, 101}) {
				t.Errorf("%s: reason %v", name, reason)
			}
		})
	}
}

// TestBootstrapInVain: a server that goes on refusing has the bootstrap server asked ever
// more rarely, not again and again.
func TestBootstrapInVain(t *testing.T) {
	bootstrapping(t, true, nil, func(l *bootLab) {
		l.server.script = answerRegister(coap.Forbidden)
		l.run()
		total := 0
		for range 24 * 60 {
			l.after(time.Minute)
			if l.client.BootstrapStatus().State == BootstrapOpen {
				l.wantCode(l.finish(), coap.Changed)
			}
			n, _ := l.requests()
			total += n
		}
		if total < 10 || total > 60 {
			t.Errorf("%d requests to the bootstrap server in a day", total)
		}
	})
}

// TestNoNetworkNoBootstrap: as long as this end knows that there is no network, nothing is
// asked of the bootstrap server, however long that takes, and nothing when it is back.
func TestNoNetworkNoBootstrap(t *testing.T) {
	bootstrapping(t, true, nil, func(l *bootLab) {
		l.server.refuse = errNoRoute
		asked := l.countDials()
		l.run()
		l.after(48 * time.Hour)
		l.server.set(func(s *scripted) { s.refuse = nil })
		l.client.NetworkChanged()
		l.after(time.Hour)
		l.wantState(Registered)
		if n := asked.Load(); n > 0 {
			t.Errorf("the bootstrap server was dialled %d times", n)
		}
	})
}

// TestSilentNetwork: where nobody answers, the bootstrap server is tried at most once an hour
// in the end, and when all is back, the server is registered at and the wish is gone.
func TestSilentNetwork(t *testing.T) {
	bootstrapping(t, true, nil, func(l *bootLab) {
		asked := l.countDials()
		l.registered()
		l.server.set(func(s *scripted) { s.dead = true })
		l.after(time.Hour + 10*time.Minute)
		if n := asked.Load(); n > 0 {
			t.Errorf("after an hour the bootstrap server was dialled %d times", n)
		}
		l.after(24 * time.Hour)
		if n := asked.Load(); n < 10 || n > 40 {
			t.Errorf("in a day the bootstrap server was dialled %d times", n)
		}
		l.server.set(func(s *scripted) { s.dead = false })
		l.after(10 * time.Minute)
		if n, register := l.requests(); n > 0 || register != 1 {
			t.Errorf("when the network is back there come %d requests for a bootstrap and %d Registers", n, register)
		}
		l.wantBootstrap(BootstrapIdle)
		l.wantState(Registered)
		if s := l.client.BootstrapStatus(); s.Attempts != 0 || !s.ErrorCleared {
			t.Errorf("status %+v", s)
		}
	})
}

// TestSilenceInOrder: an account that says how often it is to be tried is not waited for
// longer than that.
func TestSilenceInOrder(t *testing.T) {
	bootstrapping(t, true, nil, func(l *bootLab) {
		l.publish(l.accounts, func(b *model.Batch) { b.Set(0, 17, lwm2m.Integer(2)); b.Set(0, 18, lwm2m.Integer(10)) })
		l.server.onDial = func(_ context.Context, to Server) {
			l.server.set(func(s *scripted) {
				if s.refuse = nil; to.ShortServerID == 101 {
					s.refuse = &dtls.TimeoutError{Awaited: "ServerHello"}
				}
			})
		}
		l.run()
		l.after(9 * time.Second)
		if n, _ := l.requests(); n > 0 {
			t.Errorf("%d requests to the bootstrap server after one attempt", n)
		}
		l.after(20 * time.Second) // the next sequence begins after a day
		if n, _ := l.requests(); n == 0 {
			t.Error("no request to the bootstrap server after all attempts")
		}
	})
}

// TestServerComesFirst: when a network that was silent is back, the server is asked before the
// bootstrap server, also where its own next attempt is a day away.
func TestServerComesFirst(t *testing.T) {
	bootstrapping(t, true, nil, func(l *bootLab) {
		l.publish(l.accounts, func(b *model.Batch) { b.Set(0, 17, lwm2m.Integer(1)) })
		l.server.dead = true
		l.run()
		for s := l.client.BootstrapStatus(); s.State != BootstrapWaiting || s.Attempts == 0; s = l.client.BootstrapStatus() {
			l.after(time.Second)
		}
		l.server.take()
		l.server.set(func(s *scripted) { s.dead = false })
		l.after(time.Minute)
		if n, register := l.requests(); n > 0 || register != 1 {
			t.Errorf("there came %d requests for a bootstrap and %d Registers", n, register)
		}
		l.wantBootstrap(BootstrapIdle)
	})
}

// countDials counts how often the bootstrap server is dialled.
func (l *bootLab) countDials() *atomic.Int32 {
	var count atomic.Int32
	l.server.onDial = func(_ context.Context, to Server) {
		if to.URI == bootstrapURI {
			count.Add(1)
		}
	}
	return &count
}

// TestSilentServerBesideAnother: that another server has this client registered shows that it
// is not the network.
func TestSilentServerBesideAnother(t *testing.T) {
	bootstrapping(t, true, nil, func(l *bootLab) {
		l.account(1, 102, 600)
		l.server.onDial = func(_ context.Context, to Server) {
			l.server.set(func(s *scripted) {
				if s.refuse = nil; to.ShortServerID == 101 {
					s.refuse = &dtls.TimeoutError{Awaited: "ServerHello"}
				}
			})
		}
		l.run()
		l.after(time.Minute)
		if n, _ := l.requests(); n != 2 {
			t.Errorf("%d requests to the bootstrap server, want a pack request and a request", n)
		}
		if reason := l.client.BootstrapStatus().Reason; reason != (BootstrapReason{BootstrapSilent, 101}) {
			t.Errorf("reason %v", reason)
		}
	})
}

// TestUnreachableBootstrapServer: without servers it is tried ever more rarely, at once when
// the network changes, and the status says why.
func TestUnreachableBootstrapServer(t *testing.T) {
	bootstrapping(t, false, nil, func(l *bootLab) {
		l.server.refuse = errNoRoute
		l.run()
		l.after(24 * time.Hour)
		n := len(l.server.dialled())
		if n < 20 || n > 40 {
			t.Errorf("%d attempts in a day", n)
		}
		s := l.client.BootstrapStatus()
		if s.State != BootstrapWaiting || !strings.Contains(s.Words, "there is no server account; it failed: no route; next attempt in") {
			t.Errorf("status %v: %s", s.State, s.Words)
		}
		l.server.set(func(s *scripted) { s.refuse = nil })
		l.client.NetworkChanged()
		l.after(0)
		l.wantBootstrap(BootstrapOpen)
		l.wantCalls(packRequest, bootRequestCall)
	})
}

// TestPackUnanswered: a bootstrap server that says nothing to the request for a pack is asked without.
func TestPackUnanswered(t *testing.T) {
	bootstrapping(t, false, nil, func(l *bootLab) {
		l.server.script = func(c call) *coap.Message {
			l.server.set(func(s *scripted) { s.dead = c.path == "/bspack" })
			return nil
		}
		l.run()
		for s := l.client.BootstrapStatus(); s.Attempts == 0; s = l.client.BootstrapStatus() {
			l.after(time.Second)
		}
		l.wantBootstrap(BootstrapWaiting)
		l.wantCalls(packRequest)
		l.server.set(func(s *scripted) { s.dead = false })
		l.after(time.Minute)
		l.wantBootstrap(BootstrapOpen)
		l.wantCalls(bootRequestCall)
	})
}

// TestDeregisterEndsBootstrap: who leaves asks for nothing any more.
func TestDeregisterEndsBootstrap(t *testing.T) {
	bootstrapping(t, false, nil, func(l *bootLab) {
		l.open()
		if err := l.client.Deregister(l.t.Context()); err != nil {
			t.Fatal(err)
		}
		l.after(time.Hour)
		l.wantBootstrap(BootstrapStopped)
		l.wantCalls()
	})
}

// TestNoBootstrapServer: what a client without one is asked for.
func TestNoBootstrapServer(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.server.script = answerRegister(coap.Forbidden)
		l.run()
		if err := l.client.Bootstrap(0); !errors.Is(err, ErrNoBootstrapServer) {
			t.Error(err)
		}
		l.after(time.Hour)
		if s := l.client.BootstrapStatus(); s.State != BootstrapIdle || s.Words != "there is no bootstrap server" {
			t.Errorf("status %+v", s)
		}
	})
}
