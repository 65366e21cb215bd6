package model

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"lwm2m-agent/lwm2m"
)

// WriteMode tells what happens to values that a Write does not mention (Core,
// section 6.3.3).
type WriteMode uint8

// The modes of Write.
const (
	// Replace (PUT): the instance, or the multiple resource, has afterwards what
	// the payload has; what is mandatory or not writable stays.
	Replace WriteMode = iota
	// Update (POST): what the payload does not mention stays.
	Update
)

// Write writes nodes, which lie at or below p, as one transaction: all of it
// happens or nothing. p is an object instance, a resource or a resource
// instance. Errors: 4.01, 4.04, 4.05 as for Read; 4.00 for a value of the wrong
// type or out of range; what the owner refuses with.
func (t *Tree) Write(ctx context.Context, origin Origin, mode WriteMode, p lwm2m.Path, nodes []lwm2m.Node) error {
	if err := t.MayTouch(origin, p); err != nil {
		return err
	}
	if p.Level() < lwm2m.LevelInstance {
		return lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s cannot be written: it is an %s", p, p.Level())
	}
	return t.transact(ctx, []uint16{p.Object()}, func() ([]*Edit, error) {
		e, err := t.planWrite(origin, mode, p, nodes)
		return []*Edit{e}, err
	})
}

// WriteAll writes nodes of any objects as one transaction, as Write-Composite
// does (Core, section 6.3.9): each node names a resource or a resource
// instance, and what no node names stays. What removed names is taken away first. Errors
// are those of Write, and of Delete.
func (t *Tree) WriteAll(ctx context.Context, origin Origin, nodes []lwm2m.Node, removed ...lwm2m.Path) error {
	byObject := make(map[uint16][]lwm2m.Node) // one without a value is removed
	add := func(n lwm2m.Node) error {
		if n.Path.Level() < lwm2m.LevelResource {
			return lwm2m.Errorf(lwm2m.BadRequest, "%s is an %s: name resources", n.Path, n.Path.Level())
		}
		byObject[n.Path.Object()] = append(byObject[n.Path.Object()], n)
		return t.MayTouch(origin, n.Path)
	}
	for _, p := range removed {
		if err := add(lwm2m.Node{Path: p}); err != nil {
			return err
		}
	}
	for _, n := range nodes {
		if n.Value.IsZero() && n.Path.Level() >= lwm2m.LevelResource {
			continue // a multiple resource with nothing to be written
		}
		if err := add(n); err != nil {
			return err
		}
	}
	oids := slices.Sorted(maps.Keys(byObject))
	return t.transact(ctx, oids, func() ([]*Edit, error) {
		edits := make([]*Edit, len(oids))
		for i, oid := range oids {
			var err error
			if edits[i], err = t.planNodes(origin, byObject[oid]); err != nil {
				return nil, err
			}
		}
		return edits, nil
	})
}

// planNodes makes the edit for nodes of one object; what has no value is removed.
func (t *Tree) planNodes(origin Origin, nodes []lwm2m.Node) (*Edit, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	e := &Edit{Origin: origin}
	for _, n := range nodes {
		o, in, err := t.instanceAt(n.Path)
		if err != nil {
			return nil, err
		}
		if err := t.access.may(origin, RightWrite, n.Path); err != nil {
			return nil, err
		}
		if n.Value.IsZero() {
			e.Delete, e.Named = append(e.Delete, n.Path), append(e.Named, n.Path)
			err = in.mayRemove(origin, n.Path)
		} else {
			err = o.planNode(e, n)
		}
		if err != nil {
			return nil, err
		}
	}
	lwm2m.SortNodes(e.Set)
	return e, t.checkLinks(e)
}

// planWrite makes the edit for a Write to one instance.
func (t *Tree) planWrite(origin Origin, mode WriteMode, p lwm2m.Path, nodes []lwm2m.Node) (*Edit, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	o, in, err := t.instanceAt(p)
	if err != nil {
		return nil, err
	}
	if err := t.access.may(origin, RightWrite, p); err != nil {
		return nil, err
	}
	if err := in.mayWriteAt(o, p, origin, mode); err != nil {
		return nil, err
	}
	e := &Edit{Origin: origin}
	for _, n := range nodes {
		if !p.Contains(n.Path) {
			return nil, lwm2m.Errorf(lwm2m.BadRequest, "%s lies outside of %s", n.Path, p)
		}
		if p.Level() == lwm2m.LevelInstance && o.unknown(n) {
			continue // a resource that this version of the object does not have (Core, section 6.3.3)
		}
		if err := o.planNode(e, n); err != nil {
			return nil, err
		}
	}
	if len(nodes) == 0 && p.Level() > lwm2m.LevelInstance && !o.def.Resource(p.Resource()).Multiple {
		return nil, lwm2m.Errorf(lwm2m.BadRequest, "the payload has no value for %s", p)
	}
	if mode == Replace {
		in.planReplace(e, p, nodes)
	}
	return e, t.checkLinks(e)
}

