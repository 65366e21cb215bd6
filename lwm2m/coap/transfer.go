package coap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
)

// maxRestarts is how often a transfer is begun anew when the peer lost it or the
// representation changed.
const maxRestarts = 3

// transfer is a whole request as client: the body in Block1s, the response in Block2s
// (RFC 7959). It runs on the caller's goroutine.
type transfer struct {
	conn   *Conn
	ctx    context.Context //nolint:containedctx // lives as long as the call that it belongs to
	req    *Message
	token  Token        // of the first message; empty: a new one
	begins *Observation // or nil
	limit  int64        // bytes of the response's body
	ahead  bool         // blocks may be asked for before it is their turn
	sized  bool         // the next message asks for the size of the response's body
	echo   []byte       // of the peer's challenge (RFC 9175); nil: there was none

	out   Message // the options of the request, with blocks
	block []byte  // of a Body
}

func (t *transfer) run() (*Message, error) {
	if err := t.conn.ready(t.ctx); err != nil {
		return nil, err
	}
	first, err := t.upload()
	if err != nil {
		return nil, err
	}
	return t.collectAnew(first)
}

// collectAnew collects the response that begins with first, and begins anew when the
// representation changes on the way.
func (t *transfer) collectAnew(first *Message) (*Message, error) {
	for restarts := 0; ; restarts++ {
		m, err := t.collect(first, &buffer{limit: t.limit})
		if !errors.Is(err, ErrChanged) || restarts == maxRestarts {
			return m, err
		}
		if first, err = t.blockRequest(Block{SZX: t.conn.room(t.req).szx}); err != nil {
			return nil, err
		}
	}
}

// upload sends the request's body and returns the first response that is not about it.
func (t *transfer) upload() (*Message, error) {
	room := t.conn.room(t.req)
	if t.req.size() > room.whole {
		return t.uploadBlocks(room.szx)
	}
	payload, err := t.read(0, int(room.whole))
	if err != nil {
		return nil, err
	}
	t.begin(nil)
	if room.szx < maxSZX {
		t.out.SetOptionUint(Block2, Block{SZX: room.szx}.value()) // early negotiation, section 2.4
	}
	m, err := t.send(payload)
	if err != nil || m.Code != RequestEntityTooLarge {
		return m, err
	}
	if answer, ok := m.Block1(); ok && answer.SZX <= t.conn.maxSZX() && answer.Size() < len(payload) { // section 2.9.3
		return t.uploadBlocks(answer.SZX)
	}
	return m, nil
}

// uploadBlocks sends the body in blocks of at most the given size (section 2.5).
func (t *transfer) uploadBlocks(szx uint8) (*Message, error) {
	size, room := t.req.size(), t.conn.room(t.req)
	if !t.conn.blockwise() {
		return nil, fmt.Errorf("%w: %d bytes, and the peer takes no blocks", ErrTooLong, size)
	}
	for offset, restarts := int64(0), 0; ; {
		number, length := offset>>(Block{SZX: szx}.exponent()+4), room.block(szx)
		b := Block{Number: uint32(number), More: offset+int64(length) < size, SZX: szx} //nolint:gosec // checked below
		if number > maxBlockNumber {
			return nil, fmt.Errorf("%w: more than %d blocks", ErrTooLong, maxBlockNumber)
		}
		payload, err := t.read(offset, length)
		if err != nil {
			return nil, err
		}
		t.begin(nil)
		t.out.SetOptionUint(Block1, b.value())
		if offset == 0 {
			t.out.SetOptionUint(Size1, uint32(min(size, 1<<32-1))) //nolint:gosec // a hint
		}
		m, err := t.send(payload)
		if err != nil {
			return nil, err
		}
		answer, ok := m.Block1()
		smaller := ok && answer.SZX < szx
		switch {
		case m.Code == Continue && !b.More:
			return nil, fmt.Errorf("%w: 2.31 to the last block", ErrBlock)
		case m.Code == Continue, ok && b.More && m.Code.IsSuccess(): // of the latter block alone, section 2.3
			offset += int64(len(payload))
			if smaller {
				szx = answer.SZX
			}
		case m.Code == RequestEntityTooLarge && smaller && offset == 0: // section 2.9.3
			szx = answer.SZX
		case m.Code == RequestEntityIncomplete && restarts < maxRestarts && offset > 0: // section 2.9.2
			offset = 0
			restarts++
		case b.More && m.Code.IsSuccess():
			return nil, fmt.Errorf("%w: %v to a block that is not the last", ErrBlock, m.Code)
		default:
			return m, nil
		}
	}
}

