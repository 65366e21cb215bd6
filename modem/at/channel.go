package at

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Port is where a modem is reached. A Write that cannot go out must fail by the
// deadline.
type Port interface {
	io.ReadWriteCloser
	SetWriteDeadline(t time.Time) error
}

// Channel is the conversation with a modem over one port. Run is its only writer;
// Do may be called by several goroutines, whose commands wait for one another.
type Channel struct {
	port     Port
	heard    func(line string)
	requests chan *request
	chunks   chan []byte
	over     chan struct{} // closed when Run has ended

	pushed   func(data string) // takes what scan.pushes is about
	scan     scanner
	latest   time.Time // when something came
	now      *request  // the command under way
	echo     string    // what is still to be echoed of it
	dirty    bool      // an answer was given up that may still come
	escape   string    // ends the wait for text or data that the modem may be at
	holding  bool      // the modem has asked for data, and is left alone for a while
	above    string    // the line before, if a message may stand below it
	resync   resync
	deadline *time.Timer
	garbled  atomic.Bool // something came that is no text
}

// request is a command on its way.
type request struct {
	Command
	limit  time.Duration
	ctx    context.Context //nolint:containedctx // the caller's, who waits
	asked  bool            // for Data
	lines  []string
	size   int
	result chan error
}

// The bounds of an answer.
const (
	maxLines  = 256
	maxAnswer = 64 << 10
)

// Push has bytes of any kind taken that the modem says by itself. counted returns how many stand below
// a line, as scanner.pushes does; both are called from Run's goroutine. It must be called before Run.
func (c *Channel) Push(counted func(head string) int, pushed func(data string)) {
	c.scan.pushes, c.pushed = counted, pushed
}

// writeTime is how long a port may refuse to take a command.
const writeTime = 5 * time.Second

// NewChannel returns a channel over a port, which Run closes. heard is called from
// Run's goroutine for each line that answers no command; it must not block and must
// not call Do.
func NewChannel(port Port, heard func(line string)) *Channel {
	return &Channel{
		port: port, heard: heard, requests: make(chan *request), chunks: make(chan []byte, 4), over: make(chan struct{}),
	}
}

// Do sends a command and returns the lines that answered it. A final result code
// other than OK is an *Error, silence is ErrSilent; whatever came before is returned
// with both.
func (c *Channel) Do(ctx context.Context, cmd Command) ([]string, error) {
	if err := cmd.check(); err != nil {
		return nil, err
	}
	r := &request{Command: cmd, limit: cmd.Limit, ctx: ctx, result: make(chan error, 1)}
	if r.limit == 0 {
		r.limit = DefaultLimit
	}
	if err := ctx.Err(); err != nil { // nothing is sent for somebody who has gone
		return nil, fmt.Errorf("%s: %w", cmd.name(), err)
	}
	select {
	case c.requests <- r:
	case <-c.over:
		return nil, fmt.Errorf("%s: %w", cmd.name(), ErrClosed)
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: %w", cmd.name(), ctx.Err())
	}
	err := <-r.result
	return r.lines, err
}

// Run serves until ctx ends, which gives nil, or the port does.
func (c *Channel) Run(ctx context.Context) error {
	failed := make(chan error, 1)
	gone := make(chan struct{})
	go func() { // ended by closing the port, and waited for below
		defer close(gone)
		failed <- c.read()
	}()
	c.deadline = time.NewTimer(time.Hour)
	c.deadline.Stop()
	err := c.serve(ctx, failed)
	wanted := ctx.Err() != nil // before anybody knows of the end, and ends ctx for it
	c.deadline.Stop()
	close(c.over)
	err = errors.Join(err, c.port.Close())
	for waiting := true; waiting; {
		select {
		case <-c.chunks:
		case <-gone:
			waiting = false
		}
	}
	if wanted {
		err = nil
	}
	return err
}

func (c *Channel) read() error {
	for {
		buf := make([]byte, 1024)
		n, err := c.port.Read(buf)
		if n > 0 {
			select {
			case c.chunks <- buf[:n]:
			case <-c.over:
				return nil
			}
		}
		if err != nil {
			return fmt.Errorf("read the port: %w", err)
		}
	}
}

func (c *Channel) serve(ctx context.Context, failed <-chan error) error {
	for {
		requests, cancelled := c.requests, (<-chan struct{})(nil)
		if c.now != nil {
			requests, cancelled = nil, c.now.ctx.Done()
		}
		var err error
		select {
		case chunk := <-c.chunks:
			err = c.take(chunk)
		case r := <-requests:
			err = c.begin(r)
		case <-cancelled:
			c.giveUp(c.now.ctx.Err())
		case <-c.deadline.C:
			err = c.late()
		case err = <-failed:
			if err == nil {
				err = ErrClosed
			}
		case <-ctx.Done():
			err = ErrClosed
		}
		if err != nil {
			if c.now != nil {
				c.finish(ErrClosed)
			}
			return err
		}
	}
}

// begin sends a command; if an answer is still owed, what tells the two apart goes
// first.
func (c *Channel) begin(r *request) error {
	c.now = r
	if c.dirty {
		c.resync = resync{}
		return c.probe()
	}
	return c.send()
}

