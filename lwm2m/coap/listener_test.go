package coap

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// packet is a datagram with its address.
type packet struct {
	addr netip.AddrPort
	b    []byte
}

// socket is an in-memory UDP socket for a synctest bubble.
type socket struct {
	in, out     chan packet
	closed      chan struct{}
	interrupted chan struct{}
	once, stop  sync.Once
}

func newSocket() *socket {
	return &socket{in: make(chan packet, 64), out: make(chan packet, 64), closed: make(chan struct{}), interrupted: make(chan struct{})}
}

func (s *socket) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case p := <-s.in:
		return copy(b, p.b), p.addr, nil
	case <-s.closed:
		return 0, netip.AddrPort{}, net.ErrClosed
	case <-s.interrupted:
		return 0, netip.AddrPort{}, os.ErrDeadlineExceeded
	}
}

func (s *socket) WriteToUDPAddrPort(b []byte, addr netip.AddrPort) (int, error) {
	s.out <- packet{addr, append([]byte(nil), b...)}
	return len(b), nil
}

func (s *socket) LocalAddr() net.Addr { return pipeAddr("socket") }

func (s *socket) SetReadDeadline(time.Time) error {
	s.stop.Do(func() { close(s.interrupted) })
	return nil
}

func (s *socket) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

// exchange sends a datagram from a peer and returns what it gets, or nil.
func (s *socket) exchange(t *testing.T, addr netip.AddrPort, m *Message) *Message {
	t.Helper()
	s.in <- packet{addr, wire(t, m)}
	return s.receive(t, addr)
}

func (s *socket) receive(t *testing.T, addr netip.AddrPort) *Message {
	t.Helper()
	synctest.Wait()
	select {
	case p := <-s.out:
		m, err := Parse(p.b)
		if err != nil || p.addr != addr {
			t.Fatalf("sent %x to %v: %v", p.b, p.addr, err)
		}
		return m
	default:
		return nil
	}
}

func listening(t *testing.T, h Handler, o ListenOptions) (*Listener, *socket) {
	t.Helper()
	s := newSocket()
	l := Listen(s, h, o)
	var done sync.WaitGroup
	done.Go(func() { _ = l.Run(t.Context()) })
	t.Cleanup(done.Wait)
	return l, s
}

func peerAddr(n byte) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, n}), 5683)
}

func TestListenerTellsPeersApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conns := map[*Conn]int{}
		l, s := listening(t, func(x *Exchange) {
			conns[x.Conn()]++
			_ = x.Respond(&Message{Code: Content, Payload: []byte(x.Conn().RemoteAddr().String())})
		}, ListenOptions{})
		for range 2 {
			for n := byte(1); n < 4; n++ {
				m := s.exchange(t, peerAddr(n), request(NON, GET, uint16(len(conns)*100+conns[nil]), token(1), "/a"))
				if m == nil || string(m.Payload) != peerAddr(n).String() {
					t.Errorf("%d got %v", n, m)
				}
			}
			conns[nil]++ // other message IDs in the second round
		}
		delete(conns, nil)
		if len(conns) != 3 {
			t.Errorf("%d connections", len(conns))
		}
		mapped := netip.AddrPortFrom(netip.AddrFrom16(peerAddr(1).Addr().As16()), 5683)
		same, err := l.Conn(mapped)
		if err != nil || conns[same] != 2 {
			t.Errorf("the mapped address is another peer: %v", err)
		}
	})
}

func TestListenerSendsRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, s := listening(t, constant(), ListenOptions{})
		c, err := l.Conn(peerAddr(9))
		if err != nil {
			t.Fatal(err)
		}
		ended := start(t.Context(), c, get("/a"))
		req := s.receive(t, peerAddr(9))
		s.in <- packet{peerAddr(8), wire(t, &Message{Type: ACK, Code: Content, ID: req.ID, Token: req.Token})} // somebody else
		s.in <- packet{peerAddr(9), wire(t, &Message{Type: ACK, Code: Valid, ID: req.ID, Token: req.Token})}
		if o := <-ended; o.err != nil || o.m.Code != Valid {
			t.Errorf("got %v, %v", o.m, o.err)
		}
	})
}

