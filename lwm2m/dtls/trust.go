package dtls

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"
)

// Usage says what Trust.Data is of, the number that resource /0/x/15 (Certificate
// Usage) holds (Transport 1.2.2, section 5.2.9.6.4; RFC 6698, section 2.1.1).
type Usage uint8

// The certificate usages.
const (
	// CAConstraint: the certificate of an authority that must be in the server's chain,
	// which must lead to one of Roots.
	CAConstraint Usage = 0
	// ServiceConstraint: the server's certificate, whose chain must lead to one of Roots.
	ServiceConstraint Usage = 1
	// TrustAnchor: the certificate of an authority that the server's chain must lead to.
	TrustAnchor Usage = 2
	// DomainIssued: the server's certificate. Nothing else of it is looked at, neither
	// names nor dates nor who issued it (RFC 7671, section 5.1).
	DomainIssued Usage = 3
	// UnstatedUsage: the resource is absent, which means DomainIssued. Servers of LwM2M
	// 1.0, which has no such resource, give the certificate of an authority as well:
	// where Data is one, and not the server's, it means TrustAnchor.
	UnstatedUsage Usage = 255
)

// Matching says how Trust.Data or Config.PeerKey stands for a certificate or a key, the
// number that resource /0/x/13 (Matching Type) holds (RFC 6698, section 2.1.3).
type Matching uint8

// The matching types.
const (
	MatchExact  Matching = 0 // it is the certificate or key, in DER
	MatchSHA256 Matching = 1 // its digest, and so on
	MatchSHA384 Matching = 2
	MatchSHA512 Matching = 3
)

// Trust says which certificates of a server are accepted.
type Trust struct {
	Usage    Usage
	Matching Matching
	Data     []byte // the certificate in DER, or its digest

	// Roots are the authorities of CAConstraint and ServiceConstraint; nil means those
	// of the system.
	Roots *x509.CertPool

	// Name is what the server's certificate must be for: a host name or an IP address.
	// It may be empty with DomainIssued only.
	Name string
}

// sums are the digests of the matching types.
var sums = map[Matching]func([]byte) []byte{
	MatchSHA256: func(b []byte) []byte { s := sha256.Sum256(b); return s[:] },
	MatchSHA384: func(b []byte) []byte { s := sha512.Sum384(b); return s[:] },
	MatchSHA512: func(b []byte) []byte { s := sha512.Sum512(b); return s[:] },
}

// check reports data that cannot match anything.
func (m Matching) check(data []byte) error {
	sum, ok := sums[m]
	switch {
	case m == MatchExact:
		return nil
	case !ok:
		return fmt.Errorf("there is no matching type %d", m)
	case len(data) != len(sum(nil)):
		return fmt.Errorf("a digest of matching type %d has %d bytes, not %d", m, len(sum(nil)), len(data))
	}
	return nil
}

func (m Matching) matches(data, der []byte) bool {
	if sum, ok := sums[m]; ok {
		return bytes.Equal(data, sum(der))
	}
	return m == MatchExact && bytes.Equal(data, der)
}

// check reports a Trust that cannot be used.
func (t *Trust) check() error {
	if t.Usage > DomainIssued && t.Usage != UnstatedUsage {
		return fmt.Errorf("there is no certificate usage %d", t.Usage)
	}
	if len(t.Data) == 0 {
		return errors.New("it is missing")
	}
	if t.Name == "" && t.Usage != DomainIssued && t.Usage != UnstatedUsage {
		return errors.New("there is no name to check it by")
	}
	if t.Matching == MatchExact {
		if _, err := x509.ParseCertificate(t.Data); err != nil {
			return err
		}
	}
	return t.Matching.check(t.Data)
}

// Judge decides about the certificates of a server, its own first, for a protocol other than
// DTLS, such as TLS, which has to check that the server has the key. The error is an *[Error]
// with the alert that a handshake would have ended with, though none was sent.
func (t *Trust) Judge(chain []*x509.Certificate, now time.Time) error {
	if err := t.check(); err != nil {
		return refuse(AlertInternalError, "server's certificate cannot be judged: %v", err)
	}
	if len(chain) == 0 {
		return refuse(AlertBadCertificate, "server has no certificate")
	}
	_, err := t.judge(chain, now)
	return err
}

