//go:build rig

package uboot

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/fota"
)

// firmware is Debian's U-Boot for QEMU's ARM board: its environment is at the
// beginning of the second flash, once, and has no bootcount.
const firmware = "/usr/lib/u-boot/qemu_arm/u-boot.bin"

// documented returns the lines of the script in docs/firmware-update.md that begins
// with a line, as one.
func documented(t *testing.T, first string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/firmware-update.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "\n    "+first+"\n")
	if !ok {
		t.Fatalf("docs/firmware-update.md has no script that begins with %q", first)
	}
	script := first
	for line := range strings.Lines(rest) {
		if !strings.HasPrefix(line, "    ") {
			break
		}
		script += " " + strings.TrimSpace(line)
	}
	return script
}

// TestRigBootScripts has U-Boot, with an environment that the tools have made, run the
// scripts of the documentation on environments, and compares what it boots and
// leaves with the boot loader by which updates are cut.
func TestRigBootScripts(t *testing.T) {
	dir := t.TempDir()
	flash := filepath.Join(dir, "flash")
	config := filepath.Join(dir, "fw_env.config")
	initial := filepath.Join(dir, "initial")
	never := strings.NewReplacer("saveenv", "true", "reset;", "setenv again yes;", "run bootcmd", "true")
	cases := []environment{
		{"BOOT_ORDER": "A B", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "3"},
		{"BOOT_ORDER": "A B", "BOOT_A_LEFT": "1", "BOOT_B_LEFT": "3"},
		{"BOOT_ORDER": "A B", "BOOT_A_LEFT": "0", "BOOT_B_LEFT": "2"},
		{"BOOT_ORDER": "B A", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "1"},
		{"BOOT_ORDER": "B", "BOOT_A_LEFT": "3", "BOOT_B_LEFT": "2"},
		{"BOOT_ORDER": "A", "BOOT_A_LEFT": "1", "BOOT_B_LEFT": "0"},
		{"BOOT_ORDER": "A B", "BOOT_A_LEFT": "0", "BOOT_B_LEFT": "0"}, // begins anew
		{"BOOT_ORDER": "A", "BOOT_A_LEFT": "0", "BOOT_B_LEFT": "0"},
	}
	var all, cmd strings.Builder // a line is no longer than 2,048 bytes for the tools
	for i, env := range cases {
		fmt.Fprintf(&cmd, "run case%d; ", i)
		fmt.Fprintf(&all, "case%d=", i)
		for _, name := range []string{"BOOT_ORDER", "BOOT_A_LEFT", "BOOT_B_LEFT"} {
			fmt.Fprintf(&all, "setenv %s %s; ", name, env[name])
		}
		fmt.Fprintf(&all, "setenv again; setenv bootargs quiet; run script; if test -n \"${again}\"; then setenv bootargs quiet; run script; fi; ")
		fmt.Fprintf(&all, "echo CASE %d ${bootargs}, ${BOOT_ORDER}, ${BOOT_A_LEFT} ${BOOT_B_LEFT}\n", i)
	}
	for _, slot := range []string{"A", "B"} {
		fmt.Fprintf(&cmd, "setenv bootslot %s; setenv upgrade_available 1; setenv bootcount 4; run other; ", slot)
		fmt.Fprintf(&cmd, "echo COUNT %s ${bootslot} ${upgrade_available} ${bootcount}; ", slot)
	}
	env := "bootdelay=0\nscript=" + never.Replace(documented(t, "setenv slot;")) +
		"\nother=" + never.Replace(documented(t, "if test ${bootslot} = A; then setenv bootslot B; else setenv bootslot A; fi;")) +
		"\n" + all.String() + "bootcmd=" + cmd.String() + "poweroff\n"
	for name, text := range map[string]string{flash: "", config: flash + " 0x0 0x40000\n", initial: env} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Truncate(flash, 64<<20); err != nil {
		t.Fatal(err)
	}
	if _, _, err := fota.Run(t.Context(), "", "fw_setenv", "-c", config, "-f", initial, "-s", initial); err != nil {
		t.Fatal(err)
	}
	out := start(t, flash)
	for i, env := range cases {
		after := maps.Clone(env)
		slot, changes := boot(after)
		maps.Copy(after, changes)
		want := fmt.Sprintf("CASE %d quiet lwm2m.slot=%s, %s, %s %s\r\n", i, slot, after["BOOT_ORDER"], after["BOOT_A_LEFT"], after["BOOT_B_LEFT"])
		if !strings.Contains(out, want) {
			t.Errorf("%v: U-Boot does not say %q", env, want)
		}
	}
	for _, want := range []string{"COUNT A B 0 0\r\n", "COUNT B A 0 0\r\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("U-Boot does not say %q", want)
		}
	}
	if t.Failed() {
		t.Logf("%s", out)
	}
}

// start runs U-Boot until it switches the board off, and returns what it says.
func start(t *testing.T, flash string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var out bytes.Buffer
	c := exec.CommandContext(ctx, "qemu-system-arm", "-M", "virt", "-cpu", "cortex-a15", "-m", "128", "-nographic", "-nic", "none", "-no-reboot",
		"-bios", firmware, "-drive", "if=pflash,unit=1,format=raw,file="+flash)
	c.Stdout, c.Stderr = &out, &out
	if err := c.Run(); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	return out.String()
}
