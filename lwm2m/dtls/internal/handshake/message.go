package handshake

import (
	"encoding/binary"
	"fmt"
)

// Type is a handshake message type (RFC 5246, section 7.4; RFC 6347, section 4.3.2).
type Type uint8

// The messages of the profile.
const (
	HelloRequest       Type = 0
	ClientHello        Type = 1
	ServerHello        Type = 2
	HelloVerifyRequest Type = 3
	Certificate        Type = 11
	ServerKeyExchange  Type = 12
	CertificateRequest Type = 13
	ServerHelloDone    Type = 14
	CertificateVerify  Type = 15
	ClientKeyExchange  Type = 16
	Finished           Type = 20
)

// String returns the message's name in RFC 5246.
func (t Type) String() string {
	switch t {
	case HelloRequest:
		return "HelloRequest"
	case ClientHello:
		return "ClientHello"
	case ServerHello:
		return "ServerHello"
	case HelloVerifyRequest:
		return "HelloVerifyRequest"
	case Certificate:
		return "Certificate"
	case ServerKeyExchange:
		return "ServerKeyExchange"
	case CertificateRequest:
		return "CertificateRequest"
	case ServerHelloDone:
		return "ServerHelloDone"
	case CertificateVerify:
		return "CertificateVerify"
	case ClientKeyExchange:
		return "ClientKeyExchange"
	case Finished:
		return "Finished"
	}
	return fmt.Sprintf("handshake message %d", uint8(t))
}

// Message is one handshake message.
type Message struct {
	Type Type
	Seq  uint16 // message_seq
	Body []byte // at most MaxBody bytes
}

const (
	// HeaderSize is the length of a fragment's header (RFC 6347, section 4.2.2).
	HeaderSize = 12

	// MaxBody is the largest body of a message, in bytes.
	MaxBody = 8192
)

// appendFragment appends the fragment of the body from one offset to another.
func (m Message) appendFragment(dst []byte, from, to int) []byte {
	dst = append(dst, byte(m.Type))
	dst = append24(dst, len(m.Body))
	dst = binary.BigEndian.AppendUint16(dst, m.Seq)
	dst = append24(dst, from)
	dst = append24(dst, to-from)
	return append(dst, m.Body[from:to]...)
}

// append appends the message in one piece, as the transcript has it
// (RFC 6347, section 4.2.6).
func (m Message) append(dst []byte) []byte { return m.appendFragment(dst, 0, len(m.Body)) }

func append24(dst []byte, n int) []byte {
	return append(dst, byte(n>>16), byte(n>>8), byte(n)) //nolint:gosec // the low 24 bits are meant
}

// fragment is a fragment as it was received.
type fragment struct {
	typ    Type
	seq    uint16
	length int // of the whole body
	offset int
	data   []byte
}

// cut takes the first fragment off the payload of a record.
func cut(payload []byte) (f fragment, rest []byte, ok bool) {
	if len(payload) < HeaderSize {
		return f, nil, false
	}
	end := HeaderSize + int24(payload[9:])
	if len(payload) < end {
		return f, nil, false
	}
	return fragment{
		typ:    Type(payload[0]),
		seq:    binary.BigEndian.Uint16(payload[4:]),
		length: int24(payload[1:]),
		offset: int24(payload[6:]),
		data:   payload[HeaderSize:end],
	}, payload[end:], true
}

func int24(b []byte) int { return int(b[0])<<16 | int(b[1])<<8 | int(b[2]) }

// IsFinished reports whether the payload of a handshake record in epoch 1 begins
// with a Finished: the peer repeats its last flight, since it did not get ours.
func IsFinished(payload []byte) bool {
	f, _, ok := cut(payload)
	return ok && f.typ == Finished
}
