package coap

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

// end is one end of an in-memory connection that preserves message boundaries. It
// works in a synctest bubble.
type end struct {
	name  string
	other *end
	in    chan []byte
	limit int // of Read's datagrams, as a DTLS connection has; 0: Read cuts like a UDP socket

	mu          sync.Mutex
	fate        func(n int, b []byte) []time.Duration // nil: delivered at once
	written     int
	failures    []error // of the next Writes
	closed      chan struct{}
	interrupted chan struct{} // closed by a read deadline in the past
}

// pipe returns two connected ends. Datagrams that nobody reads wait in a long queue.
func pipe() (*end, *end) {
	make1 := func(name string) *end {
		return &end{name: name, in: make(chan []byte, 4096), closed: make(chan struct{}), interrupted: make(chan struct{})}
	}
	a, b := make1("a"), make1("b")
	a.other, b.other = b, a
	return a, b
}

// disturb decides what happens to the n-th datagram (from 0) that e sends: one delivery
// after each of the delays, none at all if there are none.
func (e *end) disturb(fate func(n int, b []byte) []time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fate = fate
}

// refuse makes the next Writes fail.
func (e *end) refuse(errs ...error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failures = errs
}

func (e *end) Write(b []byte) (int, error) {
	select {
	case <-e.closed:
		return 0, net.ErrClosed
	default:
	}
	e.mu.Lock()
	if len(e.failures) > 0 {
		err := e.failures[0]
		e.failures = e.failures[1:]
		e.mu.Unlock()
		return 0, err
	}
	deliveries := []time.Duration{0}
	if e.fate != nil {
		deliveries = e.fate(e.written, b)
	}
	e.written++
	e.mu.Unlock()
	for _, delay := range deliveries {
		datagram := append([]byte(nil), b...)
		if delay == 0 {
			e.other.deliver(datagram)
			continue
		}
		time.AfterFunc(delay, func() { e.other.deliver(datagram) })
	}
	return len(b), nil
}

func (e *end) deliver(b []byte) {
	select {
	case e.in <- b:
	default: // the queue is full: lost
	}
}

func (e *end) Read(b []byte) (int, error) {
	select {
	case <-e.closed:
		return 0, net.ErrClosed
	case <-e.interrupted:
		return 0, os.ErrDeadlineExceeded
	case datagram := <-e.in:
		if e.limit > 0 && len(datagram) > len(b) {
			return 0, io.ErrShortBuffer
		}
		return copy(b, datagram), nil
	}
}

func (e *end) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	select {
	case <-e.closed:
	default:
		close(e.closed)
	}
	return nil
}

func (e *end) SetReadDeadline(t time.Time) error {
	if t.IsZero() || t.After(time.Now()) {
		return errors.ErrUnsupported
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	select {
	case <-e.interrupted:
	default:
		close(e.interrupted)
	}
	return nil
}

func (e *end) SetDeadline(t time.Time) error    { return e.SetReadDeadline(t) }
func (e *end) SetWriteDeadline(time.Time) error { return nil }
func (e *end) LocalAddr() net.Addr              { return pipeAddr(e.name) }
func (e *end) RemoteAddr() net.Addr             { return pipeAddr(e.other.name) }

type pipeAddr string

func (a pipeAddr) Network() string { return "pipe" }
func (a pipeAddr) String() string  { return string(a) }

// run runs c until the test has ended, and checks that it ends then.
func run(t testing.TB, c *Conn) {
	t.Helper()
	var done sync.WaitGroup
	done.Go(func() { _ = c.Run(t.Context()) })
	t.Cleanup(func() {
		_ = c.Close()
		done.Wait()
	})
}

// pair returns two running connections to each other.
func pair(t testing.TB, client, server Handler, o Options) (*Conn, *Conn, *end, *end) {
	t.Helper()
	a, b := pipe()
	ca, cb := New(a, client, o), New(b, server, o)
	run(t, ca)
	run(t, cb)
	return ca, cb, a, b
}
