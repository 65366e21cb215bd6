package coap

import "time"

// Exchange is one request of the peer, to be answered once: inside the Handler or
// later from any goroutine. The request may be used until Respond is called; if
// it is answered in the Handler, until the Handler returns.
type Exchange struct {
	// Request holds the whole body, or one block for a [Sink].
	Request *Message

	conn   *Conn
	typ    Type
	id     uint16
	token  Token
	serial uint64  // in the deduplication
	upload *upload // that a Sink takes, or nil
	selection

	// guarded by Conn.mu
	deadline
	state exchangeState
	acked bool
}

type exchangeState uint8

const (
	serving  exchangeState = iota // the Handler has it
	deferred                      // somebody else has it
	over                          // answered, or too late
)

// Conn is the connection that the request came on.
func (x *Exchange) Conn() *Conn { return x.conn }

// Respond answers: in the ACK if that is still possible, as a separate CON otherwise
// (NON if m.Type is NON or the request was). A body longer than a block is kept for the
// peer's following requests; an ETag is made up for it if m has none. Payload is
// copied; a Body is read later, until the transfer has ended, and then closed if it is an
// [io.Closer]. What cannot be sent, because of a Body that fails or an option that is too
// long, is answered with 5.00. The second call returns [ErrAnswered], one after the end of the
// connection [ErrClosed].
func (x *Exchange) Respond(m *Message) error {
	c := x.conn
	c.writing.Lock()
	defer c.writing.Unlock()
	ack, err := x.conclude(&m)
	if err != nil {
		closeBody(m)
		return err
	}
	err = c.respond(x, m, ack)
	if err != nil {
		_ = c.respond(x, &Message{Type: m.Type, Code: InternalServerError}, ack)
	}
	return err
}

// Reply answers with a code and nothing else.
func (x *Exchange) Reply(code Code) error { return x.Respond(&Message{Code: code}) }

// Continue asks for the next block of an upload that a [Sink] takes: 2.31.
func (x *Exchange) Continue() error { return x.Reply(Continue) }

// conclude ends the exchange. It tells whether the answer goes into the ACK, and replaces it
// if there is nothing to be continued.
func (x *Exchange) conclude(m **Message) (ack bool, err error) {
	c := x.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return false, ErrClosed
	case x.state == over:
		return false, ErrAnswered
	}
	x.end()
	if u := x.upload; u != nil {
		u.busy = false
		switch {
		case (*m).Code != Continue:
			c.transfers.forget(&u.held)
		case u.over:
			*m = &Message{Code: RequestEntityIncomplete} // it was given up meanwhile
		default:
			c.transfers.touch(&u.held)
		}
	}
	return x.typ == CON && !x.acked, nil
}

// end marks the exchange as over.
func (x *Exchange) end() {
	c := x.conn
	if x.state == deferred {
		c.deferred--
		c.alarm.clear(&x.deadline)
		if e := c.seen.at(x.serial); e != nil {
			e.x = nil
		}
	}
	x.state = over
}

// respond sends m. The caller holds writing.
func (c *Conn) respond(x *Exchange, m *Message, ack bool) error {
	r, err := c.compose(&x.selection, m)
	if err != nil {
		return err
	}
	t := CON
	switch {
	case ack:
		t = ACK
	case x.typ == NON || m.Type == NON:
		t = NON
	}
	if t == CON {
		datagram, err := c.encode(nil, CON, r.code, 0, x.token, r.options, r.payload)
		if err != nil {
			return err
		}
		return c.submit(&outgoing{datagram: datagram, confirmable: true})
	}
	if c.wire, err = c.encode(c.wire[:0], t, r.code, x.id, x.token, r.options, r.payload); err != nil {
		return err
	}
	c.mu.Lock()
	if t == ACK {
		c.seen.reply(x.serial, c.wire)
	} else {
		setID(c.wire, c.newID())
	}
	c.mu.Unlock()
	c.send(c.wire)
	return nil
}

// reject answers with RST if the request was a CON.
func (x *Exchange) reject() {
	x.drop()
	if x.typ == CON {
		x.conn.sendShort(RST, x.id)
	}
}

// drop ends the exchange without an answer.
func (x *Exchange) drop() {
	x.conn.mu.Lock()
	x.end()
	x.conn.mu.Unlock()
}

// expire announces a separate response with an empty ACK, and gives up when nobody would
// wait for the answer any more.
func (x *Exchange) expire(time.Time) func() {
	if x.typ == CON && !x.acked {
		x.acknowledge()
		return func() { x.conn.sendShort(ACK, x.id) }
	}
	x.end()
	return nil
}

// acknowledge notes that a deferred CON is acknowledged without its response.
func (x *Exchange) acknowledge() {
	if x.typ != CON || x.acked {
		return
	}
	c := x.conn
	x.acked = true
	c.seen.reply(x.serial, appendEmpty(nil, ACK, x.id))
	c.alarm.set(&x.deadline, x, time.Now().Add(c.params.Load().ExchangeLifetime()))
}
