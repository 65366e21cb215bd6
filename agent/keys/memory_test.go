package keys

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"lwm2m-agent/test/memory"
)

// TestKeysAreErased: of a credential nothing is on the heap but what was returned, neither its digits nor the text of its file.
func TestKeysAreErased(t *testing.T) {
	memory.Keep(t)
	h := &Holder{Credentials: t.TempDir()}
	psk := make([]byte, 32)
	rand.Read(psk)
	digits := hex.AppendEncode(make([]byte, 0, 64), psk)
	put(t, h, "psk", digits)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	const begin = "-----BEGIN PRIVATE KEY-----\n"
	text := append(make([]byte, 0, 1<<10), begin...) // encoding/pem would leave copies
	text = append(base64.StdEncoding.AppendEncode(text, der), "\n-----END PRIVATE KEY-----\n"...)
	put(t, h, "key", text)
	secrets := map[string]memory.Secret{
		"pre-shared key": memory.Hide(psk), "key in hexadecimal": memory.Hide(digits), "text of the private key": memory.Hide(text[len(begin):]),
		"private key": memory.Hide(der),
	}
	got, err := h.PSK(Place{Kind: Credential, Name: "psk"})
	if err != nil {
		t.Fatal(err)
	}
	if n := secrets["pre-shared key"].Count(t); n != 1 {
		t.Errorf("the pre-shared key is there %d times, want what was returned", n)
	}
	clear(got)
	if _, err := h.Signer(Place{Kind: Credential, Name: "key"}); err != nil {
		t.Fatal(err)
	}
	for name, s := range secrets {
		if n := s.Count(t); n > 0 {
			t.Errorf("the %s is left %d times", name, n)
		}
	}
}

func put(t *testing.T, h *Holder, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(h.Credentials, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}
