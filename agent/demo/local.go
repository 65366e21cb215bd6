package demo

import (
	"context"
	"slices"
	"sync"

	"lwm2m-agent/agent/web"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// Local operates the board's own object tree, where the server is elsewhere.
type Local struct {
	tree  *model.Tree
	state func() web.Registration
	sub   *model.Subscription

	mu       sync.Mutex
	observed map[lwm2m.Path]bool
}

var _ web.Operator = (*Local)(nil)

// NewLocal returns an operator on a tree.
func NewLocal(tree *model.Tree, state func() web.Registration) *Local {
	return &Local{tree: tree, state: state, sub: tree.Subscribe(), observed: make(map[lwm2m.Path]bool)}
}

// Registration implements web.Operator.
func (l *Local) Registration() web.Registration { return l.state() }

// Instances implements web.Operator. What no server may touch is left out.
func (l *Local) Instances() []lwm2m.Path {
	var paths []lwm2m.Path
	for _, e := range l.tree.Entries(lwm2m.Path{}, lwm2m.LevelInstance) {
		if e.Path.Level() == lwm2m.LevelInstance && l.tree.MayTouch(model.Origin{}, e.Path) == nil {
			paths = append(paths, e.Path)
		}
	}
	return paths
}

// Discover implements web.Operator. Attributes are the server's affair.
func (l *Local) Discover(_ context.Context, instance lwm2m.Path) ([]web.Found, error) {
	var found []web.Found
	for _, e := range l.tree.Entries(instance, lwm2m.LevelResource) {
		if e.Path.Level() == lwm2m.LevelResource {
			found = append(found, web.Found{Path: e.Path, Attributes: []string{}})
		}
	}
	if found == nil {
		return nil, lwm2m.Errorf(lwm2m.NotFound, "there is no %s", instance)
	}
	return found, nil
}

// Read implements web.Operator.
func (l *Local) Read(_ context.Context, p lwm2m.Path) ([]lwm2m.Node, error) {
	return l.tree.Read(model.FromLocal(), p, nil)
}

// Write implements web.Operator.
func (l *Local) Write(ctx context.Context, p lwm2m.Path, v lwm2m.Value) error {
	return l.tree.WriteAll(ctx, model.FromLocal(), []lwm2m.Node{{Path: p, Value: v}})
}

// Execute implements web.Operator.
func (l *Local) Execute(ctx context.Context, p lwm2m.Path, args string) error {
	arguments, err := model.ParseArguments(args)
	if err != nil {
		return err
	}
	return l.tree.Execute(ctx, model.FromLocal(), p, arguments)
}

// Observe implements web.Operator.
func (l *Local) Observe(ctx context.Context, p lwm2m.Path) ([]lwm2m.Node, error) {
	nodes, err := l.Read(ctx, p)
	if err == nil {
		l.watch(p, true)
	}
	return nodes, err
}

// Cancel implements web.Operator.
func (l *Local) Cancel(_ context.Context, p lwm2m.Path) error {
	l.watch(p, false)
	return nil
}

func (l *Local) watch(p lwm2m.Path, on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if on {
		l.observed[p] = true
	} else {
		delete(l.observed, p)
	}
	l.sub.Watch(l.paths()...)
}

func (l *Local) paths() []lwm2m.Path {
	out := make([]lwm2m.Path, 0, len(l.observed))
	for p := range l.observed {
		out = append(out, p)
	}
	slices.SortFunc(out, lwm2m.Path.Compare)
	return out
}

// WriteAttributes implements web.Operator: it refuses.
func (l *Local) WriteAttributes(context.Context, lwm2m.Path, ...string) error {
	return lwm2m.Errorf(lwm2m.NotImplemented, "attributes are the server's affair: set them there")
}

// Observed implements web.Operator.
func (l *Local) Observed() []lwm2m.Path {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.paths()
}

// Follow sends changes of the tree to the page until ctx ends. A Task.
func (l *Local) Follow(ctx context.Context, feed *web.Feed) error {
	defer l.sub.Close()
	var changes []model.Change
	for {
		select {
		case <-l.sub.Wake():
		case <-ctx.Done():
			return nil
		}
		p := l.sub.Take(changes)
		changes = p.Changes
		if p.Structure || p.Lost {
			feed.Objects()
		}
		var nodes []lwm2m.Node
		for _, c := range changes {
			if c.Kind == model.Valued {
				nodes = append(nodes, lwm2m.Node{Path: c.Path, Value: c.Value, Time: c.Time})
			}
		}
		if len(nodes) > 0 {
			feed.Values(nodes)
		}
	}
}
