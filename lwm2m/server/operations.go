package server

import (
	"context"
	"fmt"
	"strings"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/wire"
	"lwm2m-agent/lwm2m/wire/link"
)

// Every operation returns an *lwm2m.Error if the client refuses, an error that
// wraps ErrAsleep or ErrGone if it cannot be asked, and one of coap's if it does
// not answer. ctx bounds waiting and exchange together.

// Read reads p (Core, section 6.3.1). Without a format the client chooses.
func (c *Client) Read(ctx context.Context, p lwm2m.Path, format ...lwm2m.Format) ([]lwm2m.Node, error) {
	m := c.request(coap.GET, p)
	for _, f := range format {
		m.SetAccept(uint16(f))
	}
	answer, err := c.do(ctx, m)
	if err != nil {
		return nil, err
	}
	return c.server.decode(answer, p)
}

// Discover lists what is at p and below (Core, section 6.3.2).
func (c *Client) Discover(ctx context.Context, p lwm2m.Path) ([]link.Link, error) {
	m := c.request(coap.GET, p)
	m.SetAccept(uint16(lwm2m.FormatLink))
	answer, err := c.do(ctx, m)
	if err != nil {
		return nil, err
	}
	return link.Parse(answer.Payload)
}

// Replace writes p with PUT, Update with POST (Core, section 6.3.3).
func (c *Client) Replace(ctx context.Context, p lwm2m.Path, f lwm2m.Format, nodes []lwm2m.Node) error {
	return c.send(ctx, coap.PUT, p, f, nodes)
}

// Update writes p with POST: what the nodes do not mention stays.
func (c *Client) Update(ctx context.Context, p lwm2m.Path, f lwm2m.Format, nodes []lwm2m.Node) error {
	return c.send(ctx, coap.POST, p, f, nodes)
}

func (c *Client) send(ctx context.Context, method coap.Code, p lwm2m.Path, f lwm2m.Format, nodes []lwm2m.Node) error {
	m, err := c.payload(method, p, f, nodes)
	if err != nil {
		return err
	}
	_, err = c.do(ctx, m)
	return err
}

func (c *Client) payload(method coap.Code, p lwm2m.Path, f lwm2m.Format, nodes []lwm2m.Node) (*coap.Message, error) {
	m := c.request(method, p)
	m.SetContentFormat(uint16(f))
	var err error
	if m.Payload, err = wire.Append(nil, f, p, nodes); err != nil {
		return nil, fmt.Errorf("encode %s as %s: %w", p, f, err)
	}
	return m, nil
}

// WriteAttributes attaches notification attributes to p: "pmin=10" sets one,
// "pmin" takes it away (Core, section 6.3.4).
func (c *Client) WriteAttributes(ctx context.Context, p lwm2m.Path, queries ...string) error {
	m := c.request(coap.PUT, p)
	for _, q := range queries {
		m.AddQuery(q)
	}
	_, err := c.do(ctx, m)
	return err
}

// Execute runs the resource at p with the arguments as they stand on the wire,
// "" for none (Core, section 6.3.5).
func (c *Client) Execute(ctx context.Context, p lwm2m.Path, arguments string) error {
	m := c.request(coap.POST, p)
	if arguments != "" {
		m.SetContentFormat(uint16(lwm2m.FormatText))
		m.Payload = []byte(arguments)
	}
	_, err := c.do(ctx, m)
	return err
}

// Create makes an instance of the object at p and returns its path (Core,
// section 6.3.6). The nodes lie below the wished instance, which the format
// must be able to tell; TLV without nodes lets the client choose.
func (c *Client) Create(ctx context.Context, p lwm2m.Path, f lwm2m.Format, nodes []lwm2m.Node) (lwm2m.Path, error) {
	m, err := c.payload(coap.POST, p, f, nodes)
	if err != nil {
		return lwm2m.Path{}, err
	}
	answer, err := c.do(ctx, m)
	if err != nil {
		return lwm2m.Path{}, err
	}
	location := strings.TrimPrefix(answer.LocationPath(), c.Registration().Root)
	if location == "" && len(nodes) > 0 {
		return nodes[0].Path.At(lwm2m.LevelInstance), nil
	}
	return lwm2m.ParsePath(location)
}

// Delete removes the object instance at p (Core, section 6.3.7).
func (c *Client) Delete(ctx context.Context, p lwm2m.Path) error {
	_, err := c.do(ctx, c.request(coap.DELETE, p))
	return err
}
