package dtls

import (
	"errors"
	"fmt"
	"net"
)

// Session is all it takes to carry on with records ([Restore]) or to shorten the
// next handshake ([Config.Resume]). It is a plain value for any encoder to store;
// its MasterSecret is as secret as the credentials, and it prints without it.
type Session struct {
	ID                         []byte // the server's name for the session; empty if it cannot be resumed
	Suite                      Suite
	ExtendedMasterSecret       bool
	MasterSecret               []byte // 48 bytes
	ClientRandom, ServerRandom []byte // 32 bytes each

	LocalCID  []byte // on the server's records; empty if they have none
	RemoteCID []byte // on our records; empty if they have none

	NextSend    uint64 // number of the next record to send in epoch 1
	NextReceive uint64 // one above the highest number received in epoch 1

	// Credentials ties the session to the credentials it was made with: an
	// HMAC-SHA-256 of them under the master secret.
	Credentials []byte

	// Ended is set once an alert closed the session. It carries no more records,
	// but may still be resumed.
	Ended bool
}

// Matches reports whether the session was made with the credentials of cfg. One
// that was not must not be restored after the credentials were changed.
func (s *Session) Matches(cfg *Config) bool { return false }

// Restore carries on with the records of a session over conn, without any message
// to the server, which follows to a new address by the connection ID alone.
//
// A Session must be restored at most once: two connections would use the same
// record numbers under the same key, which gives the plaintext away. Records that
// the server sent before the Session was taken are never accepted again.
func Restore(conn net.Conn, s *Session) (*Conn, error) {
	return nil, fmt.Errorf("dtls: restore session: %w", errors.ErrUnsupported)
}
