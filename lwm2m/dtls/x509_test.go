package dtls_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/lwm2m/dtls/dtlstest"
)

const serverName = "server.example.com"

// Certificates of the tests: a root, an authority below it, and both sides.
var (
	rootCA     = must(dtlstest.NewAuthority("Test Root"))
	issuingCA  = must(rootCA.Intermediate("Test Issuing", nil))
	strangeCA  = must(dtlstest.NewAuthority("Strange Root"))
	serverCert = must(issuingCA.Issue(serverName, nil))
	clientCert = must(rootCA.Issue("gw-17", nil))

	x509Client = dtls.Config{
		Key: clientCert.Key, Certificates: [][]byte{clientCert.Certificate.Raw},
		Trust: &dtls.Trust{Usage: dtls.TrustAnchor, Data: rootCA.Certificate.Raw, Name: serverName}, ServerName: serverName,
	}
	x509Server = dtlstest.Config{
		Key: serverCert.Key, ClientKey: clientCert.Certificate.RawSubjectPublicKeyInfo, Certificates: chain(serverCert, issuingCA),
	}
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// chain returns a certificate and those of authorities in DER.
func chain(of *dtlstest.Identity, by ...*dtlstest.Authority) [][]byte {
	out := make([][]byte, 0, 1+len(by))
	out = append(out, of.Certificate.Raw)
	for _, a := range by {
		out = append(out, a.Certificate.Raw)
	}
	return out
}

// rsaServer returns a server whose certificate has an RSA key.
func rsaServer() dtlstest.Config {
	key := must(rsa.GenerateKey(rand.Reader, 2048))
	return with(x509Server, func(s *dtlstest.Config) {
		s.Key, s.Certificates = key, chain(must(issuingCA.IssueFor(key, serverName, nil)), issuingCA)
	})
}

func largeCertificate() []byte {
	return must(rootCA.Issue("large", func(c *x509.Certificate) {
		c.DNSNames = []string{strings.Repeat("a.", 4000) + "example.com"}
	})).Certificate.Raw
}

// The times around the validity of the tests' certificates.
func firstDay() time.Time { return time.Date(1998, 12, 31, 0, 0, 0, 0, time.UTC) }
func lastDay() time.Time  { return time.Date(2099, 1, 2, 0, 0, 0, 0, time.UTC) }

// judgement is a server's chain, how it is judged, and what comes of it.
type judgement struct {
	trust  dtls.Trust
	chain  [][]byte
	now    func() time.Time
	alert  dtls.Alert // 0: accepted
	reason string
}

// judge runs a handshake in which the server has the key of its certificate.
func judge(t *testing.T, v *judgement, key *dtlstest.Identity) {
	t.Helper()
	client := with(x509Client, func(c *dtls.Config) { c.Trust, c.Now = &v.trust, v.now })
	server := with(x509Server, func(s *dtlstest.Config) { s.Key, s.Certificates = key.Key, v.chain })
	synctest.Test(t, func(t *testing.T) {
		_, _, err, serverErr := shake(t, client, server, nil, nil)
		if v.alert == 0 {
			if err != nil || serverErr != nil {
				t.Errorf("client: %v; server: %v", err, serverErr)
			}
			return
		}
		var ours, theirs *dtls.Error
		if !errors.As(err, &ours) || ours.Remote || ours.Alert != v.alert || !strings.Contains(ours.Reason, v.reason) {
			t.Errorf("client: %v, want %v with %q", err, v.alert, v.reason)
		}
		if !errors.As(serverErr, &theirs) || !theirs.Remote || theirs.Alert != v.alert {
			t.Errorf("server: %v, want %v", serverErr, v.alert)
		}
	})
}

// roots returns a pool of authorities.
func roots(all ...*dtlstest.Authority) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, a := range all {
		pool.AddCert(a.Certificate)
	}
	return pool
}

