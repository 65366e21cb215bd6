package agent

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/health"
)

// hold has another program of a name hold a port until end.
func hold(t *testing.T, port, name string) (pid int, end func()) {
	t.Helper()
	flock, err := exec.LookPath("flock")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(flock, program); err != nil {
		t.Fatal(err)
	}
	holder := exec.CommandContext(t.Context(), program, port, "cat")
	in, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	end = sync.OnceFunc(func() {
		_ = in.Close()
		_ = holder.Wait()
	})
	t.Cleanup(end)
	if _, err := in.Write([]byte("held\n")); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(line, err)
	}
	return holder.Process.Pid, end
}

// TestHeldPortIsNamed: check and status name the program that has the port, and what to do. One that the agent has is as it should be.
func TestHeldPortIsNamed(t *testing.T) {
	l := newLab(t)
	_, m := plugIn(t)
	pid, end := hold(t, m.Port, "lwm2m-agent")
	want := fmt.Sprintf("another program holds the port: lwm2m-agent (process %d): an agent that runs already, see its status", pid)
	if row := checkModem(t.Context(), &m, "gw"); !row.OK || !strings.HasSuffix(row.Detail, want) {
		t.Errorf("check has %+v, want %q", row, want)
	}
	receiver := &config.Config{Location: &config.Location{Source: config.LocationNMEA, Device: m.Port, Baud: 9600}}
	if rows := checkLocation(t.Context(), receiver); len(rows) != 1 || !rows[0].OK || !strings.HasSuffix(rows[0].Detail, want) {
		t.Errorf("check has %+v, want %q", rows, want)
	}
	end()
	pid, _ = hold(t, m.Port, "flock")
	want = fmt.Sprintf("another program holds the port: flock (process %d): end it, or give the agent another port of the module", pid)
	if row := checkModem(t.Context(), &m, "gw"); row.OK || !strings.Contains(row.Detail, want+". See whether") {
		t.Errorf("check has %+v, want %q", row, want)
	}
	cfg := l.config()
	cfg.Modems = []config.Modem{m}
	a, _ := l.run(t, cfg)
	if tr := a.await(t, health.ModemMissing, true); tr.On != "wwan" || !strings.Contains(tr.Detail, want) {
		t.Errorf("%+v, want %q", tr, want)
	}
	if shown := (&backend{a}).Status().Modems; len(shown) != 1 || !strings.HasPrefix(shown[0].Words, "missing: ") || !strings.Contains(shown[0].Words, want) {
		t.Errorf("status has %+v, want %q", shown, want)
	}
}
