package objects

import (
	"context"
	"fmt"
	"slices"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// Save keeps the whole content of an object, so that the next start can restore
// it. It is called before a change takes effect; its error refuses the change.
// The nodes may hold key material.
type Save func(ctx context.Context, nodes []lwm2m.Node) error

// record is an object whose whole content is kept.
type record struct {
	tree *model.Tree
	pub  *model.Publisher
	save Save
	// executable are the resources to execute that each instance has.
	executable []uint16
}

func (r *record) def() *model.Definition { return r.pub.Definition() }

func (r *record) path(ids ...uint16) lwm2m.Path {
	p := lwm2m.NewPath(r.def().ID)
	for _, id := range ids {
		p = p.Child(id)
	}
	return p
}

// keep adds the step that saves what the object holds once an edit is entered, and gives the
// instances that the edit makes what can be executed.
func (r *record) keep(tx *sequence, e *model.Edit) {
	r.declare(e)
	if r.save == nil {
		return
	}
	before := r.content()
	tx.add(func(ctx context.Context) error { return r.save(ctx, edited(before, r.def().ID, e)) },
		func(ctx context.Context) error { return r.save(ctx, before) })
}

func (r *record) declare(e *model.Edit) {
	for _, iid := range e.Create {
		for _, rid := range r.executable {
			e.Declare = append(e.Declare, r.path(iid, rid))
		}
	}
}

// content returns what the object holds.
func (r *record) content() []lwm2m.Node {
	nodes, err := r.tree.Read(model.FromAgent(), r.path(), nil)
	if err != nil {
		return nil // the object is not in the tree, so nobody asks
	}
	return nodes
}

// edited returns nodes as an edit leaves them. An instance that it makes is a
// node of its own, in case it has no resources.
func edited(nodes []lwm2m.Node, oid uint16, e *model.Edit) []lwm2m.Node {
	out := slices.DeleteFunc(slices.Clone(nodes), func(n lwm2m.Node) bool {
		gone := func(p lwm2m.Path) bool { return p.Contains(n.Path) }
		again := func(m lwm2m.Node) bool { return m.Path == n.Path }
		return slices.ContainsFunc(e.Delete, gone) || slices.ContainsFunc(e.Set, again)
	})
	out = append(out, e.Set...)
	for _, iid := range e.Create {
		out = append(out, lwm2m.Node{Path: lwm2m.NewPath(oid, iid)})
	}
	lwm2m.SortNodes(out)
	return out
}

// restore makes the object's content what the nodes say. Resources that the
// definition does not have (of a newer agent, after a roll-back) are left out.
func (r *record) restore(nodes []lwm2m.Node) error {
	var b model.Batch
	for _, iid := range r.tree.Instances(r.def().ID) {
		b.Delete(iid)
	}
	made := make(map[uint16]bool)
	for _, n := range nodes {
		if n.Path.Level() < lwm2m.LevelInstance || n.Path.Object() != r.def().ID {
			return fmt.Errorf("restore object %d (%s): there is a value for %s", r.def().ID, r.def().Name, n.Path)
		}
		iid := n.Path.Instance()
		if !made[iid] {
			made[iid] = true
			b.Create(iid)
			b.Declare(iid, r.executable...)
		}
		if n.Path.Level() == lwm2m.LevelInstance {
			continue
		}
		if err := r.set(&b, n); err != nil {
			return fmt.Errorf("restore object %d (%s): %w", r.def().ID, r.def().Name, err)
		}
	}
	return r.pub.Publish(&b)
}

func (r *record) set(b *model.Batch, n lwm2m.Node) error {
	def := r.def().Resource(n.Path.Resource())
	if def == nil {
		return nil
	}
	if n.Value.IsZero() {
		b.Declare(n.Path.Instance(), def.ID)
		return nil
	}
	v, err := n.Value.Convert(def.Type)
	switch {
	case err != nil:
		return fmt.Errorf("%s (%s): %w", n.Path, def.Name, err)
	case def.Multiple != (n.Path.Level() == lwm2m.LevelResourceInstance):
		return fmt.Errorf("%s (%s): it is multiple: %v", n.Path, def.Name, def.Multiple)
	case def.Multiple:
		b.SetInstance(n.Path.Instance(), def.ID, n.Path.ResourceInstance(), v)
	default:
		b.Set(n.Path.Instance(), def.ID, v)
	}
	return nil
}
