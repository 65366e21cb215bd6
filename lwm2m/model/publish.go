package model

import (
	"context"
	"fmt"
	"slices"
	"time"

	"lwm2m-agent/lwm2m"
)

// Publisher is how the owner of an object fills it with instances and values.
type Publisher struct {
	tree   *Tree
	object *object
}

// Batch collects what an owner publishes at once. The zero Batch is empty.
type Batch struct {
	steps []step
}

type step struct {
	kind     stepKind
	iid, rid uint16
	riid     uint16
	multiple bool // riid counts
	value    lwm2m.Value
	time     time.Time
	quality  Quality
	compute  func() lwm2m.Value
}

type stepKind uint8

const (
	stepCreate stepKind = iota
	stepDelete
	stepDeclare
	stepSet
	stepRemove
	stepRemoveInstance
	stepCompute
)

// Reset empties the batch, to be used again.
func (b *Batch) Reset() { b.steps = b.steps[:0] }

// Create makes an instance; one that is there stays as it is.
func (b *Batch) Create(iid uint16) { b.steps = append(b.steps, step{kind: stepCreate, iid: iid}) }

// Delete removes an instance, if it is there.
func (b *Batch) Delete(iid uint16) { b.steps = append(b.steps, step{kind: stepDelete, iid: iid}) }

// Declare says that a resource exists that has no value (yet): one to execute,
// to write only, or a multiple one without instances.
func (b *Batch) Declare(iid uint16, rids ...uint16) {
	for _, rid := range rids {
		b.steps = append(b.steps, step{kind: stepDeclare, iid: iid, rid: rid})
	}
}

// Set gives a single resource a good value, of now.
func (b *Batch) Set(iid, rid uint16, v lwm2m.Value) { b.SetAt(iid, rid, v, time.Time{}, Good) }

// SetAt gives a single resource a value with its time (zero: now) and quality.
// A zero value keeps the last value and changes only its quality.
func (b *Batch) SetAt(iid, rid uint16, v lwm2m.Value, at time.Time, q Quality) {
	b.steps = append(b.steps, step{kind: stepSet, iid: iid, rid: rid, value: v, time: at, quality: q})
}

// SetInstance gives one instance of a multiple resource a good value, of now.
func (b *Batch) SetInstance(iid, rid, riid uint16, v lwm2m.Value) {
	b.SetInstanceAt(iid, rid, riid, v, time.Time{}, Good)
}

// SetInstanceAt is SetAt for one instance of a multiple resource.
func (b *Batch) SetInstanceAt(iid, rid, riid uint16, v lwm2m.Value, at time.Time, q Quality) {
	b.steps = append(b.steps, step{kind: stepSet, iid: iid, rid: rid, riid: riid, multiple: true, value: v, time: at, quality: q})
}

// SetAll replaces all instances of a multiple resource by the values, numbered
// from 0.
func (b *Batch) SetAll(iid, rid uint16, values ...lwm2m.Value) {
	b.Declare(iid, rid)
	for i, v := range values {
		b.SetInstance(iid, rid, uint16(i), v)
	}
	b.steps = append(b.steps, step{kind: stepRemove, iid: iid, rid: rid, riid: uint16(len(values)), multiple: true}) //nolint:gosec // as above
}

// Remove removes a resource with all its values, if it is there.
func (b *Batch) Remove(iid, rid uint16) {
	b.steps = append(b.steps, step{kind: stepRemove, iid: iid, rid: rid})
}

// RemoveInstance removes one instance of a multiple resource, if it is there.
func (b *Batch) RemoveInstance(iid, rid, riid uint16) {
	b.steps = append(b.steps, step{kind: stepRemoveInstance, iid: iid, rid: rid, riid: riid, multiple: true})
}

// Compute makes a single resource one whose value is asked for at each read,
// such as a clock. The function must neither block nor call the tree. Changes
// of such a value raise no event.
func (b *Batch) Compute(iid, rid uint16, f func() lwm2m.Value) {
	b.steps = append(b.steps, step{kind: stepCompute, iid: iid, rid: rid, compute: f})
}

// Publish carries out the batch as one change. It fails, having changed nothing
// from the failing step on, for a resource that the definition does not have, a
// value of another type, or an instance that does not exist: mistakes of the
// owner.
func (p *Publisher) Publish(b *Batch) error {
	t := p.tree
	t.mu.Lock()
	defer t.mu.Unlock()
	defer t.review(p.object.def.ID)
	now := t.now()
	for i := range b.steps {
		if err := t.apply(p.object, &b.steps[i], now); err != nil {
			return fmt.Errorf("publish in object %d (%s): %w", p.object.def.ID, p.object.def.Name, err)
		}
		if b.steps[i].kind == stepCreate {
			p.object.instance(b.steps[i].iid).reserve(b.steps[i+1:])
		}
	}
	return nil
}

// Transact changes the object as a request of the agent does: the object is its
// own meanwhile, its owner is asked to Prepare, and all of it happens or nothing.
// plan is called once the object is; without an edit there is nothing to do.
func (p *Publisher) Transact(ctx context.Context, plan func() *Edit) error {
	return p.tree.transact(ctx, []uint16{p.object.def.ID}, func() ([]*Edit, error) {
		if e := plan(); e != nil {
			return []*Edit{e}, nil
		}
		return nil, nil
	})
}

// Set publishes one good value of a single resource, of now.
func (p *Publisher) Set(iid, rid uint16, v lwm2m.Value) error {
	b := Batch{steps: []step{{kind: stepSet, iid: iid, rid: rid, value: v}}}
	return p.Publish(&b)
}

