//go:build interop

package dtls_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/lwm2m/dtls/dtlstest"
)

// files writes a server's certificate, what is above it, its key and the authority of
// clients, for a program to read.
func files(t *testing.T, own *dtlstest.Identity, by ...*dtlstest.Authority) (certificate, above, key, clients string) {
	t.Helper()
	write := func(name, kind string, ders ...[]byte) string {
		text := make([]byte, 0, 1024)
		for _, der := range ders {
			text = append(text, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
		}
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	private, err := x509.MarshalPKCS8PrivateKey(own.Key)
	if err != nil {
		t.Fatal(err)
	}
	return write("own.pem", "CERTIFICATE", own.Certificate.Raw), write("above.pem", "CERTIFICATE", chain(own, by...)[1:]...),
		write("key.pem", "PRIVATE KEY", private), write("clients.pem", "CERTIFICATE", rootCA.Certificate.Raw)
}

// openSSL starts s_server with a certificate; it takes clients of the tests' root only.
func openSSL(t *testing.T, cipher string, own *dtlstest.Identity, by ...*dtlstest.Authority) (port int, exchange func(net.Conn) error) {
	t.Helper()
	port = freePort(t)
	certificate, above, key, clients := files(t, own, by...)
	args := []string{
		"s_server", "-dtls1_2", "-accept", fmt.Sprintf("127.0.0.1:%d", port), "-quiet", "-cert", certificate, "-key", key,
		"-Verify", "3", "-verify_return_error", "-CAfile", clients, "-cipher", cipher + ":@SECLEVEL=0",
	}
	if len(by) > 0 {
		args = append(args, "-cert_chain", above)
	}
	return port, lines(t, serve(t, program(t, "openssl", "openssl", args...)))
}

// OpenSSL: each suite for certificates, with resumption.
func TestOpenSSLCertificates(t *testing.T) {
	for suite, name := range map[dtls.Suite]string{
		dtls.ECDHEECDSAWithAES128CCM8:      "ECDHE-ECDSA-AES128-CCM8",
		dtls.ECDHEECDSAWithAES128CCM:       "ECDHE-ECDSA-AES128-CCM",
		dtls.ECDHEECDSAWithAES128GCMSHA256: "ECDHE-ECDSA-AES128-GCM-SHA256",
		dtls.ECDHERSAWithAES128GCMSHA256:   "ECDHE-RSA-AES128-GCM-SHA256",
	} {
		t.Run(name, func(t *testing.T) {
			own := serverCert
			if suite == dtls.ECDHERSAWithAES128GCMSHA256 {
				own = must(issuingCA.IssueFor(crypto.Signer(must(rsa.GenerateKey(rand.Reader, 2048))), serverName, nil))
			}
			port, exchange := openSSL(t, name, own, issuingCA)
			cfg := with(x509Client, func(c *dtls.Config) { c.Suites = []dtls.Suite{suite} })
			if !session(t, port, cfg, exchange) {
				t.Error("not resumed")
			}
		})
	}
}

// OpenSSL's chains, judged by all four usages: good ones, and ones that are expired, not yet
// valid, for another name, of an unknown authority, incomplete, or of another certificate. The
// other way round, a client of an unknown authority is refused.
func TestOpenSSLChains(t *testing.T) {
	date := func(year int) time.Time { return time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC) }
	issue := func(change func(*x509.Certificate)) *dtlstest.Identity {
		return must(issuingCA.Issue(serverName, change))
	}
	expired := issue(func(c *x509.Certificate) { c.NotAfter = date(2020) })
	future := issue(func(c *x509.Certificate) { c.NotBefore = date(2090) })
	named := issue(func(c *x509.Certificate) { c.DNSNames = []string{"server-fail.example.com"} })
	strange := must(strangeCA.Issue(serverName, nil))
	for name, v := range map[string]struct {
		own    *dtlstest.Identity
		by     []*dtlstest.Authority
		alerts [4]dtls.Alert // by usage; 0: accepted
	}{
		"good":          {serverCert, []*dtlstest.Authority{issuingCA}, [4]dtls.Alert{}},
		"expired":       {expired, []*dtlstest.Authority{issuingCA}, [4]dtls.Alert{45, 45, 45, 0}},
		"not yet valid": {future, []*dtlstest.Authority{issuingCA}, [4]dtls.Alert{45, 45, 45, 0}},
		"wrong name":    {named, []*dtlstest.Authority{issuingCA}, [4]dtls.Alert{42, 42, 42, 0}},
		"unknown CA":    {strange, []*dtlstest.Authority{strangeCA}, [4]dtls.Alert{48, 48, 48, 0}},
		"incomplete":    {serverCert, nil, [4]dtls.Alert{48, 48, 48, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			port, exchange := openSSL(t, "ECDHE-ECDSA-AES128-CCM8", v.own, v.by...)
			for usage, alert := range v.alerts {
				data := map[int]*x509.Certificate{0: issuingCA.Certificate, 1: v.own.Certificate, 2: rootCA.Certificate, 3: v.own.Certificate}[usage]
				cfg := with(x509Client, func(c *dtls.Config) {
					c.Trust = &dtls.Trust{Usage: dtls.Usage(usage), Data: data.Raw, Roots: roots(rootCA), Name: serverName}
				})
				if alert != 0 {
					refused(t, dialPort(t, port), quick(cfg), alert, false)
					continue
				}
				c := untilUp(t, port, cfg)
				if err := exchange(c); err != nil {
					t.Errorf("usage %d: %v", usage, err)
				}
				_ = c.Close()
			}
			another := with(x509Client, func(c *dtls.Config) {
				c.Trust = &dtls.Trust{Usage: dtls.DomainIssued, Data: clientCert.Certificate.Raw}
			})
			refused(t, dialPort(t, port), quick(another), dtls.AlertCertificateUnknown, false)
			stranger := must(strangeCA.Issue("gw-17", nil))
			refused(t, dialPort(t, port), quick(with(x509Client, func(c *dtls.Config) {
				c.Key, c.Certificates = stranger.Key, chain(stranger)
				c.Trust = &dtls.Trust{Usage: dtls.DomainIssued, Data: v.own.Certificate.Raw}
			})), dtls.AlertUnknownCA, true)
		})
	}
}

// quick is for a server that may still be starting.
func quick(cfg dtls.Config) dtls.Config {
	cfg.RetransmitInitial, cfg.RetransmitMax = 100*time.Millisecond, time.Second
	return cfg
}

// libcoap on OpenSSL and on GnuTLS answers a CoAP request of a client with a certificate, also when
// a datagram of the handshake is harmed.
func TestLibcoapCertificates(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"coap-server-openssl", "coap-server-gnutls"} {
		t.Run(name, func(t *testing.T) {
			port := freePort(t)
			certificate, _, key, clients := files(t, must(rootCA.Issue(serverName, nil)))
			serve(t, program(t, "libcoap3-bin", name, "-A", "127.0.0.1", "-p", strconv.Itoa(port), "-v", "6",
				"-c", certificate, "-j", key, "-C", clients))
			c := untilUp(t, port+1, x509Client)
			if err := ask(c, "\x40\x01\x12\x34", "libcoap"); err != nil { // GET /
				t.Error(err)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			strange := with(x509Client, func(c *dtls.Config) {
				c.Trust = &dtls.Trust{Usage: dtls.TrustAnchor, Data: strangeCA.Certificate.Raw, Name: serverName}
			})
			refused(t, dialPort(t, port+1), strange, dtls.AlertUnknownCA, false)
			eachDatagramHarmed(t, &peer{
				cfg: x509Client, offset: 1, exchange: asking("\x40\x01\x12\x34", "libcoap"),
				command: func(port int) *exec.Cmd {
					return program(t, "libcoap3-bin", name, "-A", "127.0.0.1", "-p", strconv.Itoa(port), "-c", certificate, "-j", key, "-C", clients)
				},
			})
		})
	}
}
