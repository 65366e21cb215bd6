//go:build !small

package agent

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/fota"
	"lwm2m-agent/lwm2m"
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

// TestPackageThatFillsTheDisk: of a package whose size its host does not tell, all that is free is taken, with the disk that the journal and the accounts
// are on. The update ends with Update Result 2, the room is there again, what is recorded meanwhile is not lost, and the next package comes.
func TestPackageThatFillsTheDisk(t *testing.T) {
	content := packageOf("2.0", 8<<20)
	sized := atomic.Bool{}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/small":
			_, _ = w.Write(packageOf("2.0", 1000))
		case sized.Load():
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
		default:
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush() // in chunks, without Content-Length
			_, _ = w.Write(content)
		}
	}))
	defer web.Close()
	u := &updating{lab: newLab(t), T: t}
	if err := unix.Mount("none", u.dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skip("this machine lets no file system be mounted:", err)
	}
	defer unix.Unmount(u.dir, unix.MNT_DETACH)
	cfg := u.config()
	cfg.Firmware = &config.Firmware{Backend: config.FirmwareFile, Confirm: time.Hour, MaxSize: 32 << 20}
	u.start(cfg)
	free := func() int64 {
		var s unix.Statfs_t
		if err := unix.Statfs(u.dir, &s); err != nil {
			t.Fatal(err)
		}
		return int64(s.Bavail) * int64(s.Bsize) //nolint:unconvert // the types differ by architecture
	}
	before := free()
	for _, known := range []bool{false, true} {
		sized.Store(known)
		u.must(u.write("/5/0/1", lwm2m.String(web.URL+"/large")))
		u.until(fota.Idle, fota.NoStorage)
		u.must(u.write("/1/0/1", lwm2m.Integer(3600)))                                    // is stored
		for limit := time.Now().Add(generous); free() < before-1<<20; runtime.Gosched() { // it is taken away after the server was told
			if time.Now().After(limit) {
				t.Fatalf("with the size told: %v: %d bytes are free, %d were before", known, free(), before)
			}
		}
	}
	u.must(u.write("/5/0/1", lwm2m.String(web.URL+"/small")))
	u.until(fota.Downloaded, fota.Initial)
	if s := u.agent.firmware.now.Load().Status(); s.Package.Version != "2.0" {
		t.Errorf("%+v", s)
	}
}
