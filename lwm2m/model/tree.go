package model

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"lwm2m-agent/lwm2m"
)

// Tree is the object tree of one device. All methods may be called from any
// goroutine. The lock inside is held only to copy values in and out, never
// while an owner or a subscriber runs.
type Tree struct {
	defs Definitions
	now  func() time.Time

	mu            sync.RWMutex
	objects       []*object // in order of ID
	access        *Access   // never nil
	subscriptions map[*Subscription]struct{}
}

type object struct {
	def       *Definition
	owner     Object
	instances []*instance   // in order of ID
	writing   chan struct{} // holds one token while a request changes the object
}

type instance struct {
	id        uint16
	resources []resource // in order of ID
}

// resource holds a single value in one, or any number in many.
type resource struct {
	def     *ResourceDefinition
	one     cell
	many    []cell // in order of id
	compute func() lwm2m.Value
}

type cell struct {
	id      uint16 // resource instance; 0 for a single value
	value   lwm2m.Value
	time    time.Time
	quality Quality
}

// NewTree returns an empty tree. The definitions serve requests that concern
// objects of which only a definition is known (validation, names); now gives
// the wall clock time of changes.
func NewTree(defs Definitions, now func() time.Time) *Tree {
	return &Tree{defs: defs, now: now, access: new(Access), subscriptions: make(map[*Subscription]struct{})}
}

// Definition returns the definition of an object: of the one in the tree, else
// of the registry, else nil.
func (t *Tree) Definition(oid uint16) *Definition {
	t.mu.RLock()
	o := t.object(oid)
	t.mu.RUnlock()
	if o != nil {
		return o.def
	}
	if d, ok := t.defs.Object(oid); ok {
		return d
	}
	return nil
}

// Object implements Definitions with the objects in the tree before those of
// the registry.
func (t *Tree) Object(oid uint16) (*Definition, bool) {
	d := t.Definition(oid)
	return d, d != nil
}

// Add enters an object without instances. The publisher is the owner's way to
// fill it.
func (t *Tree) Add(def *Definition, owner Object) (*Publisher, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i, found := t.find(def.ID)
	if found {
		return nil, fmt.Errorf("object %d (%s) is in the tree already", def.ID, def.Name)
	}
	o := &object{def: def, owner: owner, writing: make(chan struct{}, 1)}
	t.objects = slices.Insert(t.objects, i, o)
	t.structure(Change{Kind: Created, Path: lwm2m.NewPath(def.ID)})
	t.review(def.ID)
	return &Publisher{tree: t, object: o}, nil
}

// AddRegistered is Add with the definition that the registry has for the object.
func (t *Tree) AddRegistered(oid uint16, owner Object) (*Publisher, error) {
	d, ok := t.defs.Object(oid)
	if !ok {
		return nil, fmt.Errorf("object %d is not in the registry", oid)
	}
	return t.Add(d, owner)
}

// Remove takes an object with all its instances out of the tree.
func (t *Tree) Remove(oid uint16) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i, found := t.find(oid); found {
		t.objects = slices.Delete(t.objects, i, i+1)
		t.structure(Change{Kind: Deleted, Path: lwm2m.NewPath(oid)})
		t.review(oid)
	}
}

func (t *Tree) find(oid uint16) (int, bool) {
	return slices.BinarySearchFunc(t.objects, oid, func(o *object, id uint16) int { return int(o.def.ID) - int(id) })
}

// object returns an object or nil; the lock must be held.
func (t *Tree) object(oid uint16) *object {
	if i, found := t.find(oid); found {
		return t.objects[i]
	}
	return nil
}

// own refuses with 4.04 the paths of devices behind a gateway, which this tree does not
// hold.
func own(p lwm2m.Path) error {
	if p.Prefix() == "" {
		return nil
	}
	return lwm2m.Errorf(lwm2m.NotFound, "there is no device %s", p.Prefix())
}

