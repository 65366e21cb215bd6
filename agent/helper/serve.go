package helper

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
}

// The bounds of what is served at once, and how long one connection may take.
const (
	maxConnections = 4
	requestTime    = 5 * time.Second
)

// verbs is the table of what can be asked for.
var verbs = map[string]func(o *Options, r *Request) error{
	VerbLED: writeLED,
	VerbPWM: writePWM,
}

// Serve serves a unix socket until ctx ends or nobody asks any more.
func Serve(ctx context.Context, l net.Listener, o Options) error {
	if o.Sys == "" {
		o.Sys = "/sys"
	}
	if o.Idle == 0 {
		o.Idle = time.Minute
	}
	idle := time.AfterFunc(o.Idle, func() { _ = l.Close() })
	defer idle.Stop()
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
		idle.Reset(o.Idle)
		serving.Go(func() {
			defer func() { <-room }()
			defer c.Close() //nolint:errcheck // the answer is out
			o.serve(c)
		})
	}
}

// serve answers one request.
func (o *Options) serve(c net.Conn) {
	_ = c.SetDeadline(time.Now().Add(requestTime))
	var answer Answer
	uid, err := peer(c)
	switch {
	case err != nil:
	case !slices.Contains(o.Users, uid):
		err = fmt.Errorf("user %d may not ask for anything", uid)
	default:
		err = o.do(c)
	}
	if err != nil {
		answer.Error = err.Error()
		o.Log.Warn("request refused", slog.Int64("user", int64(uid)), slog.Any("error", err))
	}
	line, err := json.Marshal(answer)
	if err == nil {
		_, _ = c.Write(append(line, '\n')) // to somebody who may have gone
	}
}

// do reads a request and does what it asks for.
func (o *Options) do(c io.Reader) error {
	line, err := bufio.NewReader(io.LimitReader(c, maxLine)).ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("a request is one line of at most %d bytes", maxLine)
	}
	var r Request
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return fmt.Errorf("a request is one line of JSON: %w", err)
	}
	if d.More() {
		return errors.New("there is something behind the request")
	}
	verb := verbs[r.Verb]
	if verb == nil {
		return fmt.Errorf("there is no verb %.20q", r.Verb)
	}
	if err := verb(o, &r); err != nil {
		return fmt.Errorf("%s: %w", r.Verb, err)
	}
	return nil
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
