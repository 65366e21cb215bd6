//go:build install

package install

import (
	"archive/tar"
	"bytes"
	_ "embed"
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lwm2m-agent/test/workspace"
)

//go:embed openwrt.sh
var openwrt []byte

// TestOpenWrt unpacks an .ipk and an .apk as opkg and apk do, and runs the scripts and the program under busybox. OpenWrt's own programs
// are played: Debian has none of them, so that opkg and apk take the packages is not shown.
func TestOpenWrt(t *testing.T) {
	t.Parallel()
	for form, info := range map[string]string{"ipk": "usr/lib/opkg/info/lwm2m-agent.", "apk": "lib/apk/exec/lwm2m-agent-1.0.0."} {
		p := open(t, packaged(t, "x86_64", "1.0", "*_x86_64."+form))
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			for name, m := range p.files {
				place(t, root, name, m)
			}
			for name, m := range p.scripts {
				place(t, root, info+name, m)
			}
			if form == "ipk" { // opkg writes it
				place(t, root, info+"list", member{&tar.Header{Mode: 0o644}, []byte(strings.Join(slices.Sorted(maps.Keys(p.files)), "\n") + "\n")})
			}
			runsOnOpenWrt(t, root, "openwrt-"+form+".log")
		})
	}
}

// place puts a member of a package where it belongs, below root.
func place(t *testing.T, root, name string, m member) {
	t.Helper()
	if m.FileInfo().IsDir() {
		return
	}
	file := filepath.Join(root, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, m.content, fs.FileMode(m.Mode))); err != nil {
		t.Fatal(err)
	}
}

// runsOnOpenWrt runs the trial in a system that has busybox, the package, and what the trial plays.
func runsOnOpenWrt(t *testing.T, root, log string) {
	t.Helper()
	for name, content := range map[string][]byte{"bin/busybox": read(t, "/bin/busybox"), "root/trial.sh": openwrt, "root/documented.sh": documented(t)} {
		place(t, root, name, member{&tar.Header{Mode: 0o755}, content})
	}
	if err := os.Symlink("busybox", filepath.Join(root, "bin/sh")); err != nil {
		t.Fatal(err)
	}
	arguments := []string{
		"unshare", "--mount", "--pid", "--fork", "--kill-child", "--net", "chroot", root, "/bin/busybox", "sh", "-c",
		"/bin/busybox --install -s /bin && PATH=/bin:/usr/bin exec sh /root/trial.sh",
	}
	if os.Geteuid() != 0 {
		arguments = append([]string{"sudo"}, arguments...)
	}
	cmd := exec.CommandContext(t.Context(), arguments[0], arguments[1:]...)
	cmd.Env = []string{"PATH=/bin:/usr/bin:/sbin:/usr/sbin"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("run the package's scripts: %v\n%s", err, out)
	}
	allHold(t, openwrt, out, log)
}

// documented returns what docs/install.md tells to type on OpenWrt, behind a key that it names.
func documented(t *testing.T) []byte {
	t.Helper()
	script := []byte("umask 077; mkdir -p /etc/lwm2m-agent/keys; echo 00112233445566778899aabbccddeeff >/etc/lwm2m-agent/keys/gw-17.psk\n")
	for line := range strings.Lines(string(read(t, filepath.Join(workspace.Root(t), "docs/install.md")))) {
		if command, ok := strings.CutPrefix(line, "    "); ok && (strings.HasPrefix(command, "uci ") || strings.Contains(command, "/etc/init.d/")) {
			script = append(script, command...)
		}
	}
	if !bytes.Contains(script, []byte("uci commit")) || !bytes.Contains(script, []byte(" check ")) || !bytes.Contains(script, []byte(" reload")) {
		t.Fatalf("docs/install.md tells\n%s", script)
	}
	return script
}
