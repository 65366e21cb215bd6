//go:build install

package install

import (
	"bytes"
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lwm2m-agent/test/workspace"
)

//go:embed openwrt.sh
var openwrt []byte

// TestOpenWrt unpacks an .ipk and runs its scripts and the program under busybox. OpenWrt's own programs are
// played: Debian has none of them, so that opkg and apk take the packages is not shown.
func TestOpenWrt(t *testing.T) {
	root := t.TempDir()
	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = root
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
		return string(out)
	}
	run("mkdir", "-p", "bin", "root", "etc")
	run("tar", "-xzf", packaged(t, "x86_64", "1.0", "*.ipk"), "-C", "root")
	run("tar", "-xzf", "root/data.tar.gz")
	run("tar", "-xzf", "root/control.tar.gz", "-C", "root")
	run("cp", "/bin/busybox", "bin/busybox")
	run("ln", "-s", "busybox", "bin/sh")
	if err := os.WriteFile(filepath.Join(root, "root", "trial.sh"), openwrt, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "root", "documented.sh"), documented(t), 0o600); err != nil {
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
	allHold(t, openwrt, out, "openwrt.log")
}

// documented returns what docs/install.md tells to type on OpenWrt, behind a key that it names.
func documented(t *testing.T) []byte {
	t.Helper()
	script := []byte("umask 077; mkdir -p /etc/lwm2m-agent/keys; echo 00112233445566778899aabbccddeeff >/etc/lwm2m-agent/keys/gw-17.psk\n")
	for line := range strings.Lines(string(read(t, filepath.Join(workspace.Root(t), "docs/install.md")))) {
		if command, ok := strings.CutPrefix(line, "    "); ok && (strings.HasPrefix(command, "uci ") || strings.Contains(command, "/etc/config/") || strings.HasPrefix(command, "/etc/init.d/")) {
			script = append(script, command...)
		}
	}
	if !bytes.Contains(script, []byte("uci commit")) || !bytes.Contains(script, []byte(" check ")) || !bytes.Contains(script, []byte(" reload")) {
		t.Fatalf("docs/install.md tells\n%s", script)
	}
	return script
}
