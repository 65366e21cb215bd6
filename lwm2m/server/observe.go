package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/wire"
)

// observation is one observed path; a goroutine waits for its notifications.
type observation struct {
	coap *coap.Observation
	stop context.CancelFunc
}

// Observe observes p (Core, section 6.4.1) and returns its present nodes. What
// changes comes as Notified events until Cancel, the end of the registration or
// the next Register. Observing again replaces the observation.
func (c *Client) Observe(ctx context.Context, p lwm2m.Path, format ...lwm2m.Format) ([]lwm2m.Node, error) {
	m := c.request(coap.GET, p)
	for _, f := range format {
		m.SetAccept(uint16(f))
	}
	return c.observe(ctx, m, p)
}

// observe observes what m asks for, in place of what was observed at p.
func (c *Client) observe(ctx context.Context, m *coap.Message, p lwm2m.Path) ([]lwm2m.Node, error) {
	if err := c.Cancel(ctx, p); err != nil && !errors.Is(err, errNotObserved) {
		return nil, err
	}
	conn, err := c.listening(ctx)
	if err != nil {
		return nil, err
	}
	obs, answer, err := conn.Observe(ctx, m)
	if err != nil {
		return nil, err
	}
	if err := refusal(answer); err != nil {
		return nil, err
	}
	if obs != nil {
		c.follow(ctx, p, obs)
	}
	return c.server.decode(answer, p)
}

// follow starts the goroutine that takes an observation's notifications. It
// ends with the observation, the registration or the connection.
func (c *Client) follow(began context.Context, p lwm2m.Path, obs *coap.Observation) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(began)) // ended by stop, not with the request that began it
	o := &observation{coap: obs, stop: cancel}
	c.mu.Lock()
	if c.observations == nil {
		c.mu.Unlock()
		cancel()
		return
	}
	c.observations[p] = o
	c.mu.Unlock()
	c.server.followers.Go(func() {
		for {
			m, err := obs.Next(ctx)
			if err != nil {
				if ctx.Err() != nil {
					obs.Forget()
				}
				c.forget(p, o, err)
				return
			}
			c.notified(p, m)
		}
	})
}

func (c *Client) forget(p lwm2m.Path, o *observation, err error) {
	o.stop()
	c.mu.Lock()
	if c.observations[p] == o {
		delete(c.observations, p)
	}
	endpoint := c.reg.Endpoint
	c.mu.Unlock()
	if !errors.Is(err, io.EOF) && !errors.Is(err, context.Canceled) {
		c.server.cfg.Log.Debug("observation ended", slog.String("endpoint", endpoint), slog.String("path", p.String()), slog.Any("error", err))
	}
}

func (c *Client) notified(p lwm2m.Path, m *coap.Message) {
	e := Event{Kind: Notified, Endpoint: c.Registration().Endpoint, Path: p, Err: refusal(m)}
	if e.Err == nil {
		e.Nodes, e.Err = c.server.decode(m, p)
		wire.ResolveTimes(e.Nodes, time.Now())
	}
	c.heard()
	c.server.events.send(e)
}

var errNotObserved = errors.New("the path is not observed")

// Cancel ends the observation of p with a request (Core, section 6.4.2).
func (c *Client) Cancel(ctx context.Context, p lwm2m.Path) error {
	c.mu.Lock()
	o := c.observations[p]
	delete(c.observations, p)
	c.mu.Unlock()
	if o == nil {
		return errNotObserved
	}
	_, err := o.coap.Cancel(ctx)
	o.stop()
	return err
}

// Forget ends the observation of p without a request: the client learns it by
// the RST that answers its next notification (RFC 7641, section 3.6).
func (c *Client) Forget(p lwm2m.Path) {
	c.mu.Lock()
	o := c.observations[p]
	delete(c.observations, p)
	c.mu.Unlock()
	if o != nil {
		o.coap.Forget()
		o.stop()
	}
}

// Observed returns the observed paths.
func (c *Client) Observed() []lwm2m.Path {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]lwm2m.Path, 0, len(c.observations))
	for p := range c.observations {
		out = append(out, p)
	}
	return out
}