// Each certificate usage with good and bad chains, by the sections of RFC 6698 and RFC
// 7671 that say what it looks at.
func TestUsages(t *testing.T) {
	digest := func(b []byte) []byte { s := sha256.Sum256(b); return s[:] }
	for usage, data := range map[dtls.Usage]*x509.Certificate{
		dtls.CAConstraint: issuingCA.Certificate, dtls.ServiceConstraint: serverCert.Certificate, dtls.TrustAnchor: rootCA.Certificate,
	} {
		good := dtls.Trust{Usage: usage, Data: data.Raw, Roots: roots(rootCA), Name: serverName}
		strange := good
		if usage == dtls.TrustAnchor {
			strange.Data = strangeCA.Certificate.Raw
		} else {
			strange.Roots = roots(strangeCA)
		}
		other := with(good, func(t *dtls.Trust) { t.Name = "server-fail.example.com" })
		for name, v := range map[string]*judgement{
			"good":            {good, x509Server.Certificates, nil, 0, ""},
			"wrong name":      {other, x509Server.Certificates, nil, dtls.AlertBadCertificate, `is not for "server-fail.example.com"`},
			"expired":         {good, x509Server.Certificates, lastDay, dtls.AlertCertificateExpired, "expired at 2099-01-01"},
			"not yet valid":   {good, x509Server.Certificates, firstDay, dtls.AlertCertificateExpired, "is not valid before 1999-01-01"},
			"unknown issuer":  {strange, x509Server.Certificates, nil, dtls.AlertUnknownCA, `not trusted, "Test Root"`},
			"missing link":    {good, x509Server.Certificates[:1], nil, dtls.AlertUnknownCA, `not trusted, "Test Issuing"`},
			"no certificates": {good, [][]byte{}, nil, dtls.AlertBadCertificate, "no certificate"},
		} {
			t.Run(name, func(t *testing.T) { judge(t, v, serverCert) })
		}
	}
	pinned := dtls.Trust{Usage: dtls.DomainIssued, Data: serverCert.Certificate.Raw}
	for name, v := range map[string]*judgement{
		"pinned":             {pinned, x509Server.Certificates[:1], nil, 0, ""},
		"pinned and expired": {pinned, x509Server.Certificates[:1], lastDay, 0, ""},
		"another pinned":     {with(pinned, func(t *dtls.Trust) { t.Data = clientCert.Certificate.Raw }), x509Server.Certificates, nil, dtls.AlertCertificateUnknown, "another certificate"},
		"pinned digest":      {with(pinned, func(t *dtls.Trust) { t.Data, t.Matching = digest(t.Data), dtls.MatchSHA256 }), x509Server.Certificates, nil, 0, ""},
		"another certificate": {
			dtls.Trust{Usage: dtls.ServiceConstraint, Data: clientCert.Certificate.Raw, Roots: roots(rootCA), Name: serverName},
			x509Server.Certificates, nil, dtls.AlertCertificateUnknown, "another certificate",
		},
		"another authority": {
			dtls.Trust{Usage: dtls.CAConstraint, Data: strangeCA.Certificate.Raw, Roots: roots(rootCA, strangeCA), Name: serverName},
			x509Server.Certificates, nil, dtls.AlertUnknownCA, "not issued by the expected authority",
		},
		"constraint on the server's own": {
			dtls.Trust{Usage: dtls.CAConstraint, Data: serverCert.Certificate.Raw, Roots: roots(rootCA), Name: serverName},
			x509Server.Certificates, nil, dtls.AlertUnknownCA, "not issued by the expected authority",
		},
	} {
		t.Run(name, func(t *testing.T) { judge(t, v, serverCert) })
	}
}

// The matching types of an authority: its digest is found in the server's chain only.
func TestMatchingTypes(t *testing.T) {
	der := rootCA.Certificate.Raw
	sum256, sum384, sum512 := sha256.Sum256(der), sha512.Sum384(der), sha512.Sum512(der)
	whole := chain(serverCert, issuingCA, rootCA)
	for matching, data := range map[dtls.Matching][]byte{
		dtls.MatchExact: der, dtls.MatchSHA256: sum256[:], dtls.MatchSHA384: sum384[:], dtls.MatchSHA512: sum512[:],
	} {
		trust := dtls.Trust{Usage: dtls.TrustAnchor, Matching: matching, Data: data, Name: serverName}
		judge(t, &judgement{trust: trust, chain: whole}, serverCert)
		v := &judgement{trust: trust, chain: whole[:2], alert: dtls.AlertUnknownCA, reason: "not in the chain"}
		if matching == dtls.MatchExact {
			v.alert = 0
		}
		judge(t, v, serverCert)
		v = &judgement{trust: trust, chain: chain(must(strangeCA.Issue(serverName, nil)), strangeCA, rootCA), alert: dtls.AlertUnknownCA, reason: "not trusted"}
		judge(t, v, serverCert)
	}
}

