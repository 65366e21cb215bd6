//go:build interop

package uboot

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lwm2m-agent/fota"
	"lwm2m-agent/fota/fotatest"
	"lwm2m-agent/fota/signify"
)

// envSize is that of one copy of the environment, in bytes.
const envSize = 0x4000

// newRealRig makes a rig whose environment is kept twice in files by libubootenv.
func newRealRig(t *testing.T, dir, bootcount string) *rig {
	t.Helper()
	r := newRig(t, dir, bootcount)
	r.tools, r.config = fota.Run, filepath.Join(dir, "fw_env.config")
	var config strings.Builder
	for _, name := range []string{"env0", "env1"} {
		name = filepath.Join(dir, name)
		config.WriteString(name + " 0x0 0x4000\n")
		if err := os.WriteFile(name, make([]byte, envSize), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(r.config, []byte(config.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	var initial strings.Builder
	for k, v := range r.env {
		initial.WriteString(k + "=" + v + "\n")
	}
	name := filepath.Join(dir, "initial")
	if err := os.WriteFile(name, []byte(initial.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "fw_setenv", "-c", r.config, "-f", name, "-s", name).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return r
}

// TestInteropLibubootenvCuts cuts an update at each step, with the real tools and an
// environment in files.
func TestInteropLibubootenvCuts(t *testing.T) {
	for _, bootcount := range []string{"", "bootslot"} {
		fotatest.Cuts(t, fotatest.Options{Only: "stays"}, func(t *testing.T, dir string) fotatest.Rig {
			t.Helper()
			return newRealRig(t, dir, bootcount)
		})
	}
}

// TestInteropLibubootenvCopies destroys one copy of the environment, as a cut while
// it is written does, and then the other one.
func TestInteropLibubootenvCopies(t *testing.T) {
	dir := t.TempDir()
	r := newRealRig(t, dir, "")
	l := r.loader(fota.Run)
	if err := l.Mark(t.Context(), "B", false); err != nil {
		t.Fatal(err)
	}
	if err := l.Probe(t.Context(), "A"); err != nil {
		t.Errorf("a good environment: %v", err)
	}
	destroy := func(name string) {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY, 0)
		if err == nil {
			_, err = f.WriteAt(bytes.Repeat([]byte{0x5a}, 100), 0)
		}
		if err != nil || f.Close() != nil {
			t.Fatal(err)
		}
	}
	destroy("env0")
	for range 2 { // what is written then mends it
		if s, err := l.Standings(t.Context()); err != nil || len(s) != 2 {
			t.Fatalf("one copy is left: %v, %v", s, err)
		}
		if err := l.Activate(t.Context(), "B"); err != nil {
			t.Fatal(err)
		}
	}
	destroy("env0")
	destroy("env1")
	if _, err := l.Standings(t.Context()); err == nil {
		t.Error("no copy is left, and nothing tells of it")
	}
}

// TestInteropSignify verifies what the tool signs today.
func TestInteropSignify(t *testing.T) {
	t.Chdir(t.TempDir())
	run := func(args ...string) {
		if out, err := exec.CommandContext(t.Context(), "signify-openbsd", args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	run("-G", "-n", "-c", "a lab's key", "-p", "k.pub", "-s", "k.sec")
	text := bytes.Repeat([]byte("manifest\n"), 1000)
	if err := os.WriteFile("m", text, 0o600); err != nil {
		t.Fatal(err)
	}
	run("-S", "-s", "k.sec", "-m", "m", "-x", "m.sig")
	keys, err := signify.ReadKeys([]string{"k.pub"})
	if err != nil {
		t.Fatal(err)
	}
	made, err := os.ReadFile("m.sig")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := signify.Verify(keys, text, made); err != nil {
		t.Error(err)
	}
}
