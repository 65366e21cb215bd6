//go:build interop

package interop

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/lwm2m/dtls/dtlstest"
	"lwm2m-agent/test/gateway"
	"lwm2m-agent/test/leshan"
)

const serverName = "server.example.com"

// pki are the authorities of a test, and a Leshan that has a certificate.
type pki struct {
	*leshan.Server
	dir             string
	root, issuing   *dtlstest.Authority
	strange         *dtlstest.Authority
	server, another *dtlstest.Identity
}

func made[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// newPKI starts Leshan with a certificate that a change is made to.
func newPKI(t *testing.T, change func(*x509.Certificate)) *pki {
	t.Helper()
	p := &pki{dir: t.TempDir(), root: made(dtlstest.NewAuthority("Test Root")), strange: made(dtlstest.NewAuthority("Strange Root"))}
	p.issuing = made(p.root.Intermediate("Test Issuing", nil))
	p.server = made(p.issuing.Issue(serverName, change))
	p.another = made(p.issuing.Issue(serverName, nil))
	p.Server = leshan.Start(t, leshan.Options{Models: definitions(t), Identity: &leshan.Identity{
		Key: pkcs8(p.server.Key), Chain: [][]byte{p.server.Certificate.Raw, p.issuing.Certificate.Raw}, Trust: p.root.Certificate.Raw,
	}})
	return p
}

func pkcs8(key crypto.Signer) []byte { return made(x509.MarshalPKCS8PrivateKey(key)) }

// file writes a file for the agent and returns its path.
func (p *pki) file(t *testing.T, name, kind string, der []byte) string {
	t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// x509Server returns a [[server]] with a certificate for an endpoint.
func (p *pki) x509Server(t *testing.T, endpoint string, by *dtlstest.Authority, server *x509.Certificate, more string) string {
	t.Helper()
	own := made(by.Issue(endpoint, nil))
	return fmt.Sprintf("\n[[server]]\nuri = %q\nshort_server_id = 101\nlifetime = \"5m\"\ncertificate_file = %q\nprivate_key_file = %q\nserver_certificate_file = %q\n%s\n", p.CoAPS,
		p.file(t, endpoint+".crt", "CERTIFICATE", own.Certificate.Raw), p.file(t, endpoint+".key", "PRIVATE KEY", pkcs8(own.Key)),
		p.file(t, endpoint+"-server.crt", "CERTIFICATE", server.Raw), more)
}

// start starts an agent whose system trusts the root of the test.
func (p *pki) start(t *testing.T, toml string) *gateway.Agent {
	t.Helper()
	return gateway.StartIn(t, toml, "SSL_CERT_FILE="+p.file(t, "roots.crt", "CERTIFICATE", p.root.Certificate.Raw))
}

// TestLeshanCertificates: an agent with a certificate registers at Leshan with each
// certificate usage and is asked for everything; what either side does not trust is refused,
// and status says why.
func TestLeshanCertificates(t *testing.T) {
	t.Parallel()
	p := newPKI(t, nil)
	const sni = "sni = \"" + serverName + "\"\n"
	for usage, server := range []*x509.Certificate{p.issuing.Certificate, p.server.Certificate, p.root.Certificate, p.server.Certificate} {
		s := peer{p.Server, fmt.Sprintf("gw-usage-%d", usage), true}
		p.Certificate(t, s.endpoint)
		a := p.start(t, board(s.endpoint)+p.x509Server(t, s.endpoint, p.root, server, sni+fmt.Sprintf("certificate_usage = %d", usage)))
		c := s.AwaitRegistered(t, s.endpoint, patience)
		if !strings.Contains(c.Identity, "x509") {
			t.Errorf("Leshan calls the client %s", c.Identity)
		}
		if usage == 2 {
			s.checkSome(t)
		}
		if status := a.Status(t).Servers[0]; status.Transport != "DTLS X.509" || status.CID == "" {
			t.Errorf("transport %q, Connection ID %q", status.Transport, status.CID)
		}
		a.Stop(t)
	}
	for name, v := range map[string]struct {
		by     *dtlstest.Authority
		server *x509.Certificate
		more   string
		want   string
	}{
		"wrong-name":        {p.root, p.root.Certificate, "certificate_usage = 2\nsni = 'server-fail.example.com'", `is not for "server-fail.example.com"`},
		"unknown-ca":        {p.root, p.strange.Certificate, sni + "certificate_usage = 2", "not trusted"},
		"other-constraint":  {p.root, p.strange.Certificate, sni + "certificate_usage = 0", "not issued by the expected authority"},
		"other-service":     {p.root, p.another.Certificate, sni + "certificate_usage = 1", "another certificate"},
		"other-certificate": {p.root, p.another.Certificate, sni + "certificate_usage = 3", "another certificate"},
		"strange-client":    {p.strange, p.root.Certificate, sni + "certificate_usage = 2", "server sent alert"},
		"unexpected-client": {p.root, p.root.Certificate, sni + "certificate_usage = 2", "Register was answered with 4.03"},
	} {
		t.Run(name, func(t *testing.T) {
			if name != "unexpected-client" {
				p.Certificate(t, name)
			}
			p.refused(t, p.start(t, board(name)+p.x509Server(t, name, v.by, v.server, v.more)), v.want)
		})
	}
}

// refused waits until the agent says why it does not get through.
func (p *pki) refused(t *testing.T, a *gateway.Agent, want string) {
	t.Helper()
	status := a.AwaitStatus(t, "refused", func(s gateway.Status) bool { return len(s.Servers) == 1 && s.Servers[0].LastError != "" })
	if s := status.Servers[0]; !strings.Contains(s.LastError, want) || s.Remedy == "" {
		t.Errorf("status says %q, %q; want %q", s.LastError, s.Remedy, want)
	}
	a.Stop(t)
}

// TestLeshanOutdated: a server's certificate that has expired, or is not valid yet.
func TestLeshanOutdated(t *testing.T) {
	t.Parallel()
	for name, v := range map[string]struct {
		change func(*x509.Certificate)
		want   string
	}{
		"expired":       {func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Hour) }, "expired at"},
		"not-yet-valid": {func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }, "is not valid before"},
	} {
		p := newPKI(t, v.change)
		p.Certificate(t, name)
		toml := board(name) + p.x509Server(t, name, p.root, p.root.Certificate, "certificate_usage = 2\nsni = '"+serverName+"'")
		p.refused(t, p.start(t, toml), v.want)
	}
}

