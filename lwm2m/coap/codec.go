package coap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/plgd-dev/go-coap/v3/message"
)

// ErrMalformed says that a datagram is not a CoAP message (RFC 7252 section 3).
var ErrMalformed = errors.New("malformed message")

const (
	headerLen  = 4
	version    = 1
	marker     = 0xff
	maxOptions = 64   // of one message; more are malformed
	maxOption  = 1034 // bytes, Proxy-Uri; all others have at most 255
)

// Parse decodes a datagram, or what [Options.Trace] was shown of a stream, signalling
// messages included. The message borrows it. The error wraps [ErrMalformed].
func Parse(datagram []byte) (*Message, error) {
	m := new(Message)
	if err := m.parse(datagram); err != nil {
		return nil, err
	}
	return m, nil
}

// parse decodes b into m, using the memory for options that m has. go-coap's whole
// decoder is not used: it drops critical options of illegal length silently and takes
// a marker without payload.
func (m *Message) parse(b []byte) error {
	m.Reset()
	if len(b) < headerLen || b[0]>>6 != version {
		return fmt.Errorf("%w: no version 1 header", ErrMalformed)
	}
	m.Type, m.Code, m.ID = Type(b[0]>>4&3), Code(b[1]), binary.BigEndian.Uint16(b[2:])
	switch class := m.Code.Class(); {
	case m.Code == Empty && len(b) != headerLen:
		return fmt.Errorf("%w: an empty message has %d bytes", ErrMalformed, len(b))
	case class == 1 || class == 6 || class == 7 && (m.Type != NON || m.ID != 0):
		return fmt.Errorf("%w: reserved class of code %s", ErrMalformed, m.Code)
	}
	end := headerLen + int(b[0]&15)
	if end > headerLen+maxToken || end > len(b) {
		return fmt.Errorf("%w: token length %d", ErrMalformed, b[0]&15)
	}
	m.Token, _ = MakeToken(b[headerLen:end])
	return m.parseOptions(b[end:])
}

// parseOptions decodes options and payload.
func (m *Message) parseOptions(b []byte) error {
	n, err := m.options.Unmarshal(b, nil)
	for errors.Is(err, message.ErrOptionsTooSmall) && cap(m.options) < maxOptions {
		m.options = make(message.Options, 0, min(max(16, 2*cap(m.options)), maxOptions))
		n, err = m.options.Unmarshal(b, nil)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if n > 0 && n == len(b) && b[n-1] == marker {
		// Either the marker, which must not be the last byte, or an option's value.
		if size, _ := m.options.Marshal(nil); size != n {
			return fmt.Errorf("%w: no payload after the marker", ErrMalformed)
		}
	}
	if n < len(b) {
		m.Payload = b[n:]
	}
	return nil
}

// Append encodes m, whose body must be its Payload, after dst, so that [Parse] reads it:
// for a request that is to outlive the process. The error wraps [ErrTooLong].
func (m *Message) Append(dst []byte) ([]byte, error) {
	return appendMessage(dst, m.Type, m.Code, m.ID, m.Token, m.options, m.Payload)
}

// appendMessage encodes a message after dst.
func appendMessage(dst []byte, t Type, code Code, id uint16, token Token, options message.Options, payload []byte) ([]byte, error) {
	size := headerLen + maxToken + 1 + len(payload)
	for _, o := range options {
		if n := len(o.Value); n > maxOption || n > 255 && OptionID(o.ID) != ProxyURI {
			return dst, fmt.Errorf("%w: option %d has %d bytes", ErrTooLong, o.ID, n)
		}
		size += 5 + len(o.Value)
	}
	if len(options) > maxOptions {
		return dst, fmt.Errorf("%w: %d options", ErrTooLong, len(options))
	}
	dst = slices.Grow(dst, size)
	dst = binary.BigEndian.AppendUint16(append(dst, version<<6|byte(t)<<4|token.len, byte(code)), id)
	dst = token.Append(dst)
	if len(options) > 0 {
		n, err := options.Marshal(dst[len(dst):cap(dst)])
		if err != nil {
			return dst, fmt.Errorf("encode options: %w", err)
		}
		dst = dst[:len(dst)+n]
	}
	if len(payload) > 0 {
		dst = append(append(dst, marker), payload...)
	}
	return dst, nil
}

// appendEmpty encodes an empty message after dst: a ping, an ACK or an RST.
func appendEmpty(dst []byte, t Type, id uint16) []byte {
	return binary.BigEndian.AppendUint16(append(dst, version<<6|byte(t)<<4, byte(Empty)), id)
}

// setID changes the message ID of an encoded message.
func setID(datagram []byte, id uint16) { binary.BigEndian.PutUint16(datagram[2:], id) }
