package fota

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// maxOutput bounds what is kept of a program's words, in bytes.
const maxOutput = 300

// output keeps the end of what a program says.
type output []byte

func (o *output) Write(b []byte) (int, error) {
	*o = append(*o, b...)
	if len(*o) > maxOutput {
		*o = (*o)[len(*o)-maxOutput:]
	}
	return len(b), nil
}

// line returns it in one line.
func (o *output) line() string { return strings.Join(strings.Fields(string(*o)), " ") }

// maxPrinted bounds what Run returns, in bytes.
const maxPrinted = 1 << 20

// printed keeps the beginning of what a program prints, and notes if there is more.
type printed struct {
	kept []byte
	over bool
}

func (p *printed) Write(b []byte) (int, error) {
	fits := min(len(b), maxPrinted-len(p.kept))
	p.over = p.over || fits < len(b)
	p.kept = append(p.kept, b[:fits]...)
	return len(b), nil
}

// own are the variables by which the service manager speaks to the agent and to nobody else: the socket that a script could say READY=1 or STOPPING=1
// to, the watchdog, sockets that it hands over, the folder of credentials (systemd.exec(5), sd_notify(3)); and the one by which the agent's units say that Go
// code of the agent is to run in one thread at a time.
var own = []string{
	"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "CREDENTIALS_DIRECTORY", "GOMAXPROCS",
}

// Environ returns the environment of programs that are started: the agent's, without what is only its own.
func Environ() []string {
	return slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return slices.Contains(own, name)
	})
}

// Run runs a program to its end and returns what it prints on standard output and,
// in one line, the end of what it prints on standard error. The error, which has
// these words too, wraps an [exec.ExitError] if the program ends with another status
// than 0.
func Run(ctx context.Context, input, name string, args ...string) (stdout []byte, words string, err error) {
	var out printed
	var said output
	c := exec.CommandContext(ctx, name, args...)
	c.Stdin, c.Stdout, c.Stderr, c.Env, c.WaitDelay = strings.NewReader(input), &out, &said, Environ(), time.Second
	err = c.Run()
	words = said.line()
	switch {
	case ctx.Err() != nil:
		err = fmt.Errorf("%s: it has not ended in time: %w", name, ctx.Err())
	case err != nil:
		err = withWords(name, err, words)
	case out.over:
		err = fmt.Errorf("%s: it prints more than %d bytes", name, maxPrinted)
	}
	return out.kept, words, err
}

// withWords is why a program has failed, with what it has said.
func withWords(name string, err error, words string) error {
	if words == "" {
		return fmt.Errorf("%s: %w", name, err)
	}
	return fmt.Errorf("%s: %w: %s", name, err, words)
}

// Program returns a Check that runs a program, which must end with 0.
func Program(name string, args ...string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		var said output
		c := exec.CommandContext(ctx, name, args...)
		c.Stdout, c.Stderr, c.Env, c.WaitDelay = &said, &said, Environ(), time.Second
		err := c.Run()
		if ctx.Err() != nil {
			err = errors.New("it has not ended in time")
		}
		if err != nil {
			return withWords(name, err, said.line())
		}
		return nil
	}
}