// judge decides about the server's chain, and says when the decision expires, zero:
// never. Certificates that lead nowhere do no harm.
func (t *Trust) judge(chain []*x509.Certificate, now time.Time) (notAfter time.Time, err error) {
	usage, roots, known := t.Usage, t.Roots, chain[1:]
	if usage == UnstatedUsage {
		usage = DomainIssued
		if t.isAuthority() && !t.is(chain[0]) {
			usage = TrustAnchor
		}
	}
	switch {
	case (usage == DomainIssued || usage == ServiceConstraint) && !t.is(chain[0]):
		return notAfter, refuse(AlertCertificateUnknown, "server has another certificate than expected, %s", describe(chain[0]))
	case usage == DomainIssued:
		return notAfter, nil
	case usage == TrustAnchor:
		anchor := t.anchor(chain)
		if anchor == nil {
			return notAfter, refuse(AlertUnknownCA, "the expected authority is not in the chain of the server's certificate, %s", describe(chain[0]))
		}
		known, roots = append(slices.Clip(known), anchor), x509.NewCertPool()
		roots.AddCert(anchor)
	}
	paths, err := verify(chain[0], known, roots, now)
	if err != nil {
		return notAfter, err
	}
	if usage == CAConstraint {
		paths = slices.DeleteFunc(paths, func(path []*x509.Certificate) bool { return !slices.ContainsFunc(path[1:], t.is) })
	}
	if len(paths) == 0 {
		return notAfter, refuse(AlertUnknownCA, "server's certificate, %s, is not issued by the expected authority", describe(chain[0]))
	}
	if paths, err = named(paths, t.Name); err != nil {
		return notAfter, err
	}
	return slices.MinFunc(paths[0], func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) }).NotAfter, nil
}

// is reports whether Data is of the certificate.
func (t *Trust) is(c *x509.Certificate) bool { return t.Matching.matches(t.Data, c.Raw) }

// isAuthority reports whether Data is the certificate of an authority.
func (t *Trust) isAuthority() bool {
	c, err := x509.ParseCertificate(t.Data)
	return t.Matching == MatchExact && err == nil && c.IsCA
}

// anchor returns the authority, nil if there is only a digest of it and the chain does not
// have it.
func (t *Trust) anchor(chain []*x509.Certificate) *x509.Certificate {
	if i := slices.IndexFunc(chain, t.is); i >= 0 {
		return chain[i]
	}
	c, err := x509.ParseCertificate(t.Data)
	if t.Matching != MatchExact || err != nil {
		return nil
	}
	return c
}

// verify returns the paths from the server's certificate over known ones to the roots that
// hold now (RFC 5280, section 6) and whose keys are strong.
func verify(own *x509.Certificate, known []*x509.Certificate, roots *x509.CertPool, now time.Time) ([][]*x509.Certificate, error) {
	between := x509.NewCertPool()
	for _, c := range known {
		between.AddCert(c)
	}
	paths, err := own.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return nil, refusal(err, own, known, now)
	}
	weak := func(path []*x509.Certificate) bool {
		return slices.ContainsFunc(path, func(c *x509.Certificate) bool { return !strong(c.PublicKey) })
	}
	if paths = slices.DeleteFunc(paths, weak); len(paths) == 0 {
		return nil, refuse(AlertUnsupportedCertificate, "an authority of server's certificate, %s, has a weak key", describe(own))
	}
	if use := own.KeyUsage; use != 0 && use&x509.KeyUsageDigitalSignature == 0 { // RFC 5246, section 7.4.2
		return nil, refuse(AlertUnsupportedCertificate, "server's certificate, %s, is not for signing", describe(own))
	}
	return paths, nil
}

// refusal says what is wrong with a chain, with the alert that RFC 5246, section 7.2.2,
// has for it.
func refusal(err error, own *x509.Certificate, known []*x509.Certificate, now time.Time) error {
	var (
		invalid x509.CertificateInvalidError
		unknown x509.UnknownAuthorityError
	)
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return refuse(AlertCertificateExpired, "%s", outdated(invalid.Cert, now))
	case errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		return refuse(AlertUnsupportedCertificate, "server's certificate, %s, is not for servers", describe(own))
	case errors.As(err, &unknown):
		if c := forged(append([]*x509.Certificate{own}, known...)); c != nil {
			return refuse(AlertBadCertificate, "the signature of certificate %s is wrong", describe(c))
		}
		return refuse(AlertUnknownCA, "server's certificate, %s, is issued by an authority that is not trusted, %s",
			describe(own), name(unknown.Cert.Issuer))
	case errors.As(err, new(x509.SystemRootsError)):
		return refuse(AlertUnknownCA, "this device has no list of trusted authorities")
	}
	return refuse(AlertBadCertificate, "server's certificate, %s: %.200q", describe(own), err)
}

