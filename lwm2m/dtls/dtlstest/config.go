package dtlstest

import (
	"crypto"
	"sync"
	"time"

	"lwm2m-agent/lwm2m/dtls"
)

// Config is what a server has and how it behaves. Set PSK for pre-shared keys, Key
// for raw public keys and, with Certificates, X.509, or both and let the client's offer
// decide.
type Config struct {
	// PSK returns the key of an identity, nil if there is none.
	PSK func(identity []byte) []byte

	// Hint is the PSK identity hint; nil leaves the ServerKeyExchange out.
	Hint []byte

	// Key is the server's private key on P-256 or, with Certificates, of RSA. ClientKey
	// is the only SubjectPublicKeyInfo that the server takes, raw or in a certificate;
	// nil does not ask for one.
	Key       crypto.Signer
	ClientKey []byte

	// Certificates is the server's X.509 chain in DER; nil means raw public keys.
	Certificates [][]byte

	// Suites, the preferred one first; empty means those of lwm2m/dtls.
	Suites []dtls.Suite

	// CIDLength is the length of the connection ID that the client shall put on
	// its records; a negative value leaves the extension out.
	CIDLength int

	// Cookie makes the server ask for one by HelloVerifyRequest.
	Cookie bool

	// NoExtendedMasterSecret makes it an old server.
	NoExtendedMasterSecret bool

	// Sessions, if not nil, are remembered for resumption.
	Sessions *Sessions

	// Retransmit is the first retransmission time-out, 1 s if zero; Timeout bounds
	// the handshake, 25 s if zero; MTU is the largest datagram to send, 1200 if zero.
	Retransmit time.Duration
	Timeout    time.Duration
	MTU        int

	// Mutate, if not nil, may change the type and the body of each handshake
	// message before it is sent. The server then goes on as if it had meant it: the
	// change is in the transcript, and a changed ServerHello counts. So the client's
	// checks of signature and Finished pass.
	Mutate func(typ uint8, body []byte) (uint8, []byte)

	// MutateParams, if not nil, may change the key share before it is signed.
	MutateParams func(params []byte) []byte
}

// Key returns a Config.PSK that knows one identity.
func Key(identity string, key []byte) func([]byte) []byte {
	return func(i []byte) []byte {
		if string(i) != identity {
			return nil
		}
		return key
	}
}

// Sessions are what a server remembers for resumption. The zero value is empty.
type Sessions struct {
	mu   sync.Mutex
	byID map[string]session
}

type session struct {
	suite  dtls.Suite
	master []byte
	ems    bool
}

// Forget forgets all sessions, as a restarted server does.
func (s *Sessions) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byID = nil
}

func (s *Sessions) get(id []byte) (session, bool) {
	if s == nil {
		return session{}, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.byID[string(id)]
	return found, ok
}

func (s *Sessions) put(id []byte, v session) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID == nil {
		s.byID = make(map[string]session)
	}
	s.byID[string(id)] = v
}
