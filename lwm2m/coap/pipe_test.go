package coap

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
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
func run(tb testing.TB, c *Conn) {
	tb.Helper()
	var done sync.WaitGroup
	done.Go(func() { _ = c.Run(tb.Context()) })
	tb.Cleanup(func() {
		_ = c.Close()
		done.Wait()
	})
}

// pair returns two running connections to each other.
func pair(tb testing.TB, client, server Handler, o Options) (*Conn, *Conn, *end, *end) {
	tb.Helper()
	a, b := pipe()
	ca, cb := New(a, client, o), New(b, server, o)
	run(tb, ca)
	run(tb, cb)
	return ca, cb, a, b
}

// silence is longer than anything that a test waits for, in the bubble's time.
const silence = 2000 * time.Second

// receive returns the next message that the other end sends within a time of the bubble,
// or nil. Within 0 means before everybody waits for something.
func (e *end) receive(t *testing.T, within time.Duration) *Message {
	t.Helper()
	var b []byte
	select {
	case b = <-e.in:
	case <-after(within):
		synctest.Wait() // for what happens at the same instant
		select {
		case b = <-e.in:
		default:
			return nil
		}
	}
	m, err := Parse(b)
	if err != nil {
		t.Fatalf("received %x: %v", b, err)
	}
	return m
}

// after is time.After, at once for 0.
func after(d time.Duration) <-chan time.Time {
	if d > 0 {
		return time.After(d)
	}
	now := make(chan time.Time)
	close(now)
	return now
}

// expect is receive of a message that has to come, of a type and code.
func (e *end) expect(t *testing.T, within time.Duration, typ Type, code Code) *Message {
	t.Helper()
	m := e.receive(t, within)
	if m == nil {
		t.Fatalf("nothing came within %v, want %v %v", within, typ, code)
	}
	if m.Type != typ || m.Code != code {
		t.Fatalf("got %v, want %v %v", show(m), typ, code)
	}
	return m
}

// expectNothing fails if a message comes within a time.
func (e *end) expectNothing(t *testing.T, within time.Duration) {
	t.Helper()
	if m := e.receive(t, within); m != nil {
		t.Fatalf("got %v, want nothing", show(m))
	}
}

// send sends a message with the type, message ID and token that it has.
func (e *end) send(t *testing.T, m *Message) {
	t.Helper()
	if _, err := e.Write(wire(t, m)); err != nil {
		t.Fatal(err)
	}
}

func wire(tb testing.TB, m *Message) []byte {
	tb.Helper()
	b, err := appendMessage(nil, m.Type, m.Code, m.ID, m.Token, m.options, m.Payload)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func show(m *Message) string {
	s := fmt.Sprintf("%v %v id=%d token=%v", m.Type, m.Code, m.ID, m.Token)
	for id, v := range m.Options() {
		s += fmt.Sprintf(" %d=%x", id, v)
	}
	return s + fmt.Sprintf(" %d bytes", len(m.Payload))
}

func token(b ...byte) Token {
	t, err := MakeToken(b)
	if err != nil {
		panic(err)
	}
	return t
}

// scripted runs one Conn and returns it with the end that the test plays the peer at.
func scripted(tb testing.TB, h Handler, o Options) (*Conn, *end) {
	tb.Helper()
	a, b := pipe()
	c := New(a, h, o)
	run(tb, c)
	return c, b
}

// elapse lets the bubble's time pass.
func elapse(d time.Duration) { <-time.After(d) }

// idle fails if a timer of c is armed.
func idle(t *testing.T, c *Conn) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.alarm.armed.IsZero() || len(c.alarm.heap) > 0 {
		t.Errorf("a timer is armed until %v, %d deadlines", c.alarm.armed, len(c.alarm.heap))
	}
	if n := len(c.queue) + len(c.sent) + len(c.calls) + c.deferred + c.outstanding + c.transfers.count() + c.transfers.bytes; n > 0 {
		t.Errorf("left over: %d queued, %d sent, %d calls, %d deferred, %d outstanding, %d transfers of %d bytes",
			len(c.queue), len(c.sent), len(c.calls), c.deferred, c.outstanding, c.transfers.count(), c.transfers.bytes)
	}
}

// request makes a request as a scripted peer sends it.
func request(typ Type, code Code, id uint16, tok Token, path string) *Message {
	m := &Message{Type: typ, Code: code, ID: id, Token: tok}
	m.SetPath(path)
	return m
}

// with returns m with an option of format uint.
func (m *Message) with(id OptionID, v uint32) *Message {
	m.SetOptionUint(id, v)
	return m
}

// carrying returns m with a payload.
func (m *Message) carrying(payload []byte) *Message {
	m.Payload = payload
	return m
}
