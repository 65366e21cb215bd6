package web

import (
	"context"
	"slices"
	"sync"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// Local operates the board's own object tree, where the server is elsewhere. While
// no page is open it watches nothing.
type Local struct {
	tree  *model.Tree
	state func() Registration
	sub   *model.Subscription

	mu       sync.Mutex
	seen     bool // a page is open
	observed map[lwm2m.Path]bool
}

var _ Operator = (*Local)(nil)

// NewLocal returns an operator on a tree; state says how the registration stands. Follow is to be run.
func NewLocal(tree *model.Tree, state func() Registration) *Local {
	return &Local{tree: tree, state: state, sub: tree.Subscribe(), observed: make(map[lwm2m.Path]bool)}
}

// Registration implements Operator.
func (l *Local) Registration() Registration { return l.state() }

// open returns an error for what no server may touch, and which is left out here too.
func (l *Local) open(p lwm2m.Path) error {
	if p.IsRoot() {
		return lwm2m.Errorf(lwm2m.MethodNotAllowed, "ask for one object at a time")
	}
	return l.tree.MayTouch(model.Origin{}, p)
}

// Instances implements Operator.
func (l *Local) Instances() []lwm2m.Path {
	var paths []lwm2m.Path
	for _, e := range l.tree.Entries(lwm2m.Path{}, lwm2m.LevelInstance) {
		if e.Path.Level() == lwm2m.LevelInstance && l.open(e.Path) == nil {
			paths = append(paths, e.Path)
		}
	}
	return paths
}

// Discover implements Operator. Attributes are the server's affair.
func (l *Local) Discover(_ context.Context, instance lwm2m.Path) ([]Found, error) {
	if err := l.open(instance); err != nil {
		return nil, err
	}
	var found []Found
	for _, e := range l.tree.Entries(instance, lwm2m.LevelResource) {
		if e.Path.Level() == lwm2m.LevelResource {
			found = append(found, Found{Path: e.Path, Attributes: []string{}})
		}
	}
	if found == nil {
		return nil, lwm2m.Errorf(lwm2m.NotFound, "there is no %s", instance)
	}
	return found, nil
}

// Read implements Operator.
func (l *Local) Read(_ context.Context, p lwm2m.Path) ([]lwm2m.Node, error) {
	if err := l.open(p); err != nil {
		return nil, err
	}
	return l.tree.Read(model.FromLocal(), p, nil)
}

// Write implements Operator.
func (l *Local) Write(ctx context.Context, p lwm2m.Path, v lwm2m.Value) error {
	if err := l.open(p); err != nil {
		return err
	}
	return l.tree.WriteAll(ctx, model.FromLocal(), []lwm2m.Node{{Path: p, Value: v}})
}

// Execute implements Operator.
func (l *Local) Execute(ctx context.Context, p lwm2m.Path, args string) error {
	if err := l.open(p); err != nil {
		return err
	}
	arguments, err := model.ParseArguments(args)
	if err != nil {
		return err
	}
	return l.tree.Execute(ctx, model.FromLocal(), p, arguments)
}

// Observe implements Operator. What is there and has no value yet is observed as well: a sensor that fails may come back.
func (l *Local) Observe(ctx context.Context, p lwm2m.Path) ([]lwm2m.Node, error) {
	nodes, err := l.Read(ctx, p)
	if lwm2m.CodeOf(err) == lwm2m.NotFound && len(l.tree.Entries(p, lwm2m.LevelResource)) > 0 {
		err = nil
	}
	if err == nil {
		l.watch(p, true)
	}
	return nodes, err
}

// Cancel implements Operator.
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
	l.rewatch()
}

// rewatch has the tree tell what is observed and seen. mu is held.
func (l *Local) rewatch() {
	if l.seen {
		l.sub.Watch(l.paths()...)
	} else {
		l.sub.Watch()
	}
}

// attend takes notice of whether a page is open, and tells one that is what it missed.
func (l *Local) attend(ctx context.Context, feed *Feed) {
	l.mu.Lock()
	l.seen = feed.Watched()
	l.rewatch()
	seen, paths := l.seen, l.paths()
	l.mu.Unlock()
	if !seen {
		return
	}
	for _, p := range paths {
		if nodes, err := l.Read(ctx, p); err == nil { // else it is gone, which the page is told as well
			feed.Values(nodes)
		}
	}
}

func (l *Local) paths() []lwm2m.Path {
	out := make([]lwm2m.Path, 0, len(l.observed))
	for p := range l.observed {
		out = append(out, p)
	}
	slices.SortFunc(out, lwm2m.Path.Compare)
	return out
}

// WriteAttributes implements Operator: it refuses.
func (l *Local) WriteAttributes(context.Context, lwm2m.Path, ...string) error {
	return lwm2m.Errorf(lwm2m.NotImplemented, "attributes are the server's affair: set them there")
}

// Observed implements Operator.
func (l *Local) Observed() []lwm2m.Path {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.paths()
}

// Follow sends changes of the tree to the page until ctx ends. A Task.
func (l *Local) Follow(ctx context.Context, feed *Feed) error {
	defer l.sub.Close()
	var changes []model.Change
	for {
		select {
		case <-l.sub.Wake():
		case <-feed.Audience():
			l.attend(ctx, feed)
			continue
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
