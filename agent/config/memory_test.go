package config

import (
	"crypto/rand"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"lwm2m-agent/test/memory"
)

// TestKeyFilesAreErased: of a file with a pre-shared key the configuration's secret is on the heap, and nothing else; of one that is
// refused, nothing.
func TestKeyFilesAreErased(t *testing.T) {
	memory.Keep(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "agent.toml")
	psk := make([]byte, 64) // shorter ones fit on the stack on the way
	rand.Read(psk)
	digits := hex.AppendEncode(make([]byte, 0, 128), psk)
	for name, content := range map[string][]byte{
		"agent.toml": []byte("[[server]]\nshort_server_id=1\nuri='coaps://h'\nidentity='i'\nkey_file='psk'\n"), "psk": digits, "bad": digits[:127],
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	raw, text := memory.Hide(psk), memory.Hide(digits[:126])
	clear(digits)
	cfg, err := Load(file, Options{StateDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if n, m := raw.Count(t), text.Count(t); n != 1 || m != 0 {
		t.Errorf("the key is there %d times, and %d times in hexadecimal; want it as the configuration has it", n, m)
	}
	key := cfg.Servers[0].Key
	if same := cfg.Servers[0].Key; key.IsZero() || !key.Equal(same) || raw.Count(t) != 1 {
		t.Error("asking about the key copies it")
	}
	if err := os.Rename(filepath.Join(dir, "bad"), filepath.Join(dir, "psk")); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(file, Options{StateDir: dir}); err == nil || text.Count(t) != 0 {
		t.Errorf("a key that is refused is left, or it is not: %v", err)
	}
}
