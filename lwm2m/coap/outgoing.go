package coap

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"
)

// outgoing is a message of ours that is more than sent and forgotten: a CON until it
// is acknowledged, a request until its response is there. Guarded by Conn.mu but for
// what does not change.
type outgoing struct {
	deadline
	conn        *Conn
	datagram    []byte // its message ID, and the token of a new request, are set when it is sent
	confirmable bool
	request     bool
	pinged      bool         // on a stream: it is, or is followed by, a Ping with the token
	ping        []byte       // that follows
	token       Token        // of a request or Ping
	observation *Observation // that the request is to begin
	done        func(response *Message, err error)

	id       uint16
	began    time.Time     // of the first transmission
	timeout  time.Duration // until the next retransmission
	left     int           // retransmissions
	repeated bool          // there was one
	unacked  bool          // counts for NSTART
	over     bool
}

// settled reports the end. It is called once, without mu.
func (o *outgoing) settled(response *Message, err error) {
	if o.done != nil {
		o.done(response, err)
	}
}

// submit sends o, or queues it if NSTART messages are outstanding.
func (c *Conn) submit(o *outgoing) error {
	o.conn = c
	c.mu.Lock()
	if err := c.refuses(); err != nil {
		c.mu.Unlock()
		return err
	}
	wait := o.confirmable && c.stream == nil && c.outstanding >= c.params.Load().NStart
	if wait && len(c.queue) >= c.options.Limits.MaxQueued || len(c.sent) >= maxSent || o.pinged && c.stream.pingsFull() {
		c.mu.Unlock()
		return ErrQueueFull
	}
	if o.request || o.pinged {
		c.expectResponse(o)
	}
	if o.pinged {
		c.stream.pinging(o.token)
	}
	if wait {
		c.queue = append(c.queue, o)
		c.mu.Unlock()
		return nil
	}
	c.start(o)
	c.mu.Unlock()
	c.send(o.datagram)
	if o.ping != nil {
		c.send(o.ping)
	}
	return nil
}

// refuses returns why nothing new can be sent, nil if it can. mu is held.
func (c *Conn) refuses() error {
	if c.stream != nil && c.stream.released && !c.closed {
		return fmt.Errorf("%w: %w", ErrClosed, ErrReleased)
	}
	return c.ended
}

// expectResponse gives a request or Ping its token, unless it has one, and registers it.
func (c *Conn) expectResponse(o *outgoing) {
	for o.token.len == 0 {
		t := Token{len: newTokenLen}
		binary.BigEndian.PutUint32(t.bytes[:], rand.Uint32()) //nolint:gosec // seeded by the system; 32 bits as RFC 7252 section 5.3.1 asks
		if c.calls[t] == nil && c.observations[t] == nil {
			o.token = t
		}
	}
	bearer := o.datagram
	if o.ping != nil {
		bearer = o.ping
	}
	copy(bearer[headerLen:], o.token.bytes[:o.token.len])
	c.calls[o.token] = o
	if o.observation != nil {
		o.observation.token = o.token
		c.observations[o.token] = o.observation
	}
}

// maxSent bounds what is outstanding, whatever NSTART says, below the number of message IDs.
const maxSent = 1 << 12

// newTokenLen is the length of the tokens that are made up here.
const newTokenLen = 4

// start gives o its message ID and its first deadline; the caller sends it.
func (c *Conn) start(o *outgoing) {
	p := c.params.Load()
	o.id = c.newID()
	setID(o.datagram, o.id)
	o.began = time.Now()
	c.sent[o.id] = o
	if c.stream != nil {
		o.startStream(p)
		return
	}
	if !o.confirmable {
		c.alarm.set(&o.deadline, o, o.began.Add(p.ResponseWait))
		return
	}
	c.outstanding++
	o.unacked = true
	o.left = p.retransmissions()
	spread := 1 + rand.Float64()*(p.AckRandomFactor-1) //nolint:gosec // spreads load, hides nothing
	o.timeout = time.Duration(float64(p.AckTimeout) * spread)
	c.alarm.set(&o.deadline, o, o.began.Add(o.timeout))
}

// newID returns the next message ID that nothing outstanding has.
func (c *Conn) newID() uint16 {
	for {
		c.lastID++
		if c.sent[c.lastID] == nil {
			return c.lastID
		}
	}
}

// expire retransmits or gives up (RFC 7252 section 4.2).
func (o *outgoing) expire(now time.Time) func() {
	c := o.conn
	if c.stream != nil {
		if act, goesOn := o.expireStream(now); goesOn {
			return act
		}
	}
	if o.unacked && o.left > 0 {
		o.left--
		o.repeated = true
		o.timeout *= 2
		c.alarm.set(&o.deadline, o, now.Add(o.timeout))
		return func() {
			c.counters.retransmissions.Add(1)
			c.send(o.datagram)
		}
	}
	err := ErrTimeout
	if c.failure.err != nil && !c.failure.at.Before(o.began) {
		err = fmt.Errorf("%w (%w)", ErrTimeout, c.failure.err)
	}
	ready := c.finish(o)
	return func() {
		c.sendAll(ready)
		o.settled(nil, err)
	}
}

// awaitResponse is for a request whose ACK was empty: it is outstanding no more.
func (c *Conn) awaitResponse(o *outgoing) (ready []*outgoing) {
	if !o.unacked {
		return nil
	}
	o.unacked = false
	c.outstanding--
	c.alarm.set(&o.deadline, o, time.Now().Add(c.params.Load().ResponseWait))
	return c.dequeue()
}

// finish forgets o, wherever it is. What may be sent now is returned.
func (c *Conn) finish(o *outgoing) (ready []*outgoing) {
	o.over = true
	c.alarm.clear(&o.deadline)
	if c.sent[o.id] == o {
		delete(c.sent, o.id)
	} else {
		c.unqueue(o)
	}
	if o.token.len > 0 && c.calls[o.token] == o {
		delete(c.calls, o.token)
	}
	if o.unacked {
		o.unacked = false
		c.outstanding--
	}
	return c.dequeue()
}

func (c *Conn) unqueue(o *outgoing) {
	for i, q := range c.queue {
		if q == o {
			c.queue = append(c.queue[:i], c.queue[i+1:]...)
			return
		}
	}
}

// dequeue starts what NSTART allows.
func (c *Conn) dequeue() (ready []*outgoing) {
	for len(c.queue) > 0 && c.outstanding < c.params.Load().NStart {
		o := c.queue[0]
		c.queue[0] = nil
		c.queue = c.queue[1:]
		c.start(o)
		ready = append(ready, o)
	}
	return ready
}

func (c *Conn) sendAll(ready []*outgoing) {
	for _, o := range ready {
		c.send(o.datagram)
	}
}

// cancel forgets o unless it has ended. It tells whether it did.
func (c *Conn) cancel(o *outgoing) bool {
	c.mu.Lock()
	if o.over {
		c.mu.Unlock()
		return false
	}
	ready := c.finish(o)
	c.mu.Unlock()
	c.sendAll(ready)
	return true
}

// fail ends the request with a token.
func (c *Conn) fail(token Token, err error) {
	c.mu.Lock()
	o := c.calls[token]
	c.mu.Unlock()
	if o != nil && c.cancel(o) {
		o.settled(nil, err)
	}
}

// everyOutgoing lists what has not ended.
func (c *Conn) everyOutgoing() []*outgoing {
	all := append([]*outgoing(nil), c.queue...)
	for _, o := range c.sent {
		all = append(all, o)
	}
	return all
}
