package helper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Options are what Serve stands on.
type Options struct {
	Users []uint32      // whose requests are served
	Sys   string        // root of sysfs; "": "/sys"
	Idle  time.Duration // without a request, after which Serve returns; 0: a minute
	Log   *slog.Logger
	// Firmware returns the slots of the machine's firmware, as root's configuration has
	// them now; nil: there are none.
	Firmware func() (Firmware, error)

	changing chan struct{} // holds something while a slot is changed
}

// The bounds of what is served at once, and how long a request may take to come, and a
// change that waits for another one to be over.
const (
	maxConnections = 4
	requestTime    = 5 * time.Second
	slotTime       = 3 * time.Minute
)

// call is a request that is being served.
type call struct {
	*Options
	request Request
	file    *os.File // that came with it; nil: none
	answer  Answer
	changes bool // slots, from here on
}

// verb is one thing that can be asked for. 0 of time is as long as whoever asks waits.
type verb struct {
	time time.Duration
	do   func(ctx context.Context, c *call) error
}

// verbs is the table of what can be asked for.
var verbs = map[string]verb{
	VerbLED: {requestTime, func(_ context.Context, c *call) error { return writeLED(c.Options, &c.request) }},
	VerbPWM: {requestTime, func(_ context.Context, c *call) error { return writePWM(c.Options, &c.request) }},

	VerbSlots:    {slotTime, showSlots},
	VerbProbe:    {slotTime, probeSlots},
	VerbInstall:  {0, installSlot},
	VerbActivate: {slotTime, activateSlot},
	VerbMark:     {slotTime, markSlot},
}

// Serve serves a unix socket until ctx ends or nobody asks any more. What is being done when ctx ends goes on to its end, unless whoever asked
// for it hangs up: a slot that is half written is of no use.
func Serve(ctx context.Context, l net.Listener, o Options) error {
	if o.Sys == "" {
		o.Sys = "/sys"
	}
	if o.Idle == 0 {
		o.Idle = time.Minute
	}
	o.changing = make(chan struct{}, 1)
	idle := newIdleness(o.Idle, func() { _ = l.Close() })
	defer idle.timer.Stop()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	var serving sync.WaitGroup
	defer serving.Wait()
	room := make(chan struct{}, maxConnections)
	for {
		room <- struct{}{}
		c, err := l.Accept()
		if err != nil {
			<-room
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			return fmt.Errorf("accept on the helper's socket: %w", err)
		}
		idle.begin()
		serving.Go(func() {
			defer func() { <-room }()
			defer idle.end()
			defer c.Close() //nolint:errcheck // the answer is out
			o.serve(context.WithoutCancel(ctx), c)
		})
	}
}

// idleness calls when nothing has been served for a time.
type idleness struct {
	time  time.Duration
	timer *time.Timer
	mu    sync.Mutex
	calls int // that are being served
}

func newIdleness(after time.Duration, f func()) *idleness {
	return &idleness{time: after, timer: time.AfterFunc(after, f)}
}

func (i *idleness) begin() { i.count(1) }
func (i *idleness) end()   { i.count(-1) }

func (i *idleness) count(n int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.calls += n; i.calls > 0 {
		i.timer.Stop()
	} else {
		i.timer.Reset(i.time)
	}
}

// serve answers one request.
func (o *Options) serve(ctx context.Context, c net.Conn) {
	_ = c.SetDeadline(time.Now().Add(requestTime))
	work := &call{Options: o}
	uid, err := peer(c)
	switch {
	case err != nil:
	case !slices.Contains(o.Users, uid):
		err = fmt.Errorf("user %d may not ask for anything", uid)
	default:
		err = work.serve(ctx, c.(*net.UnixConn)) //nolint:forcetypeassert // peer has looked
	}
	if err != nil {
		work.answer = Answer{Error: err.Error()}
		if v, ok := errors.AsType[*Verdict](err); ok {
			work.answer.Result = v.Result
		}
		_, untouched := errors.AsType[*Untouched](err)
		work.answer.Untouched = untouched || !work.changes
		o.Log.Warn("request refused", slog.Int64("user", int64(uid)), slog.Any("error", err))
	}
	line, err := json.Marshal(work.answer)
	if err == nil {
		_ = c.SetWriteDeadline(time.Now().Add(requestTime))
		_, _ = c.Write(append(line, '\n')) // to somebody who may have gone
	}
}

// serve reads a request and does what it asks for, until that is done or whoever asks
// hangs up.
func (c *call) serve(ctx context.Context, conn *net.UnixConn) error {
	line, file, err := receive(conn)
	if err != nil {
		return err
	}
	if c.file = file; file != nil {
		defer file.Close() //nolint:errcheck // only read
	}
	if c.request, err = parse(line); err != nil {
		return err
	}
	v, ok := verbs[c.request.Verb]
	if !ok {
		return fmt.Errorf("there is no verb %.20q", c.request.Verb)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if v.time > 0 {
		ctx, cancel = context.WithTimeout(ctx, v.time)
		defer cancel()
	}
	defer watch(conn, cancel)()
	if err := v.do(ctx, c); err != nil {
		return fmt.Errorf("%s: %w", c.request.Verb, err)
	}
	return nil
}

// watch calls when the other end hangs up, or says anything more, until it is ended.
func watch(c net.Conn, gone func()) (end func()) {
	_ = c.SetReadDeadline(time.Time{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = c.Read(make([]byte, 1))
		gone()
	}()
	return func() {
		_ = c.SetReadDeadline(time.Now())
		<-ended
	}
}

// peer returns the user at the other end, as the kernel knows it.
func peer(c net.Conn) (uint32, error) {
	conn, ok := c.(*net.UnixConn)
	if !ok {
		return 0, fmt.Errorf("%T is no unix socket", c)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *unix.Ucred
	failure := raw.Control(func(fd uintptr) { cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err := errors.Join(failure, err); err != nil {
		return 0, fmt.Errorf("ask who is at the other end: %w", os.NewSyscallError("getsockopt", err))
	}
	return cred.Uid, nil
}
