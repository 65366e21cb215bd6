package dtls

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"

	"lwm2m-agent/lwm2m/dtls/internal/handshake"
)

// maxPSK bounds key and identity each. RFC 4279, section 5.3, wants 64 and 128
// bytes at least.
const maxPSK = 512

// preSharedKey is the key exchange PSK (RFC 4279, section 2).
type preSharedKey struct {
	identity, key []byte
}

func newPreSharedKey(cfg *Config) (*preSharedKey, error) {
	switch {
	case cfg.Key != nil || cfg.PeerKey != nil || cfg.Trust != nil:
		return nil, errors.New("both a pre-shared key and public keys are set")
	case len(cfg.PSK) == 0:
		return nil, errors.New("pre-shared key is empty")
	case len(cfg.PSK) > maxPSK:
		return nil, fmt.Errorf("pre-shared key is longer than %d bytes", maxPSK)
	case len(cfg.Identity) > maxPSK:
		return nil, fmt.Errorf("identity is longer than %d bytes", maxPSK)
	}
	return &preSharedKey{cfg.Identity, cfg.PSK}, nil
}

func (p *preSharedKey) suites() []Suite {
	return []Suite{PSKWithAES128CCM8, PSKWithAES128CCM, PSKWithAES128GCMSHA256}
}

func (p *preSharedKey) offer(*clientHello) {}

// run answers the server's flight with our identity. A ServerKeyExchange, with an
// identity hint, is optional and of no use to us: the account says which identity.
func (p *preSharedKey) run(ctx context.Context, h *handshaker) (handshake.Flight, error) {
	m, err := h.receive(ctx, handshake.ServerHelloDone, handshake.ServerKeyExchange)
	if err != nil {
		return nil, err
	}
	if m.Type == handshake.ServerKeyExchange {
		if err := checkHint(m.Body); err != nil {
			return nil, err
		}
		if m, err = h.receive(ctx, handshake.ServerHelloDone); err != nil {
			return nil, err
		}
	}
	if len(m.Body) != 0 {
		return nil, refuse(AlertDecodeError, "ServerHelloDone has a body")
	}
	flight := handshake.Flight{h.message(handshake.ClientKeyExchange, opaque(2, p.identity))}
	return flight, h.derive(handshake.PSKPremaster(p.key))
}

func (p *preSharedKey) digest(master []byte) []byte {
	return credentialsDigest(master, "psk", p.identity, p.key)
}

// checkHint checks the form of a ServerKeyExchange (RFC 4279, section 2).
func checkHint(body []byte) error {
	s := cryptobyte.String(body)
	var hint cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&hint) || !s.Empty() {
		return refuse(AlertDecodeError, "ServerKeyExchange is malformed")
	}
	return nil
}