func (c *Channel) send() error {
	c.echo = "AT" + c.now.Text
	c.scan.counted = c.now.Counted
	c.deadline.Reset(c.now.limit)
	return c.write(c.echo + "\r")
}

func (c *Channel) write(text string) error {
	// A port without deadlines blocks only itself.
	_ = c.port.SetWriteDeadline(time.Now().Add(writeTime))
	if _, err := io.WriteString(c.port, text); err != nil {
		return fmt.Errorf("write to the port: %w", err)
	}
	return nil
}

// take gives each line that a chunk completes to whom it is for.
func (c *Channel) take(chunk []byte) error {
	var failed error
	now := time.Now()
	if c.scan.pushed && now.Sub(c.latest) > gapTime {
		c.scan.reset()
	}
	c.latest = now
	if slices.ContainsFunc(chunk, func(b byte) bool { return b >= 0x7f || b < ' ' && b != '\r' && b != '\n' && b != '\t' }) {
		c.garbled.Store(true)
	}
	c.scan.feed(chunk, func(line string) {
		if err := c.line(line); err != nil {
			failed = err
		}
	}, c.data)
	if r := c.now; failed == nil && r != nil && r.Data != "" && !r.asked && !c.dirty && c.scan.prompt(r.prompt()) {
		r.asked = true
		if r.Hold == 0 {
			return c.write(r.data())
		}
		c.holding = true
		c.deadline.Reset(r.Hold)
	}
	return failed
}

// gapTime is the longest pause within data that nobody has asked for: what does not come by then, the line has lost.
const gapTime = time.Second

// data takes bytes of any kind, and what of their line stood before them.
func (c *Channel) data(head, data string, pushed bool) {
	if pushed {
		c.pushed(data)
		return
	}
	if c.now == nil || c.dirty {
		return
	}
	if head != "" {
		c.gather(head)
	}
	c.gather(data)
}

func (c *Channel) line(line string) error {
	line = strings.TrimRight(line, " \t")
	above := c.above
	c.above = ""
	switch {
	case line == "" || c.echoed(line):
	case above != "" && isPDU(line):
		c.below(above, line)
	case strings.HasPrefix(line, direct):
		c.above = line
		c.heard(line)
	case restarted(line):
		c.dirty, c.escape = false, "" // what was owed will not come
		c.heard(line)
		if c.now != nil {
			c.finish(ErrRestarted)
		}
	case c.dirty:
		return c.stray(line)
	case c.now == nil:
		c.unasked(line)
	default:
		if err, ok := c.now.ended(line); ok {
			c.ended(err)
		} else if c.now.answers(line) {
			c.gather(line)
			if c.now.Below {
				c.above = line
			}
		} else {
			c.heard(line)
		}
	}
	return nil
}

// direct begins the line above a message that the modem hands over without being asked.
const direct = "+CMT:"

// below takes a message, which belongs to where the line above it does.
func (c *Channel) below(above, line string) {
	if strings.HasPrefix(above, direct) || c.now == nil || c.dirty {
		c.heard(line)
		return
	}
	c.gather(line)
}

// unasked takes a line while no command is under way. A result code then says that
// commands and answers are out of step.
func (c *Channel) unasked(line string) {
	if _, ok := final(line, ""); ok {
		c.dirty = true
		return
	}
	c.heard(line)
}

// ended takes a result code. Success without the answer that was asked for is that
// of another command.
func (c *Channel) ended(err error) {
	if err == nil && c.now.Prefix != "" && len(c.now.lines) == 0 && !c.now.MayBeEmpty {
		c.dirty = true
		err = fmt.Errorf("%s: %w: there is none", c.now.name(), ErrAnswer)
	}
	c.finish(err)
}

// echoed takes what repeats the command, which may come in pieces around URCs.
func (c *Channel) echoed(line string) bool {
	rest, ok := strings.CutPrefix(c.echo, line)
	if !ok || c.echo == "" {
		return false
	}
	c.echo = rest
	return true
}

// gather adds a line to the answer, within its bounds.
func (c *Channel) gather(line string) {
	r := c.now
	r.size += len(line)
	if len(r.lines) < maxLines && r.size <= maxAnswer {
		r.lines = append(r.lines, line)
	}
}

func (c *Channel) finish(err error) {
	r := c.now
	c.now, c.echo, c.holding = nil, "", false
	c.scan.forget()
	c.deadline.Stop()
	r.result <- err
}

// giveUp ends a command whose answer may still come.
func (c *Channel) giveUp(err error) {
	c.dirty = true
	if escape := c.now.escape(); escape != "" {
		c.escape = escape
	}
	c.finish(fmt.Errorf("%s: %w", c.now.name(), err))
}

// boots are how lines begin that modems say after a restart: Quectel and SIMCom,
// Cinterion, Sequans, SIMCom, u-blox SARA-N, Sierra Wireless HL. What they say later on the way up ("APP RDY",
// "SMS Ready") may come long after and is a URC as others.
var boots = []string{"^SYSSTART", "+SYSSTART", "*ATREADY", "REBOOT_CAUSE", "+KSUP"}

func restarted(line string) bool {
	return line == "RDY" || slices.ContainsFunc(boots, func(b string) bool { return strings.HasPrefix(line, b) })
}
