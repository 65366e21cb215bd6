package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
)

// unmute lets the server take Sends.
func (l *lab) unmute() {
	l.t.Helper()
	l.publish(l.accounts, func(b *model.Batch) { b.Set(0, 23, lwm2m.Boolean(false)) })
	synctest.Wait()
}

// send starts a Send; the channel gets its outcome.
func (l *lab) sendPaths(ctx context.Context, paths ...string) <-chan error {
	list := make([]lwm2m.Path, len(paths))
	for i, p := range paths {
		list[i] = lwm2m.MustPath(p)
	}
	outcome := make(chan error, 1)
	l.server.wg.Go(func() { outcome <- l.client.Send(ctx, 101, list...) })
	synctest.Wait()
	return outcome
}

// wantOutcome compares the outcome of a Send that must have one.
func (l *lab) wantOutcome(outcome <-chan error, want error) {
	l.t.Helper()
	select {
	case err := <-outcome:
		if !errors.Is(err, want) {
			l.t.Errorf("Send ends with %v, want %v", err, want)
		}
	default:
		l.t.Error("Send has no outcome")
	}
}

func TestSend(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		ctx := l.t.Context()
		l.wantOutcome(l.sendPaths(ctx, temperature), ErrMuted) // by default
		l.unmute()
		l.wantOutcome(l.sendPaths(ctx, temperature, "/3/0/9", "/3/0/99", "/0/0/0"), nil)
		calls := l.wantCalls("POST /dp []")
		if c := calls[0]; c.typ != coap.CON || c.payload != "\x82\xa3\x21\x61/\x00\x653/0/9\x02\x18\x50\xa2\x00\x6b3303/0/5700\x02\xfa\x41\xa0\x00\x00" {
			l.t.Errorf("sent %v %x", c.typ, c.payload)
		}
		l.wantOutcome(l.sendPaths(ctx, "/4711", "/0"), ErrNothing)
		l.wantOutcome(l.sendPaths(ctx), ErrNothing)
		if err := l.client.Send(ctx, 7, lwm2m.MustPath("/3")); !errors.Is(err, ErrNoAccount) {
			l.t.Errorf("Send to a server that is none: %v", err)
		}
		l.publish(l.accounts, func(b *model.Batch) { b.Set(0, 23, lwm2m.Boolean(true)) })
		synctest.Wait()
		l.wantOutcome(l.sendPaths(ctx, temperature), ErrMuted)
		l.wantCalls()
	})
}

// TestSendRefused shows that the answer of a server that does not want it arrives.
func TestSendRefused(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		l.unmute()
		l.server.set(func(s *scripted) {
			s.script = func(c call) *coap.Message {
				if c.path == "/dp" {
					return &coap.Message{Code: coap.NotFound, Payload: []byte("no such client")}
				}
				return nil
			}
		})
		outcome := l.sendPaths(l.t.Context(), temperature)
		var refusal *lwm2m.Error
		if err := <-outcome; !errors.As(err, &refusal) || refusal.Code != lwm2m.NotFound || refusal.Reason != "no such client" {
			l.t.Errorf("Send ends with %v", err)
		}
		l.wantState(Registered)
	})
}

// TestSendHeedsMuteAtOnce has the resource change just before each Send.
func TestSendHeedsMuteAtOnce(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		for i := range 100 {
			muted := i%2 == 1
			l.publish(l.accounts, func(b *model.Batch) { b.Set(0, 23, lwm2m.Boolean(muted)) })
			if err := l.client.Send(l.t.Context(), 101, lwm2m.MustPath(temperature)); errors.Is(err, ErrMuted) != muted {
				l.t.Fatalf("muted is %v, Send ends with %v", muted, err)
			}
		}
	})
}

// TestSendUnregistered shows that a Send does not wait for a server that is not there.
func TestSendUnregistered(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.server.refuse = errNoRoute
		l.run()
		l.unmute()
		l.wantOutcome(l.sendPaths(l.t.Context(), temperature), ErrUnregistered)
	})
}

func TestSendNeeds11(t *testing.T) {
	simulate(t, func(c *Config) { c.Params = func(uint16) Params { return Params{Version: lwm2m.Version10} } }, func(l *lab) {
		l.run()
		l.unmute()
		l.wantOutcome(l.sendPaths(l.t.Context(), temperature), ErrSendVersion)
	})
}

