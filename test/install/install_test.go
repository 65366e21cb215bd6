//go:build install

package install

import (
	"crypto/sha256"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestPackageIsReproducible shows that the same commit gives the same bytes.
func TestPackageIsReproducible(t *testing.T) {
	path := packaged(t, "amd64", "1.0", "*.deb")
	first := sha256.Sum256(read(t, path))
	clear(made)
	defer os.RemoveAll(filepath.Dir(path))
	if sha256.Sum256(read(t, packaged(t, "amd64", "1.0", "*.deb"))) != first {
		t.Error("two builds differ")
	}
}

// TestLintian shows that Debian's checker finds no errors.
func TestLintian(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "lintian", "--allow-root", "--fail-on", "error", packaged(t, "amd64", "1.0", "*.deb")).CombinedOutput()
	if err != nil {
		t.Errorf("lintian: %v\n%s", err, out)
	}
}

// TestInstalled tries the package in a Debian 12; the soak run does in a Debian 13.
func TestInstalled(t *testing.T) { checkInstalled(t, "bookworm") }
