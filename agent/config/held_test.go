package config

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/agent/keys"
)

// TestHeldBesideARelativeFile: a sealed key lies beside the main file, however that is named.
func TestHeldBesideARelativeFile(t *testing.T) {
	t.Chdir(t.TempDir())
	src := sources("[[server]]\nshort_server_id = 1\nuri = 'coaps://h'\nidentity = 'i'\nkey_file = 'tpm-sealed:gw.sealed'")
	src[0].file = "etc/agent.toml"
	cfg, err := build(src, Options{}, func(string) ([]byte, bool, error) { return nil, false, nil })
	if err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if want := filepath.Join(here, "etc/gw.sealed"); err != nil || cfg.Servers[0].Held.Name != want {
		t.Errorf("%s, want %s, %v", cfg.Servers[0].Held.Name, want, err)
	}
}

func TestHeldKey(t *testing.T) {
	const psk = "[[server]]\nshort_server_id = 1\nuri = 'coaps://h'\nidentity = 'i'\nkey_file = "
	for text, want := range map[string]keys.Place{
		`"tpm-sealed:keys/gw.sealed"`:     {Kind: keys.Sealed, Name: "/etc/lwm2m-agent/keys/gw.sealed"},
		`"tpm-sealed:/srv/gw.sealed"`:     {Kind: keys.Sealed, Name: "/srv/gw.sealed"},
		`"credential:gw.psk"`:             {Kind: keys.Credential, Name: "gw.psk"},
		`"keys/gw.psk"`:                   {},
		`"./credential:odd name of file"`: {},
	} {
		src := sources(psk + text)
		src[0].file = "/etc/lwm2m-agent/agent.toml"
		cfg, err := build(src, Options{}, func(string) ([]byte, bool, error) { return []byte("00112233"), false, nil })
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		s := cfg.Servers[0]
		if d := cmp.Diff(want, s.Held); d != "" || s.Key.IsZero() == (s.Held == keys.Place{}) || s.Security != SecurityPSK {
			t.Errorf("%s: key %v\n%s", text, s.Key, d)
		}
	}
	for text, want := range map[string]string{
		`"tpm:0x81000001"`:  `agent.toml:5: server 1: key_file: tpm:0x81000001 holds another kind of key; allowed: a file, "tpm-sealed:FILE", "credential:NAME"`,
		`"tpm-sealed:"`:     `agent.toml:5: server 1: key_file: "tpm-sealed:" is no place of a key; allowed: "tpm:0x81000001", "tpm-sealed:/FILE", "credential:NAME"`,
		`"credential:../x"`: `agent.toml:5: server 1: key_file: "credential:../x" is no place of a key; allowed: "tpm:0x81000001", "tpm-sealed:/FILE", "credential:NAME"`,
	} {
		if _, err := build(sources(psk+text), Options{}, noKeys); err == nil || strings.TrimSpace(err.Error()) != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestHeldPrivateKey: the public half is asked for when a session is made.
func TestHeldPrivateKey(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, _ := x509.MarshalPKIXPublicKey(key.Public())
	files := func(string) ([]byte, bool, error) { return bytes.Clone(der), false, nil }
	const rpk = "[[server]]\nshort_server_id = 1\nuri = 'coaps://h'\nserver_public_key_file = 's'\nprivate_key_file = "
	for text, want := range map[string]keys.Place{
		"'tpm:0x81000001'":    {Kind: keys.TPM, Handle: 0x81000001},
		"'credential:gw.pem'": {Kind: keys.Credential, Name: "gw.pem"},
	} {
		cfg, err := build(sources(rpk+text), Options{}, files)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if s := cfg.Servers[0]; s.Held != want || s.Security != SecurityRPK || !s.Key.IsZero() || s.Public != nil {
			t.Errorf("%s: %+v", text, s.Account)
		}
	}
	const want = `agent.toml:5: server 1: private_key_file: tpm-sealed:/k holds another kind of key; allowed: a file, "tpm:0x81000001", "credential:NAME"`
	if _, err := build(sources(rpk+"'tpm-sealed:/k'"), Options{}, files); err == nil || strings.TrimSpace(err.Error()) != want {
		t.Error(err)
	}
}

// TestHeldFingerprint: another place is another account.
func TestHeldFingerprint(t *testing.T) {
	seen := make(map[string]string)
	for _, place := range []string{"credential:a", "credential:b", "tpm-sealed:/a", "tpm-sealed:/b"} {
		cfg, err := build(sources("[[server]]\nshort_server_id = 1\nuri = 'coaps://h'\nidentity = 'i'\nkey_file = '"+place+"'"), Options{}, noKeys)
		if err != nil {
			t.Fatal(err)
		}
		f := cfg.Servers[0].Fingerprint
		if seen[f] != "" {
			t.Errorf("%s and %s are the same", place, seen[f])
		}
		seen[f] = place
	}
}

func TestTPMDevice(t *testing.T) {
	for text, want := range map[string]string{"": keys.DefaultDevice, "[tpm]\ndevice = '/dev/tpm1'": "/dev/tpm1"} {
		cfg, err := build(sources(text), Options{}, noKeys)
		if err != nil || cfg.TPM.Device != want {
			t.Errorf("%q: %v, %v", text, cfg.TPM, err)
		}
	}
}
