package process

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const soon = 10 * time.Second

func sh(t *testing.T, script string) (p *Process, log string) {
	t.Helper()
	log = filepath.Join(t.TempDir(), "log")
	return Start(t, exec.Command("/bin/sh", "-c", script), log), log
}

func TestWaitLine(t *testing.T) {
	p, log := sh(t, "echo one; read x; echo got $x; echo two >&2; exit 3")
	if rest := p.WaitPrefix(t, soon, "on"); rest != "e" {
		t.Errorf("rest of the line = %q", rest)
	}
	p.Write(t, "input\n")
	p.WaitPrefix(t, soon, "got input")
	p.WaitPrefix(t, soon, "two")
	if status := p.Wait(t, soon); status != 3 {
		t.Errorf("exit status = %d, want 3", status)
	}
	text, err := os.ReadFile(log)
	if err != nil || string(text) != "one\ngot input\ntwo\n" {
		t.Errorf("log = %q, %v", text, err)
	}
}

func TestWaitLineOfEndedProgram(t *testing.T) {
	p, _ := sh(t, "echo one; printf two; exit 1")
	p.Wait(t, soon)
	if line, err := p.waitLine(soon, func(line string) bool { return line == "two" }); err != nil || line != "two" {
		t.Errorf("a line printed before the end: %q, %v", line, err)
	}
	_, err := p.waitLine(soon, func(string) bool { return false })
	if err == nil || !strings.Contains(err.Error(), "ended: exit status 1") {
		t.Errorf("error = %v", err)
	}
}

func TestWaitLineTimesOut(t *testing.T) {
	p, _ := sh(t, "read x")
	_, err := p.waitLine(time.Millisecond, func(string) bool { return true })
	if err == nil || !strings.Contains(err.Error(), "within 1ms") {
		t.Errorf("error = %v", err)
	}
}

// TestContextAsks shows that a program of a test's context is asked to end, not killed.
func TestContextAsks(t *testing.T) {
	var p *Process
	t.Run("test", func(t *testing.T) {
		script := "trap 'echo asked; exit 0' TERM; echo up; while :; do read x || wait; done"
		p = Start(t, exec.CommandContext(t.Context(), "/bin/sh", "-c", script), filepath.Join(t.TempDir(), "log"))
		p.WaitPrefix(t, soon, "up")
	})
	if out := strings.Join(p.Output(), " "); out != "up asked" {
		t.Errorf("output = %q", out)
	}
}

func TestStopAsks(t *testing.T) {
	p, _ := sh(t, "trap 'echo asked; exit 0' TERM; echo up; while :; do read x || wait; done")
	p.WaitPrefix(t, soon, "up")
	p.Stop(t)
	if status := p.cmd.ProcessState.ExitCode(); status != 0 {
		t.Errorf("exit status = %d, want 0", status)
	}
	p.Stop(t) // a second time changes nothing
}

func TestCloseInput(t *testing.T) {
	p, _ := sh(t, "cat; echo end")
	p.CloseInput(t)
	p.WaitPrefix(t, soon, "end")
}

func TestKill(t *testing.T) {
	p, _ := sh(t, "trap '' TERM; echo up; exec cat")
	p.WaitPrefix(t, soon, "up")
	p.Kill(t)
	if status := p.Wait(t, soon); status != -1 {
		t.Errorf("exit status = %d, want -1", status)
	}
}

func TestStartAgain(t *testing.T) {
	for _, tt := range []struct {
		name, output string
		end          func(p *Process)
	}{
		{"killed", "up 0 up", func(p *Process) { p.Kill(t) }},
		{"failed", "up 0 up 7", func(p *Process) { p.Write(t, "7\n") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			script := func() *exec.Cmd {
				return exec.Command("/bin/sh", "-c", "echo up; read status; echo $status; exit $status")
			}
			p := StartAgain(t, script, filepath.Join(t.TempDir(), "log"))
			first := p.PID()
			p.WaitPrefix(t, soon, "up")
			p.Write(t, "0\n")
			ups := 0
			p.WaitLine(t, soon, "second start", func(line string) bool {
				if line == "up" {
					ups++
				}
				return ups == 2
			})
			if p.PID() == first {
				t.Error("the second process is the first")
			}
			tt.end(p)
			p.Wait(t, soon)
			if out := strings.Join(p.Output(), " "); out != tt.output {
				t.Errorf("output = %q", out)
			}
		})
	}
}
