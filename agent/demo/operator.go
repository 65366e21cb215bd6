package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"lwm2m-agent/agent/web"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/server"
	"lwm2m-agent/lwm2m/wire/link"
)

// Remote operates the board over the wire, through the embedded server. What it
// was asked to observe it observes again after each Register, which ends all
// observations (Core, section 6.4.1).
type Remote struct {
	server    *server.Server
	endpoint  string
	state     func() web.Registration
	log       *slog.Logger
	events    <-chan server.Event
	endEvents func()

	mu      sync.Mutex
	wanted  map[lwm2m.Path]bool
	awaited map[lwm2m.Path]bool // resources that had no value when they were to be observed
}

var _ web.Operator = (*Remote)(nil)

// eventBuffer is how many events of the server may wait for Follow.
const eventBuffer = 256

// NewRemote returns an operator on the client of a server with the given endpoint
// name. state says how the registration stands, in the eyes of the client. Follow
// is to be run.
func NewRemote(s *server.Server, endpoint string, state func() web.Registration, log *slog.Logger) *Remote {
	r := &Remote{server: s, endpoint: endpoint, state: state, log: log, wanted: make(map[lwm2m.Path]bool), awaited: make(map[lwm2m.Path]bool)}
	r.events, r.endEvents = s.Events(eventBuffer)
	return r
}

// Registration implements web.Operator.
func (r *Remote) Registration() web.Registration { return r.state() }

var errUnregistered = errors.New("the board is not registered at the moment")

func (r *Remote) client() (*server.Client, error) {
	c, ok := r.server.Client(r.endpoint)
	if !ok {
		return nil, errUnregistered
	}
	return c, nil
}

// Instances implements web.Operator: it lists what the board has registered.
func (r *Remote) Instances() []lwm2m.Path {
	c, err := r.client()
	if err != nil {
		return nil
	}
	reg := c.Registration()
	var paths []lwm2m.Path
	for _, l := range reg.Objects {
		if p, err := l.Path(reg.Root); err == nil && p.Level() == lwm2m.LevelInstance {
			paths = append(paths, p)
		}
	}
	slices.SortFunc(paths, lwm2m.Path.Compare)
	return paths
}

// Discover implements web.Operator.
func (r *Remote) Discover(ctx context.Context, instance lwm2m.Path) ([]web.Found, error) {
	c, err := r.client()
	if err != nil {
		return nil, err
	}
	links, err := c.Discover(ctx, instance)
	if err != nil {
		return nil, err
	}
	var found []web.Found
	root := c.Registration().Root
	for _, l := range links {
		p, err := l.Path(root)
		if err != nil || !instance.Contains(p) || p.Level() > lwm2m.LevelResource {
			continue
		}
		if f := (web.Found{Path: p, Attributes: attributes(l)}); p != instance || len(f.Attributes) > 0 {
			found = append(found, f)
		}
	}
	slices.SortStableFunc(found, func(a, b web.Found) int { return a.Path.Compare(b.Path) })
	return found, nil
}

// descriptive are the link attributes that describe, and that Write-Attributes
// does not know (Core, section 7.3.1).
var descriptive = []string{"dim", "ssid", "uri", "ver", "lwm2m", "rt", "ct"}

// attributes are a link's notification attributes.
func attributes(l link.Link) []string {
	out := []string{}
	for _, a := range l.Attrs {
		if !slices.Contains(descriptive, a.Name) {
			out = append(out, a.Name+"="+a.Value)
		}
	}
	return out
}

// Read implements web.Operator.
func (r *Remote) Read(ctx context.Context, p lwm2m.Path) ([]lwm2m.Node, error) {
	c, err := r.client()
	if err != nil {
		return nil, err
	}
	return c.Read(ctx, p)
}

// Write implements web.Operator. A resource instance is written as a partial
// update of its resource, so that it need not be there yet.
func (r *Remote) Write(ctx context.Context, p lwm2m.Path, v lwm2m.Value) error {
	c, err := r.client()
	if err != nil {
		return err
	}
	nodes := []lwm2m.Node{{Path: p, Value: v}}
	if p.Level() == lwm2m.LevelResourceInstance {
		return c.Update(ctx, p.Parent(), lwm2m.FormatTLV, nodes)
	}
	return c.Replace(ctx, p, lwm2m.FormatText, nodes)
}

// Execute implements web.Operator.
func (r *Remote) Execute(ctx context.Context, p lwm2m.Path, args string) error {
	c, err := r.client()
	if err != nil {
		return err
	}
	return c.Execute(ctx, p, args)
}

// Observe implements web.Operator. A resource that has no value yet is refused, and observed once something else comes from its instance.
func (r *Remote) Observe(ctx context.Context, p lwm2m.Path) ([]lwm2m.Node, error) {
	c, err := r.client()
	if err != nil {
		return nil, err
	}
	nodes, err := c.Observe(ctx, p)
	switch {
	case err == nil:
		r.want(p, true)
	case lwm2m.CodeOf(err) == lwm2m.NotFound && p.Level() == lwm2m.LevelResource && slices.Contains(r.Instances(), p.Parent()):
		r.await(p)
	}
	return nodes, err
}

// Cancel implements web.Operator.
func (r *Remote) Cancel(ctx context.Context, p lwm2m.Path) error {
	r.want(p, false)
	c, err := r.client()
	if err != nil || !slices.Contains(c.Observed(), p) {
		return nil //nolint:nilerr // without a registration there is nothing to end
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
	r.mu.Lock()
	defer r.mu.Unlock()
	paths := make([]lwm2m.Path, 0, len(r.wanted))
	for p := range r.wanted {
		paths = append(paths, p)
	}
	slices.SortFunc(paths, lwm2m.Path.Compare)
	return paths
}

func (r *Remote) want(p lwm2m.Path, on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.awaited, p)
	if on {
		r.wanted[p] = true
	} else {
		delete(r.wanted, p)
	}
}

func (r *Remote) await(p lwm2m.Path) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.awaited[p] = true
}

// due takes what is awaited below a path.
func (r *Remote) due(above lwm2m.Path) (paths []lwm2m.Path) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p := range r.awaited {
		if above.Contains(p) {
			paths = append(paths, p)
			delete(r.awaited, p)
		}
	}
	return paths
}

// retry observes what had no value before. What has none yet is awaited again.
func (r *Remote) retry(ctx context.Context, feed *web.Feed, paths []lwm2m.Path) {
	for _, p := range paths {
		within, cancel := context.WithTimeout(ctx, restoreTime)
		nodes, err := r.Observe(within, p)
		cancel()
		if err != nil {
			r.await(p)
			continue
		}
		feed.Observed(r.Observed())
		feed.Values(nodes)
	}
}

// restoreTime bounds how long one observation may take to begin again.
const restoreTime = 30 * time.Second

// restore observes again what was observed before a Register.
func (r *Remote) restore(ctx context.Context, feed *web.Feed) {
	for _, p := range r.Observed() {
		within, cancel := context.WithTimeout(ctx, restoreTime)
		nodes, err := r.Observe(within, p)
		cancel()
		switch {
		case ctx.Err() != nil:
			return // the next Register begins anew
		case err != nil:
			r.log.Debug("not observed again", slog.String("path", p.String()), slog.Any("error", err))
			r.want(p, false)
			feed.Note(fmt.Sprintf("%s is not observed any more: %v", p, err))
		default:
			feed.Values(nodes)
		}
	}
	feed.Observed(r.Observed())
}
