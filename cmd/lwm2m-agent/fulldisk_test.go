package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFullDisk: what cannot be written says so in one line, and leaves no piece of a file that would be in the way
// of the next try.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skip("this machine lets no file system be mounted:", err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	if err := os.WriteFile(filepath.Join(dir, "fill"), make([]byte, 1<<17), 0o600); err == nil {
		t.Fatal("the disk takes everything")
	}
	a := startAgent(t, map[string]string{"GET /v1/trace": traceAnswer})
	file, cfg := filepath.Join(dir, "file"), filepath.Join(t.TempDir(), "agent.toml")
	text := "[[sensor]]\nname = \"supply\"\ndriver = \"ina219\"\nbus = \"/dev/i2c-77\"\naddress = 0x41\n"
	if err := os.WriteFile(cfg, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"bundle", "-socket", a.socket, "-config", cfg, "-state", t.TempDir(), file},
		{"trace", "-socket", a.socket, "-pcap", file},
		{"sensor", "record", "-config", cfg, "-samples", "1", "-o", file, "supply"},
	} {
		_, problems, code := run(t.Context(), args...)
		if code != exitFailed || strings.Count(problems, "no space left on device") != 1 {
			t.Errorf("%s: exit %d, problems %q", args[0], code, problems)
		}
		if _, err := os.Stat(file); err == nil {
			t.Errorf("%s leaves a piece", args[0])
			os.Remove(file)
		}
	}
}
