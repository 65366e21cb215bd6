package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPlace(t *testing.T) {
	for text, want := range map[string]Place{
		"tpm:0x81000001":        {Kind: TPM, Handle: 0x81000001},
		"tpm:2164260865":        {Kind: TPM, Handle: 0x81000001},
		"tpm-sealed:/etc/k/a:b": {Kind: Sealed, Name: "/etc/k/a:b"},
		"credential:gw.psk":     {Kind: Credential, Name: "gw.psk"},
	} {
		p, err := ParsePlace(text)
		if err != nil || p != want {
			t.Errorf("%s: %+v, %v", text, p, err)
		}
		if again, err := ParsePlace(p.String()); err != nil || again != p {
			t.Errorf("%s: written as %q: %v", text, p, err)
		}
	}
	for _, text := range []string{
		"", "tpm", "tpm:", "tpm:x", "tpm:0x80000001", "tpm:0x81800000", "tpm:0x181000001", "tpm-sealed:", "tpm-sealed:a", "tpm-sealed:/a\x00",
		"credential:", "credential:..", "credential:a/b", "credential:a:b", "/etc/key", "file:/etc/key",
	} {
		if p, err := ParsePlace(text); !errors.Is(err, ErrPlace) {
			t.Errorf("%q: %+v, %v", text, p, err)
		}
	}
}

// records is a Store.
type records map[string][]byte

func (r records) Load(key string) ([]byte, error) { return r[key], nil }

func (r records) Save(key string, record []byte) error {
	r[key] = record
	return nil
}

// TestReferences: what a server could write into object 0 is never taken for a
// reference, and a reference is one after a restart.
func TestReferences(t *testing.T) {
	store := records{}
	r, err := NewReferences(store)
	if err != nil {
		t.Fatal(err)
	}
	place := Place{Kind: TPM, Handle: handle}
	reference := r.Make(place)
	if again, err := NewReferences(store); err != nil {
		t.Fatal(err)
	} else if got, ok := again.Find(reference); !ok || got != place {
		t.Errorf("after a restart: %v, %v", got, ok)
	}
	foreign, err := NewReferences(records{})
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range [][]byte{
		nil, []byte(place.String()), []byte("credential:x"), foreign.Make(place), reference[:markSize], reference[1:],
		append(bytes.Repeat([]byte{0}, markSize), place.String()...), append(reference[:markSize:markSize], "x"...),
	} {
		if p, ok := r.Find(secret); ok {
			t.Errorf("%q refers to %v", secret, p)
		}
	}
}

const handle = 0x81000001

func TestParsePSK(t *testing.T) {
	if key, err := ParsePSK([]byte(" 00ff\n1A ")); err != nil || !bytes.Equal(key, []byte{0, 0xff, 0x1a}) {
		t.Errorf("%x, %v", key, err)
	}
	for _, text := range []string{"", "0", "0g", strings.Repeat("00", 65)} {
		if _, err := ParsePSK([]byte(text)); !errors.Is(err, ErrPSK) || strings.Contains(err.Error(), "0g") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestParsePrivateKey(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, _ := x509.MarshalPKCS8PrivateKey(key)
	sec1, _ := x509.MarshalECPrivateKey(key)
	parameters := pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{6, 1, 1}}) // as openssl ecparam writes before it
	for what, b := range map[string][]byte{
		"PKCS8": pkcs8, "SEC1": sec1,
		"PKCS8 PEM": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
		"SEC1 PEM":  append(parameters, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1})...),
	} {
		if got, err := ParsePrivateKey(b); err != nil || !got.Equal(key) {
			t.Errorf("%s: %v", what, err)
		}
	}
	other, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	p384, _ := x509.MarshalPKCS8PrivateKey(other)
	for _, b := range [][]byte{nil, []byte("key"), p384, pkcs8[1:], pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pkcs8})} {
		if _, err := ParsePrivateKey(b); !errors.Is(err, ErrPrivateKey) {
			t.Errorf("%d bytes: %v", len(b), err)
		}
	}
}

// TestCredential: what the service manager hands over is read when it is needed.
func TestCredential(t *testing.T) {
	h := &Holder{Credentials: t.TempDir()}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(h.Credentials, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	place := Place{Kind: Credential, Name: "gw.psk"}
	if _, err := h.PSK(place); err == nil || !strings.Contains(err.Error(), "no such file or directory; add LoadCredential=gw.psk:FILE") {
		t.Errorf("missing: %v", err)
	}
	write("gw.psk", "00112233\n")
	if key, err := h.PSK(place); err != nil || len(key) != 4 {
		t.Errorf("%x, %v", key, err)
	}
	write("gw.psk", "no key")
	if _, err := h.PSK(place); !errors.Is(err, ErrPSK) || strings.Contains(err.Error(), "no key") {
		t.Errorf("wrong: %v", err)
	}
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	der, _ := x509.MarshalPKCS8PrivateKey(key)
	write("gw.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	if signer, err := h.Signer(Place{Kind: Credential, Name: "gw.pem"}); err != nil || !key.PublicKey.Equal(signer.Public()) {
		t.Errorf("private key: %v", err)
	}
	write("long", strings.Repeat("0", maxKeyFile+1))
	if _, err := h.PSK(Place{Kind: Credential, Name: "long"}); err == nil {
		t.Error("read without end")
	}
	t.Setenv(CredentialsVariable, "")
	if _, err := (&Holder{}).Signer(Place{Kind: Credential, Name: "x"}); err == nil || !strings.Contains(err.Error(), "LoadCredential=") {
		t.Errorf("no folder: %v", err)
	}
	t.Setenv(CredentialsVariable, h.Credentials)
	if _, err := (&Holder{}).Signer(Place{Kind: Credential, Name: "gw.pem"}); err != nil {
		t.Error(err)
	}
}

// TestWrongKind: a place that holds another kind of key says which one does.
func TestWrongKind(t *testing.T) {
	var h Holder
	if _, err := h.PSK(Place{Kind: TPM, Handle: handle}); err == nil {
		t.Error("a PSK from a handle")
	}
	if _, err := h.Signer(Place{Kind: Sealed, Name: "/x"}); err == nil {
		t.Error("a signer from a sealed key")
	}
	if _, err := h.PSK(Place{Kind: Sealed, Name: "/nowhere/x"}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	var _ crypto.Signer = (*ecdsa.PrivateKey)(nil)
}
