package client

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"time"

	"lwm2m-agent/lwm2m/dtls"
)

// SecurityMode is the value of /0/x/2.
type SecurityMode uint8

// The security modes (object 0, resource 2).
const (
	SecurityPSK  SecurityMode = 0
	SecurityRPK  SecurityMode = 1
	SecurityX509 SecurityMode = 2
	SecurityNone SecurityMode = 3
	SecurityEST  SecurityMode = 4
)

// String returns the mode's short name.
func (m SecurityMode) String() string {
	switch m {
	case SecurityPSK:
		return "PSK"
	case SecurityRPK:
		return "RPK"
	case SecurityX509:
		return "X.509"
	case SecurityNone:
		return "NoSec"
	case SecurityEST:
		return "EST"
	}
	return fmt.Sprintf("security mode %d", uint8(m))
}

// ErrAccount says that an account's URI or credentials cannot be used. It is wrapped
// with what is wrong.
var ErrAccount = errors.New("unusable server account")

// Server says whom to connect to and how, from an instance of object 0. It prints
// without its secrets.
type Server struct {
	ShortServerID uint16
	URI           string // "coaps://[2001:db8::1]:5684"
	Mode          SecurityMode
	Identity      []byte        // /0/x/3: PSK identity; own public key (SubjectPublicKeyInfo)
	ServerKey     []byte        // /0/x/4: the server's SubjectPublicKeyInfo
	SecretKey     []byte        // /0/x/5: PSK; private key (OneAsymmetricKey, RFC 5958)
	CIDLength     int           // as in Params
	DTLSTimeout   time.Duration // likewise

	// Session, when not nil, is a DTLS session that the server is thought to know by a
	// Connection ID: it can be continued without a handshake.
	Session *dtls.Session
}

// String returns Short Server ID, URI and mode.
func (s Server) String() string { return fmt.Sprintf("%d %s %s", s.ShortServerID, s.URI, s.Mode) }

// GoString returns what String does.
func (s Server) GoString() string { return s.String() }

// LogValue implements slog.LogValuer.
func (s Server) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Dialer makes connections to servers. The connection keeps message boundaries.
// Errors should wrap what package dtls and net return: the status explains those.
type Dialer interface {
	Dial(ctx context.Context, to Server) (net.Conn, error)
}

// DefaultDialer dials coap:// by UDP and coaps:// by DTLS, over IPv6 or IPv4,
// each attempt from a new port. The zero value is ready for use.
type DefaultDialer struct {
	// DialUDP, when not nil, makes the UDP socket instead of a net.Dialer.
	DialUDP func(ctx context.Context, address string) (net.Conn, error)
	// DTLS is the configuration of handshakes; credentials and CIDLength are filled in.
	DTLS dtls.Config
}

// Dial implements Dialer. The error wraps ErrAccount, or what net and package dtls
// return.
func (d DefaultDialer) Dial(ctx context.Context, to Server) (net.Conn, error) {
	address, secure, err := to.address()
	if err != nil {
		return nil, err
	}
	var config dtls.Config
	if secure {
		if config, err = to.credentials(d.DTLS); err != nil {
			return nil, err
		}
	}
	nc, err := d.udp(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", to.URI, err)
	}
	if !secure {
		return nc, nil
	}
	conn, err := handshake(ctx, nc, &config, to.Session)
	if err != nil {
		_ = nc.Close() // it is of no more use, and what failed is told
		return nil, fmt.Errorf("connect to %s: %w", to.URI, err)
	}
	return conn, nil
}

// handshake continues the session if there is one that the credentials allow, and
// makes a new one otherwise.
func handshake(ctx context.Context, nc net.Conn, config *dtls.Config, s *dtls.Session) (*dtls.Conn, error) {
	if s == nil || len(s.RemoteCID) == 0 || !s.Matches(config) {
		return dtls.Client(ctx, nc, *config)
	}
	conn, err := dtls.Restore(nc, s)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Session(inProcess); err != nil {
		return nil, err
	}
	return conn, nil
}

// A handshake has time for its first message and three retransmissions, and at least as
// long as without another time-out.
const (
	handshakeTime  = 25 * time.Second
	handshakeTries = 1 + 2 + 4 + 8
)

// inProcess is how many record numbers a continued session is given: the session is
// stored nowhere, so nobody else will use them, and no process sends that many.
const inProcess = 1 << 40

func (d DefaultDialer) udp(ctx context.Context, address string) (net.Conn, error) {
	if d.DialUDP != nil {
		return d.DialUDP(ctx, address)
	}
	var nd net.Dialer
	return nd.DialContext(ctx, "udp", address)
}

// address returns host and port of the server's URI, and whether it asks for DTLS.
func (s *Server) address() (address string, secure bool, err error) {
	u, err := url.Parse(s.URI)
	if err != nil {
		return "", false, fmt.Errorf("%w: %w", ErrAccount, err)
	}
	port := u.Port()
	switch u.Scheme {
	case "coap":
		if s.Mode != SecurityNone {
			return "", false, fmt.Errorf("%w: %q is without security, but the security mode is %s", ErrAccount, s.URI, s.Mode)
		}
		if port == "" {
			port = "5683"
		}
	case "coaps":
		secure = true
		if port == "" {
			port = "5684"
		}
	default:
		return "", false, fmt.Errorf("%w: %q has the scheme %q, want coap or coaps", ErrAccount, s.URI, u.Scheme)
	}
	if u.Hostname() == "" {
		return "", false, fmt.Errorf("%w: %q names no host", ErrAccount, s.URI)
	}
	return net.JoinHostPort(u.Hostname(), port), secure, nil
}

// credentials fills in a DTLS configuration.
func (s *Server) credentials(c dtls.Config) (dtls.Config, error) {
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
		key, err := parsePrivateKey(s.SecretKey)
		if err != nil {
			return c, fmt.Errorf("%w: private key for %s: %w", ErrAccount, s.URI, err)
		}
		c.Key, c.PeerKey = key, s.ServerKey
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
