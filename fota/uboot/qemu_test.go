//go:build rig

package uboot

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	lab "lwm2m-agent/test/uboot"
)

// TestRigBootScripts has U-Boot, with an environment that the tools have made, run the
// scripts of the documentation on environments, and compares what it boots and
// leaves with the boot loader by which updates are cut.
func TestRigBootScripts(t *testing.T) {
	flash := filepath.Join(t.TempDir(), "flash")
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
	env := "bootdelay=0\nscript=" + never.Replace(lab.Script(t, lab.Choose)) +
		"\nother=" + never.Replace(lab.Script(t, lab.FallBack)) +
		"\n" + all.String() + "bootcmd=" + cmd.String() + "poweroff\n"
	if err := lab.Flash(t, flash, env); err != nil {
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
	command := append(lab.Emulator(flash), "-m", "128", "-nographic", "-nic", "none", "-no-reboot")
	c := exec.CommandContext(ctx, command[0], command[1:]...)
	c.Stdout, c.Stderr = &out, &out
	if err := c.Run(); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	return out.String()
}
