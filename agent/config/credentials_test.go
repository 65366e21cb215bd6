package config

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io/fs"
	"maps"
	"math/big"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// pki are credentials in PEM.
type pki struct{ authority, certificate, key, public, otherKey, encrypted, p384 string }

// validUntil is when the certificates of a pki expire.
var validUntil = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func toPEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func fromPEM(text string) []byte {
	block, _ := pem.Decode([]byte(text))
	return block.Bytes
}

func newKey(t *testing.T, curve elliptic.Curve) (*ecdsa.PrivateKey, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key, toPEM("PRIVATE KEY", pkcs8(t, key))
}

func pkcs8(t *testing.T, key crypto.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func newPKI(t *testing.T) (p pki) {
	t.Helper()
	key, text := newKey(t, elliptic.P256())
	p.key = text
	_, p.otherKey = newKey(t, elliptic.P256())
	_, p.p384 = newKey(t, elliptic.P384())
	p.encrypted = toPEM("ENCRYPTED PRIVATE KEY", []byte{1})
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	p.public = toPEM("PUBLIC KEY", spki)
	for serial, name := range []string{"gw-17", "Test Root"} {
		c := &x509.Certificate{
			SerialNumber: big.NewInt(int64(serial + 1)), Subject: pkix.Name{CommonName: name},
			NotBefore: validUntil.AddDate(-10, 0, 0), NotAfter: validUntil,
		}
		der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		p.certificate, p.authority = p.authority, toPEM("CERTIFICATE", der)
	}
	return p
}

// reader is a keyReader of files by name.
func reader(files map[string]string) keyReader {
	return func(file string) ([]byte, bool, error) {
		name := filepath.Base(file)
		text, ok := files[name]
		if !ok {
			return nil, false, &fs.PathError{Op: "open", Path: file, Err: fs.ErrNotExist}
		}
		return []byte(text), strings.HasPrefix(name, "open-"), nil
	}
}

const (
	x509Server = "[[server]]\nshort_server_id=1\nuri='coaps://h'\ncertificate_file='own.crt'\nprivate_key_file='own.key'\nserver_certificate_file='ca.crt'\n"
	rpkServer  = "[[server]]\nshort_server_id=1\nuri='coaps://h'\nprivate_key_file='own.key'\nserver_public_key_file='server.pub'\n"
)

// TestCredentials shows what becomes of files in PEM and DER.
func TestCredentials(t *testing.T) {
	p := newPKI(t)
	files := map[string]string{
		"own.crt": p.certificate + p.authority, "own.key": p.key, "ca.crt": p.authority, "server.pub": p.public,
	}
	own, ca, spki := slices.Concat(fromPEM(p.certificate), fromPEM(p.authority)), fromPEM(p.authority), fromPEM(p.public)
	sum := sha256.Sum256(ca)
	key, err := x509.ParsePKCS8PrivateKey(fromPEM(p.key))
	if err != nil {
		t.Fatal(err)
	}
	ec, err := x509.MarshalECPrivateKey(key.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]struct {
		text   string
		files  map[string]string
		server []byte
	}{
		"PEM":                      {x509Server, nil, ca},
		"DER":                      {x509Server, map[string]string{"own.crt": string(own), "own.key": string(pkcs8(t, key)), "ca.crt": string(ca)}, ca},
		"EC PRIVATE KEY":           {x509Server, map[string]string{"own.key": "text\n" + toPEM("EC PARAMETERS", []byte{1}) + toPEM("EC PRIVATE KEY", ec)}, ca},
		"EC PRIVATE KEY in DER":    {x509Server, map[string]string{"own.key": string(ec)}, ca},
		"key and certificate":      {x509Server, map[string]string{"own.key": p.certificate + p.key}, ca},
		"a digest is made":         {x509Server + "matching_type=1", nil, sum[:]},
		"a digest is given":        {x509Server + "matching_type=1", map[string]string{"ca.crt": hex.EncodeToString(sum[:]) + "\n"}, sum[:]},
		"security is said":         {x509Server + "security='x509'", nil, ca},
		"raw public keys":          {rpkServer, nil, spki},
		"raw public keys in DER":   {rpkServer, map[string]string{"server.pub": string(spki)}, spki},
		"digest of the public key": {rpkServer + "matching_type=1", map[string]string{"server.pub": hex.EncodeToString(sum[:])}, sum[:]},
	} {
		all := maps.Clone(files)
		maps.Copy(all, v.files)
		cfg, err := build(sources(v.text), Options{}, reader(all))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		a := cfg.Servers[0].Account
		public, security := own, SecurityX509
		if strings.HasPrefix(v.text, rpkServer) {
			public, security = spki, SecurityRPK
		}
		if a.Security != security || !bytes.Equal(a.Public, public) || !bytes.Equal(a.ServerKey, v.server) ||
			!bytes.Equal(a.Key.Reveal(), pkcs8(t, key)) || a.CertificateUsage != NoInstance || len(cfg.Warnings)+len(cfg.Outdated(validUntil)) > 0 {
			t.Errorf("%s: %+v, warnings %v, %v", name, a, cfg.Warnings, cfg.Outdated(validUntil))
		}
	}
}

// TestCredentialRefusals shows what is wrong with files, in words that help.
func TestCredentialRefusals(t *testing.T) {
	p := newPKI(t)
	short, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]struct {
		text  string
		files map[string]string
		want  string
	}{
		"no file":               {strings.Replace(x509Server, "own.key", "none", 1), nil, "agent.toml:5: server 1: private_key_file: none cannot be read: file does not exist"},
		"open key":              {strings.Replace(x509Server, "own.key", "open-own.key", 1), map[string]string{"open-own.key": p.key}, "agent.toml:5: server 1: private_key_file: open-own.key is open to more than its owner and a group that reads it; run: chmod g-w,o-rwx open-own.key"},
		"encrypted":             {x509Server, map[string]string{"own.key": p.encrypted}, "agent.toml:5: server 1: private_key_file: own.key holds an encrypted key, and there is nobody to ask for its password; decrypt it with openssl pkey"},
		"encrypted in the past": {x509Server, map[string]string{"own.key": "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END EC PRIVATE KEY-----\n"}, "holds an encrypted key"},
		"wrong curve":           {x509Server, map[string]string{"own.key": p.p384}, "agent.toml:5: server 1: private_key_file: own.key holds a key that is not on P-256 (secp256r1), which LwM2M demands"},
		"RSA":                   {x509Server, map[string]string{"own.key": toPEM("PRIVATE KEY", pkcs8(t, short))}, "is not on P-256"},
		"no key":                {x509Server, map[string]string{"own.key": p.certificate}, "agent.toml:5: server 1: private_key_file: own.key does not hold a private key; allowed: PKCS #8 or EC PRIVATE KEY in PEM or DER"},
		"another key":           {x509Server, map[string]string{"own.key": p.otherKey}, "agent.toml:5: server 1: private_key_file: the key does not belong to the certificate in certificate_file"},
		"no certificate":        {x509Server, map[string]string{"own.crt": p.key}, "agent.toml:4: server 1: certificate_file: own.crt does not hold a certificate; allowed: X.509 in PEM or DER"},
		"two certificates":      {x509Server, map[string]string{"ca.crt": p.authority + p.certificate}, "agent.toml:6: server 1: server_certificate_file: ca.crt holds 2 certificates; allowed: one, which certificate_usage says the use of"},
		"digest of another kind": {
			x509Server + "matching_type=2", map[string]string{"ca.crt": strings.Repeat("00", 32)}, "ca.crt does not hold a certificate",
		},
		"no public key":         {rpkServer, map[string]string{"server.pub": p.certificate}, "agent.toml:5: server 1: server_public_key_file: server.pub does not hold a public key; allowed: SubjectPublicKeyInfo in PEM (PUBLIC KEY) or DER"},
		"missing":               {"[[server]]\nshort_server_id=1\nuri='coaps://h'\nsecurity='x509'", nil, "agent.toml:1: server 1: private_key_file: missing; security = \"x509\" needs it"},
		"of another kind":       {x509Server + "identity='i'\nsecurity='x509'", nil, `agent.toml:7: server 1: identity: is of no use with security = "x509"; leave it out`},
		"usage of a public key": {rpkServer + "certificate_usage=2", nil, `agent.toml:6: server 1: certificate_usage: is of no use with security = "rpk"; leave it out`},
		"usage":                 {x509Server + "certificate_usage=4", nil, "agent.toml:7: server 1: certificate_usage: 4 is not valid; allowed: an integer from 0 to 3"},
		"address as name":       {x509Server + "sni='192.0.2.1'", nil, `agent.toml:7: server 1: sni: "192.0.2.1" is not valid; allowed: the name of a host, 1 to 253 bytes`},
		"suite":                 {x509Server + "cipher_suites=['TLS_RSA']", nil, `agent.toml:7: server 1: cipher_suites: this is not valid; allowed: a list of "TLS_PSK_WITH_AES_128_CCM_8"`},
		"coap":                  {strings.Replace(x509Server, "coaps", "coap", 1), nil, "agent.toml:3: server 1: uri: coap is not secured, but there are credentials"},
	} {
		files := map[string]string{"own.crt": p.certificate, "own.key": p.key, "ca.crt": p.authority, "server.pub": p.public}
		maps.Copy(files, v.files)
		_, err := build(sources(v.text), Options{}, reader(files))
		if err == nil || !strings.Contains(fmt.Sprintf("%v\n", err), v.want) {
			t.Errorf("%s:\n%v\nwant:\n%s", name, err, v.want)
		}
	}
}

