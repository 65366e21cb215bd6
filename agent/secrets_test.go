package agent

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// child names the folder of an agent that this program, started by a test, shall be.
const child = "LWM2M_TEST_AGENT"

// TestNoCoreDump: an agent that runs makes no core file, and no other process of its user
// may look into it.
func TestNoCoreDump(t *testing.T) {
	if dir := os.Getenv(child); dir != "" {
		beAgent(t, dir)
		return
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "agent.toml"), []byte("endpoint = 'gw'\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNoCoreDump$", "-test.v")
	cmd.Env = append(os.Environ(), child+"="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "dumpable 0, core files of 0 to 0 bytes, maps true") {
		t.Errorf("%v\n%s", err, out)
	}
}

// awaitSocket waits until an agent serves its control socket.
func awaitSocket(t *testing.T, socket string) {
	t.Helper()
	for limit := time.Now().Add(generous); ; {
		if conn, err := net.Dial("unix", socket); err == nil {
			conn.Close()
			return
		}
		if time.Now().After(limit) {
			t.Fatal("the agent does not serve")
		}
		<-time.After(10 * time.Millisecond)
	}
}

// beAgent runs an agent until it serves, and says what the kernel thinks of it.
func beAgent(t *testing.T, dir string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	socket := filepath.Join(dir, "s")
	go func() {
		done <- Run(ctx, RunOptions{Config: filepath.Join(dir, "agent.toml"), StateDir: filepath.Join(dir, "state"), Socket: socket, Log: io.Discard})
	}()
	awaitSocket(t, socket)
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil {
		t.Error(err)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil {
		t.Error(err)
	}
	maps, err := os.ReadFile("/proc/self/maps") // which the agent itself reads
	fmt.Printf("dumpable %d, core files of %d to %d bytes, maps %v\n", dumpable, limit.Cur, limit.Max, err == nil && len(maps) > 0)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
