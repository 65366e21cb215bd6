package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lwm2m-agent/lwm2m/server"
)

// TestFullDiskAtTheFirstStart: without room for the first record, or for the folder itself, the agent ends with what is to
// be done, for its supervisor to start it again; with room it comes up.
func TestFullDiskAtTheFirstStart(t *testing.T) {
	l := newLab(t)
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skip("this machine lets no file system be mounted:", err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	main := filepath.Join(l.dir, "agent.toml")
	if err := os.WriteFile(main, fmt.Appendf(nil, "endpoint = \"gw\"\n[[server]]\nuri = %q\nshort_server_id = 101\n", l.uri), 0o600); err != nil {
		t.Fatal(err)
	}
	opts := RunOptions{Config: main, StateDir: filepath.Join(dir, "state"), Socket: filepath.Join(l.dir, "s"), Log: t.Output()}
	for _, options := range []string{"nr_inodes=2", "nr_inodes=100"} { // no inode for the folder, then no space in it
		if err := unix.Mount("none", dir, "tmpfs", unix.MS_REMOUNT, options); err != nil {
			t.Fatal(err)
		}
		fill := filepath.Join(dir, "fill")
		if err := os.WriteFile(fill, make([]byte, 1<<17), 0o600); err == nil {
			t.Fatal("the disk takes everything")
		}
		err := Run(t.Context(), opts)
		if err == nil || !strings.Contains(err.Error(), opts.StateDir) || !strings.Contains(err.Error(), "make room there") {
			t.Errorf("%s: %v", options, err)
		}
		if err := os.Remove(fill); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mount("none", dir, "tmpfs", unix.MS_REMOUNT, "size=1m"); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	defer end()
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, opts) }()
	l.next(t, server.Registered)
	end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
