package client

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strings"
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

	// Session, when not nil, is a DTLS session that the server is thought to know. By a Connection ID, or from the same
	// address, it can be continued without a handshake unless it has ended; otherwise it shortens the next one.
	Session *dtls.Session

	// Interface, when not empty, is the network interface that the connection has to go through.
	Interface string

	// Prefer is the family of addresses, 4 or 6, to be tried first, 0 for the system's choice.
	// Only is the one and only.
	Prefer, Only int

	// OnHandshake, when not nil, is told the size of each datagram, or piece of a stream, of a handshake, for
	// accounts of traffic.
	OnHandshake func(remote net.Addr, sent bool, size int)

	// Local and Remote, when valid, are the addresses between which the server was last
	// spoken to. From the same port it knows the client also without a Connection ID and,
	// with a security mode of NoSec, at all.
	Local, Remote netip.AddrPort
}

// String returns Short Server ID, URI and mode.
func (s Server) String() string { return fmt.Sprintf("%d %s %s", s.ShortServerID, s.URI, s.Mode) }

// GoString returns what String does.
func (s Server) GoString() string { return s.String() }

// LogValue implements slog.LogValuer.
func (s Server) LogValue() slog.Value { return slog.StringValue(s.String()) }

// endpoint is where a URI leads.
type endpoint struct {
	host, port string
	stream     bool // TCP, not UDP
	secure     bool // TLS or DTLS
}

// endpoints are what the schemes mean (Transport 1.2.2, section 6.8).
var endpoints = map[string]endpoint{
	"coap":      {port: "5683"},
	"coaps":     {port: "5684", secure: true},
	"coap+tcp":  {port: "5683", stream: true},
	"coaps+tcp": {port: "5684", stream: true, secure: true},
}

// endpoint returns where the server's URI leads. Errors wrap ErrAccount.
func (s *Server) endpoint() (endpoint, error) {
	u, err := url.Parse(s.URI)
	if err != nil {
		return endpoint{}, fmt.Errorf("%w: %w", ErrAccount, err)
	}
	e, ok := endpoints[u.Scheme]
	switch {
	case !ok:
		return e, fmt.Errorf("%w: %q has the scheme %q, want coap, coaps, coap+tcp or coaps+tcp", ErrAccount, s.URI, u.Scheme)
	case !e.secure && s.Mode != SecurityNone:
		return e, fmt.Errorf("%w: %q is without security, but the security mode is %s", ErrAccount, s.URI, s.Mode)
	case u.Hostname() == "":
		return e, fmt.Errorf("%w: %q names no host", ErrAccount, s.URI)
	}
	e.host = u.Hostname()
	if u.Port() != "" {
		e.port = u.Port()
	}
	return e, nil
}

// The letters of the transports (Core 1.2.2, section 6.2.1.2).
const (
	overUDP = "U"
	overTCP = "T"
)

// transportOf returns the letter of the transport that a URI's scheme asks for.
func transportOf(uri string) string {
	scheme, _, _ := strings.Cut(uri, "://")
	if endpoints[strings.ToLower(scheme)].stream {
		return overTCP
	}
	return overUDP
}
