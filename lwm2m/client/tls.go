package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"reflect"
	"slices"
	"time"

	"lwm2m-agent/lwm2m/dtls"
)

// alpn is the protocol that TLS sessions are for (RFC 8323, section 8.2).
const alpn = "coap"

// tlsSuites are the cipher suites of TLS 1.2 that Go's TLS and the DTLS profile have in
// common. Go's has no AES-CCM.
var tlsSuites = map[dtls.Suite]uint16{
	dtls.ECDHEECDSAWithAES128GCMSHA256: tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	dtls.ECDHERSAWithAES128GCMSHA256:   tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
}

// tlsConfig makes the configuration of a TLS session of that of a DTLS session: the same
// certificates, and the same judgement of the server's. Errors wrap ErrAccount.
func (s *Server) tlsConfig(c *dtls.Config) (*tls.Config, error) {
	bad := func(why string) (*tls.Config, error) {
		return nil, fmt.Errorf("%w: %s with %s: %s", ErrAccount, s.URI, s.Mode, why)
	}
	if s.Mode != SecurityX509 {
		return bad("over TCP there are certificates only (X.509): Go's TLS has neither pre-shared keys nor raw public keys; use coaps")
	}
	t := &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{{Certificate: c.Certificates, PrivateKey: c.Key}},
		ServerName:   c.ServerName,
		NextProtos:   []string{alpn},
		Time:         c.Now,
		// What decides is VerifyConnection: certificate usages are not Go's rules.
		InsecureSkipVerify: true, //nolint:gosec // see above
		VerifyConnection: func(state tls.ConnectionState) error {
			now := time.Now
			if c.Now != nil {
				now = c.Now
			}
			return judged(c.Trust.Judge(state.PeerCertificates, now()))
		},
	}
	if len(s.Suites) == 0 {
		return t, nil
	}
	t.MaxVersion = tls.VersionTLS12 // the suites of 1.3 cannot be chosen
	for _, suite := range s.Suites {
		if id, ok := tlsSuites[suite]; ok && !slices.Contains(t.CipherSuites, id) {
			t.CipherSuites = append(t.CipherSuites, id)
		}
	}
	if len(t.CipherSuites) == 0 {
		return bad("none of the cipher suites in /0/x/16 is there with TLS, which has no AES-CCM")
	}
	return t, nil
}

// strange is a certificate that we refuse. Its alert is the one that DTLS would have sent;
// Go's TLS sends bad_certificate for all.
type strange struct{ cause *dtls.Error }

// Error says what is wrong with the certificate.
func (s strange) Error() string { return "tls: " + s.cause.Reason }

// Unwrap returns the error that has the alert.
func (s strange) Unwrap() error { return s.cause }

func judged(err error) error {
	if e, ok := errors.AsType[*dtls.Error](err); ok {
		return strange{e}
	}
	return err
}

// alertOf returns the alert that ended a DTLS or TLS session.
func alertOf(err error) (*dtls.Error, bool) {
	if e, ok := errors.AsType[*dtls.Error](err); ok {
		return e, true
	}
	remote, ok := errors.AsType[*net.OpError](err)
	if !ok || remote.Op != "remote error" {
		return nil, false
	}
	// Go's TLS has no exported type for an alert that was received.
	if v := reflect.ValueOf(remote.Err); v.Kind() == reflect.Uint8 {
		return &dtls.Error{Alert: dtls.Alert(v.Uint()), Remote: true}, true //nolint:gosec // eight bits
	}
	return nil, false
}

// secureStream makes a TLS session over a connection.
func secureStream(ctx context.Context, nc net.Conn, c *tls.Config) (net.Conn, error) {
	conn := tls.Client(nc, c)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return conn, nil
}
