package client

import (
	"context"
	"crypto"
	"fmt"
	"net"
	"time"

	"lwm2m-agent/lwm2m/dtls"
)

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
	// DTLS is the configuration of handshakes; credentials and CIDLength are filled in, but
	// for the Roots of Trust. Its Now judges certificates.
	DTLS dtls.Config
	// Key returns the private key that a Secret Key (/0/x/5) of an account with a raw public
	// key or a certificate stands for. Nil, or nil without an error: it is the key itself, in
	// DER. It may block; its errors hold nothing of the secret, and wrap ErrKey.
	Key func(secret []byte) (crypto.Signer, error)
	// PSK does the same for pre-shared keys. What it returns is overwritten after the
	// handshake.
	PSK func(secret []byte) ([]byte, error)
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
		psk, err := d.psk(&to)
		if err != nil {
			return nil, err
		}
		defer clear(psk)
		if config, err = to.configure(d.DTLS, d.key); err != nil {
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
	wire := tapped(nc, to.OnHandshake)
	conn, err := handshake(ctx, wire, &config, to.Session)
	wire.done.Store(true)
	if err != nil {
		_ = nc.Close() // it is of no more use, and what failed is told
		return nil, fmt.Errorf("connect to %s: %w", to.URI, err)
	}
	return conn, nil
}

// Check returns what is wrong with a server's URI and credentials, as far as that can be told
// without dialling. It may block, as Key may. The error wraps ErrAccount.
func (d DefaultDialer) Check(to Server) error {
	_, secure, err := to.address()
	if err == nil && secure {
		_, err = to.configure(d.DTLS, d.key)
	}
	return err
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

func (d DefaultDialer) udp(ctx context.Context, address string) (net.Conn, error) {
	if d.DialUDP != nil {
		return d.DialUDP(ctx, address)
	}
	var nd net.Dialer
	return nd.DialContext(ctx, "udp", address)
}
