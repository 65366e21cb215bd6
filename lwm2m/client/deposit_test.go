package client

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m/coap"
)

// resetting is the client's end of a connection whose server answers Sends with Reset.
type resetting struct {
	*pipeEnd

	sends *atomic.Int32
}

func (r resetting) Write(b []byte) (int, error) {
	m, err := coap.Parse(b)
	if err != nil || m.Code != coap.POST || m.Path() != "/dp" {
		return r.pipeEnd.Write(b)
	}
	if r.sends.Add(1) < 100 { // else a fault would not end
		r.in <- []byte{0x70, 0, byte(m.ID >> 8), byte(m.ID)}
	}
	return len(b), nil
}

type resetter struct {
	*scripted

	sends *atomic.Int32
}

func (d resetter) Dial(ctx context.Context, to Server) (net.Conn, error) {
	nc, err := d.scripted.Dial(ctx, to)
	if err != nil {
		return nil, err
	}
	return resetting{nc.(*pipeEnd), d.sends}, nil
}

// TestStoredSendReset shows that a server that answers a Send with Reset is asked once for each
// registration.
func TestStoredSendReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sends atomic.Int32
		server := &scripted{t: t}
		l := newLab(t, func(c *Config) { c.Dialer = resetter{server, &sends} })
		l.server = server
		l.registered()
		l.unmute()
		l.observe(temperature, -1)
		l.long(21, 22, 23)
		l.after(time.Hour)
		if n := sends.Load(); n != 1 {
			t.Errorf("%d Sends", n)
		}
		l.wantQueued(3)
		l.stop()
	})
}

// TestStoredSendFails shows that a Send of what is stored that fails in another way is tried again
// after a while, ever more rarely.
func TestStoredSendFails(t *testing.T) {
	small := func(c *Config) { c.Params = func(uint16) Params { return Params{Limits: coap.Limits{MaxBody: 64}} } }
	simulate(t, small, func(l *lab) {
		l.registered()
		l.unmute()
		var well atomic.Bool
		var sends atomic.Int64
		l.server.set(func(s *scripted) {
			s.script = func(c call) *coap.Message {
				if n := sends.Add(1); c.path == "/dp" && !well.Load() && n < 100 { // else a fault would not end
					return &coap.Message{Code: coap.Changed, Payload: make([]byte, 2000)}
				}
				return nil
			}
		})
		began := time.Now()
		l.observe(temperature, -1)
		l.long(21) // and 10 minutes
		if n := len(l.deposits(began)); n < 10 || n > 20 {
			l.t.Errorf("%d Sends", n)
		}
		l.wantQueued(1)
		well.Store(true)
		l.after(time.Minute)
		wantSame(l.t, "sent", l.deposits(began), "1m5s 5700=21")
		l.wantQueued(0)
	})
}
