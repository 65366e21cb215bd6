package model

import (
	"context"

	"lwm2m-agent/lwm2m"
)

// Create makes an object instance (Core, section 6.3.6) with the given nodes,
// and returns its identifier: that of p if p is an instance, else the lowest
// free one. Nodes lie below the instance; where p is an object, their instance
// identifier is replaced by the chosen one. Errors: 4.05 for single-instance objects, 4.00 for
// an instance that exists, a mandatory resource that is missing or a bad value.
func (t *Tree) Create(ctx context.Context, origin Origin, p lwm2m.Path, nodes []lwm2m.Node) (uint16, error) {
	if err := t.MayTouch(origin, p); err != nil {
		return 0, err
	}
	if l := p.Level(); l != lwm2m.LevelObject && l != lwm2m.LevelInstance {
		return 0, lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s cannot be created: it is a %s", p, l)
	}
	var iid uint16
	oids := []uint16{p.Object()}
	owned := t.Access().owns(origin, p)
	if owned {
		oids = []uint16{objectAccessControl, p.Object()} // the instance is never there without its owner
	}
	err := t.transact(ctx, oids, func() ([]*Edit, error) {
		e, err := t.planCreate(origin, p, nodes)
		if err != nil {
			return nil, err
		}
		iid = e.Create[0]
		if !owned {
			return []*Edit{e}, nil
		}
		ownership, err := t.planOwner(origin.Server, lwm2m.NewPath(p.Object(), iid))
		return []*Edit{ownership, e}, err
	})
	return iid, err
}

func (t *Tree) planCreate(origin Origin, p lwm2m.Path, nodes []lwm2m.Node) (*Edit, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if err := own(p); err != nil {
		return nil, err
	}
	o := t.object(p.Object())
	if o == nil {
		return nil, lwm2m.Errorf(lwm2m.NotFound, "there is no object %d", p.Object())
	}
	if !o.def.Multiple && len(o.instances) > 0 {
		return nil, lwm2m.Errorf(lwm2m.MethodNotAllowed, "object %d (%s) has a single instance", o.def.ID, o.def.Name)
	}
	if err := t.access.may(origin, RightCreate, p); err != nil {
		return nil, err
	}
	iid, err := o.newInstanceID(p)
	if err != nil {
		return nil, err
	}
	e := &Edit{Origin: origin, Create: []uint16{iid}}
	for _, n := range nodes {
		if n.Path.Level() < lwm2m.LevelResource {
			continue
		}
		if def := o.def.Resource(n.Path.Resource()); def == nil || !origin.writes(def) {
			continue // neither what is not defined nor what is read only hinders (Core, section 6.3.6)
		}
		n.Path = rebase(n.Path, iid)
		if err := o.planNode(e, n); err != nil {
			return nil, err
		}
	}
	if err := t.checkLinks(e); err != nil {
		return nil, err
	}
	return e, o.complete(e, origin)
}

func (o *object) newInstanceID(p lwm2m.Path) (uint16, error) {
	if p.Level() == lwm2m.LevelInstance {
		if o.instance(p.Instance()) != nil {
			return 0, lwm2m.Errorf(lwm2m.BadRequest, "instance %s exists", p)
		}
		return p.Instance(), nil
	}
	for i, in := range o.instances {
		if int(in.id) != i {
			return uint16(i), nil
		}
	}
	if len(o.instances) >= lwm2m.MaxID {
		return 0, lwm2m.Errorf(lwm2m.InternalServerError, "object %d has no free instance", o.def.ID)
	}
	return uint16(len(o.instances)), nil //nolint:gosec // checked
}

// rebase returns the path with another instance identifier.
func rebase(p lwm2m.Path, iid uint16) lwm2m.Path {
	q := p.At(lwm2m.LevelObject).Child(iid)
	if p.Level() >= lwm2m.LevelResource {
		q = q.Child(p.Resource())
	}
	if p.Level() == lwm2m.LevelResourceInstance {
		q = q.Child(p.ResourceInstance())
	}
	return q
}

// complete checks that a new instance has its mandatory writable resources.
func (o *object) complete(e *Edit, origin Origin) error {
	for i := range o.def.Resources {
		r := &o.def.Resources[i]
		if !r.Mandatory || !r.Ops.Has(OpWrite) || origin.Kind == OriginBootstrap {
			continue
		}
		given := false
		for _, n := range e.Set {
			given = given || n.Path.Resource() == r.ID
		}
		if !given {
			return lwm2m.Errorf(lwm2m.BadRequest, "mandatory resource %d (%s) is missing", r.ID, r.Name)
		}
	}
	return nil
}

// Delete removes an object instance (Core, section 6.3.7), or from 1.2 on an
// optional writable resource or one instance of a multiple resource. Errors:
// 4.04, and 4.05 for what must stay.
func (t *Tree) Delete(ctx context.Context, origin Origin, p lwm2m.Path) error {
	if err := t.MayTouch(origin, p); err != nil {
		return err
	}
	if p.Level() < lwm2m.LevelInstance {
		return lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s cannot be deleted: it is an %s", p, p.Level())
	}
	oids := []uint16{p.Object()}
	controlled := p.Level() == lwm2m.LevelInstance && p.Object() != objectAccessControl && len(t.controls(p)) > 0
	if controlled {
		oids = append(oids, objectAccessControl) // last: an instance that stays keeps its rights
	}
	return t.transact(ctx, oids, func() ([]*Edit, error) {
		if err := t.mayDelete(origin, p); err != nil {
			return nil, err
		}
		edits := []*Edit{{Origin: origin, Delete: []lwm2m.Path{p}, Named: []lwm2m.Path{p}}}
		if controlled {
			edits = append(edits, &Edit{Origin: FromAgent(), Delete: t.controls(p)})
		}
		return edits, nil
	})
}

func (t *Tree) mayDelete(origin Origin, p lwm2m.Path) error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	o, in, err := t.instanceAt(p)
	if err != nil {
		return err
	}
	if p.Level() == lwm2m.LevelInstance {
		if !o.def.Multiple {
			return lwm2m.Errorf(lwm2m.MethodNotAllowed, "object %d (%s) has a single instance", o.def.ID, o.def.Name)
		}
		return t.access.may(origin, RightDelete, p)
	}
	if err := t.access.may(origin, RightDelete, p); err != nil {
		return err
	}
	return in.mayRemove(origin, p)
}

// mayRemove refuses to take away a resource or resource instance that is not there or must
// stay.
func (in *instance) mayRemove(origin Origin, p lwm2m.Path) error {
	r := in.resource(p.Resource())
	switch {
	case r == nil:
		return lwm2m.Errorf(lwm2m.NotFound, "there is no resource %s", p.At(lwm2m.LevelResource))
	case !origin.writes(r.def), p.Level() == lwm2m.LevelResource && r.def.Mandatory:
		return lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s (%s) cannot be deleted", p, r.def.Name)
	case p.Level() == lwm2m.LevelResource:
		return nil
	}
	if _, found := r.find(p.ResourceInstance()); !found {
		return lwm2m.Errorf(lwm2m.NotFound, "there is no resource instance %s", p)
	}
	return nil
}
