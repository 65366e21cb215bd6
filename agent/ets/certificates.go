package ets

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/lwm2m/server"
)

// The names of the test specification's certificates, which are not published: the
// sandbox makes its own.
const (
	serverName  = "server.example.com"
	wrongServer = "server-fail.example.com"
)

// authority issues the certificates of a sandbox.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority() (*authority, error) {
	t := template("Test CA")
	t.IsCA, t.BasicConstraintsValid, t.KeyUsage = true, true, x509.KeyUsageCertSign
	a := &authority{certificate: t}
	var err error
	a.certificate, a.key, err = a.sign(t)
	return a, err
}

// template holds whatever the clock of a machine says.
func template(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2100, time.January, 1, 0, 0, 0, 0, time.UTC),
	}
}

// issue returns a certificate with its key.
func (a *authority) issue(name string, use x509.ExtKeyUsage) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	t := template(name)
	t.KeyUsage, t.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{use}
	if use == x509.ExtKeyUsageServerAuth {
		t.DNSNames = []string{name}
	}
	return a.sign(t)
}

// sign makes a certificate for a new key; the authority's own it signs by that key itself.
func (a *authority) sign(t *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	by := a.key
	if by == nil {
		by = key
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.certificate, key.Public(), by)
	if err != nil {
		return nil, nil, err
	}
	c, err := x509.ParseCertificate(der)
	return c, key, err
}

// certify gives a server a certificate for a name and an account one of the device, which
// expects the server's right name.
func certify(cfg *server.Config, account *config.Account, name string) error {
	ca, err := newAuthority()
	if err != nil {
		return err
	}
	own, key, err := ca.issue(name, x509.ExtKeyUsageServerAuth)
	if err != nil {
		return err
	}
	clients := x509.NewCertPool()
	clients.AddCert(ca.certificate)
	cfg.Certificates = &server.Certificates{Chain: [][]byte{own.Raw}, Key: key, Clients: clients}
	device, deviceKey, err := ca.issue(endpoint, x509.ExtKeyUsageClientAuth)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(deviceKey)
	if err != nil {
		return err
	}
	account.Security, account.Identity, account.Key = config.SecurityX509, "", config.NewSecret(der)
	account.Public, account.ServerKey, account.SNI = device.Raw, ca.certificate.Raw, serverName
	account.CertificateUsage = trustAnchor
	return nil
}

// trustAnchor is the certificate usage of an authority that is trusted (/0/x/15).
const trustAnchor = 2
