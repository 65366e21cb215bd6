package client

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"lwm2m-agent/lwm2m/dtls/dtlstest"
)

// losable is a socket that may be lost.
type losable struct {
	net.Conn
	lost atomic.Bool
}

func (l *losable) LocalAddr() net.Addr {
	if l.lost.Load() {
		return &net.UDPAddr{IP: net.IPv6unspecified, Port: l.Conn.LocalAddr().(*net.UDPAddr).Port}
	}
	return l.Conn.LocalAddr()
}

// TestLostSocket shows that a socket which is lost, as in a modem that has restarted, costs an Update at once: the server reaches the client no more.
// In queue mode it does not try to, and the next Update, over the same socket, is early enough.
func TestLostSocket(t *testing.T) {
	for _, queue := range []bool{false, true} {
		t.Run(fmt.Sprint("queue mode ", queue), func(t *testing.T) {
			s := &scripted{t: t}
			uri, stop := s.listenDTLS("127.0.0.1:0", dtlstest.Config{PSK: dtlstest.Key("gw-17", psk), CIDLength: 6})
			defer stop()
			sockets := make(chan *losable, 10)
			dialer := DefaultDialer{DialUDP: func(ctx context.Context, address string) (net.Conn, error) {
				conn, err := (&net.Dialer{}).DialContext(ctx, "udp", address)
				l := &losable{Conn: conn}
				sockets <- l
				return l, err
			}}
			l, changed := networked(t, dialer, uri, pskAccount(psk), func(c *Config) {
				c.Params = func(id uint16) Params {
					p := quick(id)
					p.QueueMode, p.Awake = queue, time.Millisecond
					return p
				}
			})
			l.server = s
			rests := func(s AccountStatus) bool { return s.State == Registered && !queue || s.State == Asleep }
			first := l.await(changed, "at rest", rests)
			(<-sockets).lost.Store(true)
			l.client.NetworkChanged()
			if queue {
				if err := l.client.Update(101); err != nil {
					t.Fatal(err)
				}
			}
			l.await(changed, "updated", func(s AccountStatus) bool { return rests(s) && s.Since.After(first.Since) })
			if calls := s.take(); len(calls) != 2 || calls[1].String() != "POST /rd/1 []" {
				t.Errorf("server received %q, want a Register and an Update", calls)
			}
			if more := len(sockets); (more > 0) == queue {
				t.Errorf("%d more sockets", more)
			}
		})
	}
}
