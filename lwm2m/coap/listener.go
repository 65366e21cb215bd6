package coap

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
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
	Idle     time.Duration // a peer with nothing outstanding that was silent for as long is forgotten when the next one appears; 24 h
}

// Listener gives one [Conn] to each peer of a UDP socket.
type Listener struct {
	pc      PacketConn
	handler Handler
	options ListenOptions
	timers  sync.WaitGroup // of all connections

	mu     sync.Mutex
	closed bool
	peers  map[netip.AddrPort]*list.Element // of *peer
	recent list.List                        // the peer that was heard last is in front
}

// Listen makes a listener on pc. Nothing is received before [Listener.Run]. All
// connections share the handler; [Exchange.Conn] tells them apart.
func Listen(pc PacketConn, h Handler, o ListenOptions) *Listener {
	if o.MaxConns <= 0 {
		o.MaxConns = 1024
	}
	if o.Idle <= 0 {
		o.Idle = 24 * time.Hour
	}
	o.Conn.Limits = o.Conn.Limits.withDefaults()
	return &Listener{pc: pc, handler: h, options: o, peers: make(map[netip.AddrPort]*list.Element)}
}

// Run receives until ctx ends, Close is called or the socket fails, and then ends all
// connections, as [Conn.Run] does.
func (l *Listener) Run(ctx context.Context) error {
	release := interrupt(ctx, l.pc)
	err := l.read()
	release()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if l.end() {
		err = nil
	}
	l.timers.Wait()
	return err
}

func (l *Listener) read() error {
	in := l.newInbox()
	for {
		n, addr, err := l.pc.ReadFromUDPAddrPort(in.buf)
		if err != nil {
			if isLoss(err) {
				continue
			}
			return fmt.Errorf("receive on %v: %w", l.pc.LocalAddr(), err)
		}
		c := l.heard(netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()), in.buf[:n])
		if c != nil && c.receive(in, n) {
			in = l.newInbox()
		}
	}
}

func (l *Listener) newInbox() *inbox {
	return &inbox{buf: make([]byte, l.options.Conn.Limits.MaxDatagram+1)}
}

// heard returns the connection that a datagram is for. A stranger gets one for a
// request only: nothing else from it can be meant.
func (l *Listener) heard(addr netip.AddrPort, b []byte) *Conn {
	l.mu.Lock()
	if e := l.peers[addr]; e != nil {
		l.recent.MoveToFront(e)
		l.mu.Unlock()
		return e.Value.(*peer).conn
	}
	l.mu.Unlock()
	if len(b) >= headerLen && b[0]>>6 == version && Code(b[1]).IsRequest() {
		c, _ := l.Conn(addr) // no room: the datagram is lost
		return c
	}
	if id, ok := rejectable(b); ok { // ping, or for somebody who is no more
		_, _ = l.pc.WriteToUDPAddrPort(appendEmpty(nil, RST, id), addr)
	}
	return nil
}

// Conn returns the connection with a peer, a new one if need be. The error is
// [ErrClosed] or [ErrQueueFull] (MaxConns peers, all with something outstanding).
func (l *Listener) Conn(addr netip.AddrPort) (*Conn, error) {
	addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	l.mu.Lock()
	c, evicted, err := l.admit(addr)
	l.mu.Unlock()
	for _, old := range evicted {
		old.end()
	}
	return c, err
}

// admit finds or makes a connection, and makes room for it. mu is held.
func (l *Listener) admit(addr netip.AddrPort) (c *Conn, evicted []*Conn, err error) {
	if e := l.peers[addr]; e != nil {
		return e.Value.(*peer).conn, nil, nil
	}
	if l.closed {
		return nil, nil, ErrClosed
	}
	for e := l.recent.Back(); e != nil; {
		p, previous := e.Value.(*peer), e.Prev()
		if len(l.peers) < l.options.MaxConns && time.Since(p.conn.lastActive()) < l.options.Idle {
			break
		}
		if !p.conn.busy() {
			l.remove(p)
			evicted = append(evicted, p.conn)
		}
		e = previous
	}
	if len(l.peers) >= l.options.MaxConns {
		return nil, evicted, ErrQueueFull
	}
	p := &peer{listener: l, addr: addr, remote: net.UDPAddrFromAddrPort(addr)}
	p.conn = newConn(p, l.handler, l.options.Conn, &l.timers)
	l.peers[addr] = l.recent.PushFront(p)
	return p.conn, evicted, nil
}

// remove forgets a peer. mu is held.
func (l *Listener) remove(p *peer) {
	if e := l.peers[p.addr]; e != nil && e.Value.(*peer) == p {
		l.recent.Remove(e)
		delete(l.peers, p.addr)
	}
}

// Addr is the socket's.
func (l *Listener) Addr() net.Addr { return l.pc.LocalAddr() }

// Close ends all connections and closes the socket. It does not wait for Run.
func (l *Listener) Close() error {
	err := l.pc.Close()
	l.end()
	return err
}

// end ends all connections. It tells whether that was done before.
func (l *Listener) end() (before bool) {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return true
	}
	l.closed = true
	var conns []*Conn
	for e := l.recent.Front(); e != nil; e = e.Next() {
		conns = append(conns, e.Value.(*peer).conn)
	}
	l.peers = nil
	l.recent.Init()
	l.mu.Unlock()
	for _, c := range conns {
		c.end()
	}
	return false
}

// peer is one remote address of a Listener, as the transport of its Conn.
type peer struct {
	listener *Listener
	addr     netip.AddrPort
	remote   net.Addr
	conn     *Conn
}

var _ net.Conn = (*peer)(nil)

// Write sends one datagram.
func (p *peer) Write(b []byte) (int, error) { return p.listener.pc.WriteToUDPAddrPort(b, p.addr) }

// Read is not used: the listener reads.
func (p *peer) Read([]byte) (int, error) { return 0, errors.ErrUnsupported }

// Close forgets the peer.
func (p *peer) Close() error {
	p.listener.mu.Lock()
	defer p.listener.mu.Unlock()
	p.listener.remove(p)
	return nil
}

// LocalAddr is the socket's.
func (p *peer) LocalAddr() net.Addr { return p.listener.Addr() }

// RemoteAddr is the peer's.
func (p *peer) RemoteAddr() net.Addr { return p.remote }

// SetDeadline is not supported; nor are the others.
func (p *peer) SetDeadline(time.Time) error { return errors.ErrUnsupported }

// SetReadDeadline is not supported.
func (p *peer) SetReadDeadline(time.Time) error { return errors.ErrUnsupported }

// SetWriteDeadline is not supported.
func (p *peer) SetWriteDeadline(time.Time) error { return errors.ErrUnsupported }
