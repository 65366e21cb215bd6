package coap

import "encoding/binary"

// Head is what a message says about itself without being decoded.
type Head struct {
	Type    Type
	Code    Code
	ID      uint16
	Token   Token
	Observe bool      // the Observe option is there
	Path    [2][]byte // the first segments of the Uri-Path, borrowed; nil: there are none
}

// Peek reads the head of a datagram, at no cost in memory. It reports false for what
// [Parse] would not take as a message; behind the Uri-Path it does not look.
func Peek(datagram []byte) (h Head, ok bool) {
	b := datagram
	if len(b) < headerLen || b[0]>>6 != version {
		return h, false
	}
	h.Type, h.Code, h.ID = Type(b[0]>>4&3), Code(b[1]), binary.BigEndian.Uint16(b[2:])
	end := headerLen + int(b[0]&15)
	if end > headerLen+maxToken || end > len(b) {
		return h, false
	}
	h.Token, _ = MakeToken(b[headerLen:end])
	return h, h.peekOptions(b[end:])
}

// peekOptions looks at the options up to the Uri-Path.
func (h *Head) peekOptions(b []byte) bool {
	var id, segment uint
	for len(b) > 0 && b[0] != marker {
		delta, length := uint(b[0]>>4), uint(b[0]&15)
		var ok bool
		if b, delta, ok = extended(b[1:], delta); !ok {
			return false
		}
		if b, length, ok = extended(b, length); !ok || length > uint(len(b)) {
			return false
		}
		switch id += delta; {
		case id > uint(URIPath):
			return true
		case id == uint(Observe):
			h.Observe = true
		case id == uint(URIPath) && segment < uint(len(h.Path)):
			h.Path[segment] = b[:length:length]
			segment++
		}
		b = b[length:]
	}
	return true
}

// extended returns a delta or length of an option with its extension, and what follows
// (RFC 7252 section 3.1).
func extended(b []byte, n uint) (rest []byte, value uint, ok bool) {
	switch {
	case n < 13:
		return b, n, true
	case n == 13 && len(b) >= 1:
		return b[1:], uint(b[0]) + 13, true
	case n == 14 && len(b) >= 2:
		return b[2:], uint(binary.BigEndian.Uint16(b)) + 269, true
	}
	return b, 0, false
}
