package coap

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Handler answers requests. It is called on the reader's goroutine and must not
// block: it either answers at once ([Exchange.Respond]) or hands the exchange to
// somebody who will.
type Handler func(x *Exchange)

// Direction says which way a datagram went.
type Direction bool

// Directions, seen from this end.
const (
	Received Direction = false
	Sent     Direction = true
)

// Options of a [Conn]. The zero value is ready for use.
type Options struct {
	Params Params
	Limits Limits

	// Upload, when not nil, is asked about each request body that comes in more
	// than one block, with its first block, on the reader's goroutine. A [Sink]
	// takes the blocks as they come, without limit of size; nil lets the body be
	// assembled up to [Limits.MaxBody] and handed to the Handler.
	Upload func(first *Message) Sink

	// Critical lists critical options that the Handler understands, beside
	// Uri-Host, Uri-Port, Uri-Path, Uri-Query and Accept. Others are refused
	// with 4.02 (RFC 7252 section 5.4.1).
	Critical []OptionID

	// Start, when not nil, is where the Conn goes on with its numbers; Observe values
	// then count by one, and do not follow the clock.
	Start *Point

	// Earlier lists requests that a former Conn with this peer received, the oldest
	// first. One whose answer cannot be encoded is not answered again.
	Earlier []Earlier

	// Trace, when not nil, sees each datagram as it is sent and received; [Parse]
	// decodes it. It must neither keep nor change it, nor block, nor call the Conn.
	Trace func(d Direction, datagram []byte)
}

// Conn exchanges messages with one peer. All methods may be called from any
// goroutine.
type Conn struct {
	nc       net.Conn
	handler  Handler
	options  Options // but for Params
	params   atomic.Pointer[Params]
	counters counters
	began    time.Time
	received atomic.Int64 // nanoseconds from began to the last message; 0: none yet
	done     chan struct{}
	timers   *sync.WaitGroup // counts the timers of this Conn, and of its Listener's others
	stream   *byteStream     // nil: nc keeps message boundaries

	// writing guards the composition of messages and is taken before mu. What is sent
	// once only (ACK, RST, piggy-backed, NON) is composed in wire; what may be
	// retransmitted has its own memory.
	writing sync.Mutex
	out     Message // options that are added to those of a message
	block   []byte  // of a Body
	wire    []byte

	// mu guards the rest. It is never held while something is sent or called.
	mu           sync.Mutex
	closed       bool
	ended        error // wraps ErrClosed, once closed
	failure      transportFailure
	alarm        alarm
	seen         deduplication
	lastID       uint16
	sequence     uint32 // last Observe value of a notification
	counted      bool   // its values do not follow the clock
	outstanding  int    // CON messages that count for NSTART
	queue        []*outgoing
	sent         map[uint16]*outgoing // may still be acknowledged or reset, by message ID
	calls        map[Token]*outgoing  // requests whose response is awaited
	observations map[Token]*Observation
	unconfirmed  []unconfirmed // ring of the last NON notifications
	oldest       int           // of the full ring
	deferred     int           // exchanges handed on by the Handler
	transfers    transfers
}

// transportFailure is the last error of the transport that counted as loss.
type transportFailure struct {
	err error
	at  time.Time
}

// New makes a connection over nc, which must keep message boundaries and whose Write
// must not wait for the peer to read: a connected UDP socket, a DTLS connection. Nothing is
// received before [Conn.Run]. A nil handler rejects requests with RST.
func New(nc net.Conn, h Handler, o Options) *Conn {
	return newConn(nc, h, o, new(sync.WaitGroup))
}

func newConn(nc net.Conn, h Handler, o Options, timers *sync.WaitGroup) *Conn {
	p := o.Params.WithDefaults()
	start := o.Start
	if start == nil {
		first := NewPoint()
		start = &first
	}
	o.Limits = o.Limits.withDefaults()
	c := &Conn{
		nc: nc, handler: h, options: o, timers: timers,
		began:        time.Now(),
		done:         make(chan struct{}),
		sequence:     start.Observe,
		counted:      o.Start != nil,
		seen:         deduplication{size: o.Limits.Deduplication},
		lastID:       start.MessageID,
		sent:         make(map[uint16]*outgoing),
		calls:        make(map[Token]*outgoing),
		observations: make(map[Token]*Observation),
	}
	c.params.Store(&p)
	c.alarm = alarm{wake: c.expired, running: timers}
	c.remember(o.Earlier)
	c.options.Earlier = nil
	return c
}

// Run receives until ctx ends, [Conn.Close] is called or the transport fails. It is
// called once. When it returns, all exchanges have ended with [ErrClosed] and no
// goroutine or timer of the Conn is left; nc is still open unless Close was called.
// It returns nil after Close, ctx's error, or that of the transport.
func (c *Conn) Run(ctx context.Context) error {
	release := interrupt(ctx, c.nc)
	read := c.read
	if c.stream != nil {
		read = c.readStream
	}
	err := read()
	release()
	fault := err
	if ctx.Err() != nil {
		fault, err = nil, ctx.Err()
	}
	c.mu.Lock()
	if c.closed {
		err = nil
	}
	c.mu.Unlock()
	c.endBecause(fault)
	if c.stream != nil {
		c.stream.out.hurry()
	}
	c.timers.Wait()
	return err
}

