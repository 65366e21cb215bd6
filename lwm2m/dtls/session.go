package dtls

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"

	"lwm2m-agent/lwm2m/dtls/internal/handshake"
	"lwm2m-agent/lwm2m/dtls/internal/record"
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

	// NotAfter is when the first of the server's certificates expires that it was
	// trusted by; zero: none was judged by time. The session is not resumed later.
	NotAfter time.Time

	// Ended is set once an alert closed the session. It carries no more records,
	// but may still be resumed.
	Ended bool
}

// Matches reports whether the session was made with the credentials of cfg. One
// that was not must not be restored: the credentials were changed since.
func (s *Session) Matches(cfg *Config) bool {
	exchange, err := cfg.credentials()
	return err == nil && s.valid() == nil && hmac.Equal(s.Credentials, exchange.digest(s.MasterSecret))
}

// valid checks the form of a session that was stored.
func (s *Session) valid() error {
	switch {
	case !s.Suite.known():
		return fmt.Errorf("unknown %v", s.Suite)
	case len(s.MasterSecret) != handshake.MasterSecretSize:
		return fmt.Errorf("master secret of %d bytes", len(s.MasterSecret))
	case len(s.ClientRandom) != handshake.RandomSize || len(s.ServerRandom) != handshake.RandomSize:
		return errors.New("randoms are not of 32 bytes")
	case len(s.LocalCID) > record.MaxCID || len(s.RemoteCID) > record.MaxCID:
		return fmt.Errorf("connection ID is longer than %d bytes", record.MaxCID)
	case s.NextSend == 0:
		return errors.New("number of the next record is 0, that of the handshake's Finished")
	case s.NextSend > record.Numbers || s.NextReceive > record.Numbers:
		return errors.New("number of a record is over 48 bits")
	}
	return nil
}

// clone returns a copy that shares nothing with s.
func (s *Session) clone() Session {
	c := *s
	for _, b := range []*[]byte{
		&c.ID, &c.MasterSecret, &c.ClientRandom, &c.ServerRandom, &c.LocalCID, &c.RemoteCID, &c.Credentials,
	} {
		*b = bytes.Clone(*b)
	}
	return c
}

// Restore carries on with the records of a session over conn, without any message
// to the server, which follows to a new address by the connection ID alone. It
// fails with [ErrSessionEnded] if an alert closed the session.
//
// Nothing can be sent before [Conn.Session] reserved record numbers; store what it
// returns before the first Write. A Session must be restored at most once: two
// connections would use the same record numbers under the same key, which gives the
// plaintext away. Records that the server sent before the Session was taken are
// never accepted again.
func Restore(conn net.Conn, s *Session) (*Conn, error) {
	if s.Ended {
		return nil, fmt.Errorf("dtls: restore: %w", ErrSessionEnded)
	}
	if err := s.valid(); err != nil {
		return nil, fmt.Errorf("dtls: restore: %w", err)
	}
	ours, theirs, err := handshake.Keys(s.Suite.aead(), s.MasterSecret, s.ClientRandom, s.ServerRandom)
	if err != nil {
		return nil, fmt.Errorf("dtls: restore: %w", err)
	}
	c := &Conn{conn: conn, session: s.clone(), restored: true}
	c.out.sealer.Protect(ours, s.RemoteCID, s.NextSend)
	c.out.sealer.Reserve(0)
	c.in.opener.Protect(theirs, s.LocalCID, s.NextReceive)
	c.in.opener.Seal()
	return c, nil
}

// credentialsDigest is what Session.Credentials holds: an HMAC over the kind of the
// credentials and its parts, each behind its length.
func credentialsDigest(master []byte, kind string, parts ...[]byte) []byte {
	mac := hmac.New(sha256.New, master)
	mac.Write([]byte(kind))
	for _, p := range parts {
		mac.Write(binary.BigEndian.AppendUint32(nil, uint32(len(p)))[1:]) //nolint:gosec // the configuration bounds them
		mac.Write(p)
	}
	sum := mac.Sum(nil)
	// The hash has the end of what it was given, a pre-shared key, in a block of its own: one that is begun with a byte and filled up
	// takes its place.
	var blank [sha256.BlockSize]byte
	mac.Reset()
	mac.Write(blank[:1])
	mac.Write(blank[1:])
	return sum
}
