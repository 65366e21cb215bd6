//go:build interop && !small

package provision

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/keys"
	"lwm2m-agent/test/tpm"
)

// TestInTPM: keys that are made in a TPM, sealed to it, certified and listed.
func TestInTPM(t *testing.T) {
	m := &Maker{Dir: filepath.Join(t.TempDir(), "keys"), Holder: keys.Holder{Device: tpm.Start(t).Socket}}
	const handle = 0x81000001
	c := m.must(t, Order{Kind: X509, Name: "a", Endpoint: "gw", Handle: handle})
	if c.Key != "tpm:0x81000001" {
		t.Errorf("%+v", c)
	}
	if _, err := m.Make(&Order{Kind: RPK, Name: "a", Handle: handle}); !errors.Is(err, keys.ErrTaken) {
		t.Errorf("a second key: %v", err)
	}
	answer := sign(t, c.Request)
	if done := m.must(t, Order{Kind: X509, Name: "a", Handle: handle, Certificate: answer}); done.Fingerprint != c.Fingerprint {
		t.Errorf("%+v", done)
	}
	signer, err := m.Holder.Signer(keys.Place{Kind: keys.TPM, Handle: handle})
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(answer)
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil || !certificate.PublicKey.(*ecdsa.PublicKey).Equal(signer.Public()) {
		t.Errorf("certificate is not of the TPM's key: %v", err)
	}

	sealed := m.must(t, Order{Kind: PSK, Name: "b", Seal: true, Reveal: true})
	place, err := keys.ParsePlace(sealed.Key)
	if err != nil {
		t.Fatal(err)
	}
	psk, err := m.Holder.PSK(place)
	if want, _ := hex.DecodeString(sealed.Secret); err != nil || !bytes.Equal(psk, want) {
		t.Errorf("unsealed %d bytes, %v", len(psk), err)
	}
	list, err := List(m.Dir, &m.Holder)
	if err != nil {
		t.Fatal(err)
	}
	there := ""
	for _, e := range list {
		there += e.Place + " " + e.Fingerprint + e.Problem + "\n"
	}
	if !strings.Contains(there, "tpm:0x81000001 "+c.Fingerprint+"\n") || !strings.Contains(there, sealed.Key) {
		t.Errorf("listed:\n%s", there)
	}
}

// TestApplyInTPM: a factory line's JSON for a device whose keys cannot be read out.
func TestApplyInTPM(t *testing.T) {
	m := &Maker{Dir: filepath.Join(t.TempDir(), "keys"), Holder: keys.Holder{Device: tpm.Start(t).Socket}}
	in := input(t, `{"endpoint":"gw","servers":[
{"short_server_id":101,"uri":"coaps://h","security":"rpk","tpm":"0x81000002","server_public_key":PUBLIC},
{"short_server_id":102,"uri":"coaps://h","security":"psk","identity":"gw","seal":true}]}`)
	out, err := m.Apply(in, filepath.Join(filepath.Dir(m.Dir), "agent.d"))
	if err != nil {
		t.Fatal(err)
	}
	if err := config.Validate(out.File, string(content(t, out.File))); err != nil {
		t.Error(err)
	}
	if text := string(content(t, out.File)); !strings.Contains(text, `private_key_file = "tpm:0x81000002"`) || !strings.Contains(text, `key_file = "tpm-sealed:`) {
		t.Errorf("%s", text)
	}
}