// begin prepares the options of the next message: those of the request that keep accepts, and the answer to the
// peer's last challenge.
func (t *transfer) begin(keep func(OptionID) bool) {
	t.out.Reset()
	t.out.copyOptions(t.req, keep)
	if t.echo != nil {
		t.out.SetOption(Echo, t.echo)
	}
	if t.sized {
		t.out.SetOptionUint(Size2, 0) // section 4
		t.sized = false
	}
}

// send sends the message that was prepared, once more with the Echo option of a peer that challenges it (RFC 9175
// section 2.3).
func (t *transfer) send(payload []byte) (*Message, error) {
	m, err := t.sendOnce(payload)
	if err != nil || m.Code != Unauthorized {
		return m, err
	}
	echo, _ := m.Option(Echo)
	if len(echo) == 0 || len(echo) > maxEcho {
		return m, nil
	}
	t.echo = echo
	t.out.SetOption(Echo, echo)
	return t.sendOnce(payload)
}

// maxEcho is the longest value of an Echo option (RFC 9175 section 2.2.1).
const maxEcho = 40

func (t *transfer) sendOnce(payload []byte) (*Message, error) {
	m, err := t.conn.exchange(t.ctx, once{req: t.req, options: t.out.options, payload: payload, token: t.token, begins: t.begins})
	if t.begins != nil {
		t.token = t.begins.token // the same for all blocks, since notifications will bear it
	}
	return m, err
}

// read returns up to n bytes of the request's body.
func (t *transfer) read(offset int64, n int) ([]byte, error) {
	b, buf, err := readBody(t.req, offset, n, t.block)
	t.block = buf
	return b, err
}

// blockRequest asks for one block of the response (section 2.4). A FETCH says again what
// it asks for; the bodies of other methods must not be processed twice (section 3.3).
func (t *transfer) blockRequest(b Block) (*Message, error) {
	k, err := t.askBlock(b)
	if err != nil {
		return nil, err
	}
	m, _, err := k.wait(t.ctx)
	return m, err
}

// askBlock is blockRequest without waiting for the response.
func (t *transfer) askBlock(b Block) (*call, error) {
	t.begin(func(id OptionID) bool { return id != Observe && id != Block1 && id != Size1 && id != Block2 })
	t.out.SetOptionUint(Block2, b.value())
	var payload []byte
	if limit := t.conn.asked(t.req, b); t.req.Code == FETCH && t.req.size() <= limit {
		var err error
		if payload, err = t.read(0, int(limit)); err != nil {
			return nil, err
		}
	}
	return t.conn.ask(t.ctx, once{req: t.req, options: t.out.options, payload: payload})
}

// collect writes the body that begins with first to w and returns the response with its
// body if w keeps one.
func (t *transfer) collect(first *Message, w bodyWriter) (*Message, error) {
	m, etag := first, bytes.Clone(first.ETag())
	have := w.offset()
	ahead := t.aheadOf(first)
	defer ahead.drop()
	for {
		b, ok := m.Block2()
		if !ok {
			if m != first {
				return m, nil // such as 4.04
			}
			b = Block{}
		}
		switch {
		case m != first && m.Code != first.Code:
			return m, nil
		case !bytes.Equal(m.ETag(), etag):
			return nil, ErrChanged
		case b.SZX > t.conn.maxSZX() || b.Offset() != have || b.More && !b.takes(len(m.Payload)):
			return nil, fmt.Errorf("%w: block %v with %d bytes at %d", ErrBlock, b, len(m.Payload), have)
		}
		if size, ok := m.Size2(); ok && !w.fits(int64(size)) {
			return nil, ErrBodyTooLarge
		}
		if err := w.write(m.Payload); err != nil {
			return nil, err
		}
		have += int64(len(m.Payload))
		if !b.More {
			first.RemoveOption(Block2)
			first.Payload = w.body()
			return first, nil
		}
		number := have >> (b.exponent() + 4)
		next := Block{Number: uint32(number), SZX: b.SZX} //nolint:gosec // checked here
		if number > maxBlockNumber {
			return nil, fmt.Errorf("%w: more than %d blocks", ErrBlock, maxBlockNumber)
		}
		var err error
		if m, err = ahead.take(next, first); err != nil {
			return nil, err
		}
	}
}
