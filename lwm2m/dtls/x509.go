package dtls

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"lwm2m-agent/lwm2m/dtls/internal/handshake"
)

// maxChain bounds the certificates of a chain.
const maxChain = 8

// x509Chains are certificates that are chains (RFC 5246, section 7.4.2).
type x509Chains struct {
	ours  []byte // body of our Certificate message
	trust *Trust
}

var _ certificates = (*x509Chains)(nil)

func newX509(cfg *Config) (*ecdhe, error) {
	switch {
	case cfg.PeerKey != nil:
		return nil, errors.New("both a raw public key and certificates are set")
	case cfg.Key == nil || len(cfg.Certificates) == 0 || cfg.Trust == nil:
		return nil, errors.New("certificates need Key, Certificates and Trust")
	case len(cfg.Certificates) > maxChain:
		return nil, fmt.Errorf("own chain has more than %d certificates", maxChain)
	}
	pub, err := cfg.ownKey()
	if err != nil {
		return nil, err
	}
	var list []byte
	for i, der := range cfg.Certificates {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("own certificate %d: %w", i, err)
		}
		if i == 0 && !pub.Equal(c.PublicKey) {
			return nil, errors.New("own key does not belong to the own certificate")
		}
		list = append(list, opaque(3, der)...)
	}
	if len(list) > handshake.MaxBody-3 {
		return nil, fmt.Errorf("own chain has more than %d bytes", handshake.MaxBody-3)
	}
	if err := cfg.Trust.check(); err != nil {
		return nil, fmt.Errorf("server's certificate: %w", err)
	}
	return &ecdhe{&x509Chains{opaque(3, list), cfg.Trust}, cfg.Key}, nil
}

func (k *x509Chains) kind() uint8 { return typeX509 }

func (k *x509Chains) suites() []Suite {
	return []Suite{ECDHEECDSAWithAES128CCM8, ECDHEECDSAWithAES128CCM, ECDHEECDSAWithAES128GCMSHA256, ECDHERSAWithAES128GCMSHA256}
}

// algorithms has the signatures of certificates too, which a server may choose its
// chain by.
func (k *x509Chains) algorithms() []signatureAlgorithm {
	return []signatureAlgorithm{ecdsaSHA256, ecdsaSHA384, rsaPSS256, rsaSHA256, rsaSHA384}
}

func (k *x509Chains) own() []byte { return k.ours }

func (k *x509Chains) check(body []byte, now time.Time) (peer, error) {
	chain, err := parseChain(body)
	if err != nil {
		return peer{}, err
	}
	key, err := serverKey(chain[0])
	if err != nil {
		return peer{}, err
	}
	notAfter, err := k.trust.judge(chain, now)
	return peer{key, notAfter}, err
}

func (k *x509Chains) digest(master []byte) []byte {
	t := k.trust
	return credentialsDigest(master, "x509", k.ours, []byte{byte(t.Usage), byte(t.Matching)}, t.Data, []byte(t.Name))
}

// parseChain returns the certificates of a Certificate message, the server's own first.
func parseChain(body []byte) ([]*x509.Certificate, error) {
	var (
		s     = cryptobyte.String(body)
		list  cryptobyte.String
		chain []*x509.Certificate
	)
	if !s.ReadUint24LengthPrefixed(&list) || !s.Empty() {
		return nil, refuse(AlertDecodeError, "server's Certificate is malformed")
	}
	for !list.Empty() {
		var der cryptobyte.String
		if !list.ReadUint24LengthPrefixed(&der) {
			return nil, refuse(AlertDecodeError, "server's Certificate is malformed")
		}
		if len(chain) == maxChain {
			return nil, refuse(AlertBadCertificate, "server's chain has more than %d certificates", maxChain)
		}
		c, err := x509.ParseCertificate(bytes.Clone(der))
		if err != nil {
			return nil, refuse(AlertBadCertificate, "server's certificate %d cannot be read: %.200q", len(chain), err)
		}
		chain = append(chain, c)
	}
	if len(chain) == 0 {
		return nil, refuse(AlertBadCertificate, "server has no certificate")
	}
	return chain, nil
}
