package web

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// connection speaks the DevTools protocol over a pair of pipes: JSON messages, each ended by a zero byte
// (chromedevtools.github.io/devtools-protocol, option --remote-debugging-pipe).
type connection struct {
	out io.Writer

	mu      sync.Mutex
	last    int
	waiting map[int]chan message
	ended   error // why no answer will come any more
	onEvent func(message)
}

// message is a command, its answer, or an event.
type message struct {
	ID        int             `json:"id,omitempty"`
	SessionID string          `json:"sessionId,omitempty"`
	Method    string          `json:"method,omitempty"`
	Params    json.RawMessage `json:"params,omitempty"`
	Result    json.RawMessage `json:"result,omitempty"`
	Error     *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

// read takes in messages until the pipe ends; onEvent is called for events, one at a time.
func (c *connection) read(in io.Reader) {
	reader := bufio.NewReader(in)
	for {
		text, err := reader.ReadBytes(0)
		if err != nil {
			c.end(fmt.Errorf("the browser has gone: %w", err))
			return
		}
		var m message
		if err := json.Unmarshal(text[:len(text)-1], &m); err != nil {
			c.end(fmt.Errorf("the browser says %q: %w", text, err))
			return
		}
		if m.ID == 0 {
			c.onEvent(m)
			continue
		}
		c.mu.Lock()
		answer := c.waiting[m.ID]
		delete(c.waiting, m.ID)
		c.mu.Unlock()
		if answer != nil {
			answer <- m
		}
	}
}

func (c *connection) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = err
	for _, answer := range c.waiting {
		close(answer)
	}
	c.waiting = nil
}

// call gives a command and decodes its answer into result, unless that is nil.
func (c *connection) call(ctx context.Context, session, method string, params, result any) error {
	answer, err := c.send(session, method, params)
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	select {
	case m, ok := <-answer:
		switch {
		case !ok:
			return fmt.Errorf("%s: %w", method, c.ended)
		case m.Error != nil:
			return fmt.Errorf("%s: %w", method, errors.New(m.Error.Message))
		case result == nil:
			return nil
		}
		return json.Unmarshal(m.Result, result)
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", method, ctx.Err())
	}
}

func (c *connection) send(session, method string, params any) (<-chan message, error) {
	if params == nil {
		params = struct{}{}
	}
	text, err := json.Marshal(params)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended != nil {
		return nil, c.ended
	}
	c.last++
	command, err := json.Marshal(message{ID: c.last, SessionID: session, Method: method, Params: text})
	if err != nil {
		return nil, err
	}
	answer := make(chan message, 1)
	c.waiting[c.last] = answer
	_, err = c.out.Write(append(command, 0))
	return answer, err
}
