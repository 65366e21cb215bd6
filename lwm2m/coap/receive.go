package coap

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"time"
)

// inbox is where a reader puts a datagram. An exchange that is not answered at once
// takes it along.
type inbox struct {
	buf []byte
	msg Message
}

// newInbox has room for one byte more than a message may have, so that a larger one
// is noticed and not cut.
func (c *Conn) newInbox() *inbox {
	return &inbox{buf: make([]byte, c.options.Limits.MaxDatagram+1)}
}

// isTooLarge tells whether a DTLS connection dropped a record larger than the buffer.
func isTooLarge(err error) bool { return errors.Is(err, io.ErrShortBuffer) }

// receive takes the first n bytes of in.buf. It tells whether the inbox was taken.
func (c *Conn) receive(in *inbox, n int) (taken bool) {
	b, m, now := in.buf[:n], &in.msg, time.Now()
	c.counters.receivedDatagrams.Add(1)
	c.counters.receivedBytes.Add(uint64(n)) //nolint:gosec // a length
	if c.options.Trace != nil {
		c.options.Trace(Received, b)
	}
	if n > c.options.Limits.MaxDatagram {
		c.counters.oversize.Add(1)
		c.refuseOversize(b)
		return false
	}
	if m.parse(b) != nil || m.Code.isSignal() {
		c.counters.malformed.Add(1)
		if id, ok := rejectable(b); ok {
			c.sendShort(RST, id)
		}
		return false
	}
	c.received.Store(max(int64(now.Sub(c.began)), 1))
	switch confirmable := m.Type == CON; {
	case m.Type == RST && m.Code == Empty:
		c.reset(m.ID, now)
	case m.Type == ACK && m.Code == Empty:
		c.acknowledged(m.ID)
	case m.Type == ACK && m.Code.IsResponse():
		c.piggybacked(m)
	case (confirmable || m.Type == NON) && m.Code.IsResponse():
		c.separate(m, now)
	case (confirmable || m.Type == NON) && m.Code.IsRequest():
		return c.request(in, now)
	case confirmable: // ping, or of class 3, which there is none of: RFC 7252 sections 4.3 and 4.2
		c.sendShort(RST, m.ID)
	}
	return false // the other combinations mean nothing, RFC 7252 section 4.3
}

// rejectable returns the message ID of a malformed datagram that is to be rejected: a
// CON with a readable header (RFC 7252 section 4.2).
func rejectable(b []byte) (id uint16, ok bool) {
	if len(b) < headerLen || b[0]>>6 != version || Type(b[0]>>4&3) != CON {
		return 0, false
	}
	return binary.BigEndian.Uint16(b[2:]), true
}

// refuseOversize answers what does not fit the buffer as far as it can be read: a CON
// request with 4.13 and the preferred block size (RFC 7959 section 2.9.3), a response by
// failing the request it is for.
func (c *Conn) refuseOversize(b []byte) {
	end := headerLen + int(b[0]&15)
	token, err := MakeToken(b[headerLen:min(end, len(b))])
	if b[0]>>6 != version || end > len(b) || err != nil {
		return
	}
	t, code, id := Type(b[0]>>4&3), Code(b[1]), binary.BigEndian.Uint16(b[2:])
	switch {
	case code.IsRequest() && t == CON:
		c.refuse(ACK, id, token)
	case code.IsResponse() && t != RST:
		if t == CON {
			c.sendShort(RST, id)
		}
		c.fail(token, ErrBodyTooLarge)
	}
}

// refuse sends 4.13 with the preferred block size.
func (c *Conn) refuse(t Type, id uint16, token Token) {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.out.Reset()
	c.out.SetOptionUint(Block1, Block{SZX: szxOf(c.params.Load().BlockSize)}.value())
	var err error
	if c.wire, err = appendMessage(c.wire[:0], t, RequestEntityTooLarge, id, token, c.out.options, nil); err == nil {
		c.send(c.wire)
	}
}

