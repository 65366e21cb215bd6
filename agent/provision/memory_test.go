package provision

import (
	"crypto/x509"
	"os"
	"testing"

	"lwm2m-agent/agent/keys"
	"lwm2m-agent/test/memory"
)

// TestKeysAreErased: of a key that was made nothing is on the heap when it is in its file, or was listed. Of a private key, that holds
// for its DER; the value that Go signs with, and what encoding/pem writes its text through, cannot be wiped.
func TestKeysAreErased(t *testing.T) {
	memory.Keep(t)
	m := &Maker{Dir: t.TempDir()}
	secrets := make(map[string]memory.Secret)
	for _, o := range []*Order{{Kind: PSK, Name: "one", Identity: "gw", Size: 32}, {Kind: RPK, Name: "two"}} {
		c, err := m.Make(o)
		if err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(c.Key)
		if err != nil {
			t.Fatal(err)
		}
		if o.Kind == RPK {
			secrets["private key"] = memory.Hide(derOf(t, content))
			continue
		}
		psk, err := keys.ParsePSK(content)
		if err != nil {
			t.Fatal(err)
		}
		secrets["key in hexadecimal"], secrets["pre-shared key"] = memory.Hide(content[:64]), memory.Hide(psk)
	}
	if list, err := List(m.Dir, &m.Holder); err != nil || len(list) < 2 {
		t.Fatalf("listed %v, %v", list, err)
	}
	for name, s := range secrets {
		if n := s.Count(t); n > 0 {
			t.Errorf("the %s is left %d times", name, n)
		}
	}
}

// derOf returns what a file with a private key holds.
func derOf(t *testing.T, text []byte) []byte {
	t.Helper()
	key, err := keys.ParsePrivateKey(text)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}