// Definition returns the definition of the publisher's object.
func (p *Publisher) Definition() *Definition { return p.object.def }

// apply carries out one step; the lock must be held.
func (t *Tree) apply(o *object, s *step, now time.Time) error {
	at := lwm2m.NewPath(o.def.ID, s.iid)
	switch s.kind {
	case stepCreate:
		t.createInstance(o, s.iid)
		return nil
	case stepDelete:
		t.deleteInstance(o, s.iid)
		return nil
	case stepDeclare, stepSet, stepRemove, stepRemoveInstance, stepCompute:
	}
	in := o.instance(s.iid)
	if in == nil {
		return fmt.Errorf("there is no instance %d", s.iid)
	}
	def := o.def.Resource(s.rid)
	if def == nil {
		return fmt.Errorf("resource %d is not defined", s.rid)
	}
	at = at.Child(s.rid)
	switch {
	case s.kind == stepRemove && s.multiple:
		t.truncate(in.resource(s.rid), at, s.riid)
	case s.kind == stepRemove:
		t.removeResource(in, at)
	case s.kind == stepRemoveInstance:
		t.removeResourceInstance(in, at.Child(s.riid))
	case s.kind == stepSet:
		return t.set(in.ensure(def), at, s, now)
	default:
		t.declare(in, def, at).compute = s.compute
	}
	return nil
}

func (t *Tree) createInstance(o *object, iid uint16) {
	i, found := o.find(iid)
	if found {
		return
	}
	o.instances = slices.Insert(o.instances, i, &instance{id: iid})
	t.structure(Change{Kind: Created, Path: lwm2m.NewPath(o.def.ID, iid)})
}

func (t *Tree) deleteInstance(o *object, iid uint16) {
	if i, found := o.find(iid); found {
		o.instances = slices.Delete(o.instances, i, i+1)
		t.structure(Change{Kind: Deleted, Path: lwm2m.NewPath(o.def.ID, iid)})
	}
}

// reserve makes room in a new instance for the resources of the steps to come: there may be
// thousands of instances.
func (in *instance) reserve(steps []step) {
	n := 0
	for i := range steps {
		if steps[i].iid == in.id && (i == 0 || steps[i].rid != steps[i-1].rid) {
			n++
		}
	}
	if in.resources == nil {
		in.resources = make([]resource, 0, n)
	}
}

// ensure returns the resource, made if it is missing.
func (in *instance) ensure(def *ResourceDefinition) *resource {
	i, found := in.find(def.ID)
	if !found {
		in.resources = slices.Insert(in.resources, i, resource{def: def})
	}
	return &in.resources[i]
}

func (t *Tree) declare(in *instance, def *ResourceDefinition, at lwm2m.Path) *resource {
	known := in.resource(def.ID) != nil
	r := in.ensure(def)
	if !known {
		t.changed(Change{Kind: Created, Path: at})
	}
	return r
}

func (t *Tree) removeResource(in *instance, at lwm2m.Path) {
	if i, found := in.find(at.Resource()); found {
		in.resources = slices.Delete(in.resources, i, i+1)
		t.changed(Change{Kind: Deleted, Path: at})
	}
}

func (t *Tree) removeResourceInstance(in *instance, at lwm2m.Path) {
	r := in.resource(at.Resource())
	if r == nil {
		return
	}
	if i, found := r.find(at.ResourceInstance()); found {
		r.many = slices.Delete(r.many, i, i+1)
		t.changed(Change{Kind: Deleted, Path: at})
	}
}

// truncate removes the resource instances from riid on.
func (t *Tree) truncate(r *resource, at lwm2m.Path, from uint16) {
	if r == nil {
		return
	}
	i, _ := r.find(from)
	for _, c := range r.many[i:] {
		t.changed(Change{Kind: Deleted, Path: at.Child(c.id)})
	}
	r.many = slices.Delete(r.many, i, len(r.many))
}

// set stores a value and tells subscribers if it differs from the last one.
func (t *Tree) set(r *resource, at lwm2m.Path, s *step, now time.Time) error {
	if s.multiple != r.def.Multiple {
		return fmt.Errorf("resource %d (%s): it is multiple: %v", s.rid, r.def.Name, r.def.Multiple)
	}
	v := s.value
	if !v.IsZero() && v.Type() != r.def.Type {
		var err error
		if v, err = v.Convert(r.def.Type); err != nil {
			return fmt.Errorf("resource %d (%s): %w", s.rid, r.def.Name, err)
		}
	}
	c := &r.one
	if s.multiple {
		i, found := r.find(s.riid)
		if !found {
			r.many = slices.Insert(r.many, i, cell{id: s.riid})
		}
		c, at = &r.many[i], at.Child(s.riid)
	}
	r.compute = nil
	t.store(c, at, v, s.time, s.quality, now)
	return nil
}

func (t *Tree) store(c *cell, at lwm2m.Path, v lwm2m.Value, measured time.Time, q Quality, now time.Time) {
	if v.IsZero() { // only the quality changes: the last good value keeps its time
		v, measured = c.value, c.time
	} else if measured.IsZero() {
		measured = now
	}
	differs := c.value != v || c.quality != q
	c.value, c.time, c.quality = v, measured, q
	if differs {
		t.changed(Change{Kind: Valued, Path: at, Value: v, Time: measured, Quality: q})
	}
}
