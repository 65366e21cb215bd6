package helper

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// DefaultSocket is where the socket unit listens.
const DefaultSocket = "/run/lwm2m-agent/helper.sock"

// Client asks a helper.
type Client struct{ Path string }

// WriteLED writes an attribute of an LED.
func (c Client) WriteLED(ctx context.Context, name, attribute, value string) error {
	return c.ask(ctx, Request{Verb: VerbLED, LED: &LED{name, attribute, value}})
}

// WritePWM writes an attribute of a PWM channel, or its number to the chip's "export".
func (c Client) WritePWM(ctx context.Context, chip string, channel uint16, attribute, value string) error {
	return c.ask(ctx, Request{Verb: VerbPWM, PWM: &PWM{chip, channel, attribute, value}})
}

func (c Client) ask(ctx context.Context, r Request) error {
	_, err := c.askWithin(ctx, 2*requestTime, r, nil)
	return err
}

// askWithin asks for something and waits for the answer, without a limit if it is 0. file
// goes with it; nil: none.
func (c Client) askWithin(ctx context.Context, limit time.Duration, r Request, file *os.File) (Answer, error) {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", c.Path)
	if err != nil {
		return Answer{}, &Untouched{fmt.Errorf(`ask the helper: %w; look at "systemctl status lwm2m-agent-helper.socket"`, err)}
	}
	defer conn.Close() //nolint:errcheck // the answer is here
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	a, err := exchange(conn.(*net.UnixConn), r, file) //nolint:forcetypeassert // it is one, says the network
	switch {
	case ctx.Err() != nil:
		return Answer{}, fmt.Errorf("ask the helper: %w", ctx.Err())
	case err != nil:
		return Answer{}, err
	}
	return a, a.err()
}

// err returns what is wrong, in the helper's words.
func (a *Answer) err() error {
	var err error
	switch text := "the helper: " + a.Error; {
	case a.Error == "":
		return nil
	case a.Result != 0:
		err = &Verdict{a.Result, text}
	default:
		err = errors.New(text)
	}
	if a.Untouched {
		err = &Untouched{err}
	}
	return err
}

// exchange sends a request and reads the answer.
func exchange(conn *net.UnixConn, r Request, file *os.File) (a Answer, err error) {
	line, err := json.Marshal(r)
	if err != nil {
		return a, err
	}
	var control []byte
	if file != nil {
		control = unix.UnixRights(int(file.Fd()))
	}
	_, _, wrote := conn.WriteMsgUnix(append(line, '\n'), control, nil) // one that does not listen to us says so before it has read
	text, err := bufio.NewReader(io.LimitReader(conn, maxAnswer)).ReadBytes('\n')
	if err != nil && wrote != nil {
		return a, fmt.Errorf("ask the helper: %w", wrote)
	}
	if err != nil {
		return a, fmt.Errorf("the helper's answer: %w", err)
	}
	if err := json.Unmarshal(text, &a); err != nil {
		return a, fmt.Errorf("the helper's answer: %w", err)
	}
	return a, nil
}
