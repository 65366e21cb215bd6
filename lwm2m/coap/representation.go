package coap

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"

	"github.com/plgd-dev/go-coap/v3/message"
)

// selection is what a request says about the blocks of its response.
type selection struct {
	request              *Message // names the representation
	block1, block2       Block
	hasBlock1, hasBlock2 bool
	kept                 *representation // that the response is part of, or nil
	notification         bool
	sequence             uint32 // of the notification
}

// response is what goes into one message. It is valid while Conn.writing is held.
type response struct {
	code    Code
	options message.Options
	payload []byte
}

// representation is a response in more than one block, kept for the peer's following
// requests, so that all get parts of the same (RFC 7959 section 2.4).
type representation struct {
	held
	asked uint32 // checksum of the request's body, for FETCH
	m     *Message
}

// part returns the block of m that is to be sent, the most bytes of its payload, and whether
// it is sent as a block at all and not as the whole. Errors are sent from their beginning,
// whatever was asked for.
func (s *selection) part(m *Message, r room) (b Block, size int, isPart bool) {
	if !s.hasBlock2 && m.size() <= r.whole {
		return Block{SZX: r.szx}, int(r.whole), false
	}
	b.SZX = r.szx
	if s.hasBlock2 {
		b.SZX = min(r.szx, s.block2.SZX)
	}
	if m.Code.IsSuccess() {
		asked := s.block2.exponent()
		b.Number = s.block2.Number << (max(asked, b.exponent()) - b.exponent()) // 20 bits and at most 6
	}
	size = r.block(b.SZX)
	b.More = b.Offset()+int64(size) < m.size()
	return b, size, b.Number > 0 || b.More || s.hasBlock2 && m.Code == Content
}

// compose makes the response of m, or of the block of it that the request selects. It
// keeps m if more blocks follow. The caller holds writing.
func (c *Conn) compose(s *selection, m *Message) (response, error) {
	b, size, isPart := s.part(m, c.room(m))
	if isPart && b.Number > 0 && b.Offset() >= m.size() || b.Number > maxBlockNumber {
		if s.kept == nil {
			closeBody(m)
		}
		return response{code: BadRequest}, nil // there is no such block
	}
	payload, err := c.readBlock(m, b, size)
	if err == nil && isPart && !c.blockwise() {
		err = fmt.Errorf("%w: the peer takes no blocks", ErrTooLong)
	}
	if err != nil {
		c.keep(s, m, Block{})
		return response{}, err
	}
	r := response{code: m.Code, options: m.options, payload: payload}
	if isPart || s.hasBlock1 || s.notification {
		c.out.Reset()
		c.out.options = append(c.out.options, m.options...)
		if isPart {
			_, asked := s.request.Size2()
			c.addBlock2(m, b, asked)
		}
		if s.hasBlock1 {
			c.out.SetOptionUint(Block1, c.answerBlock1(s.block1, m.Code).value())
		}
		if s.notification {
			c.out.SetObserve(s.sequence)
		}
		r.options = c.out.options
	}
	c.keep(s, m, b)
	return r, nil
}

// readBlock returns the payload of one block of at most size bytes.
func (c *Conn) readBlock(m *Message, b Block, size int) (payload []byte, err error) {
	payload, c.block, err = readBody(m, b.Offset(), size, c.block)
	return payload, err
}

// addBlock2 adds the options of one block to c.out: the size of the body where it may be
// news, or was asked for (RFC 7959 section 4).
func (c *Conn) addBlock2(m *Message, b Block, sized bool) {
	c.out.SetOptionUint(Block2, b.value())
	if sized || b.Number == 0 && b.More {
		c.out.SetOptionUint(Size2, uint32(min(m.size(), 1<<32-1))) //nolint:gosec // a hint
	}
	if (b.More || b.Number > 0) && m.ETag() == nil {
		c.out.SetETag(etagOf(m))
	}
}

// etagOf makes up an ETag: the same for the same payload, a new one for each Body.
func etagOf(m *Message) []byte {
	sum := crc32.ChecksumIEEE(m.Payload)
	if m.Body != nil {
		sum = rand.Uint32() //nolint:gosec // tells representations apart, hides nothing
	}
	return binary.BigEndian.AppendUint32(nil, sum)
}

// answerBlock1 acknowledges a block, asking for smaller ones if those are preferred
// (RFC 7959 section 2.3).
func (c *Conn) answerBlock1(b Block, code Code) Block {
	if code == Continue && c.stream == nil {
		b.SZX = min(b.SZX, szxOf(c.params.Load().BlockSize))
	}
	return b
}

// keep keeps m for the blocks after b, or lets it go after the last.
func (c *Conn) keep(s *selection, m *Message, b Block) {
	if s.kept == nil && !b.More {
		closeBody(m)
		return
	}
	c.mu.Lock()
	var gone []func()
	switch {
	case c.closed:
		gone = append(gone, func() { abandonBody(m, ErrClosed) })
	case s.kept == nil:
		gone = c.transfers.add(c.newRepresentation(s.request, m))
	case b.More:
		c.transfers.touch(&s.kept.held)
	default:
		c.transfers.forget(&s.kept.held)
		gone = append(gone, func() { closeBody(m) })
	}
	c.mu.Unlock()
	for _, f := range gone {
		f()
	}
}

// newRepresentation copies m, with the options that were composed for its first block.
func (c *Conn) newRepresentation(request, m *Message) *held {
	r := &representation{m: m.Clone(), asked: crc32.ChecksumIEEE(request.Payload)}
	r.m.SetETag(c.out.ETag())
	r.m.RemoveOption(Observe) // of the first block only, RFC 7959 section 2.6
	r.held = held{conn: c, owner: r, key: string(transferKey(download, request)), bytes: len(r.m.Payload)}
	if _, once := r.m.Body.(Abandoner); once {
		r.worth = toldOnce
	}
	return &r.held
}

// abandoned lets the body go.
func (r *representation) abandoned(err error) { abandonBody(r.m, err) }

// supersede lets go what is kept of the representation that is asked for anew.
func (c *Conn) supersede(x *Exchange) {
	key := transferKey(download, x.Request)
	c.mu.Lock()
	r, _ := c.transfers.find(key).(*representation)
	if r != nil {
		c.transfers.forget(&r.held)
	}
	c.mu.Unlock()
	if r != nil {
		closeBody(r.m)
	}
}

// serveKept answers a request for a block that is not the first.
func (c *Conn) serveKept(x *Exchange) {
	m := x.Request
	c.mu.Lock()
	r, _ := c.transfers.find(transferKey(download, m)).(*representation)
	c.mu.Unlock()
	if r != nil && len(m.Payload) > 0 && r.asked != crc32.ChecksumIEEE(m.Payload) {
		r = nil // another question
	}
	switch {
	case r != nil:
		x.kept = r
		_ = x.Respond(r.m) // fails only if the connection has ended
	case m.Code == GET || m.Code == FETCH && len(m.Payload) > 0:
		c.handler(x) // once more, for the part that is missing
	default:
		_ = x.Reply(RequestEntityIncomplete) // must not be processed twice
	}
}
