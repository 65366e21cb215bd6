package server

import (
	"context"
	"fmt"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/wire"
)

// ReadComposite reads several paths at once (Core, section 6.3.8): what the client has
// and lets be read. The list and the answer are in the format, SenML JSON or CBOR.
func (c *Client) ReadComposite(ctx context.Context, f lwm2m.Format, paths ...lwm2m.Path) ([]lwm2m.Node, error) {
	m, err := c.list(f, paths)
	if err != nil {
		return nil, err
	}
	answer, err := c.do(ctx, m)
	if err != nil {
		return nil, err
	}
	return c.server.decode(answer, lwm2m.Path{})
}

// WriteComposite writes resources of any objects, all or none (Core, section 6.3.9).
func (c *Client) WriteComposite(ctx context.Context, f lwm2m.Format, nodes []lwm2m.Node) error {
	return c.send(ctx, coap.IPATCH, lwm2m.Path{}, f, nodes)
}

// ObserveComposite observes several paths together (Core, section 6.4.3) and returns
// their present nodes. What changes comes as Notified events with the root as path, all
// paths in each. A client has one such observation at most: another replaces it.
func (c *Client) ObserveComposite(ctx context.Context, f lwm2m.Format, paths ...lwm2m.Path) ([]lwm2m.Node, error) {
	m, err := c.list(f, paths)
	if err != nil {
		return nil, err
	}
	return c.observe(ctx, m, lwm2m.Path{})
}

// list returns a FETCH of paths.
func (c *Client) list(f lwm2m.Format, paths []lwm2m.Path) (*coap.Message, error) {
	m := c.request(coap.FETCH, lwm2m.Path{})
	m.SetContentFormat(uint16(f))
	m.SetAccept(uint16(wire.AnswerTo(f)))
	var err error
	if m.Payload, err = wire.AppendPaths(nil, f, paths); err != nil {
		return nil, fmt.Errorf("encode a list of paths as %s: %w", f, err)
	}
	return m, nil
}
