package restart

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"lwm2m-agent/test/gateway"
)

// TestCrash: an agent that has read its keys and crashes leaves no core file, and another process of its user cannot look into
// it. The same is tried with a program that does nothing about it, which shows whether this machine makes
// such files at all.
func TestCrash(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	toml := `
endpoint = "gw-1"
[[server]]
uri             = "coaps://127.0.0.1:9"
short_server_id = 101
identity        = "gw"
key             = "30313233343536373839616263646566"
`
	if err := os.WriteFile(filepath.Join(dir, "agent.toml"), []byte(toml), 0o600); err != nil {
		t.Fatal(err)
	}
	binary := gateway.Binary(t)
	other := victim(t, t.TempDir(), "/bin/sleep", "1h")
	agent := victim(t, dir, binary, "run", "-config", "agent.toml", "-state", "state", "-socket", "s")
	socket := filepath.Join(dir, "s")
	for end := time.Now().Add(patience); ; <-time.After(idle) {
		if conn, err := net.Dial("unix", socket); err == nil {
			conn.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatal("the agent does not serve")
		}
	}
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", agent.Process.Pid))
	if err != nil || !regexp.MustCompile(`Max core file size +0 +0 `).Match(limits) {
		t.Errorf("the limits are %s, %v", limits, err)
	}
	if !looks(t, other) || looks(t, agent) {
		t.Errorf("another process of their user may look into a program: %v, into the agent: %v; want true and false", looks(t, other), looks(t, agent))
	}
	usual, left := crash(t, other), crash(t, agent)
	if left {
		t.Error("the agent left a core file")
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*core*")); len(files) > 0 {
		t.Errorf("%v are there", files)
	}
	if !usual {
		t.Skip("SKIPPED: no program leaves a core file on this machine, so that none of the agent shows nothing")
	}
}

// nobody is the user of the programs, where the test has the right to choose.
const nobody = 65534

// victim starts a program in a folder that is its user's, with as much room for core files as there may be.
func victim(t *testing.T, dir, name string, args ...string) *exec.Cmd {
	t.Helper()
	most := append([]string{"-c", `ulimit -c "$(ulimit -H -c)"; exec "$@"`, "sh", name}, args...)
	cmd := exec.CommandContext(t.Context(), "sh", most...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOTRACEBACK=crash")
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), reachable(name)); err != nil {
			t.Fatal(err)
		}
		for _, owned := range []string{dir, filepath.Join(dir, "agent.toml")} {
			if err := os.Chown(owned, nobody, nobody); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

// reachable lets others run a program that this process has built.
func reachable(program string) error {
	if filepath.Dir(program) == "/bin" {
		return nil
	}
	return os.Chmod(filepath.Dir(program), 0o755)
}

// looks reports whether another process of a program's user may see where its memory is (proc(5), ptrace(2)).
func looks(t *testing.T, at *exec.Cmd) bool {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "cat", fmt.Sprintf("/proc/%d/maps", at.Process.Pid))
	cmd.SysProcAttr = at.SysProcAttr
	out, err := cmd.Output()
	return err == nil && len(out) > 0
}

// crash has a program crash, and reports whether the kernel wrote a core file.
func crash(t *testing.T, cmd *exec.Cmd) bool {
	t.Helper()
	if err := cmd.Process.Signal(syscall.SIGABRT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // says that it was a signal
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !status.Signaled() || status.Signal() != syscall.SIGABRT {
		t.Fatalf("%s ended otherwise: %v", cmd.Path, cmd.ProcessState)
	}
	return status.CoreDump()
}
