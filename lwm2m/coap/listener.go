package coap

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// PacketConn is what a [Listener] needs of a UDP socket; [*net.UDPConn] is one.
type PacketConn interface {
	ReadFromUDPAddrPort(b []byte) (n int, addr netip.AddrPort, err error)
	WriteToUDPAddrPort(b []byte, addr netip.AddrPort) (int, error)
	LocalAddr() net.Addr
	SetReadDeadline(t time.Time) error
	Close() error
}

// ListenOptions of a [Listener]. A zero field means its default.
type ListenOptions struct {
	Conn     Options       // of each connection
	MaxConns int           // peers at a time; 1024
	Idle     time.Duration // a peer with nothing outstanding is forgotten after, when room is needed or the next peer appears; 24 h
}

// Listener gives one [Conn] to each peer of a UDP socket.
type Listener struct{}

// Listen makes a listener on pc. Nothing is received before [Listener.Run]. All
// connections share the handler; [Exchange.Conn] tells them apart.
func Listen(pc PacketConn, h Handler, o ListenOptions) *Listener { return nil }

// Run receives until ctx ends, Close is called or the socket fails, and then ends all
// connections, as [Conn.Run] does.
func (l *Listener) Run(ctx context.Context) error { return nil }

// Conn returns the connection with a peer, a new one if need be. The error is
// [ErrClosed] or [ErrQueueFull] (MaxConns peers, all with something outstanding).
func (l *Listener) Conn(addr netip.AddrPort) (*Conn, error) { return nil, nil }

// Addr is the socket's.
func (l *Listener) Addr() net.Addr { return nil }

// Close ends all connections and closes the socket. It does not wait for Run.
func (l *Listener) Close() error { return nil }
