package client

import (
	"context"
	"crypto"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"lwm2m-agent/lwm2m/dtls"
)

// Dialer makes connections to servers: what keeps message boundaries for the schemes coap
// and coaps, a byte stream for coap+tcp and coaps+tcp. Errors should wrap what package dtls
// and net return: the status explains those.
type Dialer interface {
	Dial(ctx context.Context, to Server) (net.Conn, error)
}

// DefaultDialer dials coap:// by UDP, coaps:// by DTLS, coap+tcp:// by TCP and
// coaps+tcp:// by TLS, over IPv6 or IPv4, each attempt from a new port, after asking for the
// host's addresses anew. The zero value is ready for use.
type DefaultDialer struct {
	// DialUDP, when not nil, makes the UDP socket instead of a net.Dialer. One whose local address is "::" is lost: what servers send to it does
	// not arrive until something was sent from it.
	DialUDP func(ctx context.Context, address string) (net.Conn, error)
	// Resolver, when not nil, finds the addresses of hosts, the preferred one first;
	// *net.Resolver is one.
	Resolver interface {
		LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	}
	// Bind returns what ties a socket to Server.Interface before it is used. Nil: a Server
	// that wants an interface cannot be dialled.
	Bind func(name string) func(network, address string, c syscall.RawConn) error
	// DTLS is the configuration of handshakes; credentials and CIDLength are filled in, but
	// for the Roots of Trust. Its Now judges certificates. TLS follows it.
	DTLS dtls.Config
	// Key returns the private key that a Secret Key (/0/x/5) of an account with a raw public
	// key or a certificate stands for. Nil, or nil without an error: it is the key itself, in
	// DER. It may block; its errors hold nothing of the secret, and wrap ErrKey.
	Key func(secret []byte) (crypto.Signer, error)
	// PSK does the same for pre-shared keys. What it returns is overwritten after the
	// handshake.
	PSK func(secret []byte) ([]byte, error)
}

// Dial implements Dialer. The error wraps ErrAccount, or what net and packages dtls and
// crypto/tls return.
func (d DefaultDialer) Dial(ctx context.Context, to Server) (net.Conn, error) {
	e, err := to.endpoint()
	if err != nil {
		return nil, err
	}
	var config dtls.Config
	if e.secure {
		psk, err := d.psk(&to)
		if err != nil {
			return nil, err
		}
		defer clear(psk)
		if config, err = to.configure(d.DTLS, d.key); err != nil {
			return nil, err
		}
	}
	open, wait, err := d.opener(&to, e, &config)
	if err != nil {
		return nil, err
	}
	addresses, err := d.resolve(ctx, &to, e)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", to.URI, err)
	}
	conn, err := race(ctx, addresses, wait, open)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", to.URI, err)
	}
	return conn, nil
}

// Check returns what is wrong with a server's URI and credentials, as far as that can be told
// without dialling. It may block, as Key may. The error wraps ErrAccount.
func (d DefaultDialer) Check(to Server) error {
	e, err := to.endpoint()
	if err != nil || !e.secure {
		return err
	}
	config, err := to.configure(d.DTLS, d.key)
	if err == nil && e.stream {
		_, err = to.tlsConfig(&config)
	}
	return err
}

// opener returns how an address is connected to, and how long one may be silent before the
// next one is asked as well.
func (d DefaultDialer) opener(to *Server, e endpoint, config *dtls.Config) (open opener, wait time.Duration, err error) {
	dialer, err := d.dialer(to)
	if err != nil {
		return nil, 0, err
	}
	patience := max(handshakeTime, handshakeTries*to.DTLSTimeout)
	switch {
	case e.stream && e.secure:
		t, err := to.tlsConfig(config)
		if err != nil {
			return nil, 0, err
		}
		return func(ctx context.Context, address string, heard func()) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			nc, err := dialer.DialContext(ctx, "tcp", address)
			if err != nil {
				return nil, err
			}
			heard()
			wire := tapped(nc, to.OnHandshake)
			defer wire.done.Store(true)
			return closing(nc)(secureStream(ctx, wire, t))
		}, streamDelay, nil
	case e.stream:
		return func(ctx context.Context, address string, _ func()) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			return dialer.DialContext(ctx, "tcp", address)
		}, streamDelay, nil
	case e.secure:
		return func(ctx context.Context, address string, heard func()) (net.Conn, error) {
			nc, err := d.udp(ctx, dialer, address, to.from(config))
			if err != nil {
				return nil, err
			}
			wire := tapped(nc, to.OnHandshake)
			wire.heard = heard
			defer wire.done.Store(true)
			return closing(nc)(handshake(ctx, wire, config, to))
		}, max(to.DTLSTimeout, handshakeDelay), nil
	}
	return func(ctx context.Context, address string, _ func()) (net.Conn, error) {
		return d.udp(ctx, dialer, address, to.from(config))
	}, 0, nil
}

