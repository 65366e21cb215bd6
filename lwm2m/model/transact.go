package model

import (
	"context"
	"errors"
	"slices"

	"lwm2m-agent/lwm2m"
)

// transact carries out a request over one or more objects, all or nothing:
// plan, prepare everywhere, commit everywhere, then change the tree at once. The
// plan has an edit for each of the named objects, in the order of which they are
// committed, or none if there is nothing to do. The request has the objects to
// itself meanwhile; one that waits for another one's hardware ends with its own
// deadline. What comes last is committed after all owners.
func (t *Tree) transact(ctx context.Context, oids []uint16, plan func() ([]*Edit, error), last ...Transaction) error {
	var owned []*object
	defer func() {
		for _, o := range owned {
			<-o.writing
		}
	}()
	for _, oid := range slices.Sorted(slices.Values(oids)) { // all in one order, so that none waits for the other
		t.mu.RLock()
		o := t.object(oid)
		t.mu.RUnlock()
		if o == nil {
			return lwm2m.Errorf(lwm2m.NotFound, "there is no object %d", oid)
		}
		select {
		case o.writing <- struct{}{}:
			owned = append(owned, o)
		case <-ctx.Done():
			return lwm2m.Errorf(lwm2m.ServiceUnavailable, "object %d (%s) is busy: %w", oid, o.def.Name, context.Cause(ctx))
		}
	}
	edits, err := plan()
	if err != nil || len(edits) == 0 {
		return err
	}
	slices.SortFunc(owned, func(a, b *object) int { return slices.Index(oids, a.def.ID) - slices.Index(oids, b.def.ID) })
	if err := commit(ctx, owned, edits, last...); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, e := range edits {
		t.applyEdit(owned[i], e)
	}
	for _, oid := range oids {
		t.review(oid)
	}
	return nil
}

// commit prepares and commits the edits, one for each object, and then what comes last.
func commit(ctx context.Context, objects []*object, edits []*Edit, last ...Transaction) error {
	var prepared []Transaction
	abort := func() {
		for _, tx := range slices.Backward(prepared) {
			tx.Abort()
		}
	}
	for i, e := range edits {
		tx, err := objects[i].owner.Prepare(ctx, e)
		if err != nil {
			abort()
			return refusal(err)
		}
		prepared = append(prepared, tx)
		if i := slices.IndexFunc(e.Named, func(p lwm2m.Path) bool { return !slices.Contains(e.Delete, p) }); i >= 0 {
			abort()
			return lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s cannot be deleted: it belongs to the device", e.Named[i])
		}
	}
	prepared = append(prepared, last...)
	for _, tx := range prepared {
		if err := tx.Commit(ctx); err != nil {
			abort()
			return refusal(err)
		}
	}
	return nil
}

// refusal makes an owner's error one with a response code.
func refusal(err error) error {
	if _, ok := errors.AsType[*lwm2m.Error](err); ok {
		return err
	}
	return lwm2m.Errorf(lwm2m.InternalServerError, "%w", err)
}

// applyEdit enters a committed edit in the tree; the lock must be held.
func (t *Tree) applyEdit(o *object, e *Edit) {
	now := t.now()
	for _, iid := range e.Create {
		t.createInstance(o, iid)
	}
	for _, p := range e.Delete {
		t.applyDelete(o, p)
	}
	t.applyDeclare(o, e)
	for _, n := range e.Set {
		in := o.instance(n.Path.Instance())
		if in == nil {
			continue // the owner took the instance away meanwhile
		}
		s := step{rid: n.Path.Resource(), value: n.Value}
		at := n.Path.At(lwm2m.LevelResource)
		if n.Path.Level() == lwm2m.LevelResourceInstance {
			s.multiple, s.riid = true, n.Path.ResourceInstance()
		}
		if def := o.def.Resource(s.rid); def != nil {
			_ = t.set(in.ensure(def), at, &s, now) // type and multiplicity were checked by planNode
		}
	}
}

// applyDeclare makes the resources that an edit's owner declares.
func (t *Tree) applyDeclare(o *object, e *Edit) {
	for _, p := range e.Declare {
		if in, def := o.instance(p.Instance()), o.def.Resource(p.Resource()); in != nil && def != nil {
			t.declare(in, def, p)
		}
	}
}

func (t *Tree) applyDelete(o *object, p lwm2m.Path) {
	if p.Level() == lwm2m.LevelInstance {
		t.deleteInstance(o, p.Instance())
		return
	}
	in := o.instance(p.Instance())
	if in == nil {
		return
	}
	if p.Level() == lwm2m.LevelResource {
		t.removeResource(in, p)
		return
	}
	t.removeResourceInstance(in, p)
}
