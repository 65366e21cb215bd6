package client

import (
	"crypto"
	"crypto/x509"
	"fmt"

	"lwm2m-agent/lwm2m/dtls"
)

// credentials fills in a DTLS configuration. key resolves the Secret Key where it is a
// private key.
func (s *Server) credentials(c dtls.Config, key func([]byte) (crypto.Signer, error)) (dtls.Config, error) {
	c.CIDLength = s.CIDLength
	if s.DTLSTimeout > 0 {
		c.RetransmitInitial = s.DTLSTimeout
		c.Timeout = max(c.Timeout, handshakeTime, handshakeTries*s.DTLSTimeout)
	}
	switch s.Mode {
	case SecurityPSK:
		if len(s.SecretKey) == 0 {
			return c, fmt.Errorf("%w: there is no pre-shared key for %s", ErrAccount, s.URI)
		}
		c.PSK, c.Identity = s.SecretKey, s.Identity
		return c, nil
	case SecurityRPK:
		signer, err := key(s.SecretKey)
		if err != nil {
			return c, fmt.Errorf("%w: private key for %s: %w", ErrAccount, s.URI, err)
		}
		c.Key, c.PeerKey = signer, s.ServerKey
		return c, nil
	case SecurityX509, SecurityNone, SecurityEST:
	}
	return c, fmt.Errorf("%w: security mode %s is not supported with %s", ErrAccount, s.Mode, s.URI)
}

func parsePrivateKey(der []byte) (crypto.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		if ec, ecErr := x509.ParseECPrivateKey(der); ecErr == nil {
			return ec, nil
		}
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a %T cannot sign", key)
	}
	return signer, nil
}
