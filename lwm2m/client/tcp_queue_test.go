package client

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
)

// streams is the scripted server behind byte streams in memory.
type streams struct {
	*scripted
	mute  atomic.Bool // takes connections, and says nothing on them
	dials atomic.Int32
}

func (s *streams) Dial(context.Context, Server) (net.Conn, error) {
	near, far := net.Pipe()
	conn := coap.NewStream(far, s.handle, coap.Options{})
	s.set(func(s *scripted) { s.conn, s.far = conn, far })
	s.dials.Add(1)
	if !s.mute.Load() {
		s.wg.Go(func() { _ = conn.Run(s.t.Context()) }) //nolint:contextcheck // the connection outlives the dialling
	}
	return near, nil
}

func simulateTCP(t *testing.T, change func(*Config), f func(l *lab, s *streams)) {
	t.Helper()
	s := &streams{}
	simulate(t, func(c *Config) {
		change(c)
		c.Dialer = s
	}, func(l *lab) {
		s.scripted = l.server
		l.publish(l.security, func(b *model.Batch) { b.Set(0, 0, lwm2m.String("coap+tcp://server101.invalid")) })
		f(l, s)
	})
}

// TestQueueModeOverTCP is a day in queue mode: the connection stays, and nothing is sent on it
// but what is due.
func TestQueueModeOverTCP(t *testing.T) {
	simulateTCP(t, queueMode, func(l *lab, s *streams) {
		l.publish(l.accounts, func(b *model.Batch) { b.Set(0, 1, lwm2m.Integer(3600)) })
		l.run()
		l.wantCalls("POST /rd [ep=lab lt=3600 lwm2m=1.2 b=T Q]")
		l.after(24 * time.Hour)
		l.wantState(Asleep)
		calls := l.server.take()
		if len(calls) != 25 || s.dials.Load() != 1 {
			t.Errorf("%d Updates on %d connections", len(calls), s.dials.Load())
		}
		if n := s.connection().Counters(); int(n.ReceivedDatagrams) != len(calls)+2 { // CSM and Register
			t.Errorf("%d messages for %d Updates", n.ReceivedDatagrams, len(calls))
		}
	})
}

// TestSilentTCP shows that a server that has gone without a word is found by an Update, within
// the time of all retransmissions over UDP, and that the client goes on to try.
func TestSilentTCP(t *testing.T) {
	simulateTCP(t, func(*Config) {}, func(l *lab, s *streams) {
		l.run()
		l.wantCalls(registerTCP)
		_ = s.far.SetReadDeadline(time.Unix(1, 0)) // the server reads no more, and does not close
		l.after(0)
		s.mute.Store(true)
		if err := l.client.Update(101); err != nil {
			t.Fatal(err)
		}
		l.after(time.Second)
		l.wantState(Updating)
		l.after(93 * time.Second)
		l.wantState(Registering) // on a new connection
		l.after(94 * time.Second)
		if got := l.status(); got.State == Registered || got.Attempts == 0 {
			t.Errorf("%s", got.Words)
		}
		s.mute.Store(false)
		l.after(3 * time.Minute)
		l.wantState(Registered)
	})
}
