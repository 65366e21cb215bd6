//go:build interop

package agent

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// run runs a program.
func (p *parted) run(name string, args ...string) string {
	p.Helper()
	out, err := exec.CommandContext(p.Context(), name, args...).CombinedOutput()
	if err != nil {
		p.Fatalf("%s: %v: %s", name, err, out)
	}
	return string(out)
}

// says looks for lines in what a program prints.
func (p *parted) says(lines []string, name string, args ...string) {
	p.Helper()
	out := "\n" + p.run(name, args...)
	for _, line := range lines {
		if !strings.Contains(out, "\n"+line+"\n") {
			p.Errorf("%s has no %q:%s", name, line, out)
		}
	}
}

// TestInteropHelperUBoot has the helper update a machine by libubootenv, in both schemes.
func TestInteropHelperUBoot(t *testing.T) {
	for _, c := range []struct {
		name, lines, env string
		after            []string
	}{
		{"order", "", "BOOT_ORDER=A B\nBOOT_A_LEFT=3\nBOOT_B_LEFT=3\n", []string{"BOOT_ORDER=B A", "BOOT_A_LEFT=3", "BOOT_B_LEFT=3"}},
		{
			"bootcount", "boot_variable = 'bootslot'", "bootslot=A\nbootlimit=3\nupgrade_available=0\nbootcount=0\naltbootcmd=setenv bootslot B\n",
			[]string{"bootslot=B", "upgrade_available=0", "bootcount=0"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newParted(t, "backend = 'uboot'\nenvironment = 'fw_env.config'\n"+c.lines)
			p.put("env0", make([]byte, 0x4000))
			p.put("env1", make([]byte, 0x4000))
			p.put("fw_env.config", []byte(p.path("env0")+" 0x0 0x4000\n"+p.path("env1")+" 0x0 0x4000\n"))
			p.put("initial", []byte(c.env+"ethaddr=02:00:00:00:00:01\n"))
			p.run("fw_setenv", "-c", p.path("fw_env.config"), "-f", p.path("initial"), "-s", p.path("initial"))
			if text, err := p.slots.(prober).Probe(t.Context()); err != nil || !strings.Contains(text, "slot A runs; A is good") {
				t.Errorf("%q, %v", text, err)
			}
			p.update()
			p.says(append(c.after, "ethaddr=02:00:00:00:00:01"), "fw_printenv", "-c", p.path("fw_env.config"))
		})
	}
}

// TestInteropHelperGRUB has the helper update a machine by grub-editenv.
func TestInteropHelperGRUB(t *testing.T) {
	p := newParted(t, "backend = 'grub'\nenvironment = 'grubenv'")
	p.run("grub-editenv", p.path("grubenv"), "create")
	p.must(os.Chmod(p.path("grubenv"), 0o600))
	p.run("grub-editenv", p.path("grubenv"), "set", "ORDER=A B", "A_OK=1", "A_TRY=0", "B_OK=1", "B_TRY=0", "other=1")
	if text, err := p.slots.(prober).Probe(t.Context()); err != nil || !strings.Contains(text, "slot A runs; A is good") {
		t.Errorf("%q, %v", text, err)
	}
	p.update()
	p.says([]string{"ORDER=B A", "A_OK=1", "B_OK=1", "B_TRY=0", "other=1"}, "grub-editenv", p.path("grubenv"), "list")
}
