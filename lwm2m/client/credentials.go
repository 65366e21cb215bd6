package client

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strings"

	"lwm2m-agent/lwm2m/dtls"
)

// Credentials is what an instance of object 0 says about who is who. It prints without
// its secret.
type Credentials struct {
	Mode      SecurityMode  // /0/x/2
	Identity  []byte        // /0/x/3: PSK identity; own public key (SubjectPublicKeyInfo); own certificate, and its chain behind it
	ServerKey []byte        // /0/x/4: the server's SubjectPublicKeyInfo; a certificate in DER; a digest of either
	SecretKey []byte        // /0/x/5: PSK; private key (OneAsymmetricKey, RFC 5958)
	Matching  dtls.Matching // /0/x/13
	SNI       string        // /0/x/14: the server's name, "" if that of the URI holds
	Usage     dtls.Usage    // /0/x/15; dtls.UnstatedUsage if absent
	Suites    []dtls.Suite  // /0/x/16, in order; nil if absent
}

// String returns the security mode.
func (c Credentials) String() string { return c.Mode.String() }

// GoString returns what String does.
func (c Credentials) GoString() string { return c.String() }

// LogValue implements slog.LogValuer.
func (c Credentials) LogValue() slog.Value { return slog.StringValue(c.String()) }

func (c *Credentials) equal(o *Credentials) bool {
	return c.Mode == o.Mode && slices.Equal(c.Identity, o.Identity) && slices.Equal(c.ServerKey, o.ServerKey) &&
		slices.Equal(c.SecretKey, o.SecretKey) && c.Matching == o.Matching && c.SNI == o.SNI && c.Usage == o.Usage &&
		slices.Equal(c.Suites, o.Suites)
}

// credentials reads an instance of object 0. Numbers that mean nothing stay ones: what they
// are is told when the account is dialled.
func (in instance) credentials() Credentials {
	const none = 254 // no such matching type or usage
	c := Credentials{
		Mode:      SecurityMode(in.integer(securityMode)), //nolint:gosec // others are refused when dialled
		Identity:  in.values[securityIdentity].Bytes(),
		ServerKey: in.values[securityServerKey].Bytes(),
		SecretKey: in.values[securitySecretKey].Bytes(),
		Matching:  dtls.Matching(min(uint64(in.integer(securityMatching)), none)), //nolint:gosec // bounded
		SNI:       strings.TrimSpace(in.values[securitySNI].Text()),
		Usage:     dtls.UnstatedUsage,
	}
	if in.has(securityUsage) {
		c.Usage = dtls.Usage(min(uint64(in.integer(securityUsage)), none)) //nolint:gosec // bounded
	}
	for _, v := range in.lists[securitySuites] {
		c.Suites = append(c.Suites, dtls.Suite(min(v.Uint(), 0xffff)))
	}
	return c
}

// configure fills in a DTLS configuration. key resolves the Secret Key where it is a
// private key. Errors wrap ErrAccount.
func (s *Server) configure(c dtls.Config, key func([]byte) (crypto.Signer, error)) (dtls.Config, error) {
	c.CIDLength = s.CIDLength
	if s.DTLSTimeout > 0 {
		c.RetransmitInitial = s.DTLSTimeout
		c.Timeout = max(c.Timeout, handshakeTime, handshakeTries*s.DTLSTimeout)
	}
	err := s.identify(&c, key)
	if err == nil {
		err = s.choose(&c)
	}
	if err != nil {
		return c, fmt.Errorf("%w: %s with %s: %w", ErrAccount, s.URI, s.Mode, err)
	}
	return c, nil
}