// An account without a certificate usage.
func TestUnstatedUsage(t *testing.T) {
	own := must(dtlstest.NewAuthority(serverName)) // a certificate that is both, as openssl req -x509 makes
	trust := func(der []byte, name string) dtls.Trust {
		return dtls.Trust{Usage: dtls.UnstatedUsage, Data: der, Name: name}
	}
	for name, v := range map[string]*judgement{
		"the server's":         {trust(serverCert.Certificate.Raw, ""), x509Server.Certificates, lastDay, 0, ""},
		"an authority's":       {trust(rootCA.Certificate.Raw, serverName), x509Server.Certificates, nil, 0, ""},
		"for another name":     {trust(rootCA.Certificate.Raw, "other.example.com"), x509Server.Certificates, nil, dtls.AlertBadCertificate, "is not for"},
		"without a name":       {trust(rootCA.Certificate.Raw, ""), x509Server.Certificates, nil, dtls.AlertBadCertificate, "no name"},
		"another authority's":  {trust(strangeCA.Certificate.Raw, serverName), x509Server.Certificates, nil, dtls.AlertUnknownCA, "not trusted"},
		"another server's":     {trust(clientCert.Certificate.Raw, serverName), x509Server.Certificates, nil, dtls.AlertCertificateUnknown, "another certificate"},
		"both, but of another": {trust(own.Certificate.Raw, serverName), x509Server.Certificates, nil, dtls.AlertUnknownCA, "not trusted"},
	} {
		t.Run(name, func(t *testing.T) { judge(t, v, serverCert) })
	}
	t.Run("both, and the server's", func(t *testing.T) {
		judge(t, &judgement{trust: trust(own.Certificate.Raw, ""), chain: chain(own.Identity()), now: lastDay}, own.Identity())
	})
}

// The names that a certificate may have (RFC 6125; RFC 7925, section 4.4.1).
func TestServerNames(t *testing.T) {
	for name, v := range map[string]struct {
		host   string
		change func(*x509.Certificate)
		ok     bool
	}{
		"SAN":                     {serverName, nil, true},
		"SAN in capitals":         {"SERVER.example.com", nil, true},
		"wildcard":                {"a.example.com", func(c *x509.Certificate) { c.DNSNames = []string{"*.example.com"} }, true},
		"wildcard, a level below": {"b.a.example.com", func(c *x509.Certificate) { c.DNSNames = []string{"*.example.com"} }, false},
		"common name":             {serverName, func(c *x509.Certificate) { c.DNSNames = nil }, true},
		"wildcard as common name": {"a.example.com", func(c *x509.Certificate) { c.DNSNames, c.Subject.CommonName = nil, "*.example.com" }, false},
		"common name beside SAN":  {serverName, func(c *x509.Certificate) { c.DNSNames = []string{"other.example.com"} }, false},
		"IP address": {
			"192.0.2.1", func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(192, 0, 2, 1)} }, true,
		},
		"IP address as common name": {"192.0.2.1", func(c *x509.Certificate) { c.DNSNames, c.Subject.CommonName = nil, "192.0.2.1" }, false},
		"IPv6 address":              {"2001:db8::1", func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.ParseIP("2001:db8::1")} }, true},
	} {
		t.Run(name, func(t *testing.T) {
			cert := must(issuingCA.Issue(serverName, v.change))
			j := &judgement{trust: dtls.Trust{Usage: dtls.TrustAnchor, Data: rootCA.Certificate.Raw, Name: v.host}, chain: chain(cert, issuingCA)}
			if !v.ok {
				j.alert, j.reason = dtls.AlertBadCertificate, "is not for"
			}
			judge(t, j, cert)
		})
	}
}

// An authority that may certify some names only is kept to them, whether the certificate has the name as an alternative
// one or as its Common Name (RFC 5280, section 4.2.1.10), unless there is a path without it.
func TestNameConstraints(t *testing.T) {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	within := func(domain string) *dtlstest.Authority {
		return must(rootCA.IntermediateFor(key, "Constrained", func(c *x509.Certificate) {
			c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{domain}, true
		}))
	}
	here, elsewhere, free := within("example.com"), within("example.org"), must(rootCA.IntermediateFor(key, "Constrained", nil))
	nameless := func(c *x509.Certificate) { c.DNSNames = nil }
	for name, v := range map[string]struct {
		change func(*x509.Certificate)
		by     []*dtlstest.Authority
		reason string // empty: accepted
	}{
		"alternative name within":  {nil, []*dtlstest.Authority{here}, ""},
		"alternative name without": {nil, []*dtlstest.Authority{elsewhere}, "not permitted"},
		"common name":              {nameless, []*dtlstest.Authority{elsewhere}, "Common Name alone"},
		"another path":             {nameless, []*dtlstest.Authority{elsewhere, free}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			cert := must(free.Issue(serverName, v.change))
			j := &judgement{trust: dtls.Trust{Usage: dtls.TrustAnchor, Data: rootCA.Certificate.Raw, Name: serverName}, chain: chain(cert, v.by...)}
			if v.reason != "" {
				j.alert, j.reason = dtls.AlertBadCertificate, v.reason
			}
			judge(t, j, cert)
		})
	}
}