// acknowledged takes an empty ACK.
func (c *Conn) acknowledged(id uint16) {
	c.mu.Lock()
	o := c.sent[id]
	if o == nil || !o.confirmable {
		c.mu.Unlock()
		return
	}
	var ready []*outgoing
	if o.request {
		ready = c.awaitResponse(o)
	} else {
		ready = c.finish(o)
	}
	c.mu.Unlock()
	c.sendAll(ready)
	if !o.request {
		o.settled(nil, nil)
	}
}

// reset takes an RST. It may also be for a NON notification.
func (c *Conn) reset(id uint16, now time.Time) {
	c.mu.Lock()
	o := c.sent[id]
	if o == nil {
		cancelled := c.takeUnconfirmed(id, now)
		c.mu.Unlock()
		if cancelled != nil {
			cancelled(ErrReset)
		}
		return
	}
	ready := c.finish(o)
	c.mu.Unlock()
	c.sendAll(ready)
	o.settled(nil, ErrReset)
}

// piggybacked takes an ACK that carries the response.
func (c *Conn) piggybacked(m *Message) {
	c.mu.Lock()
	o := c.sent[m.ID]
	if o == nil || !o.request || !o.confirmable || o.token != m.Token || badOption(m, nil) != 0 {
		c.mu.Unlock()
		return // not awaited: ignored, RFC 7252 section 5.3.2
	}
	ready := c.finish(o)
	c.establish(m)
	c.mu.Unlock()
	c.sendAll(ready)
	o.settled(m.Clone(), nil)
}

// establish notes that the response to an Observe request accepts it.
func (c *Conn) establish(m *Message) {
	if obs := c.observations[m.Token]; obs != nil {
		obs.accepted(m)
	}
}

// separate takes a response or notification that is a message of its own.
func (c *Conn) separate(m *Message, now time.Time) {
	c.mu.Lock()
	var serial uint64
	if c.stream == nil {
		if e := c.seen.find(m, now); e != nil {
			c.repeat(e)
			return
		}
		serial = c.seen.add(m.ID, now, c.lifetime(m.Type))
	}
	if badOption(m, nil) != 0 {
		c.answerEmpty(RST, m, serial)
		c.failOnStream(m.Token)
		return
	}
	o, obs := c.calls[m.Token], c.observations[m.Token]
	if o != nil && !o.request {
		o = nil // a Pong is awaited
	}
	if _, notification := m.Observe(); obs != nil && obs.established && (o == nil || notification) {
		obs.push(m.Clone(), now)
		c.answerEmpty(ACK, m, serial)
		return
	}
	if o == nil {
		c.answerEmpty(RST, m, serial) // RFC 7252 section 4.2, RFC 7641 section 3.6
		return
	}
	ready := c.finish(o)
	c.establish(m)
	c.answerEmpty(ACK, m, serial)
	c.sendAll(ready)
	o.settled(m.Clone(), nil)
}

// answerEmpty sends and remembers an ACK or RST; a NON is not acknowledged. It is called
// with mu held and releases it.
func (c *Conn) answerEmpty(t Type, m *Message, serial uint64) {
	if m.Type == CON {
		c.seen.reply(serial, appendEmpty(nil, t, m.ID))
	}
	c.mu.Unlock()
	if c.stream == nil && (m.Type == CON || t == RST) {
		c.sendShort(t, m.ID)
	}
}

// failOnStream ends a request whose response cannot be understood: nobody repeats it.
func (c *Conn) failOnStream(token Token) {
	if c.stream != nil {
		c.fail(token, ErrMalformed)
	}
}

// repeat answers a duplicate as the first was answered. It is called with mu held and
// releases it.
func (c *Conn) repeat(e *seen) {
	c.counters.duplicates.Add(1)
	if e.x != nil {
		e.x.acknowledge() // the peer is waiting
	}
	reply := slices.Clone(e.reply)
	c.mu.Unlock()
	if len(reply) > 0 {
		c.send(reply)
	}
}

// lifetime is how long the peer does not use a message ID again.
func (c *Conn) lifetime(t Type) time.Duration {
	p := c.params.Load()
	if t == CON {
		return p.ExchangeLifetime()
	}
	return p.NonLifetime()
}