// TestOwnCertificateOutdated: what is told of an own certificate depends on when it is asked for.
func TestOwnCertificateOutdated(t *testing.T) {
	p := newPKI(t)
	files := reader(map[string]string{"own.crt": p.certificate, "own.key": p.key, "ca.crt": p.authority})
	cfg, err := build(sources(x509Server+"[bootstrap]\n"+strings.Join(strings.Split(x509Server, "\n")[2:], "\n")), Options{}, files)
	if err != nil || len(cfg.Warnings) > 0 {
		t.Fatal(err, cfg.Warnings)
	}
	for at, want := range map[time.Time]string{
		validUntil.Add(time.Second):   "the certificate expired at 2030-01-01T00:00:00Z",
		validUntil.AddDate(-11, 0, 0): "the certificate is not valid before 2020-01-01T00:00:00Z",
		validUntil:                    "",
	} {
		var wanted []string
		if want != "" {
			wanted = []string{"agent.toml:4: server 1: certificate_file: " + want, "agent.toml:9: bootstrap: certificate_file: " + want}
		}
		var got []string
		for _, w := range cfg.Outdated(at) {
			got = append(got, w.Error())
		}
		if !slices.Equal(got, wanted) {
			t.Errorf("at %v: %q, want %q", at, got, wanted)
		}
	}
}

// TestFingerprintOfFiles shows that other content of a file is an edit, and another place of
// it is none.
func TestFingerprintOfFiles(t *testing.T) {
	p, other := newPKI(t), newPKI(t)
	print := func(text string, files map[string]string) string {
		t.Helper()
		cfg, err := build(sources(text), Options{}, reader(files))
		if err != nil {
			t.Fatal(err)
		}
		return cfg.Servers[0].Fingerprint
	}
	files := map[string]string{"own.crt": p.certificate, "own.key": p.key, "ca.crt": p.authority, "moved.crt": p.authority, "other.crt": other.authority}
	was := print(x509Server, files)
	if print(strings.Replace(x509Server, "ca.crt", "moved.crt", 1), files) != was {
		t.Error("a moved file is taken for an edit")
	}
	if print(strings.Replace(x509Server, "ca.crt", "other.crt", 1), files) == was || print(x509Server+"certificate_usage=2", files) == was {
		t.Error("an edit is not seen")
	}
	files["own.crt"], files["own.key"] = other.certificate, other.key
	if print(x509Server, files) == was {
		t.Error("another certificate is not seen")
	}
}
