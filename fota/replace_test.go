package fota

import (
	"os"
	"path/filepath"
	"testing"
)

func TestReplace(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	for _, content := range []string{"one", "the other"} {
		if err := os.WriteFile(name+".new", []byte("of a cut"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Replace(name, []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(name); err != nil || string(got) != content {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if err := Replace(filepath.Join(name, "none"), nil, 0o600); err == nil {
		t.Error("a file below a file is made")
	}
}