// mayWriteAt checks the resource or resource instance that a path names.
func (in *instance) mayWriteAt(o *object, p lwm2m.Path, origin Origin, mode WriteMode) error {
	if p.Level() < lwm2m.LevelResource {
		return nil
	}
	def := o.def.Resource(p.Resource())
	switch {
	case def == nil:
		return lwm2m.Errorf(lwm2m.NotFound, "object %d (%s) has no resource %d", o.def.ID, o.def.Name, p.Resource())
	case !origin.writes(def):
		return lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s (%s) cannot be written", p, def.Name)
	case p.Level() == lwm2m.LevelResource && mode == Update && !def.Multiple:
		return lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s (%s) is a single resource: use PUT", p, def.Name)
	case p.Level() == lwm2m.LevelResource:
		return nil
	}
	if r := in.resource(p.Resource()); r != nil {
		if _, found := r.find(p.ResourceInstance()); found {
			return nil
		}
	}
	return lwm2m.Errorf(lwm2m.NotFound, "there is no resource instance %s", p)
}

// unknown reports whether a node lies at a resource that is not defined.
func (o *object) unknown(n lwm2m.Node) bool {
	return n.Path.Level() >= lwm2m.LevelResource && o.def.Resource(n.Path.Resource()) == nil
}

// checkLinks refuses links to what is not there; null links (65535:65535) and links to an
// object as such (oid:65535) are none to an instance (Core, section 6.3.3 and appendix C).
// The lock must be held.
func (t *Tree) checkLinks(e *Edit) error {
	if e.Origin.Kind == OriginAgent || e.Origin.Kind == OriginBootstrap {
		return nil // what they link to may come later
	}
	for _, n := range e.Set {
		if n.Value.Type() != lwm2m.TypeObjlnk {
			continue
		}
		oid, iid := n.Value.Objlnk()
		o := t.object(oid)
		switch {
		case oid == lwm2m.MaxID && iid == lwm2m.MaxID, o != nil && (iid == lwm2m.MaxID || o.instance(iid) != nil):
		case oid == n.Path.Object() && slices.Contains(e.Create, iid):
		default:
			return lwm2m.Errorf(lwm2m.BadRequest, "%s links to %s, which is not there", n.Path, n.Value)
		}
	}
	return nil
}

// planNode checks one node against the definition and enters it in the edit.
func (o *object) planNode(e *Edit, n lwm2m.Node) error {
	if n.Path.Level() < lwm2m.LevelResource {
		return nil // an instance that is there but empty
	}
	def := o.def.Resource(n.Path.Resource())
	switch {
	case def == nil:
		return lwm2m.Errorf(lwm2m.NotFound, "object %d (%s) has no resource %d", o.def.ID, o.def.Name, n.Path.Resource())
	case !e.Origin.writes(def):
		return lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s (%s) cannot be written", n.Path, def.Name)
	case def.Multiple && n.Path.Level() == lwm2m.LevelResource:
		if n.Value.IsZero() {
			return nil // a multiple resource without instances
		}
		return lwm2m.Errorf(lwm2m.BadRequest, "%s (%s) is a multiple resource and got a single value", n.Path, def.Name)
	case !def.Multiple && n.Path.Level() != lwm2m.LevelResource:
		return lwm2m.Errorf(lwm2m.BadRequest, "%s: %s is a single resource", n.Path, def.Name)
	}
	v, err := def.check(n.Value)
	if err != nil {
		return lwm2m.Errorf(lwm2m.BadRequest, "%s (%s): %w", n.Path, def.Name, err)
	}
	e.Set = append(e.Set, lwm2m.Node{Path: n.Path, Value: v})
	return nil
}

// check returns the value in the resource's type, if it lies in its range.
func (r *ResourceDefinition) check(v lwm2m.Value) (lwm2m.Value, error) {
	v, err := v.Convert(r.Type)
	if err != nil {
		return v, err
	}
	if !r.Range.Contains(v) {
		return v, fmt.Errorf("%w: outside of %s", lwm2m.ErrValue, r.Range)
	}
	return v, nil
}

// planReplace removes what the nodes of a replacing Write at p do not mention.
func (in *instance) planReplace(e *Edit, p lwm2m.Path, nodes []lwm2m.Node) {
	if p.Level() == lwm2m.LevelResourceInstance {
		return
	}
	mentioned := make(map[lwm2m.Path]bool, 2*len(nodes))
	for _, n := range nodes {
		mentioned[n.Path] = true
		mentioned[n.Path.At(lwm2m.LevelResource)] = true
	}
	for i := range in.resources {
		r := &in.resources[i]
		at := p.At(lwm2m.LevelInstance).Child(r.def.ID)
		if !p.Contains(at) || !e.Origin.writes(r.def) {
			continue
		}
		if !mentioned[at] && !r.def.Mandatory && p.Level() == lwm2m.LevelInstance {
			e.Delete = append(e.Delete, at)
			continue
		}
		if !mentioned[at] && p.Level() == lwm2m.LevelInstance {
			continue
		}
		for _, c := range r.many {
			if !mentioned[at.Child(c.id)] {
				e.Delete = append(e.Delete, at.Child(c.id))
			}
		}
	}
}