// TestSendWakes shows that a sleeping client sends an Update first, and keeps the Send
// when that finds the registration gone.
func TestSendWakes(t *testing.T) {
	simulate(t, queueMode, func(l *lab) {
		l.run()
		l.server.take()
		l.unmute()
		l.after(94 * time.Second)
		l.wantState(Asleep)
		l.wantOutcome(l.sendPaths(l.t.Context(), temperature), nil)
		l.wantCalls("POST /rd/1 []", "POST /dp []")
		l.after(94 * time.Second)
		l.wantState(Asleep)
		l.server.set(func(s *scripted) {
			s.script = func(c call) *coap.Message {
				if c.path == "/rd/1" {
					return &coap.Message{Code: coap.NotFound}
				}
				return nil
			}
		})
		l.wantOutcome(l.sendPaths(l.t.Context(), temperature), nil)
		l.wantCalls("POST /rd/1 []", "POST /rd [ep=lab lt=600 lwm2m=1.2 b=U Q]", "POST /dp []")
	})
}

// TestSendsAreBounded shows what becomes of more Sends than a silent server answers, of
// one that nobody waits for any more, and of all when the registration ends.
func TestSendsAreBounded(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		l.unmute()
		l.server.set(func(s *scripted) { s.dead = true })
		ctx, cancel := context.WithTimeoutCause(l.t.Context(), time.Second, errNoRoute)
		defer cancel()
		impatient := l.sendPaths(ctx, temperature)
		l.after(time.Second)
		l.wantOutcome(impatient, errNoRoute)
		outcomes := make([]<-chan error, maxSends+1) // and the one in flight
		for i := range outcomes {
			outcomes[i] = l.sendPaths(l.t.Context(), temperature)
		}
		l.wantOutcome(l.sendPaths(l.t.Context(), temperature), ErrSendBusy)
		l.client.accounts[101].inbox.put(command{event: leave})
		l.after(5 * time.Minute)
		for i, outcome := range outcomes {
			select {
			case err := <-outcome:
				if err == nil {
					l.t.Errorf("Send %d succeeded", i)
				}
			default:
				l.t.Fatalf("Send %d has no outcome", i)
			}
		}
	})
}

// TestSendInBlocks shows a Send that is longer than a datagram.
func TestSendInBlocks(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		l.unmute()
		for iid := range uint16(200) {
			l.temperature(iid, float64(iid))
		}
		l.after(time.Minute)
		l.server.take()
		l.wantOutcome(l.sendPaths(l.t.Context(), "/3303"), nil)
		calls := l.server.take()
		if n := len(calls); n != 1 || !strings.Contains(calls[0].payload, "3303/199/5700") {
			l.t.Errorf("%s", fmt.Sprint(calls))
		}
	})
}

// TestSendContent sends what is in no tree, under the same conditions.
func TestSendContent(t *testing.T) {
	simulate(t, nil, func(l *lab) {
		l.registered()
		content := []lwm2m.Node{{Path: lwm2m.MustPath("/20/0/4016"), Value: lwm2m.Opaque([]byte("a line"))}}
		send := func(nodes []lwm2m.Node) <-chan error {
			outcome := make(chan error, 1)
			l.server.wg.Go(func() { outcome <- l.client.SendContent(l.t.Context(), 101, nodes) })
			synctest.Wait()
			return outcome
		}
		l.wantOutcome(send(content), ErrMuted)
		l.unmute()
		l.wantOutcome(send(nil), ErrNothing)
		l.wantOutcome(send(content), nil)
		if calls := l.wantCalls("POST /dp []"); calls[0].payload != "\x81\xa3\x21\x61/\x00\x6920/0/4016\x08\x46a line" {
			l.t.Errorf("sent %x", calls[0].payload)
		}
	})
}

// TestSendContentFollowsRights holds that what is in no tree is sent to who may read
// where it belongs.
func TestSendContentFollowsRights(t *testing.T) {
	simulateShared(t, nil, func(s *shared) {
		s.unmute()
		content := []lwm2m.Node{{Path: lwm2m.MustPath("/3303/0/1"), Value: lwm2m.Integer(1)}}
		send := func() <-chan error {
			outcome := make(chan error, 1)
			s.server.wg.Go(func() { outcome <- s.client.SendContent(s.t.Context(), 101, content) })
			synctest.Wait()
			return outcome
		}
		s.wantOutcome(send(), ErrNothing)
		s.give(1, 3303, 0, model.RightRead)
		s.wantOutcome(send(), nil)
	})
}
