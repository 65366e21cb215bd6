package dtls

import (
	"crypto"
	"time"
)

// Config says who we are, whom we talk to and how patiently. Either PSK with
// Identity or Key with PeerKey must be set. It prints without its secrets.
type Config struct {
	// PSK is the pre-shared key, at most 64 bytes, and Identity what the server
	// knows it by, at most 128 bytes (RFC 7925, section 4.2, and RFC 4279, section 5.3).
	PSK      []byte
	Identity []byte

	// Key is our raw public key's private half on P-256, PeerKey the server's
	// SubjectPublicKeyInfo in DER; no other key is accepted (RFC 7250).
	Key     crypto.Signer
	PeerKey []byte

	// Suites are the cipher suites to offer, the preferred one first. Empty means
	// all of the profile that fit the credentials, the mandatory one first.
	Suites []Suite

	// CIDLength is the length of the connection ID, at most 255 bytes, that the
	// server shall put on its records. Zero still lets the server give us one to
	// send, which is what keeps a session over a change of address; a negative
	// value leaves connection IDs out altogether.
	CIDLength int

	// Resume, if not nil, is a session to take up again in one round trip if the
	// server still knows it. If it does not, or if the session was made with other
	// credentials, the handshake is a full one.
	Resume *Session

	// RequireExtendedMasterSecret refuses servers without RFC 7627. It is off by
	// default because Leshan 2.0.0-M4 and other servers on Scandium 2 have none;
	// the attack it prevents needs resumption or renegotiation across a server
	// that holds the same credentials as another, and this package never
	// renegotiates. It is always used when the server offers it.
	RequireExtendedMasterSecret bool

	// Timeout bounds the whole handshake; 25 s if zero. A server such as Scandium
	// gives up in silence after four retransmissions, so a longer wait is of no
	// use: begin anew, if possible from a new source port (the server may keep
	// state for the old one).
	Timeout time.Duration

	// RetransmitInitial is the first retransmission time-out, 1 s if zero, and
	// RetransmitMax the bound of its doubling, 60 s if zero (RFC 6347, section
	// 4.2.4.1). Slow bearers need a longer first one: RFC 7925, section 11,
	// recommends 9 s.
	RetransmitInitial time.Duration
	RetransmitMax     time.Duration

	// MTU is the largest datagram in bytes that the handshake sends, 1200 if
	// zero, at least 228. The ClientHello is never split: a server without state
	// cannot put it together.
	MTU int
}