// Chains that lead to the authority and must not do.
func TestBadChains(t *testing.T) {
	key := func(curve elliptic.Curve) *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(curve, rand.Reader)) }
	noCA := must(rootCA.Intermediate("No CA", func(c *x509.Certificate) { c.IsCA = false }))
	weak := must(rootCA.IntermediateFor(key(elliptic.P224()), "Weak CA", nil))
	old := must(rootCA.Intermediate("Old CA", func(c *x509.Certificate) { c.NotAfter = time.Date(1999, 6, 1, 0, 0, 0, 0, time.UTC) }))
	forged := must(issuingCA.Issue(serverName, nil))
	forged.Certificate.Raw = bytes.Clone(forged.Certificate.Raw)
	forged.Certificate.Raw[len(forged.Certificate.Raw)-1] ^= 1
	short := must(rsa.GenerateKey(rand.Reader, 1024))
	issue := func(change func(*x509.Certificate)) *dtlstest.Identity {
		return must(issuingCA.Issue(serverName, change))
	}
	broken := issue(nil)
	broken.Certificate.Raw = broken.Certificate.Raw[:100]
	for name, v := range map[string]struct {
		cert   *dtlstest.Identity
		by     []*dtlstest.Authority
		alert  dtls.Alert
		reason string
	}{
		"forged":               {forged, []*dtlstest.Authority{issuingCA}, dtls.AlertBadCertificate, "signature of certificate"},
		"issued by no CA":      {must(noCA.Issue(serverName, nil)), []*dtlstest.Authority{noCA}, dtls.AlertUnknownCA, "not trusted"},
		"weak in between":      {must(weak.Issue(serverName, nil)), []*dtlstest.Authority{weak}, dtls.AlertUnsupportedCertificate, "weak key"},
		"expired in between":   {must(old.Issue(serverName, nil)), []*dtlstest.Authority{old}, dtls.AlertCertificateExpired, `"Old CA" expired`},
		"for clients only":     {issue(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), []*dtlstest.Authority{issuingCA}, dtls.AlertUnsupportedCertificate, "not for servers"},
		"not for signing":      {issue(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }), []*dtlstest.Authority{issuingCA}, dtls.AlertUnsupportedCertificate, "not for signing"},
		"on another curve":     {must(issuingCA.IssueFor(key(elliptic.P384()), serverName, nil)), []*dtlstest.Authority{issuingCA}, dtls.AlertUnsupportedCertificate, "neither on P-256"},
		"on a weak curve":      {must(issuingCA.IssueFor(key(elliptic.P224()), serverName, nil)), []*dtlstest.Authority{issuingCA}, dtls.AlertUnsupportedCertificate, "neither on P-256"},
		"short RSA":            {must(issuingCA.IssueFor(short, serverName, nil)), []*dtlstest.Authority{issuingCA}, dtls.AlertUnsupportedCertificate, "neither on P-256"},
		"too many":             {serverCert, []*dtlstest.Authority{issuingCA, rootCA, rootCA, rootCA, rootCA, rootCA, rootCA, rootCA}, dtls.AlertBadCertificate, "more than 8"},
		"unreadable":           {broken, nil, dtls.AlertBadCertificate, "cannot be read"},
		"suite of another key": {rsaIdentity(t), []*dtlstest.Authority{issuingCA}, dtls.AlertUnsupportedCertificate, "does not go with"},
	} {
		t.Run(name, func(t *testing.T) {
			signing := v.cert
			if _, ok := signing.Key.(*ecdsa.PrivateKey); !ok || name == "suite of another key" {
				signing = serverCert // so that the suite can be chosen
			}
			judge(t, &judgement{
				trust: dtls.Trust{Usage: dtls.TrustAnchor, Data: rootCA.Certificate.Raw, Name: serverName},
				chain: chain(v.cert, v.by...), alert: v.alert, reason: v.reason,
			}, signing)
		})
	}
}

func rsaIdentity(t *testing.T) *dtlstest.Identity {
	t.Helper()
	return must(issuingCA.IssueFor(must(rsa.GenerateKey(rand.Reader, 2048)), serverName, nil))
}

