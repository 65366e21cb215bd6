package server

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/lwm2m/dtls/dtlstest"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestCertificates: clients with certificates, beside those with pre-shared keys, against a
// server with a certificate on P-256 and one of RSA.
func TestCertificates(t *testing.T) {
	ca := must(dtlstest.NewAuthority("Test Root"))
	issuing := must(ca.Intermediate("Test Issuing", nil))
	for name, own := range map[string]*dtlstest.Identity{
		"P-256": must(issuing.Issue("server.example.com", nil)),
		"RSA":   must(issuing.IssueFor(crypto.Signer(must(rsa.GenerateKey(rand.Reader, 2048))), "server.example.com", nil)),
	} {
		t.Run(name, func(t *testing.T) { testCertificates(t, ca, issuing, own) })
	}
}

func testCertificates(t *testing.T, ca, issuing *dtlstest.Authority, own *dtlstest.Identity) {
	t.Helper()
	clients := x509.NewCertPool()
	clients.AddCert(ca.Certificate)
	keys := &Keys{}
	keys.Add("id", []byte("0123456789abcdef"), "")
	s, dial := startSecure(t, Config{Keys: keys, Certificates: &Certificates{
		Chain: [][]byte{own.Certificate.Raw, issuing.Certificate.Raw}, Key: own.Key, Clients: clients,
	}})
	config := func(client *dtlstest.Identity, chain ...*dtlstest.Authority) dtls.Config {
		c := dtls.Config{
			Key: client.Key, Certificates: [][]byte{client.Certificate.Raw}, ServerName: "server.example.com",
			Trust: &dtls.Trust{Usage: dtls.TrustAnchor, Data: ca.Certificate.Raw, Name: "server.example.com"},
		}
		for _, a := range chain {
			c.Certificates = append(c.Certificates, a.Certificate.Raw)
		}
		return c
	}
	conn, err := dial(config(must(issuing.Issue("dev", nil)), issuing))
	if err != nil {
		t.Fatal(err)
	}
	if p := conn.Parameters(); len(p.RemoteCID) != cidLength {
		t.Errorf("parameters %+v", p)
	}
	d := serveDevice(t, conn, refuse)
	if answer := d.post(t, "/rd", objectList, "ep=somebody else"); answer.Code != coap.Forbidden {
		t.Errorf("Register under another's name: %s, want 4.03", answer.Code)
	}
	d.register(t)
	if c, ok := s.Client("dev"); !ok || !c.Registration().Secure || c.Registration().Identity != "dev" {
		t.Error("not registered by its certificate")
	}
	if conn, err := dial(dtls.Config{Identity: []byte("id"), PSK: []byte("0123456789abcdef")}); err != nil {
		t.Errorf("a pre-shared key is no longer taken: %v", err)
	} else {
		_ = conn.Close()
	}
	for name, stranger := range map[string]*dtlstest.Identity{
		"unknown authority": must(must(dtlstest.NewAuthority("Strange Root")).Issue("dev", nil)),
		"expired":           must(ca.Issue("dev", func(c *x509.Certificate) { c.NotAfter = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC) })),
		"for servers":       must(ca.Issue("dev", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })),
	} {
		_, err := dial(config(stranger))
		var e *dtls.Error
		if !errors.As(err, &e) || !e.Remote || e.Alert != dtls.AlertBadCertificate {
			t.Errorf("%s: %v", name, err)
		}
	}
}
