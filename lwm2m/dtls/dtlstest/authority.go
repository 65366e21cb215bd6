package dtlstest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"time"
)

// Authority issues certificates.
type Authority struct {
	Certificate *x509.Certificate

	key crypto.Signer
}

// Identity is a private key with its certificate.
type Identity struct {
	Certificate *x509.Certificate
	Key         crypto.Signer
}

// NewAuthority returns a root with a name.
func NewAuthority(name string) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := authorityOf(name)
	c, err := sign(t, t, key.Public(), key)
	return &Authority{c, key}, err
}

// Intermediate returns an authority below this one. A change of its template may be nil.
func (a *Authority) Intermediate(name string, change func(*x509.Certificate)) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return a.IntermediateFor(key, name, change)
}

// Identity returns the authority as one that shows its own certificate, as a server does
// with a certificate that it has signed itself.
func (a *Authority) Identity() *Identity { return &Identity{a.Certificate, a.key} }

// IntermediateFor is Intermediate for a key that there is.
func (a *Authority) IntermediateFor(key crypto.Signer, name string, change func(*x509.Certificate)) (*Authority, error) {
	t := authorityOf(name)
	if change != nil {
		change(t)
	}
	c, err := sign(t, a.Certificate, key.Public(), a.key)
	return &Authority{c, key}, err
}

// Issue returns a certificate for a client and server of this name, for a new key on
// P-256. A change of its template may be nil.
func (a *Authority) Issue(name string, change func(*x509.Certificate)) (*Identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return a.IssueFor(key, name, change)
}

// IssueFor is Issue for a key that there is.
func (a *Authority) IssueFor(key crypto.Signer, name string, change func(*x509.Certificate)) (*Identity, error) {
	t := template(name)
	t.KeyUsage = x509.KeyUsageDigitalSignature
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	t.DNSNames = []string{name}
	if change != nil {
		change(t)
	}
	c, err := sign(t, a.Certificate, key.Public(), a.key)
	return &Identity{c, key}, err
}

// template holds in the time of simulations too, which begins in 2000.
func template(name string) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	if err != nil {
		serial = big.NewInt(1)
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Date(1999, time.January, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(2099, time.January, 1, 0, 0, 0, 0, time.UTC),
	}
}

func authorityOf(name string) *x509.Certificate {
	t := template(name)
	t.IsCA, t.BasicConstraintsValid, t.KeyUsage = true, true, x509.KeyUsageCertSign
	return t
}

func sign(t, issuer *x509.Certificate, public any, key crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, t, issuer, public, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}
