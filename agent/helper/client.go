package helper

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
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
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*requestTime)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", c.Path)
	if err != nil {
		return fmt.Errorf("ask the helper: %w; is lwm2m-agent-helper.socket active?", err)
	}
	defer conn.Close() //nolint:errcheck // the answer is here
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline.Round(time.Millisecond))
	}
	_, wrote := conn.Write(append(line, '\n')) // one that does not listen to us says so before it has read
	text, err := bufio.NewReader(io.LimitReader(conn, maxLine)).ReadBytes('\n')
	if err != nil && wrote != nil {
		return fmt.Errorf("ask the helper: %w", wrote)
	}
	if err != nil {
		return fmt.Errorf("the helper's answer: %w", err)
	}
	var a Answer
	if err := json.Unmarshal(text, &a); err != nil {
		return fmt.Errorf("the helper's answer: %w", err)
	}
	if a.Error != "" {
		return errors.New("the helper: " + a.Error)
	}
	return nil
}
