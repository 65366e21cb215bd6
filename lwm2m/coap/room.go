package coap

import (
	"fmt"

	"github.com/plgd-dev/go-coap/v3/message"
)

// room is how much of a body goes into one message.
type room struct {
	whole int64 // what is not longer goes in one piece
	szx   uint8 // of the blocks of what is longer
	chunk int   // bytes of a message with a BERT block
}

// block returns how many bytes go into a block with a size exponent.
func (r room) block(szx uint8) int {
	if szx == bert {
		return r.chunk
	}
	return Block{SZX: szx}.Size()
}

// maxOverhead is what a frame has beside the options and the body of a message: header,
// token, marker, and the options that are added (Block1, Block2, Size, ETag, Observe).
const maxOverhead = 64

// room returns how much of the body of m goes into one message. On a stream it is up to the
// peer, and to ourselves when it takes blocks.
func (c *Conn) room(m *Message) room {
	if c.stream == nil {
		szx := szxOf(c.params.Load().BlockSize)
		return room{whole: int64(Block{SZX: szx}.Size()), szx: szx}
	}
	c.mu.Lock()
	peer := c.stream.peer
	c.mu.Unlock()
	left := int(min(peer.maxMessage, 1<<30)) - maxOverhead
	if peer.blockwise {
		left = min(left, c.options.Limits.MaxMessage-maxOverhead)
	}
	for _, o := range m.options {
		left -= 5 + len(o.Value)
	}
	left = max(left, 0)
	r := room{whole: int64(left), szx: szxOf(left)}
	if peer.maxMessage > baseMessage && left >= 1024 { // RFC 8323 section 6
		r.szx, r.chunk = bert, left/1024*1024
	}
	return r
}

// asked returns the size of a FETCH body that is said again when a block is asked for.
func (c *Conn) asked(m *Message, b Block) int64 {
	if c.stream == nil {
		return int64(b.Size())
	}
	return c.room(m).whole
}

// blockwise tells whether the peer takes blocks.
func (c *Conn) blockwise() bool {
	if c.stream == nil {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stream.peer.blockwise
}

// maxSZX is the largest size exponent of a block.
func (c *Conn) maxSZX() uint8 {
	if c.stream != nil {
		return bert
	}
	return maxSZX
}

// encode is appendMessage, and refuses what is larger than the peer takes.
func (c *Conn) encode(dst []byte, t Type, code Code, id uint16, token Token, options message.Options, payload []byte) ([]byte, error) {
	b, err := appendMessage(dst, t, code, id, token, options, payload)
	if err != nil || c.stream == nil {
		return b, err
	}
	c.mu.Lock()
	limit := c.stream.peer.maxMessage
	c.mu.Unlock()
	if n := len(b) - len(dst) + 2; n > int(min(limit, 1<<30)) { // a frame has at most two bytes more
		return dst, fmt.Errorf("%w: %d bytes, and the peer takes %d", ErrTooLong, n, limit)
	}
	return b, nil
}
