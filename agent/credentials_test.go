package agent

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/client"
	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/lwm2m/dtls/dtlstest"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/server"
	"lwm2m-agent/objects/registry"
)

// TestCipherSuites: the configuration has the names of what DTLS has.
func TestCipherSuites(t *testing.T) {
	for _, s := range config.CipherSuites {
		if name := dtls.Suite(s.Number).String(); name != s.Name {
			t.Errorf("%#04x is %s in the configuration, %s in DTLS", s.Number, s.Name, name)
		}
	}
}

// certified is a server with a certificate, and a folder of files for an agent.
type certified struct {
	*lab
	ca *dtlstest.Authority
}

func newCertified(t *testing.T) *certified {
	t.Helper()
	ca, err := dtlstest.NewAuthority("Test Root")
	if err != nil {
		t.Fatal(err)
	}
	own, err := ca.Issue("server.example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	s := server.New(server.Config{Shapes: model.Shapes(registry.Definitions()), Certificates: &server.Certificates{
		Chain: [][]byte{own.Certificate.Raw}, Key: own.Key, Clients: (&certified{ca: ca}).clients(),
	}})
	l, err := s.ListenSecure(&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	c := &certified{serving(t, s, "coaps", l.Addr(), func(ctx context.Context) error { return s.ServeSecure(ctx, l) }), ca}
	c.write(t, "ca.crt", "CERTIFICATE", ca.Certificate.Raw)
	c.issue(t, ca)
	return c
}

// clients are those whose certificates the server takes.
func (c *certified) clients() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(c.ca.Certificate)
	return pool
}

func (c *certified) write(t *testing.T, name, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// issue writes a new certificate and key for the agent.
func (c *certified) issue(t *testing.T, by *dtlstest.Authority) {
	t.Helper()
	own, err := by.Issue("gw", nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(own.Key)
	if err != nil {
		t.Fatal(err)
	}
	c.write(t, "own.crt", "CERTIFICATE", own.Certificate.Raw)
	c.write(t, "own.key", "PRIVATE KEY", der)
}

// load reads a configuration with these files.
func (c *certified) load(t *testing.T, more string) *config.Config {
	t.Helper()
	path := filepath.Join(c.dir, "agent.toml")
	text := fmt.Sprintf("endpoint = 'gw'\n[[server]]\nshort_server_id = 101\nuri = '%s'\ncertificate_file = 'own.crt'\nprivate_key_file = 'own.key'\n"+
		"server_certificate_file = 'ca.crt'\n%s\n", c.uri, more)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path, config.Options{StateDir: filepath.Join(c.dir, "state")})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// await waits until the only account is as wanted.
func await(t *testing.T, a *Agent, what string, ok func(client.AccountStatus) bool) client.AccountStatus {
	t.Helper()
	for end := time.Now().Add(generous); time.Now().Before(end); {
		if all := a.client.Status(); len(all) == 1 && ok(all[0]) {
			return all[0]
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-t.Context().Done():
		}
	}
	t.Fatalf("not %s: %+v", what, a.client.Status())
	return client.AccountStatus{}
}

// TestCertificates shows certificates from files to the registration, one that the server
// does not take, and the next one that it does.
func TestCertificates(t *testing.T) {
	c := newCertified(t)
	const name = "sni = 'server.example.com'"
	a, _ := c.run(t, c.load(t, name))
	if e := c.next(t, server.Registered); e.Registration.Identity != "gw" {
		t.Errorf("registered as %+v", e.Registration)
	}
	await(t, a, "registered", func(s client.AccountStatus) bool { return s.State == client.Registered }) // what fails later falls back to this
	strange, err := dtlstest.NewAuthority("Strange Root")
	if err != nil {
		t.Fatal(err)
	}
	c.issue(t, strange)
	if err := a.Apply(t.Context(), c.load(t, name)); err != nil {
		t.Fatal(err)
	}
	s := await(t, a, "back", func(s client.AccountStatus) bool { return s.State == client.Registered && s.Renewal != "" })
	if !strings.Contains(s.Words, "with the former credentials, since the new ones fail") || !strings.Contains(s.Words, "alert 42") {
		t.Errorf("status says %q", s.Words)
	}
	if v := a.Tree().Value(lwm2m.MustPath("/1/0/11")); v.Uint() != uint64(dtls.AlertBadCertificate) {
		t.Errorf("/1/0/11 is %v", v)
	}
	if !slices.ContainsFunc(a.health.Troubles(), func(t health.Trouble) bool { return t.Code == health.ServerIdentity }) {
		t.Errorf("health is %v", a.health.Troubles())
	}
	c.issue(t, c.ca)
	if err := a.Apply(t.Context(), c.load(t, name)); err != nil {
		t.Fatal(err)
	}
	await(t, a, "renewed", func(s client.AccountStatus) bool { return s.State == client.Registered && s.Renewal == "" })
}

// TestStrangeServer shows a server that is not the one that is meant: refused, with the alert
// in /1/x/11 and the reason in the status.
func TestStrangeServer(t *testing.T) {
	c := newCertified(t)
	a, _ := c.run(t, c.load(t, "sni = 'server-fail.example.com'"))
	s := await(t, a, "in trouble", func(s client.AccountStatus) bool { return s.LastError != "" })
	if !strings.Contains(s.LastError, `is not for "server-fail.example.com"`) || !strings.Contains(s.Remedy, "names") {
		t.Errorf("status says %q, %q", s.LastError, s.Remedy)
	}
	if v := a.Tree().Value(lwm2m.MustPath("/1/0/11")); v.Uint() != uint64(dtls.AlertBadCertificate) {
		t.Errorf("/1/0/11 is %v", v)
	}
}
