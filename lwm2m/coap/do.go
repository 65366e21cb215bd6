package coap

import (
	"context"
	"errors"
	"fmt"

	"github.com/plgd-dev/go-coap/v3/message"
)

// Do sends a request and returns the response, whatever its code. Bodies of either
// direction go block-wise when they are long. The response belongs to the caller.
// It waits as long as ctx and the [Params] allow. The error wraps [ErrTimeout],
// [ErrReset], [ErrClosed], [ErrQueueFull], [ErrBlock], [ErrChanged], [ErrBodyTooLarge],
// [ErrTooLong] or ctx's error.
func (c *Conn) Do(ctx context.Context, req *Message) (*Message, error) {
	t := transfer{conn: c, ctx: ctx, req: req, limit: int64(c.options.Limits.MaxBody)}
	m, err := t.run()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", req.Code, req.Path(), err)
	}
	return m, nil
}

// Ping asks for a sign of life (RFC 7252 section 4.3, RFC 8323 section 5.4). Errors are those of Do.
func (c *Conn) Ping(ctx context.Context) error {
	if c.stream != nil {
		return c.pingStream(ctx)
	}
	o := &outgoing{confirmable: true, datagram: appendEmpty(nil, CON, 0)}
	err := c.wait(ctx, o)
	if err != nil && !errors.Is(err, ErrReset) {
		return fmt.Errorf("ping: %w", err)
	}
	return nil
}

// once is one request without regard to blocks: what is sent and what it begins.
type once struct {
	req     *Message
	options message.Options
	payload []byte
	token   Token        // empty: a new one
	begins  *Observation // or nil
}

// exchange sends one request in one message and waits for the response.
func (c *Conn) exchange(ctx context.Context, r once) (*Message, error) {
	k, err := c.ask(ctx, r)
	if err != nil {
		return nil, err
	}
	m, _, err := k.wait(ctx)
	return m, err
}

// ask sends one request in one message.
func (c *Conn) ask(ctx context.Context, r once) (*call, error) {
	t, token := CON, r.token
	if r.req.Type == NON || c.stream != nil {
		t = NON
	}
	if token.len == 0 {
		token.len = newTokenLen // room for it
	}
	datagram, err := c.encode(nil, t, r.req.Code, 0, token, r.options, r.payload)
	if err != nil {
		return nil, err
	}
	return c.call(ctx, &outgoing{
		datagram: datagram, confirmable: t == CON, request: true, token: r.token, observation: r.begins,
	})
}

// wait submits what has no response, and waits for its end.
func (c *Conn) wait(ctx context.Context, o *outgoing) error {
	k, err := c.call(ctx, o)
	if err != nil {
		return err
	}
	_, _, err = k.wait(ctx)
	return err
}

// call is something that was submitted and whose end is awaited.
type call struct {
	o     *outgoing
	ended chan callEnd
}

type callEnd struct {
	response *Message
	err      error
}

// call submits o.
func (c *Conn) call(ctx context.Context, o *outgoing) (*call, error) {
	k := &call{o, make(chan callEnd, 1)}
	o.done = func(response *Message, err error) { k.ended <- callEnd{response, err} }
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := c.submit(o); err != nil {
		return nil, err
	}
	return k, nil
}

// wait waits for the end, and tells whether the request had to be repeated.
func (k *call) wait(ctx context.Context) (response *Message, repeated bool, err error) {
	select {
	case e := <-k.ended:
		return e.response, k.o.repeated, e.err
	case <-ctx.Done():
		k.cancel()
		return nil, false, ctx.Err()
	}
}

// cancel forgets it, if it has not ended.
func (k *call) cancel() { k.o.conn.cancel(k.o) }