// TestLeshanPublicKeys: an agent with a raw public key registers at Leshan and is asked for
// everything; another key than expected is refused by either side.
func TestLeshanPublicKeys(t *testing.T) {
	t.Parallel()
	p := newPKI(t, nil)
	own := made(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	other := made(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	spki := func(key crypto.Signer) []byte { return made(x509.MarshalPKIXPublicKey(key.Public())) }
	account := func(key crypto.Signer, server []byte) string {
		return fmt.Sprintf("\n[[server]]\nuri = %q\nshort_server_id = 101\nlifetime = \"5m\"\nprivate_key_file = %q\nserver_public_key_file = %q\n", p.CoAPS,
			p.file(t, "own.key", "PRIVATE KEY", pkcs8(key)), p.file(t, "server.pub", "PUBLIC KEY", server))
	}
	s := peer{p.Server, "gw-rpk", true}
	p.PublicKey(t, s.endpoint, spki(own))
	a := gateway.Start(t, board(s.endpoint)+account(own, spki(p.server.Key)))
	s.AwaitRegistered(t, s.endpoint, patience)
	s.checkSome(t)
	if status := a.Status(t).Servers[0]; status.Transport != "DTLS RPK" || status.CID == "" {
		t.Errorf("transport %q, Connection ID %q", status.Transport, status.CID)
	}
	a.Stop(t)
	p.refused(t, gateway.Start(t, board("gw-rpk")+account(own, spki(other))), "server has another public key than expected; sent alert 46")
	p.refused(t, gateway.Start(t, board("gw-rpk")+account(other, spki(p.server.Key))), "Register was answered with 4.03") // Leshan lets any key in, and compares then
}

// TestLeshanRenewal: a certificate that Leshan does not take is put in place while the agent
// is down. It goes on with the one that registered, says so, and takes the next good one.
func TestLeshanRenewal(t *testing.T) {
	t.Parallel()
	p := newPKI(t, nil)
	s := peer{p.Server, "gw-renewal", true}
	p.Certificate(t, s.endpoint)
	account := func(by *dtlstest.Authority) string {
		return board(s.endpoint) + p.x509Server(t, s.endpoint, by, p.root.Certificate, "certificate_usage = 2\nsni = '"+serverName+"'")
	}
	a := p.start(t, account(p.root))
	registered := func(s gateway.Status) bool { return len(s.Servers) == 1 && s.Servers[0].State == "registered" }
	a.AwaitStatus(t, "registered", registered) // it has the answer
	for _, by := range []*dtlstest.Authority{p.strange, p.root} {
		a.Stop(t)
		a.Configure(t, account(by))
		a.Restart(t)
		status := a.AwaitStatus(t, "registered", registered).Servers[0]
		former := strings.Contains(status.Words, "with the former credentials, since the new ones fail")
		if former != (by == p.strange) {
			t.Errorf("status says %q", status.Words)
		}
	}
}
