package dtlstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"

	"lwm2m-agent/lwm2m/dtls/internal/record"
)

// Listener is a server on a UDP port with any number of clients. It tells their
// sessions apart by connection ID, then by address.
type Listener struct {
	socket *net.UDPConn
	cfg    Config
	cancel context.CancelFunc
	done   sync.WaitGroup

	accepted chan *Conn
	failed   chan error

	mu    sync.Mutex
	peers []*peer // the newest last
}

// peer is one session of a client, or its handshake.
type peer struct {
	*queue

	key  string // the address of the handshake
	cid  []byte // on the client's records, once the handshake is done
	done bool
}

// Listen opens a UDP socket such as "127.0.0.1:0". The context bounds all
// handshakes; Close ends the listener.
func Listen(ctx context.Context, addr string, cfg Config) (*Listener, error) {
	udp, err := net.ResolveUDPAddr("udp", addr)
	if err != nil {
		return nil, fmt.Errorf("dtlstest: %w", err)
	}
	socket, err := net.ListenUDP("udp", udp)
	if err != nil {
		return nil, fmt.Errorf("dtlstest: %w", err)
	}
	l := &Listener{socket: socket, cfg: cfg, accepted: make(chan *Conn, 16), failed: make(chan error, 16)}
	ctx, l.cancel = context.WithCancel(ctx)
	l.done.Go(func() { l.serve(ctx) })
	return l, nil
}

// Addr returns the address of the socket.
func (l *Listener) Addr() net.Addr { return l.socket.LocalAddr() }

// Accept returns the next session whose handshake is done.
func (l *Listener) Accept(ctx context.Context) (*Conn, error) {
	select {
	case c := <-l.accepted:
		return c, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("dtlstest: accept: %w", context.Cause(ctx))
	}
}

// Failed returns a channel of handshakes' errors; what is not read in time is lost.
func (l *Listener) Failed() <-chan error { return l.failed }

// Close closes the socket and all sessions, without a word to the clients, and
// waits for the end of the goroutines.
func (l *Listener) Close() error {
	l.cancel()
	err := l.socket.Close()
	l.mu.Lock()
	for _, p := range l.peers {
		_ = p.Close()
	}
	l.mu.Unlock()
	l.done.Wait()
	return err
}

func (l *Listener) serve(ctx context.Context) {
	buf := make([]byte, 1<<16)
	for {
		n, from, err := l.socket.ReadFromUDP(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			l.deliver(ctx, packet{bytes.Clone(buf[:n]), from})
		}
	}
}

// deliver hands a datagram to the sessions it may belong to; each drops what it
// cannot open. A ClientHello begins a new one beside an established one.
func (l *Listener) deliver(ctx context.Context, p packet) {
	l.mu.Lock()
	defer l.mu.Unlock()
	handshaking := false
	for _, peer := range l.peers {
		byCID := len(peer.cid) > 0 && len(p.data) > 11+len(peer.cid) && p.data[0] == byte(record.ConnectionID) &&
			bytes.Equal(p.data[11:][:len(peer.cid)], peer.cid)
		if byCID || peer.key == p.from.String() {
			peer.put(p)
			handshaking = handshaking || !peer.done
		}
	}
	if !handshaking && isClientHello(p.data) {
		l.begin(ctx, p)
	}
}

// isClientHello reports whether a datagram begins with a ClientHello in epoch 0.
func isClientHello(d []byte) bool {
	return len(d) > record.HeaderSize && d[0] == byte(record.Handshake) && d[3] == 0 && d[4] == 0 &&
		d[record.HeaderSize] == 1
}

// begin runs a handshake on a goroutine of its own. The caller holds l.mu.
func (l *Listener) begin(ctx context.Context, p packet) {
	n := &peer{queue: newQueue(l.Addr(), p.from), key: p.from.String()}
	n.send = func(b []byte, to net.Addr) error {
		_, err := l.socket.WriteTo(b, to)
		return err
	}
	n.put(p)
	l.peers = append(l.peers, n)
	l.done.Go(func() {
		c, err := Accept(ctx, n, l.cfg)
		if err != nil {
			l.remove(n)
			select {
			case l.failed <- err:
			default:
			}
			return
		}
		l.establish(n, c)
		select {
		case l.accepted <- c:
		case <-ctx.Done():
		}
	})
}

func (l *Listener) remove(p *peer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.peers = slices.DeleteFunc(l.peers, func(q *peer) bool { return q == p })
}

// establish routes to the new session and no longer to an older one of the same
// address (RFC 6347, section 4.2.8).
func (l *Listener) establish(p *peer, c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p.done, p.cid = true, c.CID()
	l.peers = slices.DeleteFunc(l.peers, func(q *peer) bool { return q != p && q.key == p.key && q.done })
}
