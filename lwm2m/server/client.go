package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
)

// ErrAsleep says that a client in queue mode did not wake up in time.
var ErrAsleep = errors.New("the client is asleep")

// ErrGone says that the client is not registered any more.
var ErrGone = errors.New("the client is not registered any more")

// Client is a registered client. Its operations may be called from any
// goroutine; one that is asleep gets them when it wakes up.
type Client struct {
	server *Server
	apart  bool // it has a connection of its own, and not the one of Serve

	mu           sync.Mutex
	reg          Registration
	conn         *coap.Conn
	expiry       *time.Timer
	gone         bool
	wake         chan struct{} // closed and made anew at each sign of life
	observations map[lwm2m.Path]*observation
}

// Registration returns what the client last told.
func (c *Client) Registration() Registration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reg
}

// Awake reports whether the client can be asked now.
func (c *Client) Awake() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.awake()
}

func (c *Client) awake() bool {
	if c.gone {
		return false
	}
	return !c.reg.Queue || c.server.cfg.Now().Sub(c.conn.LastReceived()) < c.server.cfg.AwakeTime
}

func (c *Client) connection() *coap.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conn
}

// registered begins a registration: observations of an earlier one are over
// (Core, section 6.4.1).
func (c *Client) registered(reg Registration, conn *coap.Conn) {
	c.mu.Lock()
	old := c.observations
	c.observations, c.gone, c.apart = make(map[lwm2m.Path]*observation), false, reg.Secure || reg.Stream
	c.mu.Unlock()
	for _, o := range old {
		o.stop()
	}
	c.updated(reg, conn)
}

func (c *Client) updated(reg Registration, conn *coap.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reg, c.conn = reg, conn
	if c.expiry != nil {
		c.expiry.Stop()
		c.expiry = nil
	}
	if reg.Lifetime > 0 {
		c.expiry = time.AfterFunc(reg.Lifetime+c.server.cfg.Grace, func() { c.server.remove(c, reg.ID, Expired) })
	}
	c.signal()
}

// heard notes a sign of life.
func (c *Client) heard() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.signal()
}

func (c *Client) signal() {
	close(c.wake)
	c.wake = make(chan struct{})
}

func (c *Client) ended() {
	c.mu.Lock()
	old := c.observations
	c.observations, c.gone = nil, true
	if c.expiry != nil {
		c.expiry.Stop()
	}
	c.signal()
	c.mu.Unlock()
	for _, o := range old {
		o.stop()
	}
}

// Conn waits until the client can be asked and returns its connection, for requests
// that the operations below do not make. Errors are theirs.
func (c *Client) Conn(ctx context.Context) (*coap.Conn, error) { return c.listening(ctx) }

// listening waits until the client can be asked and returns its connection.
func (c *Client) listening(ctx context.Context) (*coap.Conn, error) {
	for {
		c.mu.Lock()
		conn, wake, awake, gone, endpoint := c.conn, c.wake, c.awake(), c.gone, c.reg.Endpoint
		c.mu.Unlock()
		switch {
		case gone:
			return nil, fmt.Errorf("%s: %w", endpoint, ErrGone)
		case awake:
			return conn, nil
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return nil, fmt.Errorf("%s: %w (%w)", endpoint, ErrAsleep, context.Cause(ctx))
		}
	}
}

// do carries out one request and returns a refusal as an *lwm2m.Error.
func (c *Client) do(ctx context.Context, m *coap.Message) (*coap.Message, error) {
	conn, err := c.listening(ctx)
	if err != nil {
		return nil, err
	}
	answer, err := conn.Do(ctx, m)
	if err != nil {
		return nil, fmt.Errorf("%s %s at %s: %w", m.Code, m.Path(), c.Registration().Endpoint, err)
	}
	return answer, refusal(answer)
}

func refusal(m *coap.Message) error {
	if m.Code.IsSuccess() {
		return nil
	}
	return &lwm2m.Error{Code: lwm2m.Code(m.Code), Reason: string(m.Payload)}
}

// request returns a request to a path of the client.
func (c *Client) request(method coap.Code, p lwm2m.Path) *coap.Message {
	m := &coap.Message{Code: method}
	m.SetPath(c.Registration().Root + p.String())
	return m
}
