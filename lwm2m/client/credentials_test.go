package client

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"slices"
	"strings"
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/lwm2m/dtls/dtlstest"
	"lwm2m-agent/lwm2m/model"
)

// pki is an authority, a server that has the addresses of loopback, and a client.
type pki struct {
	ca             *dtlstest.Authority
	server, client *dtlstest.Identity
}

func newPKI(t *testing.T) pki {
	t.Helper()
	ca, err := dtlstest.NewAuthority("Test Root")
	if err != nil {
		t.Fatal(err)
	}
	p := pki{ca: ca}
	p.server, err = ca.Issue("server.example.com", nil)
	if err != nil {
		t.Fatal(err)
	}
	p.client = p.issue(t, "gw-17")
	return p
}

func (p pki) issue(t *testing.T, name string) *dtlstest.Identity {
	t.Helper()
	id, err := p.ca.Issue(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func (p pki) listener() dtlstest.Config {
	return dtlstest.Config{
		Key: p.server.Key, Certificates: [][]byte{p.server.Certificate.Raw},
		ClientKey: p.client.Certificate.RawSubjectPublicKeyInfo, CIDLength: 6,
	}
}

// account sets an account of the client's certificate that trusts the authority.
func (p pki) account(t *testing.T, client *dtlstest.Identity) func(*model.Batch) {
	t.Helper()
	return func(b *model.Batch) {
		b.Set(0, 2, lwm2m.Integer(int64(SecurityX509)))
		b.Set(0, 3, lwm2m.Opaque(client.Certificate.Raw))
		b.Set(0, 4, lwm2m.Opaque(p.ca.Certificate.Raw))
		b.Set(0, 5, lwm2m.Opaque(pkcs8(t, client)))
		b.Set(0, 14, lwm2m.String("server.example.com"))
		b.Set(0, 15, lwm2m.Unsigned(uint64(dtls.TrustAnchor)))
	}
}

func pkcs8(t *testing.T, id *dtlstest.Identity) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(id.Key.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestOverX509(t *testing.T) {
	p := newPKI(t)
	s := &scripted{t: t}
	uri, stop := s.listenDTLS("127.0.0.1:0", p.listener())
	defer stop()
	l, changed := networked(t, nil, uri, p.account(t, p.client))
	l.server = s
	status := l.await(changed, "registered", isRegistered)
	if status.Transport != "DTLS X.509" || len(status.CID) != 12 {
		t.Errorf("transport is %q with Connection ID %q", status.Transport, status.CID)
	}
	l.exercise()
}

// TestStrangeServer shows what is told of a server that is not trusted: the alert that was
// sent, the reason and the remedy.
func TestStrangeServer(t *testing.T) {
	p, other := newPKI(t), newPKI(t)
	for name, v := range map[string]struct {
		change func(*model.Batch)
		alert  dtls.Alert
		reason string
		remedy string
	}{
		"wrong name": {
			func(b *model.Batch) { b.Set(0, 14, lwm2m.String("server-fail.example.com")) },
			dtls.AlertBadCertificate, `is not for "server-fail.example.com"`, "names",
		},
		"name of the URI": {
			func(b *model.Batch) { b.Remove(0, 14) }, dtls.AlertBadCertificate, `is not for "127.0.0.1"`, "names",
		},
		"unknown authority": {
			func(b *model.Batch) { b.Set(0, 4, lwm2m.Opaque(other.ca.Certificate.Raw)) },
			dtls.AlertUnknownCA, "not trusted", "authority",
		},
		"another certificate": {
			func(b *model.Batch) {
				b.Set(0, 15, lwm2m.Unsigned(3))
				b.Set(0, 4, lwm2m.Opaque(other.server.Certificate.Raw))
			},
			dtls.AlertCertificateUnknown, "another certificate", "compare the server's certificate",
		},
		"another client": {p.account(t, other.client), dtls.AlertBadCertificate, "server sent alert 42", "compare identity and key"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &scripted{t: t}
			uri, stop := s.listenDTLS("127.0.0.1:0", p.listener())
			defer stop()
			alerts := make(chan dtls.Alert, 100)
			l, changed := networked(t, nil, uri, func(b *model.Batch) {
				p.account(t, p.client)(b)
				v.change(b)
			}, func(c *Config) { c.OnAlert = func(_ uint16, a dtls.Alert) { alerts <- a } })
			status := l.await(changed, "in trouble", func(s AccountStatus) bool { return s.LastError != "" })
			if status.Cause != Mistrusted || !strings.Contains(status.LastError, v.reason) || !strings.Contains(status.Remedy, v.remedy) {
				t.Errorf("status says %q, %q", status.LastError, status.Remedy)
			}
			if a := <-alerts; a != v.alert {
				t.Errorf("alert %v, want %v", a, v.alert)
			}
		})
	}
}

// TestEncodings shows what resources 3 to 5 and 13 to 16 may hold.
func TestEncodings(t *testing.T) {
	p, other := newPKI(t), newPKI(t)
	leaf, root := p.client.Certificate.Raw, p.ca.Certificate.Raw
	toPEM := func(ders ...[]byte) (text []byte) {
		for _, der := range ders {
			text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
		}
		return text
	}
	ec, err := x509.MarshalECPrivateKey(p.client.Key.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(root)
	for name, v := range map[string]struct {
		change func(*Credentials)
		want   string // of the error; "" for none
	}{
		"DER":                          {func(*Credentials) {}, ""},
		"a chain in DER":               {func(c *Credentials) { c.Identity = slices.Concat(leaf, root) }, ""},
		"a chain in PEM":               {func(c *Credentials) { c.Identity = toPEM(leaf, root) }, ""},
		"server's certificate in PEM":  {func(c *Credentials) { c.ServerKey = toPEM(root) }, ""},
		"its digest":                   {func(c *Credentials) { c.ServerKey, c.Matching = sum[:], dtls.MatchSHA256 }, ""},
		"half a digest":                {func(c *Credentials) { c.ServerKey, c.Matching = sum[:16], dtls.MatchSHA256 }, "has 32 bytes, not 16"},
		"ECPrivateKey":                 {func(c *Credentials) { c.SecretKey = ec }, ""},
		"no private key":               {func(c *Credentials) { c.SecretKey = nil }, "private key: it is missing"},
		"a private key that is none":   {func(c *Credentials) { c.SecretKey = []byte("swordfish") }, "no OneAsymmetricKey"},
		"a key of another certificate": {func(c *Credentials) { c.SecretKey = pkcs8(t, other.client) }, "does not belong"},
		"no certificate":               {func(c *Credentials) { c.Identity = nil }, "own certificate: it is missing"},
		"half a certificate":           {func(c *Credentials) { c.Identity = leaf[:100] }, "own certificate"},
		"PEM without certificate":      {func(c *Credentials) { c.Identity = []byte("-----BEGIN X-----\n") }, "own certificate: it is missing"},
		"no server's certificate":      {func(c *Credentials) { c.ServerKey = nil }, "server's certificate: it is missing"},
		"no such usage":                {func(c *Credentials) { c.Usage = 4 }, "no certificate usage 4"},
		"no such matching type":        {func(c *Credentials) { c.Matching = 4 }, "no matching type 4"},
		"suites in order":              {func(c *Credentials) { c.Suites = []dtls.Suite{0xc02b, 0x1301, 0xc0ae, 0xc02b} }, ""},
		"suites of pre-shared keys":    {func(c *Credentials) { c.Suites = []dtls.Suite{0xc0a8} }, "none of the cipher suites in /0/x/16"},
		"a public key of another key": {func(c *Credentials) {
			c.Mode, c.Identity = SecurityRPK, other.client.Certificate.RawSubjectPublicKeyInfo
		}, "does not belong"},
		"a public key":                  {func(c *Credentials) { *c = rpkCredentials(t, p) }, ""},
		"a digest of the server's key":  {func(c *Credentials) { *c = rpkCredentials(t, p); c.ServerKey, c.Matching = sum[:], dtls.MatchSHA256 }, ""},
		"a certificate as a public key": {func(c *Credentials) { *c = rpkCredentials(t, p); c.ServerKey = root }, "server's key"},
	} {
		s := Server{URI: "coaps://server.example.com", Credentials: Credentials{
			Mode: SecurityX509, Identity: leaf, ServerKey: root, SecretKey: pkcs8(t, p.client), Usage: dtls.TrustAnchor,
		}}
		v.change(&s.Credentials)
		c, err := s.configure(dtls.Config{}, parsePrivateKey)
		if err == nil {
			_, err = c.Supported() // as a handshake begins
			err = errors.Join(err)
		} else if !errors.Is(err, ErrAccount) {
			t.Errorf("%s: %v", name, err)
		}
		if (err == nil) != (v.want == "") || err != nil && (!strings.Contains(err.Error(), v.want) || strings.Contains(err.Error(), "swordfish")) {
			t.Errorf("%s: %v, want %q", name, err, v.want)
		}
		if name == "suites in order" && !slices.Equal(c.Suites, []dtls.Suite{0xc02b, 0xc0ae}) {
			t.Errorf("suites %v", c.Suites)
		}
	}
}

func rpkCredentials(t *testing.T, p pki) Credentials {
	t.Helper()
	return Credentials{
		Mode: SecurityRPK, Identity: p.client.Certificate.RawSubjectPublicKeyInfo,
		ServerKey: p.server.Certificate.RawSubjectPublicKeyInfo, SecretKey: pkcs8(t, p.client),
	}
}

// TestServerNames shows what is told to the server and what its certificate must be for.
func TestServerNames(t *testing.T) {
	for _, v := range []struct {
		uri, sni, name, told string
	}{
		{"coaps://server.example.com", "", "server.example.com", "server.example.com"},
		{"coaps://server.example.com.:5684", "", "server.example.com.", "server.example.com"},
		{"coaps://192.0.2.1", "", "192.0.2.1", ""},
		{"coaps://[2001:db8::1]:5684", "", "2001:db8::1", ""},
		{"coaps://[fe80::1%25eth0]", "", "fe80::1%eth0", ""},
		{"coaps://192.0.2.1", "server.example.com", "server.example.com", "server.example.com"},
	} {
		s := Server{URI: v.uri, Credentials: Credentials{SNI: v.sni}}
		if name := s.name(); name != v.name || hostOnly(name) != v.told {
			t.Errorf("%s with %q: %q, told %q", v.uri, v.sni, name, hostOnly(name))
		}
	}
}

// TestCredentials shows what is read off object 0.
func TestCredentials(t *testing.T) {
	l := newLab(t, nil)
	c := readAccounts(l.tree)[0].server.Credentials
	if c.Usage != dtls.UnstatedUsage || c.Matching != dtls.MatchExact || c.Suites != nil || c.SNI != "" {
		t.Errorf("without resources 13 to 16: %+v", c)
	}
	l.publish(l.security, func(b *model.Batch) {
		b.Set(0, 13, lwm2m.Unsigned(2))
		b.Set(0, 14, lwm2m.String(" name "))
		b.Set(0, 15, lwm2m.Unsigned(1<<40))
		b.SetInstance(0, 16, 1, lwm2m.Unsigned(0xc02b))
		b.SetInstance(0, 16, 0, lwm2m.Unsigned(1<<40))
	})
	c = readAccounts(l.tree)[0].server.Credentials
	if c.Usage == dtls.UnstatedUsage || c.Usage <= dtls.DomainIssued || c.Matching != dtls.MatchSHA384 || c.SNI != "name" ||
		!slices.Equal(c.Suites, []dtls.Suite{0xffff, 0xc02b}) {
		t.Errorf("matching %v, SNI %q, usage %v, suites %v", c.Matching, c.SNI, c.Usage, c.Suites)
	}
}
