package demo

import (
	"context"
	"fmt"
	"slices"

	"lwm2m-agent/agent/web"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/server"
)

// Remote operates the board over the wire, through the embedded server.
type Remote struct {
	Server      *server.Server
	Endpoint    string
	Definitions model.Definitions
	State       func() web.Registration // of the agent's side
}

var _ web.Operator = (*Remote)(nil)

// Registration implements web.Operator.
func (r *Remote) Registration() web.Registration { return r.State() }

func (r *Remote) client() (*server.Client, error) {
	c, ok := r.Server.Client(r.Endpoint)
	if !ok {
		return nil, fmt.Errorf("%s is not registered", r.Endpoint)
	}
	return c, nil
}

// Paths implements web.Operator: it discovers every object that is registered.
func (r *Remote) Paths(ctx context.Context) ([]lwm2m.Path, error) {
	c, err := r.client()
	if err != nil {
		return nil, err
	}
	reg := c.Registration()
	seen := make(map[uint16]bool)
	var paths []lwm2m.Path
	for _, l := range reg.Objects {
		p, err := l.Path(reg.Root)
		if err != nil || p.IsRoot() || seen[p.Object()] {
			continue // a link that names no object of this client
		}
		seen[p.Object()] = true
		links, err := c.Discover(ctx, p.At(lwm2m.LevelObject))
		if err != nil {
			return nil, err
		}
		for _, l := range links {
			if p, err := l.Path(reg.Root); err == nil {
				paths = append(paths, p)
			}
		}
	}
	slices.SortFunc(paths, lwm2m.Path.Compare)
	return paths, nil
}

// Read implements web.Operator.
func (r *Remote) Read(ctx context.Context, p lwm2m.Path) ([]lwm2m.Node, error) {
	c, err := r.client()
	if err != nil {
		return nil, err
	}
	return c.Read(ctx, p)
}

// Write implements web.Operator.
func (r *Remote) Write(ctx context.Context, p lwm2m.Path, v lwm2m.Value) error {
	c, err := r.client()
	if err != nil {
		return err
	}
	return c.Replace(ctx, p, lwm2m.FormatText, []lwm2m.Node{{Path: p, Value: v}})
}

// Execute implements web.Operator.
func (r *Remote) Execute(ctx context.Context, p lwm2m.Path, args string) error {
	c, err := r.client()
	if err != nil {
		return err
	}
	return c.Execute(ctx, p, args)
}

// Observe implements web.Operator.
func (r *Remote) Observe(ctx context.Context, p lwm2m.Path) ([]lwm2m.Node, error) {
	c, err := r.client()
	if err != nil {
		return nil, err
	}
	return c.Observe(ctx, p)
}

// Cancel implements web.Operator.
func (r *Remote) Cancel(ctx context.Context, p lwm2m.Path) error {
	c, err := r.client()
	if err != nil {
		return err
	}
	return c.Cancel(ctx, p)
}

// WriteAttributes implements web.Operator.
func (r *Remote) WriteAttributes(ctx context.Context, p lwm2m.Path, queries ...string) error {
	c, err := r.client()
	if err != nil {
		return err
	}
	return c.WriteAttributes(ctx, p, queries...)
}

// Observed implements web.Operator.
func (r *Remote) Observed() []lwm2m.Path {
	c, err := r.client()
	if err != nil {
		return []lwm2m.Path{}
	}
	return append([]lwm2m.Path{}, c.Observed()...)
}

// Follow sends what the server is told to the page until ctx ends. A Task.
func (r *Remote) Follow(ctx context.Context, feed *web.Feed) error {
	events, end := r.Server.Events(eventBuffer)
	defer end()
	var objects []string
	for {
		select {
		case e := <-events:
			switch e.Kind {
			case server.Notified, server.Sent:
				feed.Values(e.Nodes)
			case server.Registered, server.Updated:
				if now := targets(&e.Registration); e.Kind == server.Registered || !slices.Equal(now, objects) {
					objects = now
					feed.Objects()
				}
			case server.Deregistered, server.Expired:
				feed.Objects()
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// eventBuffer is how many events of the server may wait for Follow.
const eventBuffer = 256

func targets(r *server.Registration) []string {
	out := make([]string, 0, len(r.Objects))
	for _, l := range r.Objects {
		out = append(out, l.Target)
	}
	return out
}
