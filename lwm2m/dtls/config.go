package dtls

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"lwm2m-agent/lwm2m/dtls/internal/handshake"
	"lwm2m-agent/lwm2m/dtls/internal/record"
)

// maxName bounds a host name (RFC 1035, section 2.3.4).
const maxName = 255

// Defaults of a Config.
const (
	defaultTimeout           = 25 * time.Second
	defaultRetransmitInitial = time.Second
	defaultRetransmitMax     = time.Minute
	defaultMTU               = 1200
)

// Config says who we are, whom we talk to and how patiently. PSK with Identity, Key
// with PeerKey, or Key with Certificates and Trust must be set. It prints without its
// secrets.
type Config struct {
	// PSK is the pre-shared key and Identity what the server knows it by, at most
	// 512 bytes each (RFC 4279, section 5.3, wants 64 and 128 at least).
	PSK      []byte
	Identity []byte

	// Key is the private half, on P-256, of our raw public key or certificate. It may
	// live elsewhere, as in a TPM.
	Key crypto.Signer

	// PeerKey is the server's SubjectPublicKeyInfo in DER or, as PeerMatching says, its
	// digest; no other key is accepted (RFC 7250).
	PeerKey      []byte
	PeerMatching Matching

	// Certificates is our X.509 chain in DER, that of Key first and each issued by the
	// next, at most 8 KiB in all. Trust says which certificates of servers are accepted.
	Certificates [][]byte
	Trust        *Trust

	// ServerName is the host name that is told to the server in the clear, so that it
	// can choose among its certificates (RFC 6066, section 3): no IP address; empty for
	// none.
	ServerName string

	// Now is the clock that certificates are judged by; time.Now if nil.
	Now func() time.Time

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

// complete fills in the defaults and returns the key exchange of the credentials.
func (cfg *Config) complete() (keyExchange, error) {
	exchange, err := cfg.credentials()
	if err != nil {
		return nil, err
	}
	if len(cfg.Suites) == 0 {
		cfg.Suites = exchange.suites()
	}
	for i, s := range cfg.Suites {
		if !slices.Contains(exchange.suites(), s) {
			return nil, fmt.Errorf("%v does not go with the credentials or is not supported", s)
		}
		if slices.Contains(cfg.Suites[:i], s) {
			return nil, fmt.Errorf("%v is listed twice", s)
		}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.Timeout = cmp.Or(cfg.Timeout, defaultTimeout)
	cfg.RetransmitInitial = cmp.Or(cfg.RetransmitInitial, defaultRetransmitInitial)
	cfg.RetransmitMax = cmp.Or(cfg.RetransmitMax, defaultRetransmitMax)
	cfg.MTU = cmp.Or(cfg.MTU, defaultMTU)
	switch {
	case len(cfg.ServerName) > maxName || net.ParseIP(cfg.ServerName) != nil:
		return nil, fmt.Errorf("server name %.300q is no host name", cfg.ServerName)
	case cfg.CIDLength > record.MaxCID:
		return nil, fmt.Errorf("connection ID is longer than %d bytes", record.MaxCID)
	case cfg.Timeout < 0 || cfg.RetransmitInitial < 0 || cfg.RetransmitMax < cfg.RetransmitInitial:
		return nil, errors.New("time-outs are negative or out of order")
	case cfg.MTU < handshake.MinMTU:
		return nil, fmt.Errorf("MTU is below %d", handshake.MinMTU)
	}
	return exchange, nil
}

// credentials returns the key exchange of the credentials.
func (cfg *Config) credentials() (keyExchange, error) {
	switch {
	case cfg.PSK != nil || cfg.Identity != nil:
		return newPreSharedKey(cfg)
	case cfg.Trust != nil || cfg.Certificates != nil:
		return newX509(cfg)
	}
	return newRawPublicKeys(cfg)
}

// Supported returns the suites that go with the credentials, the mandatory one first.
func (cfg *Config) Supported() ([]Suite, error) {
	exchange, err := cfg.credentials()
	if err != nil {
		return nil, fmt.Errorf("dtls: configuration: %w", err)
	}
	return exchange.suites(), nil
}

// ownKey returns the public half of Key.
func (cfg *Config) ownKey() (*ecdsa.PublicKey, error) {
	pub, ok := cfg.Key.Public().(*ecdsa.PublicKey)
	if !ok || pub.Curve != elliptic.P256() {
		return nil, errors.New("own key is not on P-256")
	}
	return pub, nil
}
