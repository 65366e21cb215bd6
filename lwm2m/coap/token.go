package coap

import (
	"encoding/hex"
	"errors"
)

// maxToken is the longest token (RFC 7252 section 3).
const maxToken = 8

// ErrToken says that a token is longer than eight bytes.
var ErrToken = errors.New("token longer than 8 bytes")

// Token is what a response is matched to its request by: 0 to 8 bytes (RFC 7252
// section 5.3.1). It is a value: comparable, and free of the buffer it was read from.
type Token struct {
	bytes [maxToken]byte
	len   uint8
}

// MakeToken copies b. A slice longer than 8 bytes is refused with [ErrToken].
func MakeToken(b []byte) (Token, error) {
	var t Token
	if len(b) > maxToken {
		return t, ErrToken
	}
	t.len = uint8(copy(t.bytes[:], b)) //nolint:gosec // at most maxToken
	return t, nil
}

// Len is the number of bytes, 0 to 8.
func (t Token) Len() int { return int(t.len) }

// Bytes returns a copy.
func (t Token) Bytes() []byte { return append([]byte(nil), t.bytes[:t.len]...) }

// Append appends the token's bytes to b.
func (t Token) Append(b []byte) []byte { return append(b, t.bytes[:t.len]...) }

// String returns the token in hexadecimal.
func (t Token) String() string { return hex.EncodeToString(t.bytes[:t.len]) }
