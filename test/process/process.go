// Package process runs programs beside a test: a server, an emulator, the agent itself. It keeps what they print, lets a test wait for a
// line of it, and ends them with the test. It knows nothing of the programs.
package process

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"lwm2m-agent/test/workspace"
)

// grace is how long a program may take to end once it was asked to.
const grace = 10 * time.Second

// Process is a running program.
type Process struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	done  chan struct{} // closed once the program has ended and its output is read
	asked sync.Once     // to end: a second SIGTERM ends many programs at once

	mu    sync.Mutex
	lines []string
	more  chan struct{} // closed and replaced when a line was added
}

// Start runs cmd, whose output goes to the file at logPath too. The program is ended when the test is over, and by the kernel if the test
// process dies.
func Start(t workspace.T, cmd *exec.Cmd, logPath string) *Process {
	t.Helper()
	p, err := start(cmd, logPath)
	if err != nil {
		t.Fatalf("start %s: %v", cmd.Path, err)
	}
	t.Cleanup(func() { p.Stop(t) })
	return p
}

func start(cmd *exec.Cmd, logPath string) (*Process, error) {
	log, err := os.Create(logPath)
	if err != nil {
		return nil, err
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	out, in, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	cmd.Stdout, cmd.Stderr = in, in
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	p := &Process{cmd: cmd, stdin: stdin, done: make(chan struct{}), more: make(chan struct{})}
	if cmd.Cancel != nil { // a context that ends, which a test's does before its cleanup, asks first
		cmd.Cancel, cmd.WaitDelay = p.ask, grace
	}
	if err := errors.Join(cmd.Start(), in.Close()); err != nil {
		return nil, errors.Join(err, out.Close(), log.Close())
	}
	go p.collect(out, log)
	return p, nil
}

// collect keeps the output until the program has ended. A grandchild that holds the output open does not hold up the end for long.
func (p *Process) collect(out, log *os.File) {
	read := make(chan struct{})
	go func() {
		defer close(read)
		p.readLines(io.TeeReader(out, log))
	}()
	_ = p.cmd.Wait() // how it ended is in ProcessState
	select {
	case <-read:
	case <-time.After(time.Second):
	}
	out.Close()
	<-read
	log.Close()
	close(p.done)
}

func (p *Process) readLines(from io.Reader) {
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			p.add(strings.TrimRight(line, "\r\n"))
		}
		if err != nil {
			return
		}
	}
}

func (p *Process) add(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines = append(p.lines, line)
	close(p.more)
	p.more = make(chan struct{})
}

// PID is the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Write sends text to the program's standard input.
func (p *Process) Write(t workspace.T, text string) {
	t.Helper()
	if _, err := io.WriteString(p.stdin, text); err != nil {
		t.Fatalf("write to %s: %v", p.cmd.Path, err)
	}
}

// CloseInput ends the program's standard input.
func (p *Process) CloseInput(t workspace.T) {
	t.Helper()
	if err := p.stdin.Close(); err != nil {
		t.Fatalf("close the input of %s: %v", p.cmd.Path, err)
	}
}

// Output returns the lines printed so far, on standard output and standard error, without their ends.
func (p *Process) Output() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.lines...)
}

// WaitLine waits until the program has printed a line that match accepts, and returns it. A program that ends without one, and a wait
// longer than timeout, end the test.
func (p *Process) WaitLine(t workspace.T, timeout time.Duration, what string, match func(line string) bool) string {
	t.Helper()
	line, err := p.waitLine(timeout, match)
	if err != nil {
		t.Fatalf("wait for %s of %s: %v; it printed:\n%s", what, p.cmd.Path, err, tail(p.Output()))
	}
	return line
}

// WaitPrefix is WaitLine for a line that begins with prefix; it returns the rest of it.
func (p *Process) WaitPrefix(t workspace.T, timeout time.Duration, prefix string) string {
	t.Helper()
	line := p.WaitLine(t, timeout, fmt.Sprintf("%q", prefix), func(line string) bool { return strings.HasPrefix(line, prefix) })
	return strings.TrimPrefix(line, prefix)
}

func (p *Process) waitLine(timeout time.Duration, match func(line string) bool) (string, error) {
	late := time.NewTimer(timeout)
	defer late.Stop()
	for seen := 0; ; {
		p.mu.Lock()
		lines, more := p.lines[seen:], p.more
		p.mu.Unlock()
		for _, line := range lines {
			if match(line) {
				return line, nil
			}
		}
		seen += len(lines)
		select {
		case <-more:
		case <-p.done:
			return p.lastLine(seen, match)
		case <-late.C:
			return "", fmt.Errorf("nothing within %v", timeout)
		}
	}
}

// lastLine looks through what a program printed just before it ended.
func (p *Process) lastLine(seen int, match func(line string) bool) (string, error) {
	for _, line := range p.Output()[seen:] {
		if match(line) {
			return line, nil
		}
	}
	return "", fmt.Errorf("the program has ended: %v", p.cmd.ProcessState)
}

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits for the program's end and returns its exit status, -1 if a signal ended it.
func (p *Process) Wait(t workspace.T, timeout time.Duration) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(timeout):
		t.Fatalf("%s has not ended within %v; it printed:\n%s", p.cmd.Path, timeout, tail(p.Output()))
	}
	return p.cmd.ProcessState.ExitCode()
}

// Signal sends the program a signal.
func (p *Process) Signal(t workspace.T, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatalf("signal %s: %v", p.cmd.Path, err)
	}
}

// ask asks the program to end, once.
func (p *Process) ask() (err error) {
	p.asked.Do(func() { err = p.cmd.Process.Signal(syscall.SIGTERM) })
	return err
}

// Kill ends the program at once, as a power cut would.
func (p *Process) Kill(t workspace.T) {
	t.Helper()
	p.Signal(t, os.Kill)
	<-p.done
}

// Stop closes the program's standard input and sends it SIGTERM, and ends it by force, which is an error, if it takes longer than ten
// seconds. A program that has ended already is left alone.
func (p *Process) Stop(t workspace.T) {
	t.Helper()
	select {
	case <-p.done:
		return
	default:
	}
	p.stdin.Close()
	if err := p.ask(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatalf("end %s: %v", p.cmd.Path, err)
	}
	select {
	case <-p.done:
	case <-time.After(grace):
		p.Kill(t)
		t.Errorf("%s did not end within %v of SIGTERM", p.cmd.Path, grace)
	}
}

// tail is the end of a long output.
func tail(lines []string) string {
	const most = 30
	if len(lines) > most {
		lines = lines[len(lines)-most:]
	}
	return strings.Join(lines, "\n")
}
