package record

import "errors"

// Type is a content type (RFC 5246, section 6.2.1).
type Type uint8

// The content types of the profile.
const (
	ChangeCipherSpec Type = 20
	Alert            Type = 21
	Handshake        Type = 22
	ApplicationData  Type = 23
	ConnectionID     Type = 25 // tls12_cid, RFC 9146, section 4
)

const (
	// HeaderSize is the length of a record's header without a connection ID.
	HeaderSize = 13

	// MaxPayload is the largest payload of a record (RFC 5246, section 6.2.1).
	MaxPayload = 1 << 14

	// MaxCID is the largest length of a connection ID (RFC 9146, section 3).
	MaxCID = 255

	// MaxSize is the largest record: one of MaxPayload with the longest connection
	// ID, the type behind its payload, explicit nonce and tag.
	MaxSize = HeaderSize + MaxCID + explicitNonce + MaxPayload + 1 + maxTag

	// Version is DTLS 1.2 on the wire.
	Version = 0xfefd

	// Numbers is how many record numbers an epoch has.
	Numbers = 1 << 48

	maxSequence = Numbers - 1
)

// Errors of Append.
var (
	ErrReserved  = errors.New("reserved record numbers are used up")
	ErrExhausted = errors.New("record numbers are used up")
	errEpoch     = errors.New("record: no key for the epoch")
	errTooLong   = errors.New("record: payload is over 16384 bytes")
)

// Errors of Open: why a record was dropped.
var (
	ErrMalformed = errors.New("record is malformed")
	ErrForeign   = errors.New("record is not for this session")
	ErrReplayed  = errors.New("record was received before")
	ErrForged    = errors.New("record is not authentic")
)
