//go:build install

package install

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// TestPackageIsReproducible shows that the same commit gives the same bytes, whoever makes the packages, where and in which zone of time: of each
// form of package, with the program linked anew. That it is the same compiled anew, TestSoakReproducible shows.
func TestPackageIsReproducible(t *testing.T) {
	first := filepath.Dir(packaged(t, "amd64", "1.0", "*.deb"))
	router := filepath.Dir(packaged(t, "x86_64", "1.0", "*_x86_64.ipk"))
	again := t.TempDir()
	t.Setenv("TMPDIR", t.TempDir())
	defer syscall.Umask(syscall.Umask(0o077))
	makePackages(t, again, []string{"amd64", "x86_64"}, "VERSION=1.0", "TZ=Pacific/Chatham", "LC_ALL=C", "HOSTNAME=elsewhere")
	files, err := filepath.Glob(filepath.Join(again, "*"))
	if err != nil || len(files) != 4 {
		t.Fatalf("made %q, %v; want .deb, tarball, .ipk and .apk", files, err)
	}
	for _, file := range files {
		name := filepath.Base(file)
		before, err := os.ReadFile(filepath.Join(first, name))
		if err != nil {
			before = read(t, filepath.Join(router, name))
		}
		if !bytes.Equal(before, read(t, file)) {
			t.Errorf("two builds of %s differ", name)
		}
	}
}

// TestLintian shows that Debian's checker finds no errors.
func TestLintian(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "lintian", "--allow-root", "--fail-on", "error", packaged(t, "amd64", "1.0", "*.deb")).CombinedOutput()
	if err != nil {
		t.Errorf("lintian: %v\n%s", err, out)
	}
}

// TestInstalled tries the package in a Debian 12; the soak run does in a Debian 13.
func TestInstalled(t *testing.T) {
	t.Parallel()
	checkInstalled(t, "bookworm")
}