// closing returns what passes a session on, and closes what it was to stand on if there is
// none.
func closing(nc net.Conn) func(net.Conn, error) (net.Conn, error) {
	return func(session net.Conn, err error) (net.Conn, error) {
		if err != nil {
			_ = nc.Close() // it is of no more use, and what failed is told
			return nil, err
		}
		return session, nil
	}
}

// dialer returns a dialer for the sockets of a server. Nothing is sent on an idle
// connection: a device on a metered bearer wakes up for what it has to say only.
func (d DefaultDialer) dialer(to *Server) (*net.Dialer, error) {
	nd := &net.Dialer{KeepAlive: -1}
	if to.Interface == "" {
		return nd, nil
	}
	if d.Bind == nil {
		return nil, fmt.Errorf("%w: %s cannot be bound to the interface %q here", ErrAccount, to.URI, to.Interface)
	}
	nd.Control = d.Bind(to.Interface)
	return nd, nil
}

// Local returns the address that the system would send from to a remote address of a server
// now. Nothing is sent.
func (d DefaultDialer) Local(ctx context.Context, to Server, remote string) (net.Addr, error) {
	nd, err := d.dialer(&to)
	if err != nil {
		return nil, err
	}
	probe, err := nd.DialContext(ctx, "udp", remote)
	if err != nil {
		return nil, err
	}
	defer func() { _ = probe.Close() }() // nothing was sent on it
	return probe.LocalAddr(), nil
}

// handshake continues the session if there is one that the credentials allow and that the
// server knows by a Connection ID or by the addresses, and makes a new one otherwise, in one round trip if the server
// still knows the former by its ID. What continues can send nothing before record numbers are reserved.
func handshake(ctx context.Context, nc net.Conn, config *dtls.Config, to *Server) (net.Conn, error) {
	s := to.Session
	if !to.goesOn(config) || len(s.RemoteCID) == 0 && !to.between(nc) {
		anew := *config
		anew.Resume = s
		conn, err := dtls.Client(ctx, nc, anew)
		if err != nil {
			return nil, err
		}
		return conn, nil
	}
	conn, err := dtls.Restore(nc, s)
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// goesOn reports whether there is a session that can be continued.
func (s *Server) goesOn(config *dtls.Config) bool {
	return s.Session != nil && !s.Session.Ended && s.Session.Matches(config)
}

// between reports whether a connection has the addresses that the server knows.
func (s *Server) between(nc net.Conn) bool {
	return s.Local.IsValid() && nc.LocalAddr().String() == s.Local.String() && nc.RemoteAddr().String() == s.Remote.String()
}

// from returns the address to dial from, the zero address for any: a handshake begins from a
// new port, since the server may hold something for the old one.
func (s *Server) from(config *dtls.Config) netip.AddrPort {
	if s.Mode == SecurityNone || s.goesOn(config) {
		return s.Local
	}
	return netip.AddrPort{}
}

// A handshake has time for its first message and three retransmissions, and at least as
// long as without another time-out.
const (
	handshakeTime  = 25 * time.Second
	handshakeTries = 1 + 2 + 4 + 8
)

func (d DefaultDialer) key(secret []byte) (crypto.Signer, error) {
	if d.Key != nil {
		if key, err := d.Key(secret); key != nil || err != nil {
			return key, err
		}
	}
	return parsePrivateKey(secret)
}

// psk puts the pre-shared key where its reference stood, and returns it, if there was
// one.
func (d DefaultDialer) psk(to *Server) ([]byte, error) {
	if d.PSK == nil || to.Mode != SecurityPSK {
		return nil, nil
	}
	psk, err := d.PSK(to.SecretKey)
	if err != nil {
		return nil, fmt.Errorf("pre-shared key for %s: %w", to.URI, err)
	}
	if psk != nil {
		to.SecretKey = psk
	}
	return psk, nil
}

// udp makes a socket, from an address if it is valid and still to be had.
func (d DefaultDialer) udp(ctx context.Context, dialer *net.Dialer, address string, from netip.AddrPort) (net.Conn, error) {
	if d.DialUDP != nil {
		return d.DialUDP(ctx, address)
	}
	nd := *dialer
	if from.IsValid() {
		nd.LocalAddr = net.UDPAddrFromAddrPort(from)
		if nc, err := nd.DialContext(ctx, "udp", address); err == nil {
			return nc, nil
		}
		nd.LocalAddr = nil
	}
	return nd.DialContext(ctx, "udp", address)
}
