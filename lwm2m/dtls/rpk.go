package dtls

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

// rawPublicKeys are certificates that are a bare SubjectPublicKeyInfo (RFC 7250).
type rawPublicKeys struct {
	ours     []byte // body of our Certificate message (RFC 7250, section 3)
	matching Matching
	pinned   []byte // the server's SubjectPublicKeyInfo, or its digest
}

var _ certificates = (*rawPublicKeys)(nil)

func newRawPublicKeys(cfg *Config) (*ecdhe, error) {
	if cfg.Key == nil || len(cfg.PeerKey) == 0 {
		return nil, errors.New("neither a pre-shared key nor raw public keys nor certificates are set")
	}
	pub, err := cfg.ownKey()
	if err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, fmt.Errorf("own key: %w", err)
	}
	if err := cfg.PeerMatching.check(cfg.PeerKey); err != nil {
		return nil, fmt.Errorf("server's key: %w", err)
	}
	if cfg.PeerMatching == MatchExact {
		if _, err := parsePoint(cfg.PeerKey); err != nil {
			return nil, fmt.Errorf("server's key: %w", err)
		}
	}
	return &ecdhe{&rawPublicKeys{opaque(3, spki), cfg.PeerMatching, cfg.PeerKey}, cfg.Key}, nil
}

// parsePoint returns the P-256 key of a SubjectPublicKeyInfo.
func parsePoint(spki []byte) (*ecdsa.PublicKey, error) {
	parsed, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("not on P-256")
	}
	return key, nil
}

func (k *rawPublicKeys) kind() uint8 { return typeRawPublic }

func (k *rawPublicKeys) suites() []Suite {
	return []Suite{ECDHEECDSAWithAES128CCM8, ECDHEECDSAWithAES128CCM, ECDHEECDSAWithAES128GCMSHA256}
}

func (k *rawPublicKeys) algorithms() []signatureAlgorithm { return []signatureAlgorithm{ecdsaSHA256} }

func (k *rawPublicKeys) own() []byte { return k.ours }

// check accepts the server's pinned key and no other (RFC 7250, section 3).
func (k *rawPublicKeys) check(body []byte, _ time.Time) (peer, error) {
	var (
		s    = cryptobyte.String(body)
		spki cryptobyte.String
	)
	if !s.ReadUint24LengthPrefixed(&spki) || !s.Empty() {
		return peer{}, refuse(AlertDecodeError, "server's Certificate is malformed")
	}
	if !k.matching.matches(k.pinned, spki) {
		return peer{}, refuse(AlertCertificateUnknown, "server has another public key than expected")
	}
	key, err := parsePoint(spki)
	if err != nil {
		return peer{}, refuse(AlertUnsupportedCertificate, "server's public key: %v", err)
	}
	return peer{key: key}, nil
}

func (k *rawPublicKeys) digest(master []byte) []byte {
	return credentialsDigest(master, "rpk", k.ours, []byte{byte(k.matching)}, k.pinned)
}
