package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"lwm2m-agent/lwm2m/coap"
)

// pipeEnd is one end of an in-memory datagram connection that works in a synctest
// bubble. Datagrams that find no room are lost, as are those for which cut has an error;
// it is returned if it is not errSwallowed.
type pipeEnd struct {
	in, out     chan []byte
	closed      chan struct{}
	close       func()
	interrupted chan struct{}
	once        sync.Once
	cut         func() error           // nil: never
	relay       func() []time.Duration // when the copies of a datagram arrive; nil: one at once
	address     pipeAddr
}

// again is the end as another process has it.
func (e *pipeEnd) again() *pipeEnd {
	next := &pipeEnd{in: e.in, out: e.out, closed: make(chan struct{}), interrupted: make(chan struct{}), cut: e.cut, relay: e.relay, address: e.address}
	next.close = sync.OnceFunc(func() { close(next.closed) })
	return next
}

var errSwallowed = errors.New("lost on the way")

func pipe(cut func() error, relay func() []time.Duration) (a, b *pipeEnd) {
	up, down := make(chan []byte, 1024), make(chan []byte, 1024)
	end := func(in, out chan []byte) *pipeEnd {
		e := &pipeEnd{in: in, out: out, closed: make(chan struct{}), interrupted: make(chan struct{}), cut: cut, relay: relay}
		e.close = sync.OnceFunc(func() { close(e.closed) })
		return e
	}
	return end(down, up), end(up, down)
}

func (e *pipeEnd) Read(b []byte) (int, error) {
	select {
	case d := <-e.in:
		return copy(b, d), nil
	case <-e.closed:
		return 0, net.ErrClosed
	case <-e.interrupted:
		return 0, os.ErrDeadlineExceeded
	}
}

func (e *pipeEnd) Write(b []byte) (int, error) {
	select {
	case <-e.closed:
		return 0, net.ErrClosed
	default:
	}
	if e.cut != nil {
		switch err := e.cut(); {
		case errors.Is(err, errSwallowed):
			return len(b), nil
		case err != nil:
			return 0, err
		}
	}
	d := append([]byte(nil), b...)
	if e.relay == nil {
		e.deliver(d)
		return len(b), nil
	}
	for _, after := range e.relay() {
		time.AfterFunc(after, func() { e.deliver(d) })
	}
	return len(b), nil
}

func (e *pipeEnd) deliver(d []byte) {
	select {
	case e.out <- d:
	default:
	}
}

func (e *pipeEnd) SetReadDeadline(t time.Time) error {
	if !t.IsZero() && t.Before(time.Unix(2, 0)) {
		e.once.Do(func() { close(e.interrupted) })
	}
	return nil
}

type pipeAddr string

func (e *pipeEnd) Close() error                     { e.close(); return nil }
func (e *pipeEnd) LocalAddr() net.Addr              { return e.address }
func (e *pipeEnd) RemoteAddr() net.Addr             { return e.address }
func (e *pipeEnd) SetDeadline(time.Time) error      { return nil }
func (e *pipeEnd) SetWriteDeadline(time.Time) error { return nil }

// call is a request that a scripted server has received.
type call struct {
	at      time.Time
	typ     coap.Type
	code    coap.Code
	path    string
	queries []string
	payload string
}

func (c call) String() string { return fmt.Sprintf("%s %s %v", c.code, c.path, c.queries) }

// scripted is a server that answers as a test tells it. The zero script registers
// whoever comes under /rd/N.
type scripted struct {
	t  testing.TB
	wg sync.WaitGroup

	mu     sync.Mutex
	dead   bool                                 // swallows all datagrams
	closed error                                // of each datagram that is sent to it
	refuse error                                // of dialling
	script func(c call) *coap.Message           // nil, or nil returned: the default
	onDial func(ctx context.Context, to Server) // nil: nothing
	relay  func() []time.Duration               // of pipeEnd
	calls  []call
	dials  []time.Time
	conn   *coap.Conn            // the last
	conns  map[uint16]*coap.Conn // of each account, by Short Server ID
	ends   map[uint16]net.Conn   // likewise, without a message layer
	near   net.Conn              // the client's end of it
	far    net.Conn              // and the server's
	count  int
	sticky bool // knows a client by its address, over connections
}

func (s *scripted) Dial(ctx context.Context, to Server) (net.Conn, error) {
	s.mu.Lock()
	s.dials = append(s.dials, time.Now())
	onDial := s.onDial
	s.mu.Unlock()
	if onDial != nil {
		onDial(ctx, to)
	}
	s.mu.Lock()
	refuse := s.refuse
	s.mu.Unlock()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if refuse != nil {
		return nil, refuse
	}
	if near := s.known(); near != nil {
		return near, nil
	}
	near, far := pipe(s.cut, s.relay)
	near.address = pipeAddr(fmt.Sprintf("%p", s)) // another one than that of other servers
	conn := coap.New(far, s.handle, coap.Options{})
	s.mu.Lock()
	s.conn, s.near, s.far = conn, near, far
	if s.conns == nil {
		s.conns, s.ends = make(map[uint16]*coap.Conn), make(map[uint16]net.Conn)
	}
	s.conns[to.ShortServerID] = conn
	s.ends[to.ShortServerID] = far
	s.mu.Unlock()
	s.wg.Go(func() { //nolint:contextcheck // the connection outlives the dialling
		defer far.Close()
		_ = conn.Run(s.t.Context())
	})
	return near, nil
}

// known is the client's end of the connection that there is.
func (s *scripted) known() net.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.sticky || s.near == nil {
		return nil
	}
	near := s.near.(*pipeEnd).again()
	s.near = near
	return near
}

// cut says what becomes of a datagram.
func (s *scripted) cut() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return errSwallowed
	}
	return s.closed
}

func (s *scripted) set(f func(s *scripted)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

func (s *scripted) handle(x *coap.Exchange) {
	m := x.Request
	c := call{time.Now(), m.Type, m.Code, m.Path(), m.Queries(), string(m.Payload)}
	s.mu.Lock()
	s.calls = append(s.calls, c)
	script := s.script
	s.mu.Unlock()
	var answer *coap.Message
	if script != nil {
		answer = script(c)
	}
	if answer == nil {
		answer = s.accept(c)
	}
	_ = x.Respond(answer)
}

func (s *scripted) accept(c call) *coap.Message {
	switch {
	case c.code == coap.DELETE:
		return &coap.Message{Code: coap.Deleted}
	case c.path != "/rd":
		return &coap.Message{Code: coap.Changed}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	m := &coap.Message{Code: coap.Created}
	m.SetLocationPath(fmt.Sprintf("/rd/%d", s.count))
	return m
}

// hangUp ends the connection from the client's side, as an alert of the server does.
func (s *scripted) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.near.Close()
}

// dialled returns when the client has dialled.
func (s *scripted) dialled() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]time.Time(nil), s.dials...)
}

// connection returns the server's end of the last connection.
func (s *scripted) connection() *coap.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conn
}

// take returns the calls since the last time.
func (s *scripted) take() []call {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := s.calls
	s.calls = nil
	return calls
}
