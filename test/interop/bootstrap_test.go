//go:build interop

package interop

import (
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"lwm2m-agent/test/gateway"
	"lwm2m-agent/test/leshan"
)

// bootstrapped starts an agent that knows a bootstrap server only, has it get its account there and
// register, and has the server, and a person, ask for another bootstrap.
func bootstrapped(t *testing.T, server *leshan.Server, bootstrap *leshan.BootstrapServer, endpoint, section, transport string) {
	t.Helper()
	a := gateway.Start(t, board(endpoint)+"\n[bootstrap]\nuri = \""+bootstrap.CoAPS+"\"\n"+section)
	bootstrap.AwaitEnd(t, 1)
	c := server.AwaitRegistered(t, endpoint, patience)
	if c.Lifetime != 300 {
		t.Errorf("registration is %+v", c)
	}
	status := a.AwaitStatus(t, "registered", func(s gateway.Status) bool { return len(s.Servers) == 1 && s.Servers[0].State == "registered" })
	if got := status.Servers[0].Transport; got != transport {
		t.Errorf("transport is %q, want %q", got, transport)
	}
	if answer := server.Execute(t, endpoint, "/1/0/9", ""); answer.Code != "2.04" {
		t.Errorf("Execute /1/0/9 is answered with %+v", answer)
	}
	bootstrap.AwaitEnd(t, 2)
	a.Must(t, "bootstrap")
	bootstrap.AwaitEnd(t, 3)
	server.AwaitRegistered(t, endpoint, patience)
	all := strings.Join(bootstrap.Answers(), "\n")
	for _, want := range []string{"BootstrapDiscoverRequest", "BootstrapDeleteRequest /0", "BootstrapDeleteRequest /1", "BootstrapWriteRequest /0/", "BootstrapWriteRequest /1/0", "BootstrapFinishRequest"} {
		if strings.Count(all, want) < 3 {
			t.Errorf("%s was not answered in each bootstrap:\n%s", want, all)
		}
	}
	a.Stop(t)
}

// TestLeshanBootstrapPSK: bootstrap and registration with pre-shared keys.
func TestLeshanBootstrapPSK(t *testing.T) {
	t.Parallel()
	const endpoint = "gw-bs-psk"
	s := leshan.Start(t, leshan.Options{Models: definitions(t)})
	s.PSK(t, endpoint, identity, key)
	bs := leshan.StartBootstrap(t, leshan.BootstrapOptions{
		Endpoint: endpoint, Mode: leshan.PSK, Identity: []byte("for bootstrap"), Key: []byte("another key"),
		Account: leshan.Account{URI: s.CoAPS, ShortServerID: 101, Mode: leshan.PSK, Identity: []byte(identity), Key: key},
	})
	bootstrapped(t, s, bs, endpoint, fmt.Sprintf("identity = \"for bootstrap\"\nkey = %q\n", hex.EncodeToString([]byte("another key"))), "DTLS PSK")
}

// TestLeshanBootstrapRPK: both with raw public keys.
func TestLeshanBootstrapRPK(t *testing.T) {
	t.Parallel()
	const endpoint = "gw-bs-rpk"
	p := newPKI(t, nil)
	own := made(p.root.Issue(endpoint, nil))
	spki := func(key crypto.Signer) []byte { return made(x509.MarshalPKIXPublicKey(key.Public())) }
	public, serverKey := spki(own.Key), spki(p.server.Key)
	p.PublicKey(t, endpoint, public)
	bs := leshan.StartBootstrap(t, leshan.BootstrapOptions{
		Endpoint: endpoint, Mode: leshan.RPK, Identity: public, Own: p.identity(),
		Account: leshan.Account{URI: p.CoAPS, ShortServerID: 101, Mode: leshan.RPK, Identity: public, ServerKey: serverKey, Key: pkcs8(own.Key)},
	})
	section := fmt.Sprintf("private_key_file = %q\nserver_public_key_file = %q\n",
		p.file(t, "bs.key", "PRIVATE KEY", pkcs8(own.Key)), p.file(t, "bs.pub", "PUBLIC KEY", serverKey))
	bootstrapped(t, p.Server, bs, endpoint, section, "DTLS RPK")
}

// TestLeshanBootstrapX509: both with certificates.
func TestLeshanBootstrapX509(t *testing.T) {
	t.Parallel()
	const endpoint = "gw-bs-x509"
	p := newPKI(t, nil)
	own := made(p.root.Issue(endpoint, nil))
	p.Certificate(t, endpoint)
	bs := leshan.StartBootstrap(t, leshan.BootstrapOptions{
		Endpoint: endpoint, Mode: leshan.X509, Own: p.identity(),
		Account: leshan.Account{
			URI: p.CoAPS, ShortServerID: 101, Mode: leshan.X509, Identity: own.Certificate.Raw, ServerKey: p.root.Certificate.Raw, Key: pkcs8(own.Key), Name: serverName,
		},
	})
	section := fmt.Sprintf("certificate_file = %q\nprivate_key_file = %q\nserver_certificate_file = %q\ncertificate_usage = 2\nsni = %q\n",
		p.file(t, "bs.crt", "CERTIFICATE", own.Certificate.Raw), p.file(t, "bs.key", "PRIVATE KEY", pkcs8(own.Key)),
		p.file(t, "bs-root.crt", "CERTIFICATE", p.root.Certificate.Raw), serverName)
	bootstrapped(t, p.Server, bs, endpoint, section, "DTLS X.509")
}

// identity is that of the server.
func (p *pki) identity() *leshan.Identity {
	return &leshan.Identity{
		Key: pkcs8(p.server.Key), Chain: [][]byte{p.server.Certificate.Raw, p.issuing.Certificate.Raw}, Trust: p.root.Certificate.Raw,
	}
}