// outdated says how a certificate does not hold now.
func outdated(c *x509.Certificate, now time.Time) string {
	how, when := "expired at", c.NotAfter
	if now.Before(c.NotBefore) {
		how, when = "is not valid before", c.NotBefore
	}
	return fmt.Sprintf("certificate %s %s %s, and by this device's clock it is %s",
		describe(c), how, when.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
}

// forged returns a certificate of the chain that another one of it should have signed, by
// its key, and has not; nil if there is none.
func forged(chain []*x509.Certificate) *x509.Certificate {
	for _, c := range chain {
		for _, by := range chain {
			if bytes.Equal(c.RawIssuer, by.RawSubject) && len(c.AuthorityKeyId) > 0 && bytes.Equal(c.AuthorityKeyId, by.SubjectKeyId) &&
				c.CheckSignatureFrom(by) != nil {
				return c
			}
		}
	}
	return nil
}

// describe names a certificate.
func describe(c *x509.Certificate) string { return name(c.Subject) }

// name quotes a name, which anybody may have written.
func name(n pkix.Name) string { return fmt.Sprintf("%.100q", cmp.Or(n.CommonName, n.String())) }

// named returns the paths by which the server's certificate is for the host (RFC 6125, section 6; RFC
// 7925, section 4.4.1). The Common Name counts where there is no other name, and where no authority is constrained to some
// names: package x509 holds those against the alternative names alone.
func named(paths [][]*x509.Certificate, name string) ([][]*x509.Certificate, error) {
	c := paths[0][0]
	if name == "" {
		return nil, refuse(AlertBadCertificate, "there is no name to check server's certificate by, %s", describe(c))
	}
	if err := c.VerifyHostname(name); err == nil {
		return paths, nil
	}
	if len(c.DNSNames) > 0 || len(c.IPAddresses) > 0 || net.ParseIP(name) != nil ||
		!strings.EqualFold(strings.TrimSuffix(c.Subject.CommonName, "."), strings.TrimSuffix(name, ".")) {
		return nil, refuse(AlertBadCertificate, "server's certificate, %s, is not for %q", describe(c), name)
	}
	paths = slices.DeleteFunc(paths, func(path []*x509.Certificate) bool { return slices.ContainsFunc(path[1:], constrained) })
	if len(paths) == 0 {
		return nil, refuse(AlertBadCertificate, "server's certificate, %s, has its name as Common Name alone, and its authority is constrained to some names", describe(c))
	}
	return paths, nil
}

// nameConstraints is the identifier of that extension (RFC 5280, section 4.2.1.10).
var nameConstraints = asn1.ObjectIdentifier{2, 5, 29, 30}

// constrained reports whether an authority may certify some names only.
func constrained(c *x509.Certificate) bool {
	return slices.ContainsFunc(c.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(nameConstraints) })
}

// serverKey returns the key of the server's certificate if the profile has suites for it.
func serverKey(c *x509.Certificate) (crypto.PublicKey, error) {
	if key, ok := c.PublicKey.(*ecdsa.PublicKey); ok && key.Curve == elliptic.P256() {
		return key, nil
	}
	if key, ok := c.PublicKey.(*rsa.PublicKey); ok && strong(key) {
		return key, nil
	}
	return nil, refuse(AlertUnsupportedCertificate, "the key of server's certificate, %s, is neither on P-256 nor RSA of %d to %d bits",
		describe(c), minRSA, maxRSA)
}

// Bounds of RSA keys in bits. What is longer costs a device too much to check.
const (
	minRSA = 2048
	maxRSA = 8192
)

// strong reports whether a key is long enough: no curve under 255 bits (Transport 1.2.2,
// section 5.2.9.3).
func strong(key crypto.PublicKey) bool {
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		return key.Curve.Params().BitSize >= 255
	case *rsa.PublicKey:
		return key.N.BitLen() >= minRSA && key.N.BitLen() <= maxRSA
	}
	return true // Ed25519
}
