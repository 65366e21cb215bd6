//go:build soak

package install

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
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

// TestSoakOtherDebians makes the packages of the ARM Debians: each says what it is for, has the files that amd64's has, and a program that runs on
// the least processor of its kind, ARMv6 for armhf (Raspberry Pi OS). The tarball beside it has the same program.
func TestSoakOtherDebians(t *testing.T) {
	dir := t.TempDir()
	makePackages(t, dir, []string{"arm64", "armhf"}, "VERSION=1.0")
	here := listed(t, packaged(t, "amd64", "1.0", "*.deb"))
	for arch, emulator := range map[string][]string{"arm64": {"qemu-aarch64-static", "-cpu", "cortex-a53"}, "armhf": {"qemu-arm-static", "-cpu", "arm1176"}} {
		t.Run(arch, func(t *testing.T) {
			deb := filepath.Join(dir, "lwm2m-agent_1.0_"+arch+".deb")
			if says := output(t, "dpkg-deb", "--field", deb, "Architecture", "Version"); says != "Architecture: "+arch+"\nVersion: 1.0.0\n" {
				t.Errorf("it says %q", says)
			}
			if files := listed(t, deb); !slices.Equal(files, here) {
				t.Errorf("its files are %q, those of amd64 %q", files, here)
			}
			root := t.TempDir()
			output(t, "dpkg-deb", "--extract", deb, root)
			program := filepath.Join(root, "usr/bin/lwm2m-agent")
			if says := output(t, emulator[0], append(emulator[1:], program, "version")...); !strings.Contains(says, "1.0, 1.1, 1.2") {
				t.Errorf("version says %s", says)
			}
			output(t, "tar", "-xzf", filepath.Join(dir, "lwm2m-agent-1.0-"+arch+".tar.gz"), "-C", root)
			if !bytes.Equal(read(t, filepath.Join(root, "lwm2m-agent-1.0-"+arch, "lwm2m-agent")), read(t, program)) {
				t.Error("the tarball has another program")
			}
		})
	}
}

// listed returns the files of a Debian package, with their modes and owners.
func listed(t *testing.T, deb string) (files []string) {
	t.Helper()
	for line := range strings.Lines(output(t, "dpkg-deb", "--contents", deb)) {
		f := strings.Fields(line) // mode, owner, size, date, time, name
		files = append(files, strings.Join([]string{f[0], f[1], f[5]}, " "))
	}
	return files
}

func output(t *testing.T, program string, arguments ...string) string {
	t.Helper()
	var problems bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, arguments...)
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, &problems)
	}
	return string(out)
}