// Strangers get a connection for requests only.
func TestListenerKeepsNothingForNoise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, s := listening(t, constant(), ListenOptions{})
		for _, tt := range []struct {
			name  string
			b     []byte
			reset bool
		}{
			{"garbage", []byte("hello"), false},
			{"nothing", nil, false},
			{"ping", []byte{0x40, 0, 0, 5}, true},
			{"CON response", []byte{0x40, 0x45, 0, 5}, true},
			{"NON response", []byte{0x50, 0x45, 0, 5}, false},
			{"ACK", []byte{0x60, 0, 0, 5}, false},
			{"RST", []byte{0x70, 0, 0, 5}, false},
		} {
			s.in <- packet{peerAddr(1), tt.b}
			if m := s.receive(t, peerAddr(1)); tt.reset != (m != nil) || m != nil && (m.Type != RST || m.ID != 5) {
				t.Errorf("%s: got %v", tt.name, m)
			}
		}
		if n := len(l.peers); n > 0 {
			t.Errorf("%d connections", n)
		}
	})
}

func TestListenerIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var held later
		l, s := listening(t, func(x *Exchange) {
			if x.Request.Path() == "/hold" {
				held.handle(x)
				return
			}
			_ = x.Reply(Content)
		}, ListenOptions{MaxConns: 2})
		ask := func(n byte, id uint16, path string) *Message {
			return s.exchange(t, peerAddr(n), request(NON, GET, id, token(1), path))
		}
		ask(1, 1, "/hold") // stays
		ask(2, 1, "/a")
		if m := ask(3, 1, "/a"); m == nil || m.Code != Content {
			t.Errorf("no room was made: %v", m)
		}
		if _, ok := l.peers[peerAddr(2)]; ok || len(l.peers) != 2 {
			t.Errorf("kept %v", l.peers)
		}
		ask(3, 2, "/hold")
		if m := ask(4, 1, "/a"); m != nil {
			t.Errorf("got %v where all are busy", show(m))
		}
		if _, err := l.Conn(peerAddr(4)); !errors.Is(err, ErrQueueFull) {
			t.Errorf("got %v", err)
		}
		for range 2 {
			if err := held.take(t).Reply(Content); err != nil {
				t.Error(err)
			}
			<-s.out
		}
		if m := ask(4, 2, "/a"); m == nil {
			t.Error("no answer")
		}
	})
}

func TestListenerForgetsTheIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, s := listening(t, constant(), ListenOptions{Idle: time.Hour})
		s.exchange(t, peerAddr(1), request(NON, GET, 1, token(1), "/a"))
		first, err := l.Conn(peerAddr(1))
		if err != nil {
			t.Fatal(err)
		}
		elapse(30 * time.Minute)
		s.exchange(t, peerAddr(2), request(NON, GET, 1, token(1), "/a"))
		elapse(31 * time.Minute)
		s.exchange(t, peerAddr(3), request(NON, GET, 1, token(1), "/a"))
		if len(l.peers) != 2 {
			t.Errorf("%d peers are kept", len(l.peers))
		}
		<-first.Done()
		if _, err := first.Do(t.Context(), get("/a")); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}

func TestListenerClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSocket()
		l := Listen(s, constant(), ListenOptions{})
		ran := make(chan error, 1)
		go func() { ran <- l.Run(t.Context()) }()
		c, err := l.Conn(peerAddr(1))
		if err != nil {
			t.Fatal(err)
		}
		closed, err := l.Conn(peerAddr(2))
		if err != nil {
			t.Fatal(err)
		}
		_ = closed.Close()
		if len(l.peers) != 1 {
			t.Errorf("%d peers", len(l.peers))
		}
		ended := start(t.Context(), c, get("/a"))
		synctest.Wait()
		_ = l.Close()
		if err := <-ran; err != nil {
			t.Errorf("Run: %v", err)
		}
		if o := <-ended; !errors.Is(o.err, ErrClosed) {
			t.Errorf("got %v", o.err)
		}
		if _, err := l.Conn(peerAddr(3)); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}

func TestListenerEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Listen(newSocket(), constant(), ListenOptions{})
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan error, 1)
		go func() { ran <- l.Run(ctx) }()
		cancel()
		if err := <-ran; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}