// A server that shows the right certificate and has another key.
func TestStolenCertificate(t *testing.T) {
	judge(t, &judgement{trust: *x509Client.Trust, chain: x509Server.Certificates, alert: dtls.AlertDecryptError, reason: "not signed"}, clientCert)
}

// The client's certificate is what the server expects, or an alert comes back.
func TestStrangeClient(t *testing.T) {
	stranger := must(rootCA.Issue("gw-18", nil))
	client := with(x509Client, func(c *dtls.Config) { c.Key, c.Certificates = stranger.Key, chain(stranger) })
	synctest.Test(t, func(t *testing.T) {
		_, _, err, serverErr := shake(t, client, x509Server, nil, nil)
		var ours, theirs *dtls.Error
		if !errors.As(err, &ours) || !ours.Remote || ours.Alert != dtls.AlertBadCertificate {
			t.Errorf("client: %v", err)
		}
		if !errors.As(serverErr, &theirs) || theirs.Remote {
			t.Errorf("server: %v", serverErr)
		}
	})
}

// What a server with the right keys may lie about in the messages of X.509.
func TestX509Lies(t *testing.T) {
	const hello, certificate, request = 2, 11, 13
	extension := func(ext string) func([]byte) []byte {
		return func(b []byte) []byte {
			b[38], b[39] = byte((len(b)-40+len(ext))>>8), byte(len(b)-40+len(ext))
			return append(b, ext...)
		}
	}
	for name, v := range map[string]struct {
		typ   uint8
		lie   func([]byte) []byte
		alert dtls.Alert
	}{
		"a name of its own": {hello, func(b []byte) []byte {
			return extension("\x00\x00\x00\x01\x00")(bytes.Replace(b, []byte{0, 0x17, 0, 0, 0, 0, 0, 0}, []byte{0, 0x17, 0, 0}, 1))
		}, dtls.AlertDecodeError},
		"raw public keys":         {hello, extension("\x00\x14\x00\x01\x02"), dtls.AlertUnsupportedExtension},
		"malformed list":          {certificate, func(b []byte) []byte { return append(b, 0) }, dtls.AlertDecodeError},
		"truncated list":          {certificate, func(b []byte) []byte { return b[:4] }, dtls.AlertDecodeError},
		"half a certificate":      {certificate, func(b []byte) []byte { return []byte{0, 0, 4, 0, 0, 9, 1} }, dtls.AlertDecodeError},
		"an empty certificate":    {certificate, func(b []byte) []byte { return []byte{0, 0, 3, 0, 0, 0} }, dtls.AlertBadCertificate},
		"only RSA is wanted":      {request, func(b []byte) []byte { b[1] = 1; return b }, dtls.AlertHandshakeFailure},
		"the request is too long": {request, func(b []byte) []byte { return append(b, 0) }, dtls.AlertDecodeError},
	} {
		t.Run(name, func(t *testing.T) {
			applied := false
			server := with(x509Server, func(s *dtlstest.Config) {
				s.Mutate = func(typ uint8, body []byte) (uint8, []byte) {
					if typ != v.typ {
						return typ, body
					}
					was := bytes.Clone(body)
					body = v.lie(body)
					applied = !bytes.Equal(body, was)
					return typ, body
				}
			})
			synctest.Test(t, func(t *testing.T) {
				_, _, err, _ := shake(t, x509Client, server, nil, nil)
				var e *dtls.Error
				if !errors.As(err, &e) || e.Remote || e.Alert != v.alert || !applied {
					t.Errorf("%v, want alert %d; lied: %v", err, v.alert, applied)
				}
			})
		})
	}
}

// The name of the host is in the ClientHello if there is one, and at its place only.
func TestServerName(t *testing.T) {
	for _, name := range []string{"", serverName} {
		hello := []byte(nil)
		first := func(d []byte) [][]byte {
			if hello == nil {
				hello = bytes.Clone(d)
			}
			return [][]byte{d}
		}
		synctest.Test(t, func(t *testing.T) {
			_, _, err, _ := shake(t, with(x509Client, func(c *dtls.Config) { c.ServerName = name }), x509Server, first, nil)
			if err != nil {
				t.Fatal(err)
			}
		})
		if want := "\x00\x00\x00\x17\x00\x15\x00\x00\x12" + serverName; strings.Contains(string(hello), want) != (name != "") {
			t.Errorf("name %q: ClientHello %x", name, hello)
		}
	}
}
