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
	again func() *exec.Cmd // nil: its end is the end
	done  chan struct{}    // closed once the program has ended and its output is read
	asked sync.Once        // to end: a second SIGTERM ends many programs at once

	mu    sync.Mutex
	cmd   *exec.Cmd
	stdin io.WriteCloser
	over  bool // it was told to end
	lines []string
	more  chan struct{} // closed and replaced when a line was added
}

// Start runs cmd, whose output goes to the file at logPath too. The program is ended when the test is over, and by the kernel if the test
// process dies.
func Start(t workspace.T, cmd *exec.Cmd, logPath string) *Process {
	t.Helper()
	return begin(t, cmd, nil, logPath)
}

// StartAgain is Start for a program that runs anew, by another command of the same kind, each time that it has ended with status 0 before it
// was told to: an emulator that ends where its machine reboots.
func StartAgain(t workspace.T, command func() *exec.Cmd, logPath string) *Process {
	t.Helper()
	return begin(t, command(), command, logPath)
}

func begin(t workspace.T, cmd *exec.Cmd, again func() *exec.Cmd, logPath string) *Process {
	t.Helper()
	p, err := start(cmd, again, logPath)
	if err != nil {
		t.Fatalf("start %s: %v", cmd.Path, err)
	}
	t.Cleanup(func() { p.Stop(t) })
	return p
}

func start(cmd *exec.Cmd, again func() *exec.Cmd, logPath string) (*Process, error) {
	log, err := os.Create(logPath)
	if err != nil {
		return nil, err
	}
	out, in, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	p := &Process{again: again, done: make(chan struct{}), more: make(chan struct{})}
	if err := p.launch(cmd, in); err != nil {
		return nil, errors.Join(err, in.Close(), out.Close(), log.Close())
	}
	go p.collect(out, in, log)
	return p, nil
}

// launch starts a command, which takes the place of the one before unless the program was told to end.
func (p *Process) launch(cmd *exec.Cmd, output *os.File) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return os.ErrProcessDone
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = output, output
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	if cmd.Cancel != nil { // a context that ends, which a test's does before its cleanup, asks first
		cmd.Cancel, cmd.WaitDelay = p.ask, grace
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	p.cmd, p.stdin = cmd, stdin
	return nil
}

// current is the command that runs, and its standard input.
func (p *Process) current() (*exec.Cmd, io.WriteCloser) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd, p.stdin
}

// collect keeps the output until the program has ended. A grandchild that holds the output open does not hold up the end for long.
func (p *Process) collect(out, in, log *os.File) {
	read := make(chan struct{})
	go func() {
		defer close(read)
		p.readLines(io.TeeReader(out, log))
	}()
	for p.wait() == nil && p.again != nil && p.launch(p.again(), in) == nil {
	}
	in.Close()
	select {
	case <-read:
	case <-time.After(time.Second):
	}
	out.Close()
	<-read
	log.Close()
	close(p.done)
}

// wait waits for the end of the command that runs; how it ended is in its ProcessState.
func (p *Process) wait() error {
	cmd, _ := p.current()
	return cmd.Wait()
}

// end notes that the program was told to end, and returns what is to be ended.
func (p *Process) end() *os.Process {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	return p.cmd.Process
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
func (p *Process) PID() int {
	cmd, _ := p.current()
	return cmd.Process.Pid
}

// path is the program's.
func (p *Process) path() string {
	cmd, _ := p.current()
	return cmd.Path
}

// Write sends text to the program's standard input.
func (p *Process) Write(t workspace.T, text string) {
	t.Helper()
	cmd, stdin := p.current()
	if _, err := io.WriteString(stdin, text); err != nil {
		t.Fatalf("write to %s: %v", cmd.Path, err)
	}
}

// CloseInput ends the program's standard input.
func (p *Process) CloseInput(t workspace.T) {
	t.Helper()
	cmd, stdin := p.current()
	if err := stdin.Close(); err != nil {
		t.Fatalf("close the input of %s: %v", cmd.Path, err)
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
		t.Fatalf("wait for %s of %s: %v; it printed:\n%s", what, p.path(), err, tail(p.Output()))
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
	cmd, _ := p.current()
	return "", fmt.Errorf("the program has ended: %v", cmd.ProcessState)
}

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits for the program's end and returns its exit status, -1 if a signal ended it.
func (p *Process) Wait(t workspace.T, timeout time.Duration) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(timeout):
		t.Fatalf("%s has not ended within %v; it printed:\n%s", p.path(), timeout, tail(p.Output()))
	}
	cmd, _ := p.current()
	return cmd.ProcessState.ExitCode()
}

// Signal sends the program a signal.
func (p *Process) Signal(t workspace.T, s os.Signal) {
	t.Helper()
	cmd, _ := p.current()
	if err := cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatalf("signal %s: %v", cmd.Path, err)
	}
}

// ask asks the program to end, once.
func (p *Process) ask() (err error) {
	p.asked.Do(func() { err = p.end().Signal(syscall.SIGTERM) })
	return err
}

// Kill ends the program at once, as a power cut would.
func (p *Process) Kill(t workspace.T) {
	t.Helper()
	if err := p.end().Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatalf("end %s: %v", p.path(), err)
	}
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
	p.end() // what ends since its input does is not run anew
	_, stdin := p.current()
	stdin.Close()
	if err := p.ask(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatalf("end %s: %v", p.path(), err)
	}
	select {
	case <-p.done:
	case <-time.After(grace):
		p.Kill(t)
		t.Errorf("%s did not end within %v of SIGTERM", p.path(), grace)
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
