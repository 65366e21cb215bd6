package host

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestWipe: files are overwritten before they go, and what a link leads to stays.
func TestWipe(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	deep := filepath.Join(dir, "a", "b")
	secret := bytes.Repeat([]byte("secret"), 50_000)
	err := errors.Join(
		os.MkdirAll(deep, 0o700), os.WriteFile(filepath.Join(deep, "c"), secret, 0o600), os.Link(filepath.Join(deep, "c"), filepath.Join(other, "second name")),
		os.WriteFile(filepath.Join(other, "kept"), secret, 0o600), os.Symlink(filepath.Join(other, "kept"), filepath.Join(dir, "link")), os.Symlink(other, filepath.Join(deep, "folder")),
	)
	if err != nil {
		t.Fatal(err)
	}
	if err := Wipe(dir); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
	if b, err := os.ReadFile(filepath.Join(other, "second name")); err != nil || len(b) != len(secret) || len(bytes.Trim(b, "\x00")) > 0 {
		t.Errorf("not overwritten: %d bytes, %v", len(b), err)
	}
	if b, err := os.ReadFile(filepath.Join(other, "kept")); err != nil || !bytes.Equal(b, secret) {
		t.Errorf("behind a link: %d bytes, %v", len(b), err)
	}
	if err := Wipe(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