// read receives until the transport fails.
func (c *Conn) read() error {
	in := c.newInbox()
	for {
		n, err := c.nc.Read(in.buf)
		switch {
		case err == nil:
			if c.receive(in, n) {
				in = c.newInbox()
			}
		case isTooLarge(err):
			c.counters.receivedDatagrams.Add(1)
			c.counters.oversize.Add(1)
		case isLoss(err):
			c.lost(err)
		default:
			return fmt.Errorf("receive from %v: %w", c.nc.RemoteAddr(), err)
		}
	}
}

// interrupter is what ends a blocked read.
type interrupter interface {
	SetReadDeadline(t time.Time) error
	Close() error
}

// interrupt ends reads of nc when ctx ends. release waits until that is done or called off.
func interrupt(ctx context.Context, nc interrupter) (release func()) {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		if nc.SetReadDeadline(time.Unix(1, 0)) != nil {
			_ = nc.Close() // the only way left
		}
	})
	return func() {
		if !stop() {
			<-done
		}
	}
}

// Close ends all exchanges with [ErrClosed] and closes the transport. It does not
// wait for Run. It may be called from a Handler and more than once.
func (c *Conn) Close() error {
	closing := c.nc.Close
	if c.stream != nil {
		closing = c.stream.out.close
	}
	err := closing()
	c.end()
	return err
}

// end fails all that is outstanding and stops the timer.
func (c *Conn) end() { c.endBecause(nil) }

// endBecause is end with what is at fault, nil if nothing is: who waits is told.
func (c *Conn) endBecause(fault error) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.closed, c.ended = true, ErrClosed
	if fault != nil {
		c.ended = fmt.Errorf("%w: %w", ErrClosed, fault)
	}
	ended := c.ended
	c.alarm.stop()
	var settle []func()
	for _, o := range c.everyOutgoing() {
		o.over = true
		settle = append(settle, func() { o.settled(nil, ended) })
	}
	for _, o := range c.observations {
		o.finish(ended)
	}
	settle = append(settle, c.transfers.dropAll(ErrClosed)...)
	c.queue, c.sent, c.calls, c.observations, c.unconfirmed = nil, nil, nil, nil, nil
	c.seen = deduplication{size: c.seen.size}
	c.mu.Unlock()
	close(c.done)
	for _, f := range settle {
		f()
	}
}

// Done is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} { return c.done }

// LocalAddr is the transport's.
func (c *Conn) LocalAddr() net.Addr { return c.nc.LocalAddr() }

// RemoteAddr is the transport's.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// Params returns the transmission parameters in use.
func (c *Conn) Params() Params { return *c.params.Load() }

// SetParams changes the transmission parameters of what is sent from now on.
func (c *Conn) SetParams(p Params) {
	p = p.WithDefaults()
	c.params.Store(&p)
	c.mu.Lock()
	ready := c.dequeue()
	c.mu.Unlock()
	c.sendAll(ready)
}

// LastReceived is the time of the last well-formed message of the peer, the zero
// time if there was none.
func (c *Conn) LastReceived() time.Time {
	if c.received.Load() == 0 {
		return time.Time{}
	}
	return c.lastActive()
}

// lastActive is the time of the last message or of the beginning.
func (c *Conn) lastActive() time.Time {
	return c.began.Add(time.Duration(c.received.Load()))
}

// busy tells whether something is outstanding in either direction.
func (c *Conn) busy() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue)+len(c.sent)+len(c.calls)+len(c.observations)+c.deferred+c.transfers.count() > 0
}

// send writes one datagram, or the frame of one on a stream. An error of an earlier datagram, which the kernel reports
// instead of sending this one, is passed over once; others mean loss.
func (c *Conn) send(datagram []byte) {
	if c.options.Trace != nil {
		c.options.Trace(Sent, datagram)
	}
	c.counters.sentDatagrams.Add(1)
	if c.stream != nil {
		c.counters.sentBytes.Add(uint64(c.stream.out.put(datagram))) //nolint:gosec // a length
		return
	}
	c.counters.sentBytes.Add(uint64(len(datagram)))
	_, err := c.nc.Write(datagram)
	if err != nil && isLoss(err) {
		c.lost(err)
		_, err = c.nc.Write(datagram)
	}
	if err != nil {
		c.lost(err)
	}
}

// lost notes an error of the transport, to be named when nobody answers.
func (c *Conn) lost(err error) {
	c.counters.transport.Add(1)
	c.mu.Lock()
	c.failure = transportFailure{err: err, at: time.Now()}
	c.mu.Unlock()
}

// TransportError returns the last error of the transport that counted as loss, if it
// came since a moment, else nil: what may be why nobody answers.
func (c *Conn) TransportError(since time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failure.at.Before(since) {
		return nil
	}
	return c.failure.err
}

// sendShort sends an empty message: an ACK or RST.
func (c *Conn) sendShort(t Type, id uint16) {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.wire = appendEmpty(c.wire[:0], t, id)
	c.send(c.wire)
}
