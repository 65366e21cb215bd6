package coap

import (
	"context"
	"fmt"
	"io"
	"time"
)

// Limits of the Observe option (RFC 7641 sections 2 and 3.4).
const (
	maxSequence   = 1<<24 - 1
	halfSequence  = 1 << 23
	sequenceValid = 128 * time.Second
)

// Observation receives the notifications of one observed resource.
type Observation struct {
	conn *Conn
	req  *Message // a copy

	// guarded by Conn.mu
	token       Token
	established bool
	sequence    uint32    // of the latest notification
	at          time.Time // it came
	queue       []*Message
	ended       error         // what Next returns after the queue
	changed     chan struct{} // has room for one: the queue or ended changed
}

// Observe sends a GET or FETCH with Observe 0. It returns the response, and an
// Observation if the peer accepted. Errors are those of [Conn.Do].
func (c *Conn) Observe(ctx context.Context, req *Message) (*Observation, *Message, error) {
	o := &Observation{conn: c, req: req.Clone(), changed: make(chan struct{}, 1)}
	o.req.SetObserve(0)
	t := transfer{conn: c, ctx: ctx, req: o.req, limit: int64(c.options.Limits.MaxBody), begins: o}
	m, err := t.run()
	c.mu.Lock()
	established := o.established
	if err != nil || !established {
		c.forget(o, io.EOF)
	}
	c.mu.Unlock()
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("observe %s: %w", req.Path(), err)
	case !established:
		return nil, m, nil
	}
	return o, m, nil
}

// Token identifies the observation.
func (o *Observation) Token() Token {
	o.conn.mu.Lock()
	defer o.conn.mu.Unlock()
	return o.token
}

// Next waits for the next notification, with its whole body, in the order of RFC 7641
// section 3.4; outdated ones are left out. A notification with an error code, or without a
// sequence number, is the last: after it, and after Cancel and Forget, the error is [io.EOF].
// Otherwise it is that of [Conn.Do]; a failed transfer of a long body does not end the
// observation. The message belongs to the caller.
func (o *Observation) Next(ctx context.Context) (*Message, error) {
	for {
		m, err := o.take()
		switch {
		case err != nil:
			return nil, err
		case m != nil:
			return o.complete(ctx, m)
		}
		select {
		case <-o.changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// take returns the oldest notification that waits, nil if there is none.
func (o *Observation) take() (*Message, error) {
	o.conn.mu.Lock()
	defer o.conn.mu.Unlock()
	if len(o.queue) == 0 {
		return nil, o.ended
	}
	m := o.queue[0]
	o.queue[0] = nil
	o.queue = o.queue[1:]
	return m, nil
}

// complete fetches the rest of a body that is longer than one block (RFC 7959 section 2.6).
func (o *Observation) complete(ctx context.Context, first *Message) (*Message, error) {
	t := transfer{conn: o.conn, ctx: ctx, req: o.req, limit: int64(o.conn.options.Limits.MaxBody)}
	m, err := t.collectAnew(first)
	if err != nil {
		return nil, fmt.Errorf("notification of %s: %w", o.req.Path(), err)
	}
	return m, nil
}

// accepted takes the response to the request that is to begin the observation.
func (o *Observation) accepted(m *Message) {
	sequence, ok := m.Observe()
	if ok && m.Code.IsSuccess() && !o.established {
		o.established, o.sequence, o.at = true, sequence, time.Now()
	}
}

// push queues a notification unless it is outdated. Conn.mu is held.
func (o *Observation) push(m *Message, now time.Time) {
	sequence, ok := m.Observe()
	last := !ok || !m.Code.IsSuccess()
	if !last {
		if o.conn.stream == nil && !fresher(sequence, o.sequence) && now.Sub(o.at) <= sequenceValid {
			return
		}
		o.sequence, o.at = sequence, now
	}
	if len(o.queue) >= o.conn.options.Limits.MaxNotifications {
		o.queue[0] = nil
		o.queue = o.queue[1:]
	}
	o.queue = append(o.queue, m)
	if last {
		o.conn.forget(o, io.EOF)
	}
	o.signal()
}

// fresher compares sequence numbers (RFC 7641 section 3.4).
func fresher(v, than uint32) bool {
	return than < v && v-than < halfSequence || than > v && than-v > halfSequence
}

func (o *Observation) signal() {
	select {
	case o.changed <- struct{}{}:
	default:
	}
}

// finish makes Next return err after what waits. Conn.mu is held.
func (o *Observation) finish(err error) {
	if o.ended == nil {
		o.ended = err
		o.signal()
	}
}

// forget ends an observation. mu is held.
func (c *Conn) forget(o *Observation, err error) {
	if c.observations[o.token] == o {
		delete(c.observations, o.token)
	}
	o.finish(err)
}

// Cancel ends the observation with a request of Observe 1 (RFC 7641 section 3.6) and
// returns the response.
func (o *Observation) Cancel(ctx context.Context) (*Message, error) {
	req := o.req.Clone()
	req.SetObserve(1)
	t := transfer{conn: o.conn, ctx: ctx, req: req, limit: int64(o.conn.options.Limits.MaxBody), token: o.Token()}
	m, err := t.run()
	o.Forget()
	if err != nil {
		return nil, fmt.Errorf("cancel observation of %s: %w", req.Path(), err)
	}
	return m, nil
}

// Forget ends the observation without a request: the next notification is answered
// with RST.
func (o *Observation) Forget() {
	o.conn.mu.Lock()
	defer o.conn.mu.Unlock()
	o.conn.forget(o, io.EOF)
}
