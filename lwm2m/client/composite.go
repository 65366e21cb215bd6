package client

import (
	"context"
	"slices"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/wire"
)

// target is what a Read or an observation is about: one path, or the paths of a
// composite operation.
type target struct {
	base  lwm2m.Path   // of the answer: the path, or the root
	paths []lwm2m.Path // of a composite operation, in order, none within another; nil: it is none
}

// size is the number of its paths.
func (t *target) size() int { return max(len(t.paths), 1) }

func (t *target) composite() bool { return t.paths != nil }

// each calls f with every path of the target.
func (t *target) each(f func(lwm2m.Path)) {
	if !t.composite() {
		f(t.base)
		return
	}
	for _, p := range t.paths {
		f(p)
	}
}

// list returns the paths of the target.
func (t *target) list() []lwm2m.Path {
	if t.composite() {
		return t.paths
	}
	return []lwm2m.Path{t.base}
}

// covering returns the path of the target in which another one lies.
func (t *target) covering(p lwm2m.Path) lwm2m.Path {
	for _, q := range t.paths {
		if q.Contains(p) {
			return q
		}
	}
	return t.base
}

// String names the target in a log.
func (t *target) String() string {
	if t.composite() {
		return "composite"
	}
	return t.base.String()
}

// fetch takes the list of paths of a FETCH in: a Read-Composite, or an
// Observe-Composite or its end (Core, sections 6.3.8, 6.4.3 and 6.4.4).
func (r *request) fetch(m *coap.Message) (operation, error) {
	if !r.path.IsRoot() {
		return 0, lwm2m.Errorf(lwm2m.MethodNotAllowed, "FETCH is for the root")
	}
	if !r.given {
		return 0, lwm2m.Errorf(lwm2m.UnsupportedContentFormat, "the Content-Format is missing")
	}
	paths, err := wire.DecodePaths(r.format, m.Payload)
	if err != nil {
		return 0, err
	}
	if len(paths) == 0 {
		return 0, lwm2m.Errorf(lwm2m.BadRequest, "the list of paths is empty")
	}
	r.paths = outermost(paths)
	return reading(m), nil
}

// outermost brings paths in order and leaves out those that others contain.
func outermost(paths []lwm2m.Path) []lwm2m.Path {
	slices.SortFunc(paths, lwm2m.Path.Compare) // a path comes before what it contains
	kept := paths[:1]
	for _, p := range paths[1:] {
		if !kept[len(kept)-1].Contains(p) {
			kept = append(kept, p)
		}
	}
	return kept
}

// iPatch takes a Write-Composite in (Core, section 6.3.9).
func (r *request) iPatch() (operation, error) {
	if !r.path.IsRoot() {
		return 0, lwm2m.Errorf(lwm2m.MethodNotAllowed, "iPATCH is for the root")
	}
	return opWriteComposite, nil
}

// target returns what a Read or Observe is about.
func (r *request) target() target { return target{base: r.path, paths: r.paths} }

// knows refuses what the version in use does not have.
func (r *request) knows(v lwm2m.Version) error {
	switch {
	case v == lwm2m.Version10 && (r.paths != nil || r.op == opWriteComposite):
		return lwm2m.Errorf(lwm2m.MethodNotAllowed, "LwM2M 1.0 has no composite operations")
	case r.op == opDelete && r.path.Level() > lwm2m.LevelInstance && v.Less(lwm2m.Version12):
		return lwm2m.Errorf(lwm2m.MethodNotAllowed, "LwM2M %s deletes instances of objects only", v)
	case r.given && !speaks(v, r.format):
		return lwm2m.Errorf(lwm2m.UnsupportedContentFormat, "LwM2M %s has no %s", v, r.format)
	}
	return nil
}

// compositeFormat returns the format in which a composite operation is answered: that
// of Accept, else that of the list of paths. The error is a 4.06.
func (r *request) compositeFormat(v lwm2m.Version) (lwm2m.Format, error) {
	f := r.accept
	if !r.accepts {
		f = wire.AnswerTo(r.format)
	}
	if !speaks(v, f) || !wire.CanCarry(f, lwm2m.LevelRoot, lwm2m.Shape{}) {
		return 0, lwm2m.Errorf(lwm2m.NotAcceptable, "a composite operation cannot be answered in %s", f)
	}
	return f, nil
}

// nodes appends what the server may read at a target. A path of a composite operation
// that cannot be read is left out (Core, section 6.3.8).
func (a *account) nodes(t *target, dst []lwm2m.Node) ([]lwm2m.Node, error) {
	if !t.composite() {
		return a.tree.Read(a.origin(), t.base, dst)
	}
	for _, p := range t.paths {
		if more, err := a.tree.Read(a.origin(), p, dst); err == nil {
			dst = more
		}
	}
	return dst, nil
}

// writeComposite carries out a Write-Composite: all of it or nothing.
func (a *account) writeComposite(ctx context.Context, r *request) (*coap.Message, error) {
	if !r.given || !wire.CanCarryComposite(r.format) {
		return nil, lwm2m.Errorf(lwm2m.UnsupportedContentFormat, "a composite operation cannot be written in %s", r.format)
	}
	nodes, err := wire.Decode(r.format, r.exchange.Request.Payload, lwm2m.Path{}, a.shapes)
	if err != nil {
		return nil, err
	}
	if len(nodes) == 0 {
		return nil, lwm2m.Errorf(lwm2m.BadRequest, "there is nothing to write")
	}
	var removed []lwm2m.Path
	if wire.Removes(r.format) {
		for _, n := range nodes {
			if n.Value.IsZero() {
				removed = append(removed, n.Path)
			}
		}
	}
	return &coap.Message{Code: coap.Changed}, a.tree.WriteAll(ctx, a.origin(), nodes, removed...)
}
