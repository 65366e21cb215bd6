package agent

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// unpacked returns the files of a support archive.
func unpacked(t *testing.T, r io.Reader) map[string][]byte {
	t.Helper()
	z, err := gzip.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string][]byte)
	for archive := tar.NewReader(z); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(archive); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBundleWithoutAgent: an archive can be made where the agent does not run, which is when it is wanted. What a running
// one gives is looked at by TestKeysStayInside.
func TestBundleWithoutAgent(t *testing.T) {
	dir := t.TempDir()
	var archive bytes.Buffer
	err := Bundle(t.Context(), &archive, BundleOptions{
		Config: filepath.Join(dir, "agent.toml"), StateDir: dir, Socket: filepath.Join(dir, "s"), Version: "1.0", Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	files := unpacked(t, &archive)
	for name, want := range map[string]string{
		"version.json": `"1.0"`, "status.json.missing.txt": "no agent answers", "log.txt.missing.txt": "no agent answers",
		"configuration.txt.missing.txt": "there is no such file", "machine/uptime": ".",
	} {
		if got := string(files["lwm2m-agent/"+name]); !strings.Contains(got, want) {
			t.Errorf("%s is %q, want %s", name, got, want)
		}
	}
}
