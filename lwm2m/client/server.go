package client

import (
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

// ErrKey says that a key that is held elsewhere cannot be used now: see DefaultDialer.
var ErrKey = errors.New("the key cannot be used")

// ErrAccount says that an account's URI or credentials cannot be used. It is wrapped
// with what is wrong.
var ErrAccount = errors.New("unusable server account")

// Server says whom to connect to and how, from an instance of object 0. It prints
// without its secrets.
type Server struct {
	ShortServerID uint16
	URI           string // "coaps://[2001:db8::1]:5684"
	Credentials
	CIDLength   int           // as in Params
	DTLSTimeout time.Duration // likewise

	// Session, when not nil, is a DTLS session that the server is thought to know by a
	// Connection ID: it can be continued without a handshake.
	Session *dtls.Session

	// OnHandshake, when not nil, is told the size of each datagram of a handshake, for
	// accounts of traffic.
	OnHandshake func(remote net.Addr, sent bool, size int)
}

// String returns Short Server ID, URI and mode.
func (s Server) String() string { return fmt.Sprintf("%d %s %s", s.ShortServerID, s.URI, s.Mode) }

// GoString returns what String does.
func (s Server) GoString() string { return s.String() }

// LogValue implements slog.LogValuer.
func (s Server) LogValue() slog.Value { return slog.StringValue(s.String()) }

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
