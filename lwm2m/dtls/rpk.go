package dtls

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// rawPublicKeys are certificates that are a bare SubjectPublicKeyInfo (RFC 7250).
type rawPublicKeys struct {
	ours   []byte           // body of our Certificate message (RFC 7250, section 3)
	peer   *ecdsa.PublicKey // the server's key
	pinned []byte           // its SubjectPublicKeyInfo
}

var _ certificates = (*rawPublicKeys)(nil)

func newRawPublicKeys(cfg *Config) (*ecdhe, error) {
	if cfg.Key == nil || len(cfg.PeerKey) == 0 {
		return nil, errors.New("neither a pre-shared key nor both raw public keys are set")
	}
	pub, ok := cfg.Key.Public().(*ecdsa.PublicKey)
	if !ok || pub.Curve != elliptic.P256() {
		return nil, errors.New("own key is not on P-256")
	}
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, fmt.Errorf("own key: %w", err)
	}
	parsed, err := x509.ParsePKIXPublicKey(cfg.PeerKey)
	if err != nil {
		return nil, fmt.Errorf("server's key: %w", err)
	}
	peer, ok := parsed.(*ecdsa.PublicKey)
	if !ok || peer.Curve != elliptic.P256() {
		return nil, errors.New("server's key is not on P-256")
	}
	return &ecdhe{&rawPublicKeys{opaque(3, spki), peer, cfg.PeerKey}, cfg.Key}, nil
}

func (k *rawPublicKeys) kind() uint8 { return typeRawPublic }

func (k *rawPublicKeys) own() []byte { return k.ours }

// check accepts the server's pinned key and no other (RFC 7250, section 3).
func (k *rawPublicKeys) check(body []byte) (*ecdsa.PublicKey, error) {
	var (
		s    = cryptobyte.String(body)
		spki cryptobyte.String
	)
	if !s.ReadUint24LengthPrefixed(&spki) || !s.Empty() {
		return nil, refuse(AlertDecodeError, "server's Certificate is malformed")
	}
	if !bytes.Equal(spki, k.pinned) {
		return nil, refuse(AlertCertificateUnknown, "server has another public key than expected")
	}
	return k.peer, nil
}

func (k *rawPublicKeys) digest(master []byte) []byte {
	return credentialsDigest(master, "rpk", k.ours, k.pinned)
}
