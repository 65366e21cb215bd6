package server

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	piondtls "github.com/pion/dtls/v3"
)

// Certificates is who the server is to clients that have certificates too, and which of
// theirs it takes. A client is the endpoint that the Common Name of its certificate names
// (Transport 1.2.2, section 5.2.9.3).
type Certificates struct {
	Chain   [][]byte       // in DER, the server's own first
	Key     crypto.Signer  // of the server's own: on P-256, or RSA
	Clients *x509.CertPool // authorities of clients
}

// peer is who is at the other end of a connection.
type peer struct {
	identity  string // that DTLS or TLS proved; "" without them
	certified bool   // by a certificate, else by a pre-shared key
	stream    bool   // over TCP
}

// allows reports whether a peer may register as endpoint.
func (s *Server) allows(p peer, endpoint string) bool {
	switch {
	case p.certified:
		return p.identity == endpoint
	case p.identity != "":
		return s.cfg.Keys.allows(p.identity, endpoint)
	}
	return true
}

// peerOf returns who a session is with.
func peerOf(state *piondtls.State) (peer, error) {
	if len(state.PeerCertificates) == 0 {
		return peer{identity: string(state.IdentityHint)}, nil
	}
	c, err := x509.ParseCertificate(state.PeerCertificates[0])
	if err != nil {
		return peer{}, fmt.Errorf("client's certificate: %w", err)
	}
	return certified(c)
}

// options are those of a listener that knows certificates.
func (c *Certificates) options(now func() time.Time) []piondtls.ServerOption {
	return []piondtls.ServerOption{
		piondtls.WithCertificates(tls.Certificate{Certificate: c.Chain, PrivateKey: c.Key}),
		piondtls.WithClientAuth(piondtls.RequireAnyClientCert), // and checked here, by the server's clock
		piondtls.WithVerifyPeerCertificate(func(raw [][]byte, _ [][]*x509.Certificate) error {
			return verifyClient(raw, c.Clients, now())
		}),
	}
}

// verifyClient checks that a client's chain leads to an authority.
func verifyClient(raw [][]byte, authorities *x509.CertPool, now time.Time) error {
	if len(raw) == 0 {
		return errors.New("client shows no certificate")
	}
	between := x509.NewCertPool()
	own, err := x509.ParseCertificate(raw[0])
	if err != nil {
		return fmt.Errorf("client's certificate: %w", err)
	}
	for _, der := range raw[1:] {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("client's chain: %w", err)
		}
		between.AddCert(c)
	}
	_, err = own.Verify(x509.VerifyOptions{
		Roots: authorities, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return fmt.Errorf("client's certificate: %w", err)
	}
	return nil
}
