//go:build soak

package install

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"testing"

	"lwm2m-agent/test/workspace"
)

// TestSoak tries the package in a Debian 13, whose systemd, polkit and ModemManager are newer.
func TestSoak(t *testing.T) { checkInstalled(t, "trixie") }

// TestSoakReproducible compiles the whole program twice, each time with nothing kept from before, for the smallest router.
func TestSoakReproducible(t *testing.T) {
	var programs [2][]byte
	for i := range programs {
		dir := t.TempDir()
		build := exec.CommandContext(t.Context(), filepath.Join(workspace.Root(t), "packaging/build.sh"), filepath.Join(dir, "program"), "small")
		build.Env = append(build.Environ(), "GOARCH=mipsle", "GOMIPS=softfloat", "GOCACHE="+filepath.Join(dir, "cache"))
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build: %v\n%s", err, out)
		}
		programs[i] = read(t, filepath.Join(dir, "program"))
	}
	if !bytes.Equal(programs[0], programs[1]) {
		t.Error("two builds differ")
	}
}
