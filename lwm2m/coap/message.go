package coap

import (
	"io"
	"slices"

	"github.com/plgd-dev/go-coap/v3/message"
)

// Body is a representation that is read block by block while it is sent. It may
// be read at any offset, more than once, until the transfer has ended. Respond and Notify
// then close it if it is an [io.Closer]; Do leaves that to its caller.
// [*io.SectionReader], [*bytes.Reader] and [*strings.Reader] are bodies.
type Body interface {
	io.ReaderAt
	Size() int64
}

// Abandoner is a Body that is not closed but told why, where the peer did not end the transfer: it
// has not gone on for too long (ErrTimeout), others took its place (ErrQueueFull, ErrBlock), or the connection is over.
type Abandoner interface {
	Abandon(err error)
}

// Message is a request, a response or a notification. The zero value is an empty
// CON; Code, Type and Payload are set directly, options through their setters.
//
// A received message borrows the datagram it came in: it is valid as long as the
// function that received it says. A message to be sent is not kept: it may be
// changed and used again ([Message.Reset]) when the call has returned.
type Message struct {
	Type  Type   // received: as on the wire. To be sent: CON or NON
	Code  Code   // method or response code
	ID    uint16 // message ID of a received message; ignored in one to be sent
	Token Token  // of a received message; in requests to be sent it is chosen by the Conn

	// Payload is the whole body. What is longer than a block is sent block-wise,
	// and what was received block-wise arrives here in one piece.
	Payload []byte

	// Body, when not nil, is sent instead of Payload. It is for what should not
	// be held in memory. Received messages never have one.
	Body Body

	options message.Options // ascending numbers, as the codec wants
	values  []byte          // backs the values that setters wrote
}

// Reset empties m and keeps its memory for the next use.
func (m *Message) Reset() {
	*m = Message{options: m.options[:0], values: m.values[:0]}
}

// Clone returns a copy that shares no memory with m, except Body.
func (m *Message) Clone() *Message {
	n := &Message{Type: m.Type, Code: m.Code, ID: m.ID, Token: m.Token, Payload: slices.Clone(m.Payload), Body: m.Body}
	n.copyOptions(m, nil)
	return n
}

// copyOptions adds those options of from that keep accepts (nil: all).
func (m *Message) copyOptions(from *Message, keep func(OptionID) bool) {
	size := 0
	for _, o := range from.options {
		size += len(o.Value)
	}
	m.values = slices.Grow(m.values, size)
	m.options = slices.Grow(m.options, len(from.options))
	for _, o := range from.options {
		if keep == nil || keep(OptionID(o.ID)) {
			m.AddOption(OptionID(o.ID), o.Value)
		}
	}
}

// size is the length of the body in bytes.
func (m *Message) size() int64 {
	if m.Body != nil {
		return m.Body.Size()
	}
	return int64(len(m.Payload))
}
