package client

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
)

// roamer is a Dialer whose network comes and goes. Nothing is ever heard of a server "second".
type roamer struct {
	DefaultDialer

	mu    sync.Mutex
	moved bool     // the own address is another one
	down  bool     // nobody can be dialled
	dials []string // "first", "second with a session"
	local net.Addr // of sockets; nil: any
	lost  chan int // receives what is sent, which does not arrive; nil: it does
}

func (d *roamer) set(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

func (d *roamer) Dial(ctx context.Context, to Server) (net.Conn, error) {
	name := "first"
	if strings.Contains(to.URI, "second") {
		name = "second"
	}
	down := name == "second"
	if to.Session != nil {
		name += " with a session"
	}
	d.set(func() {
		down = down || d.down
		d.dials = append(d.dials, name)
	})
	if down {
		return nil, errNoRoute
	}
	return d.DefaultDialer.Dial(ctx, to)
}

func (d *roamer) Local(ctx context.Context, to Server, remote string) (net.Addr, error) {
	moved := false
	d.set(func() { moved = d.moved })
	if moved {
		return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 9)}, nil
	}
	return d.DefaultDialer.Local(ctx, to, remote)
}

// losing is a socket on the network of a roamer.
type losing struct {
	net.Conn
	roamer *roamer
}

func (c losing) Write(b []byte) (int, error) {
	var lost chan int
	c.roamer.set(func() { lost = c.roamer.lost })
	if lost == nil {
		return c.Conn.Write(b)
	}
	select {
	case lost <- len(b):
	default:
	}
	return len(b), nil
}

// dialUDP is for DefaultDialer.DialUDP.
func (d *roamer) dialUDP(ctx context.Context, address string) (net.Conn, error) {
	var nd net.Dialer
	d.set(func() { nd.LocalAddr = d.local })
	nc, err := nd.DialContext(ctx, "udp", address)
	return losing{nc, d}, err
}

// TestMovedUnheard shows that the server is told how things are also when the own address changes after the agent was killed, and
// before it hears of the server: what it has sent until then may not have arrived.
func TestMovedUnheard(t *testing.T) {
	s := &scripted{t: t}
	uri, security, _ := s.listen(t, 6)
	store := &memory{}
	l, changed, end := life(t, s, store, uri, security, 20)
	first := l.await(changed, "registered", isRegistered)
	w := l.observing(t)
	m := &coap.Message{Code: coap.GET}
	m.SetPath("/3/0/9")
	o, _, err := s.connection().Observe(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	battery := observing{o}
	end(true)
	local, err := net.ResolveUDPAddr("udp", first.Local)
	if err != nil {
		t.Fatal(err)
	}
	lost := make(chan int, 2)
	d := &roamer{local: local, lost: lost}
	d.DialUDP = d.dialUDP
	l, _ = networked(t, d, uri, security, func(c *Config) { c.Store = store })
	for range 2 { // notifications, of which one is confirmable
		select {
		case <-lost:
		case <-time.After(patience):
			t.Fatal("nothing was sent")
		}
	}
	d.set(func() { d.moved, d.local, d.lost = true, nil, nil })
	l.client.NetworkChanged()
	w.wants(t, "20")
	battery.wants(t, "80")
}

// TestSessionOfTheFirstURI shows that a session is continued where it was made, in each attempt anew, and offered to no other
// server, when the own address changes and there is no way to the server at first.
func TestSessionOfTheFirstURI(t *testing.T) {
	s := &scripted{t: t}
	uri, security, _ := s.listen(t, 6)
	d := &roamer{}
	l, changed := networked(t, d, uri, func(b *model.Batch) {
		security(b)
		b.SetAll(0, 25, lwm2m.String("coaps+tcp://second.invalid"))
	})
	l.server = s
	l.await(changed, "registered", isRegistered)
	l.wantCalls(register)
	d.set(func() { d.moved, d.down, d.dials = true, true, nil })
	l.client.NetworkChanged()
	l.await(changed, "waiting after two attempts", func(s AccountStatus) bool { return s.State == Waiting && s.Attempts >= 2 })
	d.set(func() { d.down = false })
	l.await(changed, "registered again", isRegistered)
	l.wantCalls(updated)
	d.set(func() {
		const attempt = "first with a session, second"
		if got := strings.Join(d.dials[:4], ", "); got != attempt+", "+attempt {
			t.Errorf("dialled %s", got)
		}
	})
}
