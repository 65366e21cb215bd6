package coap

import (
	"math/rand/v2"
	"time"
)

// Point is where a Conn stands in those of its numbers that the peer must not see
// again when another Conn takes over from the same endpoint: a message ID within
// EXCHANGE_LIFETIME (RFC 7252 section 4.4), and an Observe value that is older than
// one before (RFC 7641 section 3.4).
type Point struct {
	MessageID uint16 // the last one that was used
	Observe   uint32 // likewise, of 24 bits
}

// NewPoint is where a Conn with a peer begins that knows none before it.
func NewPoint() Point {
	return Point{
		MessageID: uint16(rand.Uint32()), //nolint:gosec // spreads message IDs, hides nothing
		Observe:   sequenceAt(time.Now()),
	}
}

// Ahead is the point a number of messages later.
func (p Point) Ahead(messages uint16) Point {
	return Point{MessageID: p.MessageID + messages, Observe: (p.Observe + uint32(messages)) & maxSequence}
}

// Point returns where the Conn stands. Each datagram that it sends uses at most one
// number of each kind.
func (c *Conn) Point() Point {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Point{MessageID: c.lastID, Observe: c.sequence}
}

// Earlier is a request of the peer that came over a former Conn. When it is repeated it
// is answered as it says, and not handed to the Handler. What has the same message ID and
// another token is another request.
type Earlier struct {
	Type   Type // CON or NON
	ID     uint16
	Token  Token
	Answer *Message // of one datagram; nil: none, as a NON gets none in any case
}

// remember takes in what a former Conn received. It counts as received now: how long ago
// it was is not certain after a restart.
func (c *Conn) remember(requests []Earlier) {
	now := time.Now()
	for i := range requests {
		r := &requests[i]
		serial := c.seen.add(r.ID, now, c.lifetime(r.Type))
		e := c.seen.at(serial)
		e.earlier, e.token = true, r.Token
		if r.Type != CON || r.Answer == nil {
			continue
		}
		reply, err := appendMessage(nil, ACK, r.Answer.Code, r.ID, r.Token, r.Answer.options, r.Answer.Payload)
		if err == nil {
			c.seen.reply(serial, reply)
		}
	}
}
