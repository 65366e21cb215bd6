package record

import (
	"bytes"
	"encoding/binary"
)

// Record is what one record carries. Payload points into the datagram.
type Record struct {
	Epoch   uint16
	Type    Type
	Payload []byte
}

// Opener reads the records of the peer. Its zero value opens those of epoch 0.
type Opener struct {
	sealed bool   // epoch 0 is over
	cid    []byte // on every record of epoch 1, unless empty
	key    *Protection
	window window
}

// Protect starts epoch 1; cid is the connection ID that we asked for, empty if
// none. Records numbered below next count as received.
func (o *Opener) Protect(key *Protection, cid []byte, next uint64) {
	o.key, o.cid, o.window = key, cid, newWindow(next)
}

// Seal ends epoch 0: anybody could have sent a plaintext record.
func (o *Opener) Seal() { o.sealed = true }

// Received returns one above the highest record number opened in epoch 1.
func (o *Opener) Received() uint64 { return o.window.next }

// Open returns the first record of a datagram, decrypting it in place, and what
// follows that record, also if the record is to be dropped. A record is new only
// once.
func (o *Opener) Open(datagram []byte) (rec Record, rest []byte, err error) {
	h, rest, err := o.split(datagram)
	if err != nil {
		return Record{}, rest, err
	}
	if h.number>>48 == 0 {
		return o.plain(h, rest)
	}
	overhead := 0
	if o.key != nil {
		overhead = o.key.overhead()
	}
	sequence := h.number & maxSequence
	switch {
	case h.number>>48 != 1, o.key == nil, (h.typ == ConnectionID) != (len(o.cid) > 0), !bytes.Equal(h.cid, o.cid),
		h.version != Version:
		return Record{}, rest, ErrForeign
	case len(h.body) < overhead, len(h.body) > overhead+MaxPayload+1:
		return Record{}, rest, ErrMalformed
	case !o.window.fresh(sequence):
		return Record{}, rest, ErrReplayed
	}
	explicit, body := h.body[:explicitNonce], h.body[explicitNonce:]
	o.key.prepare(explicit, h.typ, h.number, o.cid, len(h.body)-overhead)
	payload, err := o.key.aead.Open(body[:0], o.key.nonce[:], body, o.key.data)
	if err != nil {
		return Record{}, rest, ErrForged
	}
	o.window.mark(sequence)
	typ := h.typ
	if typ == ConnectionID {
		if payload, typ, err = unpad(payload); err != nil {
			return Record{}, rest, err
		}
	}
	if len(payload) > MaxPayload {
		return Record{}, rest, ErrMalformed
	}
	return Record{Epoch: 1, Type: typ, Payload: payload}, rest, nil
}

// header is a record taken apart.
type header struct {
	typ     Type
	version uint16
	number  uint64 // epoch in the top 16 bits
	cid     []byte
	body    []byte
}

// split takes the first record off the datagram. Behind a record whose end cannot
// be found there is nothing.
func (o *Opener) split(datagram []byte) (h header, rest []byte, err error) {
	size := HeaderSize
	if len(datagram) < size {
		return h, nil, ErrMalformed
	}
	h.typ = Type(datagram[0])
	if h.typ == ConnectionID {
		if len(o.cid) == 0 {
			return h, nil, ErrForeign
		}
		size += len(o.cid)
	}
	if len(datagram) < size {
		return h, nil, ErrMalformed
	}
	end := size + int(binary.BigEndian.Uint16(datagram[size-2:]))
	if len(datagram) < end {
		return h, nil, ErrMalformed
	}
	h.version = binary.BigEndian.Uint16(datagram[1:])
	h.number = binary.BigEndian.Uint64(datagram[3:])
	h.cid, h.body = datagram[11:size-2], datagram[size:end]
	return h, datagram[end:], nil
}

// plain accepts a record of epoch 0, whose minor version does not matter yet
// (RFC 6347, section 4.2.1: a HelloVerifyRequest comes as DTLS 1.0).
func (o *Opener) plain(h header, rest []byte) (Record, []byte, error) {
	switch {
	case o.sealed, h.typ == ConnectionID:
		return Record{}, rest, ErrForeign
	case h.version>>8 != Version>>8, len(h.body) > MaxPayload:
		return Record{}, rest, ErrMalformed
	}
	return Record{Type: h.typ, Payload: h.body}, rest, nil
}

// unpad takes the type and the zeroes behind it off a DTLSInnerPlaintext
// (RFC 9146, section 4).
func unpad(inner []byte) (payload []byte, typ Type, err error) {
	end := len(inner) - 1
	for end >= 0 && inner[end] == 0 {
		end--
	}
	if end < 0 {
		return nil, 0, ErrMalformed
	}
	return inner[:end], Type(inner[end]), nil
}
