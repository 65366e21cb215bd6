package at

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

// ErrNoSockets says that a modem sends no datagrams by AT commands, or not as any family here.
var ErrNoSockets = errors.New("the modem has no UDP sockets that are known here")

// maxQueued bounds the datagrams that wait in a socket, either way. What does not fit is lost, as
// anywhere in a network, the oldest first.
const maxQueued = 16

// DialUDP returns a UDP socket of the modem's own IP stack, connected to an address, "192.0.2.1:5684". It
// keeps the boundaries of datagrams. As any UDP socket it outlives the modem's restarts and losses of the
// network: datagrams are lost meanwhile, and the next one opens it again in the module. Write never
// waits; it gives EMSGSIZE for what is longer than the module takes.
//
// The error wraps ErrAbsent or ErrNoSockets.
func (m *Modem) DialUDP(_ context.Context, address string) (net.Conn, error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, fmt.Errorf("open a socket in the modem: %w", err)
	}
	p, err := m.sockets.through()
	if err != nil {
		return nil, err
	}
	s := &socket{
		of: &m.sockets, most: p.family.most, remote: netip.AddrPortFrom(to.Addr().Unmap(), to.Port()), port: ephemeral(),
		in: make(chan []byte, maxQueued), out: make(chan []byte, maxQueued), closed: make(chan struct{}), late: make(chan struct{}),
	}
	m.sockets.add(s)
	return s, nil
}

// ephemeral chooses a port of those that are free for use (RFC 6335, section 6).
func ephemeral() uint16 { return 49152 + rand.N[uint16](65535-49152) }

// LookupNetIP asks the network for the addresses of a host, through the modem. network is "ip", "ip4"
// or "ip6", which makes no difference.
func (m *Modem) LookupNetIP(ctx context.Context, _, host string) ([]netip.Addr, error) {
	p, err := m.sockets.through()
	if err == nil && p.family.lookup == nil {
		return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	}
	var found []netip.Addr
	if err == nil {
		found, err = p.lookup(ctx, host)
	}
	if err != nil {
		return nil, &net.DNSError{Err: err.Error(), Name: host, IsTemporary: true, UnwrapErr: err}
	}
	return found, nil
}

// LocalIP returns the address that the network gave the modem, 0.0.0.0 if it is not known, and false while the modem is away.
func (m *Modem) LocalIP() (netip.Addr, bool) {
	if _, err := m.sockets.through(); err != nil {
		return netip.Addr{}, false
	}
	if a := m.sockets.address.Load(); a != nil {
		return *a, true
	}
	return netip.IPv4Unspecified(), true
}

// socket is one of DialUDP.
type socket struct {
	of     *sockets
	most   int
	remote netip.AddrPort
	port   uint16

	in, out chan []byte
	closed  chan struct{}

	mu    sync.Mutex
	local netip.Addr // as soon as it is known
	lost  bool       // in the module: what is sent to it does not arrive, until something is sent from it
	timer *time.Timer
	late  chan struct{} // closed when the read deadline has passed
	ended bool
}

var _ net.Conn = (*socket)(nil)

// put lets a datagram in, or through, without waiting.
func put(queue chan []byte, datagram []byte) {
	for {
		select {
		case queue <- datagram:
			return
		default:
		}
		select {
		case <-queue:
		default:
		}
	}
}

// Write implements net.Conn.
func (s *socket) Write(b []byte) (int, error) {
	if len(b) > s.most {
		return 0, s.failed("write", fmt.Errorf("%d bytes, the modem takes %d: %w", len(b), s.most, syscall.EMSGSIZE))
	}
	select {
	case <-s.closed:
		return 0, s.failed("write", net.ErrClosed)
	default:
	}
	put(s.out, slices.Clone(b))
	s.of.wake()
	return len(b), nil
}

// Read implements net.Conn: one datagram, cut to the size of b.
func (s *socket) Read(b []byte) (int, error) {
	s.mu.Lock()
	late := s.late
	s.mu.Unlock()
	select {
	case <-s.closed:
		return 0, s.failed("read", net.ErrClosed)
	case <-late:
		return 0, s.failed("read", os.ErrDeadlineExceeded)
	default:
	}
	select {
	case d := <-s.in:
		return copy(b, d), nil
	case <-s.closed:
		return 0, s.failed("read", net.ErrClosed)
	case <-late:
		return 0, s.failed("read", os.ErrDeadlineExceeded)
	}
}

func (s *socket) failed(what string, err error) error {
	return &net.OpError{Op: what, Net: "udp", Source: s.LocalAddr(), Addr: s.RemoteAddr(), Err: err}
}

// Close implements net.Conn. The module closes the socket a little later.
func (s *socket) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil
	}
	s.ended = true
	if s.timer != nil {
		s.timer.Stop()
	}
	close(s.closed)
	s.of.remove(s)
	return nil
}

// lose notes whether the module has lost the socket.
func (s *socket) lose(lost bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost = lost
}

// LocalAddr implements net.Conn: the address of the modem when it was first known, 0.0.0.0 before. While the module has lost the socket, it is
// "::", no address of any modem: nothing that is sent to the one it had arrives.
func (s *socket) LocalAddr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost {
		return net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.IPv6Unspecified(), s.port))
	}
	if a := s.of.address.Load(); !s.local.IsValid() && a != nil {
		s.local = *a
	}
	a := s.local
	if !a.IsValid() {
		a = netip.IPv4Unspecified()
	}
	return net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, s.port))
}

// RemoteAddr implements net.Conn.
func (s *socket) RemoteAddr() net.Addr { return net.UDPAddrFromAddrPort(s.remote) }

// SetDeadline implements net.Conn; nothing but Read waits.
func (s *socket) SetDeadline(t time.Time) error { return s.SetReadDeadline(t) }

// SetWriteDeadline implements net.Conn.
func (s *socket) SetWriteDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.Conn.
func (s *socket) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return s.closedError()
	}
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	select {
	case <-s.late: // who waits has been told
		s.late = make(chan struct{})
	default:
	}
	if t.IsZero() {
		return nil
	}
	late := s.late
	if d := time.Until(t); d > 0 {
		s.timer = time.AfterFunc(d, func() { s.expire(late) })
		return nil
	}
	close(late)
	return nil
}

func (s *socket) closedError() error {
	return &net.OpError{Op: "set", Net: "udp", Err: net.ErrClosed}
}

// expire passes a deadline, unless there is another one.
func (s *socket) expire(late chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.late != late {
		return
	}
	select {
	case <-late:
	default:
		close(late)
	}
}
