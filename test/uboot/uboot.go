// Package uboot runs U-Boot in tests: Debian's build for QEMU's ARM board, with an environment that fw_setenv makes, and the scripts that
// docs/firmware-update.md has for integrators. It knows nothing of the back end.
package uboot

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"lwm2m-agent/test/workspace"
)

// The first lines of the scripts in docs/firmware-update.md.
const (
	Choose   = "setenv slot;"                                                                 // takes a slot of BOOT_ORDER
	Unusable = "setenv BOOT_${slot}_LEFT 0; saveenv; reset"                                   // behind the command that boots
	FallBack = "if test ${bootslot} = A; then setenv bootslot B; else setenv bootslot A; fi;" // altbootcmd
)

// Script returns the script of docs/firmware-update.md that begins with a line, as one line.
func Script(t workspace.T, first string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(workspace.Root(t), "docs", "firmware-update.md"))
	if err != nil {
		t.Fatalf("read the scripts: %v", err)
	}
	_, rest, ok := strings.Cut(string(text), "\n    "+first+"\n")
	if !ok {
		t.Fatalf("docs/firmware-update.md has no script that begins with %q", first)
	}
	script := []string{first}
	for line := range strings.Lines(rest) {
		if !strings.HasPrefix(line, "    ") {
			break
		}
		script = append(script, strings.TrimSpace(line))
	}
	return strings.Join(script, " ")
}

// Flash writes the board's second flash, at whose beginning this U-Boot has its environment, once. env has a line NAME=VALUE for each
// variable, no longer than 2,048 bytes.
func Flash(t workspace.T, path, env string) error {
	t.Helper()
	const size = 64 << 20
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	if err := os.Truncate(path, size); err != nil {
		return err
	}
	return SetEnv(t, path+" 0x0 0x40000\n", env)
}

// SetEnv writes an environment where a fw_env.config says.
func SetEnv(t workspace.T, config, env string) error {
	t.Helper()
	dir := t.TempDir()
	configFile, envFile := filepath.Join(dir, "fw_env.config"), filepath.Join(dir, "env")
	for name, text := range map[string]string{configFile: config, envFile: env} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			return err
		}
	}
	out, err := exec.CommandContext(t.Context(), "fw_setenv", "-c", configFile, "-f", envFile, "-s", envFile).CombinedOutput()
	if err != nil {
		return fmt.Errorf("fw_setenv: %w\n%s", err, out)
	}
	return nil
}

// Emulator is the command that runs the board with a second flash.
func Emulator(flash string) []string {
	return []string{
		"qemu-system-arm", "-M", "virt", "-cpu", "cortex-a15", "-bios", "/usr/lib/u-boot/qemu_arm/u-boot.bin",
		"-drive", "if=pflash,unit=1,format=raw,file=" + flash,
	}
}
