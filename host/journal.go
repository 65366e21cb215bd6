package host

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// maxLogLine bounds one line of a log, in bytes; what goes beyond is cut off.
const maxLogLine = 4 << 10

// FollowJournal hands over what systemd's journal holds of the last lines, and
// each new line as it comes, until the context ends, which gives nil. It needs to
// be in the group systemd-journal to see more than its own.
func FollowJournal(ctx context.Context, take func(line []byte)) error {
	return followProgram(ctx, take, "journalctl", "--follow", "--lines=100", "--output=short-iso", "--no-hostname", "--quiet")
}

// followProgram hands over the lines that a program writes. A program that ends
// by itself is an error.
func followProgram(ctx context.Context, take func(line []byte), name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...) // no shell
	var trouble limited
	cmd.Stderr, cmd.WaitDelay = &trouble, time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	err = cmd.Start()
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%w: there is no program %s", ErrNotSupported, name)
	}
	if err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	readErr := eachLine(out, take)
	err = errors.Join(readErr, cmd.Wait())
	if ctx.Err() == nil {
		return fmt.Errorf("%s has ended: %w: %s", name, cmp.Or(err, errNoReason), strings.TrimSpace(string(trouble.kept)))
	}
	return nil
}

var errNoReason = errors.New("without a reason")

// eachLine hands over the lines of r, long ones cut, up to its end.
func eachLine(r io.Reader, take func(line []byte)) error {
	lines := bufio.NewReaderSize(r, maxLogLine)
	for cut := false; ; {
		line, err := lines.ReadSlice('\n')
		if len(line) > 0 && !cut {
			take(line)
		}
		cut = errors.Is(err, bufio.ErrBufferFull)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !cut:
			return err
		}
	}
}
