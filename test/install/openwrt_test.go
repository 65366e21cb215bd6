//go:build install

package install

import (
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
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
