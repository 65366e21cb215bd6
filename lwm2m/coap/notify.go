package coap

import "time"

// maxUnconfirmed is how many NON notifications may still be cancelled by an RST.
const maxUnconfirmed = 64

// unconfirmed is a NON notification that may be answered by an RST.
type unconfirmed struct {
	id   uint16
	at   time.Time
	done func(error)
}

// Notify sends a notification: m is one more response to the observation that the
// GET or FETCH request observe began. Of observe the token is used, and code and
// options (Uri-Path, Uri-Query, Accept …) if m is longer than a block: the peer asks
// for the other blocks by them. Blocks are no larger than a Block2 of observe says. m.Type selects CON or NON. An Observe option is
// added unless m has one or is an error.
//
// A CON waits its turn (NSTART) and is retransmitted. done, if not nil, is called
// once with its outcome: nil when acknowledged, [ErrReset] when the peer cancelled the
// observation, [ErrTimeout] or [ErrClosed]. For a NON, done is called with ErrReset if the
// peer cancels within NON_LIFETIME and not at all otherwise. It is called on the
// reader's goroutine, on a timer's or inside Close, and must not block.
// When Notify returns an error, done is not called.
func (c *Conn) Notify(observe, m *Message, done func(error)) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	s := selection{request: observe}
	if b, ok := observe.Block2(); ok && m.size() > int64(b.Size()) {
		s.block2, s.hasBlock2 = Block{SZX: b.SZX}, true // what the peer has room for (RFC 7959 section 2.4)
	}
	if _, ok := m.Observe(); !ok && m.Code.IsSuccess() {
		s.sequence, s.notification = c.NextObserve(), true
	}
	r, err := c.compose(&s, m)
	if err != nil {
		return err
	}
	if m.Type == NON || c.stream != nil && done == nil {
		return c.notifyOnce(observe.Token, r, done)
	}
	datagram, err := c.encode(nil, CON, r.code, 0, observe.Token, r.options, r.payload)
	if err != nil {
		return err
	}
	o := &outgoing{datagram: datagram, confirmable: true}
	if c.stream != nil {
		o.ping, o.pinged = pingMessage(), true
	}
	if done != nil {
		o.done = func(_ *Message, err error) { done(err) }
	}
	return c.submit(o)
}

// notifyOnce sends a NON and remembers whom an RST to it is for.
func (c *Conn) notifyOnce(token Token, r response, done func(error)) error {
	var err error
	if c.wire, err = c.encode(c.wire[:0], NON, r.code, 0, token, r.options, r.payload); err != nil {
		return err
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return ErrClosed
	}
	id := c.newID()
	setID(c.wire, id)
	if done != nil {
		u := unconfirmed{id: id, at: time.Now(), done: done}
		if len(c.unconfirmed) < maxUnconfirmed {
			c.unconfirmed = append(c.unconfirmed, u)
		} else {
			c.unconfirmed[c.oldest] = u
			c.oldest = (c.oldest + 1) % maxUnconfirmed
		}
	}
	c.mu.Unlock()
	c.send(c.wire)
	return nil
}

// takeUnconfirmed returns, once, whom to tell that a NON notification was reset. mu is held.
func (c *Conn) takeUnconfirmed(id uint16, now time.Time) func(error) {
	for i := range c.unconfirmed {
		u := &c.unconfirmed[i]
		if u.id == id && u.done != nil && now.Sub(u.at) < c.params.Load().NonLifetime() {
			done := u.done
			u.done = nil
			return done
		}
	}
	return nil
}

// NextObserve returns the next sequence number for notifications (RFC 7641 section
// 4.4), for the response that begins an observation. Numbers follow the clock, so
// that they also rise over a restart, unless [Options.Start] says where to go on.
func (c *Conn) NextObserve() uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := (c.sequence + 1) & maxSequence
	if clock := sequenceAt(time.Now()); !c.counted && fresher(clock, next) {
		next = clock
	}
	c.sequence = next
	return next
}

// sequenceAt is the sequence number of a moment. A unit is a millisecond, within the
// bounds of RFC 7641 section 4.4.
func sequenceAt(t time.Time) uint32 {
	return uint32(t.UnixMilli() & maxSequence)
}