// instanceAt returns the object and, if p goes that deep, the instance that p
// names or lies in; else 4.04. The lock must be held.
func (t *Tree) instanceAt(p lwm2m.Path) (*object, *instance, error) {
	if err := own(p); err != nil {
		return nil, nil, err
	}
	o := t.object(p.Object())
	if o == nil {
		return nil, nil, lwm2m.Errorf(lwm2m.NotFound, "there is no object %d", p.Object())
	}
	if p.Level() == lwm2m.LevelObject {
		return o, nil, nil
	}
	in := o.instance(p.Instance())
	if in == nil {
		return nil, nil, lwm2m.Errorf(lwm2m.NotFound, "there is no instance %s", p.At(lwm2m.LevelInstance))
	}
	return o, in, nil
}

func (o *object) find(iid uint16) (int, bool) {
	return slices.BinarySearchFunc(o.instances, iid, func(in *instance, id uint16) int { return int(in.id) - int(id) })
}

func (o *object) instance(iid uint16) *instance {
	if i, found := o.find(iid); found {
		return o.instances[i]
	}
	return nil
}

func (in *instance) find(rid uint16) (int, bool) {
	return slices.BinarySearchFunc(in.resources, rid, func(r resource, id uint16) int { return int(r.def.ID) - int(id) })
}

func (in *instance) resource(rid uint16) *resource {
	if i, found := in.find(rid); found {
		return &in.resources[i]
	}
	return nil
}

func (r *resource) find(riid uint16) (int, bool) {
	return slices.BinarySearchFunc(r.many, riid, func(c cell, id uint16) int { return int(c.id) - int(id) })
}

// Entry is one place of the tree, as Discover and Register list them.
type Entry struct {
	Path    lwm2m.Path
	Version lwm2m.Version // of the object, at object level
	Dim     int           // count of resource instances, at resource level; -1 for a single resource
}

// Entries lists what is at p and below, in path order, down to the given level.
// It returns nil if there is nothing at p.
func (t *Tree) Entries(p lwm2m.Path, down lwm2m.Level) []Entry {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var out []Entry
	for _, o := range t.objects {
		at := lwm2m.NewPath(o.def.ID)
		if at.Contains(p) || p.Contains(at) {
			out = o.entries(out, at, p, down)
		}
	}
	return out
}

func (o *object) entries(out []Entry, at, p lwm2m.Path, down lwm2m.Level) []Entry {
	if p.Contains(at) && down >= lwm2m.LevelObject {
		out = append(out, Entry{Path: at, Version: o.def.Version, Dim: -1})
	}
	for _, in := range o.instances {
		at := at.Child(in.id)
		if !at.Contains(p) && !p.Contains(at) {
			continue
		}
		if p.Contains(at) && down >= lwm2m.LevelInstance {
			out = append(out, Entry{Path: at, Dim: -1})
		}
		for i := range in.resources {
			out = in.resources[i].entries(out, at.Child(in.resources[i].def.ID), p, down)
		}
	}
	return out
}

func (r *resource) entries(out []Entry, at, p lwm2m.Path, down lwm2m.Level) []Entry {
	if p.Contains(at) && down >= lwm2m.LevelResource {
		e := Entry{Path: at, Dim: -1}
		if r.def.Multiple {
			e.Dim = len(r.many)
		}
		out = append(out, e)
	}
	if down < lwm2m.LevelResourceInstance || !r.def.Multiple {
		return out
	}
	for _, c := range r.many {
		if at := at.Child(c.id); p.Contains(at) {
			out = append(out, Entry{Path: at, Dim: -1})
		}
	}
	return out
}

// Instances returns the identifiers of an object's instances, in order.
func (t *Tree) Instances(oid uint16) []uint16 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	o := t.object(oid)
	if o == nil {
		return nil
	}
	ids := make([]uint16, len(o.instances))
	for i, in := range o.instances {
		ids[i] = in.id
	}
	return ids
}
