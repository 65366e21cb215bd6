//go:build interop && !small

package keys

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lwm2m-agent/test/tpm"
)

func verify(t *testing.T, s crypto.Signer) {
	t.Helper()
	digest := sha256.Sum256([]byte("a handshake"))
	signature, err := s.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := publicKey(s)
	if err != nil {
		t.Fatal(err)
	}
	if !ecdsa.VerifyASN1(pub, digest[:], signature) {
		t.Error("the signature does not fit the key")
	}
}

// TestTPMKey: a key is made, signs, is there after a restart, and is replaced only when
// that is wanted.
func TestTPMKey(t *testing.T) {
	sim := tpm.Start(t)
	h := &Holder{Device: sim.Socket}
	place := Place{Kind: TPM, Handle: handle}
	if _, err := h.Signer(place); err == nil || !strings.Contains(err.Error(), "it has no key there") {
		t.Errorf("a key before there is one: %v", err)
	}
	made, err := h.Make(handle, false)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // a leading zero of r or s, or of a coordinate, comes by chance
		verify(t, made)
	}
	if _, err := h.Make(handle, false); !errors.Is(err, ErrTaken) {
		t.Errorf("a second key at the same handle: %v", err)
	}
	sim.Stop(t)
	if _, err := made.Sign(nil, make([]byte, 32), crypto.SHA256); err == nil {
		t.Error("signed without a TPM")
	}
	sim.Restart(t)
	h.Device = sim.Socket
	again, err := h.Signer(place)
	if err != nil {
		t.Fatal(err)
	}
	verify(t, again)
	if !made.Public().(*ecdsa.PublicKey).Equal(again.Public()) {
		t.Error("another key after a restart")
	}
	other, err := h.Make(handle, true)
	if err != nil {
		t.Fatal(err)
	}
	verify(t, other)
	if other.Public().(*ecdsa.PublicKey).Equal(again.Public()) {
		t.Error("force made no new key")
	}
	list, err := h.Persistent()
	if err != nil || len(list) != 1 || !list[handle].Equal(other.Public()) {
		t.Errorf("listed %v, %v", list, err)
	}
	if _, err := again.Sign(nil, make([]byte, 20), crypto.SHA1); err == nil {
		t.Error("signed a digest by SHA-1")
	}
}

// TestSealed: only the TPM that sealed a key opens it, and only as it was written.
func TestSealed(t *testing.T) {
	sim := tpm.Start(t)
	h := &Holder{Device: sim.Socket}
	psk := []byte("0123456789abcdef0123456789abcdef")
	blob, err := h.Seal(psk)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(blob, psk) {
		t.Error("the key is in the file")
	}
	file := filepath.Join(t.TempDir(), "gw.sealed")
	place := Place{Kind: Sealed, Name: file}
	write := func(b []byte) {
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(blob)
	for range 5 { // nothing stays behind in the TPM, which has room for three keys
		if got, err := h.PSK(place); err != nil || !bytes.Equal(got, psk) {
			t.Fatalf("unsealed %d bytes, %v", len(got), err)
		}
	}
	stranger := &Holder{Device: tpm.Start(t).Socket}
	if _, err := stranger.PSK(place); err == nil || !strings.Contains(err.Error(), "sealed by another TPM") {
		t.Errorf("by another TPM: %v", err)
	}
	if _, err := h.Signer(place); err == nil {
		t.Error("a sealed key signs")
	}
	for i, b := range blob {
		if i%97 == 0 && b != '\n' {
			changed := bytes.Clone(blob)
			changed[i] ^= 3
			write(changed)
			if got, err := h.PSK(place); err == nil && !bytes.Equal(got, psk) {
				t.Errorf("byte %d changed: another key", i)
			}
		}
	}
}
