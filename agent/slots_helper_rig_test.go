//go:build rig

package agent

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// loop makes a file of a slot a block device, which a link leads to.
func (p *parted) loop(name string) {
	p.Helper()
	p.must(os.Rename(p.path(name), p.path(name+".disk")))
	out, err := exec.CommandContext(p.Context(), "losetup", "--find", "--show", p.path(name+".disk")).CombinedOutput()
	if err != nil {
		p.Skipf("this kernel gives no loop device: %v: %s", err, out)
	}
	device := strings.TrimSpace(string(out))
	p.Cleanup(func() {
		if out, err := exec.Command("losetup", "--detach", device).CombinedOutput(); err != nil {
			p.Errorf("%v: %s", err, out)
		}
	})
	p.must(os.Symlink(device, p.path(name)))
}

// TestRigHelperDevices has the helper write block devices, and none that something else holds, as a mount does.
func TestRigHelperDevices(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root has block devices")
	}
	p := newParted(t, "backend = 'uboot'\nenvironment = 'fw_env.config'")
	p.fakeUBoot("BOOT_ORDER=A B\nBOOT_A_LEFT=3\nBOOT_B_LEFT=3\n")
	for _, name := range []string{"kernelB", "rootfsB"} {
		p.loop(name)
	}
	if text, err := p.slots.(prober).Probe(t.Context()); err != nil || !strings.Contains(text, p.path("rootfsB")+" of 3 MiB") {
		t.Errorf("%q, %v", text, err)
	}
	p.update()
	p.must(p.slots.Mark(t.Context(), "B", false))
	held, err := os.OpenFile(p.path("kernelB"), os.O_RDONLY|unix.O_EXCL, 0)
	p.must(err)
	defer held.Close()
	_, err = p.slots.Install(t.Context(), p.pack(p.signer, "3.0"), "B")
	p.refused(err, "is in use (mounted?)")
	p.holds("kernelB", p.content("kernel"))
}
