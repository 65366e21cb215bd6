package client

import (
	"context"
	"errors"
	"net"

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

// Server says whom to connect to and how, from an instance of object 0. It prints
// without its secrets.
type Server struct {
	ShortServerID uint16
	URI           string // "coaps://[2001:db8::1]:5684"
	Mode          SecurityMode
	Identity      []byte // /0/x/3: PSK identity; own public key (SubjectPublicKeyInfo)
	ServerKey     []byte // /0/x/4: the server's SubjectPublicKeyInfo
	SecretKey     []byte // /0/x/5: PSK; private key (OneAsymmetricKey, RFC 5958)
	CIDLength     int    // as in Params
}

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

// Dial implements Dialer.
func (d DefaultDialer) Dial(ctx context.Context, to Server) (net.Conn, error) {
	return nil, errors.ErrUnsupported
}
