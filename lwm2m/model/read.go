package model

import (
	"slices"

	"lwm2m-agent/lwm2m"
)

// computed is a node whose value is asked for after the lock is released.
type computed struct {
	index int
	f     func() lwm2m.Value
}

// Read appends to dst the nodes that a Read of p by origin answers, in path
// order (Core, section 6.3.1). What the origin may not read is left out, and
// refused only where p names it: 4.04 if it does not exist or has no value yet,
// 4.05 if it cannot be read, 4.01 for objects that no server may touch and where
// access control denies the instance, or each of an object's.
func (t *Tree) Read(origin Origin, p lwm2m.Path, dst []lwm2m.Node) ([]lwm2m.Node, error) {
	if err := t.MayTouch(origin, p); err != nil {
		return dst, err
	}
	w := reader{origin: origin, path: p, nodes: dst}
	t.mu.RLock()
	w.access = t.access.limits(origin)
	err := t.walk(p, &w)
	t.mu.RUnlock()
	for _, c := range w.computed {
		w.nodes[c.index].Value = c.f()
	}
	return w.nodes, err
}

// Value returns the value of one resource or resource instance for the agent's
// own use, the zero Value if there is none.
func (t *Tree) Value(p lwm2m.Path) lwm2m.Value {
	nodes, err := t.Read(FromAgent(), p, nil)
	if err != nil || len(nodes) != 1 {
		return lwm2m.Value{}
	}
	return nodes[0].Value
}

// Readings returns what Read returns, with time and quality.
func (t *Tree) Readings(origin Origin, p lwm2m.Path) ([]Reading, error) {
	if err := t.MayTouch(origin, p); err != nil {
		return nil, err
	}
	w := reader{origin: origin, path: p, full: true}
	t.mu.RLock()
	w.access = t.access.limits(origin)
	err := t.walk(p, &w)
	t.mu.RUnlock()
	now := t.now()
	for _, c := range w.computed {
		w.readings[c.index].Value, w.readings[c.index].Time = c.f(), now
	}
	return w.readings, err
}

// reader collects what a read sees: nodes, or readings if full is set.
type reader struct {
	origin   Origin
	access   *Access // nil: nothing limits the origin
	path     lwm2m.Path
	full     bool
	nodes    []lwm2m.Node
	readings []Reading
	computed []computed
}

func (w *reader) add(at lwm2m.Path, c *cell) {
	if w.full {
		w.readings = append(w.readings, Reading{Path: at, Value: c.value, Time: c.time, Quality: c.quality})
		return
	}
	w.nodes = append(w.nodes, lwm2m.Node{Path: at, Value: c.value})
}

func (w *reader) count() int { return max(len(w.nodes), len(w.readings)) }

// walk visits all that lies at or below p; the lock must be held.
func (t *Tree) walk(p lwm2m.Path, w *reader) error {
	if err := own(p); err != nil {
		return err
	}
	if p.IsRoot() {
		for _, o := range t.objects {
			if t.MayTouch(w.origin, lwm2m.NewPath(o.def.ID)) == nil {
				o.walk(w)
			}
		}
		return nil
	}
	o, in, err := t.instanceAt(p)
	if err != nil {
		return err
	}
	if in == nil {
		if denied := o.walk(w); denied > 0 && denied == len(o.instances) {
			return lwm2m.Errorf(lwm2m.Unauthorized, "server %d may read no instance of %s", w.origin.Server, p)
		}
		return nil
	}
	if w.access != nil {
		if err := w.access.may(w.origin, RightRead, p); err != nil {
			return err
		}
	}
	if p.Level() == lwm2m.LevelInstance {
		in.walk(p, w)
		return nil
	}
	return in.walkResource(p, w)
}

// walk visits the instances that the origin may read and counts the others.
func (o *object) walk(w *reader) (denied int) {
	at := lwm2m.NewPath(o.def.ID)
	if len(o.instances) > 0 && !w.full {
		w.nodes = slices.Grow(w.nodes, len(o.instances)*len(o.instances[0].resources)) // instances are much alike
	}
	for _, in := range o.instances {
		at := at.Child(in.id)
		if w.access != nil && !w.access.Allows(w.origin.Server, RightRead, at) {
			denied++
			continue
		}
		in.walk(at, w)
	}
	return denied
}

// walk visits an instance; one without readable resources gives an empty node.
func (in *instance) walk(at lwm2m.Path, w *reader) {
	before := w.count()
	for i := range in.resources {
		r := &in.resources[i]
		if w.origin.reads(at.Object(), r.def) {
			r.walk(at.Child(r.def.ID), w)
		}
	}
	if w.count() == before && !w.full {
		w.nodes = append(w.nodes, lwm2m.Node{Path: at})
	}
}

// walkResource visits one resource or resource instance, and says why if it
// cannot.
func (in *instance) walkResource(p lwm2m.Path, w *reader) error {
	at := p.At(lwm2m.LevelResource)
	r := in.resource(p.Resource())
	if r == nil {
		return lwm2m.Errorf(lwm2m.NotFound, "there is no resource %s", at)
	}
	if !w.origin.reads(p.Object(), r.def) {
		return lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s (%s) cannot be read", at, r.def.Name)
	}
	if p.Level() == lwm2m.LevelResource {
		before := w.count()
		r.walk(at, w)
		if w.count() == before && !r.def.Multiple {
			return lwm2m.Errorf(lwm2m.NotFound, "%s (%s) has no value yet", at, r.def.Name)
		}
		return nil
	}
	if i, found := r.find(p.ResourceInstance()); found {
		w.add(p, &r.many[i])
		return nil
	}
	return lwm2m.Errorf(lwm2m.NotFound, "there is no resource instance %s", p)
}

func (r *resource) walk(at lwm2m.Path, w *reader) {
	switch {
	case r.def.Multiple:
		for i := range r.many {
			w.add(at.Child(r.many[i].id), &r.many[i])
		}
		if len(r.many) == 0 && !w.full {
			w.nodes = append(w.nodes, lwm2m.Node{Path: at})
		}
	case r.compute != nil:
		w.computed = append(w.computed, computed{w.count(), r.compute})
		w.add(at, &r.one)
	case !r.one.value.IsZero():
		w.add(at, &r.one)
	}
}
