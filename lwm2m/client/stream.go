package client

import (
	"bytes"
	"encoding/binary"
	"errors"
	"sync/atomic"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
)

// upload is asked about each body that comes in blocks: one that replaces a
// resource whose owner takes it in pieces is handed on as it comes, without a bound
// of its size here. It runs on the reader's goroutine.
func (c *connection) upload(first *coap.Message) coap.Sink {
	_, queries := first.Option(coap.URIQuery)
	if first.Code != coap.PUT || queries || c.open.Load() == nil {
		return nil
	}
	p, err := pathOf(first)
	if err != nil || !c.account.tree.Streams(p) {
		return nil
	}
	e, ok := envelopeOf(first, p.Resource())
	if !ok {
		return nil // other formats are decoded as a whole
	}
	s := &inflow{
		account: c.account, path: p, envelope: e,
		blocks: make(chan block, blocksAhead), end: make(chan error, 1), replaced: make(chan struct{}), over: make(chan struct{}),
	}
	before := c.inflow
	c.inflow = s
	c.account.running.Go(func() {
		if before != nil && before.path == p {
			close(before.replaced)
			<-before.over
		}
		s.run()
	})
	return s
}

// envelope is what a format puts around a single opaque value.
type envelope struct {
	head int   // bytes before the value
	size int64 // of the value; 0: unknown
	sure bool  // the size is what the format says, and not a hint
}

// envelopeOf reads the envelope from the first block: there is none in octet-stream;
// TLV and CBOR begin with the length.
func envelopeOf(first *coap.Message, rid uint16) (envelope, bool) {
	announced, _ := first.Size1()
	number, given := first.ContentFormat()
	switch format := lwm2m.Format(number).Canonical(); {
	case !given, format == lwm2m.FormatOpaque:
		return envelope{size: int64(announced)}, given
	case format == lwm2m.FormatTLV:
		return tlvEnvelope(first.Payload, rid)
	case format == lwm2m.FormatCBOR:
		return cborEnvelope(first.Payload)
	}
	return envelope{}, false
}

// tlvEnvelope reads the type, identifier and length of a Resource with Value
// (Core, section 7.4.3, table of TLV formats).
func tlvEnvelope(b []byte, rid uint16) (envelope, bool) {
	if len(b) < 6 || b[0]&0xC0 != 0xC0 {
		return envelope{}, false
	}
	id, at := uint16(b[1]), 2
	if b[0]&0x20 != 0 {
		id, at = binary.BigEndian.Uint16(b[1:]), 3
	}
	length := int64(0)
	digits := int(b[0] >> 3 & 3)
	for _, d := range b[at : at+digits] {
		length = length<<8 | int64(d)
	}
	return envelope{head: at + digits, size: length, sure: true}, id == rid && digits > 0
}

// cborEnvelope reads the head of a byte string of definite length (RFC 8949,
// section 3).
func cborEnvelope(b []byte) (envelope, bool) {
	if len(b) < 9 {
		return envelope{}, false
	}
	e := envelope{sure: true}
	switch b[0] {
	case 0x58:
		e.head, e.size = 2, int64(b[1])
	case 0x59:
		e.head, e.size = 3, int64(binary.BigEndian.Uint16(b[1:]))
	case 0x5A:
		e.head, e.size = 5, int64(binary.BigEndian.Uint32(b[1:]))
	default:
		return e, false
	}
	return e, true
}

// block is one piece of a body.
type block struct {
	payload []byte
	x       *coap.Exchange // to be answered; nil: it is
	last    bool
}

// blocksAhead is how many blocks are taken before the owner has got them.
const blocksAhead = 64

// inflow is a body on its way to the owner of a resource. It is a coap.Sink, which
// hands each block to a goroutine: the owner may write to a disk. The first block is answered
// when the owner has taken it, and so is the last; those between at once, while there is
// room for them.
type inflow struct {
	account  *account
	path     lwm2m.Path
	envelope envelope
	blocks   chan block
	end      chan error    // of Abort
	replaced chan struct{} // closed when another one has come for the path
	over     chan struct{} // closed when the owner is not asked for anything more
	failed   atomic.Bool   // the next block is to be refused

	stream model.Stream
	taken  int64 // bytes of the value
	err    error // why it is over
}

// Block implements coap.Sink.
func (s *inflow) Block(x *coap.Exchange, offset int64, last bool) {
	payload := x.Request.Payload
	if offset == 0 || last || s.failed.Load() || len(s.blocks) >= blocksAhead-1 {
		s.blocks <- block{payload, x, last}
		return
	}
	s.blocks <- block{payload: bytes.Clone(payload)}
	s.account.respond(x, &coap.Message{Code: coap.Continue})
}

// Abort implements coap.Sink.
func (s *inflow) Abort(err error) {
	if errors.Is(err, coap.ErrBlock) {
		err = nil // the server begins anew
	}
	s.end <- err
}

// run takes blocks until the last one, a refusal, or the end of the transfer or of the account.
func (s *inflow) run() {
	for {
		select {
		case b := <-s.blocks:
			s.handOn(b)
			switch {
			case b.x == nil:
				continue
			case errors.Is(s.err, errTaken):
				s.account.respond(b.x, &coap.Message{Code: coap.Changed})
				return
			case s.err != nil:
				s.account.refuse(b.x, s.err)
				return
			}
			s.account.respond(b.x, &coap.Message{Code: coap.Continue})
		case <-s.replaced:
			s.replaced = nil
			s.abort(nil, lwm2m.Errorf(lwm2m.RequestEntityIncomplete, "%s: another value is being sent", s.path))
		case cause := <-s.end:
			s.abort(cause, cause)
			return
		case <-s.account.ctx.Done():
			s.abort(coap.ErrClosed, coap.ErrClosed)
			return
		}
	}
}

// handOn hands on one block, unless it is over.
func (s *inflow) handOn(b block) {
	if s.err != nil {
		return
	}
	err := s.take(b)
	if err == nil && b.last {
		err = errTaken
	}
	if err != nil {
		s.finish(err)
	}
}

// abort tells the owner that the rest does not come, unless it is over.
func (s *inflow) abort(cause, err error) {
	if s.err != nil {
		return
	}
	if s.stream != nil {
		s.stream.Abort(cause)
	}
	s.finish(err)
}

func (s *inflow) finish(err error) {
	s.err, s.stream = err, nil
	s.failed.Store(true)
	close(s.over)
}

// errTaken says that the owner has taken all.
var errTaken = errors.New("taken")

// take hands on one block.
func (s *inflow) take(b block) (err error) {
	ctx, payload := s.account.ctx, b.payload
	if s.account.client.bootstrap.busy.Load() {
		if s.stream != nil {
			s.stream.Abort(errBootstrapping)
		}
		return errBootstrapping
	}
	if s.stream == nil {
		s.stream, err = s.account.tree.Stream(ctx, s.account.origin(), s.path, s.envelope.size)
		if err != nil {
			return err
		}
		payload = payload[s.envelope.head:]
	}
	s.taken += int64(len(payload))
	if s.envelope.sure && (s.taken > s.envelope.size || b.last && s.taken < s.envelope.size) {
		s.stream.Abort(errWrongLength)
		return lwm2m.Errorf(lwm2m.BadRequest, "%s: %w", s.path, errWrongLength)
	}
	if err := s.stream.Write(ctx, payload); err != nil || !b.last {
		return err
	}
	return s.stream.Close(ctx)
}

var errWrongLength = errors.New("the value has not the length that it begins with")
