package dtlstest

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// packet is a datagram and where it came from.
type packet struct {
	data []byte
	from net.Addr
}

// queue is a datagram socket in memory. What it receives waits in a channel, and is
// lost when that is full.
type queue struct {
	local net.Addr
	in    chan packet
	send  func(b []byte, to net.Addr) error

	closing sync.Once
	closed  chan struct{}

	mu       sync.Mutex
	remote   net.Addr
	from     net.Addr // of the packet read last
	deadline time.Time
	changed  chan struct{} // closed when deadline changes
}

func newQueue(local, remote net.Addr) *queue {
	return &queue{
		local: local, remote: remote, in: make(chan packet, 256),
		closed: make(chan struct{}), changed: make(chan struct{}),
	}
}

// put delivers a datagram, which the queue keeps.
func (q *queue) put(p packet) {
	select {
	case q.in <- p:
	default:
	}
}

func (q *queue) Read(b []byte) (int, error) {
	for {
		p, ok, err := q.wait()
		if err != nil {
			return 0, err
		}
		if ok {
			q.mu.Lock()
			q.from = p.from
			q.mu.Unlock()
			return copy(b, p.data), nil
		}
	}
}

// wait returns the next packet, or none if the deadline was changed meanwhile.
func (q *queue) wait() (packet, bool, error) {
	q.mu.Lock()
	deadline, changed := q.deadline, q.changed
	q.mu.Unlock()
	var expired <-chan time.Time
	if !deadline.IsZero() {
		left := time.Until(deadline)
		if left <= 0 {
			return packet{}, false, os.ErrDeadlineExceeded
		}
		timer := time.NewTimer(left)
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case <-q.closed:
		return packet{}, false, net.ErrClosed
	case p := <-q.in:
		return p, true, nil
	case <-expired:
		return packet{}, false, os.ErrDeadlineExceeded
	case <-changed:
		return packet{}, false, nil
	}
}

func (q *queue) Write(b []byte) (int, error) {
	select {
	case <-q.closed:
		return 0, io.ErrClosedPipe
	default:
	}
	q.mu.Lock()
	to := q.remote
	q.mu.Unlock()
	return len(b), q.send(b, to)
}

// Follow sends to the source of the datagram that was read last from now on.
func (q *queue) Follow() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.remote = q.from
}

func (q *queue) Close() error {
	q.closing.Do(func() { close(q.closed) })
	return nil
}

func (q *queue) LocalAddr() net.Addr { return q.local }

func (q *queue) RemoteAddr() net.Addr {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.remote
}

func (q *queue) SetReadDeadline(t time.Time) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.deadline = t
	close(q.changed)
	q.changed = make(chan struct{})
	return nil
}

func (q *queue) SetWriteDeadline(time.Time) error { return nil } // writes never wait

func (q *queue) SetDeadline(t time.Time) error { return q.SetReadDeadline(t) }