// identify fills in who we are and whom we want to meet.
func (s *Server) identify(c *dtls.Config, key func([]byte) (crypto.Signer, error)) (err error) {
	name := s.name()
	if s.SNI != "" || s.Mode == SecurityX509 {
		c.ServerName = hostOnly(name)
	}
	switch s.Mode {
	case SecurityPSK:
		if len(s.SecretKey) == 0 {
			return errors.New("there is no pre-shared key")
		}
		c.PSK, c.Identity = s.SecretKey, s.Identity
		return nil
	case SecurityRPK, SecurityX509:
	case SecurityNone, SecurityEST:
		return errors.New("this security mode is not supported")
	default:
		return errors.New("there is no such security mode")
	}
	if c.Key, err = key(s.SecretKey); err != nil {
		return fmt.Errorf("private key: %w", err)
	}
	if s.Mode == SecurityRPK {
		c.PeerKey, c.PeerMatching = s.ServerKey, s.Matching
		return s.checkOwn(c.Key)
	}
	if c.Certificates, err = certificates(s.Identity); err != nil {
		return fmt.Errorf("own certificate: %w", err)
	}
	trust := dtls.Trust{Usage: s.Usage, Matching: s.Matching, Data: s.ServerKey, Name: name}
	if c.Trust != nil {
		trust.Roots = c.Trust.Roots
	}
	if s.Matching == dtls.MatchExact {
		list, err := certificates(s.ServerKey)
		if err != nil {
			return fmt.Errorf("server's certificate: %w", err)
		}
		trust.Data = list[0]
	}
	c.Trust = &trust
	return nil
}

// checkOwn makes sure that the public key that servers know is that of the private one.
func (s *Server) checkOwn(key crypto.Signer) error {
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return fmt.Errorf("private key: %w", err)
	}
	if len(s.Identity) > 0 && !bytes.Equal(s.Identity, spki) {
		return errors.New("the public key (/0/x/3) does not belong to the private key (/0/x/5)")
	}
	return nil
}

// choose limits the suites to those of /0/x/16, in its order.
func (s *Server) choose(c *dtls.Config) error {
	if len(s.Suites) == 0 {
		return nil
	}
	supported, err := c.Supported()
	if err != nil {
		return err
	}
	c.Suites = nil
	for _, suite := range s.Suites {
		if slices.Contains(supported, suite) && !slices.Contains(c.Suites, suite) {
			c.Suites = append(c.Suites, suite)
		}
	}
	if len(c.Suites) == 0 {
		return fmt.Errorf("none of the cipher suites in /0/x/16 is supported: %v; supported are %v", s.Suites, supported)
	}
	return nil
}

// name returns what the server's certificate must be for: SNI, or else the host of the
// URI, "" if that cannot be read.
func (s *Server) name() string {
	if s.SNI != "" {
		return s.SNI
	}
	u, err := url.Parse(s.URI)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// hostOnly returns a name as SNI has it: without the dot at its end, and no IP address
// (RFC 6066, section 3).
func hostOnly(name string) string {
	if address, _, _ := strings.Cut(name, "%"); net.ParseIP(address) != nil {
		return ""
	}
	return strings.TrimSuffix(name, ".")
}

// certificates returns one or more certificates in DER: as they are, one behind the other,
// or in PEM (Transport 1.2.2, section 5.2.9.3).
func certificates(b []byte) ([][]byte, error) {
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("-----BEGIN")) {
		var der []byte
		for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
			if block.Type == "CERTIFICATE" {
				der = append(der, block.Bytes...)
			}
		}
		b = der
	}
	if len(b) == 0 {
		return nil, errors.New("it is missing")
	}
	list, err := x509.ParseCertificates(b)
	if err != nil {
		return nil, err
	}
	out := make([][]byte, len(list))
	for i, c := range list {
		out[i] = c.Raw
	}
	return out, nil
}

func parsePrivateKey(der []byte) (crypto.Signer, error) {
	if len(der) == 0 {
		return nil, errors.New("it is missing")
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		if ec, ecErr := x509.ParseECPrivateKey(der); ecErr == nil {
			return ec, nil
		}
		return nil, errors.New("it is no OneAsymmetricKey of version 1 in DER (RFC 5958)")
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a %T cannot sign", key)
	}
	return signer, nil
}
