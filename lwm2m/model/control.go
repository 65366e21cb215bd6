package model

import (
	"lwm2m-agent/lwm2m"
)

// Access returns who may do what now.
func (t *Tree) Access() *Access {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.access
}

// May refuses with 4.01 what an origin has no right to do to the object instance
// that p is or lies in; for RightCreate p is an object or its new instance. At an
// object, the root and what is not there only MayTouch counts. The operations of
// the tree ask by themselves: it is for those that are carried out elsewhere, and
// for who has to know before a payload is looked at.
func (t *Tree) May(origin Origin, right Rights, p lwm2m.Path) error {
	if err := t.MayTouch(origin, p); err != nil || p.IsRoot() {
		return err
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	if right == RightCreate {
		if o := t.object(p.Object()); o == nil || !o.def.Multiple {
			return nil
		}
		return t.access.may(origin, right, p)
	}
	if _, in, err := t.instanceAt(p); err != nil || in == nil {
		return nil // the operation says what is not there
	}
	return t.access.may(origin, right, p)
}

// SetDefaultAccess says what holds for an object instance, but of object 1, until object
// 2 says something about it: its owner, and the rights of other servers, 0 being those
// that are not named. It is what the owner of object 2 is about to say; without it nobody
// has a right.
func (t *Tree) SetDefaultAccess(owner uint16, entries map[uint16]Rights) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.setAccess(readAccess(t.object(objectServer), t.object(objectAccessControl), newGrant(owner, entries)))
}

// review takes over what objects 1 and 2 say after one of them has changed; the
// lock must be held.
func (t *Tree) review(oid uint16) {
	if oid != objectServer && oid != objectAccessControl {
		return
	}
	t.setAccess(readAccess(t.object(objectServer), t.object(objectAccessControl), t.access.rest))
}

func (t *Tree) setAccess(next *Access) {
	if next.equal(t.access) {
		return
	}
	t.access = next
	for s := range t.subscriptions {
		s.accessChanged()
	}
}

// planOwner makes the edit of object 2 by which an instance is a server's own
// (Core, section 8.1.2.2): it is the owner, and others have no rights. What was
// said about a former instance with this number goes.
func (t *Tree) planOwner(server uint16, p lwm2m.Path) (*Edit, error) {
	former := t.controls(p)
	t.mu.RLock()
	defer t.mu.RUnlock()
	iid, err := t.object(objectAccessControl).newInstanceID(lwm2m.NewPath(objectAccessControl))
	if err != nil {
		return nil, err
	}
	at := lwm2m.NewPath(objectAccessControl, iid)
	return &Edit{
		Origin: FromAgent(), Create: []uint16{iid}, Delete: former,
		Set: []lwm2m.Node{
			{Path: at.Child(controlObject), Value: lwm2m.Integer(int64(p.Object()))},
			{Path: at.Child(controlInstance), Value: lwm2m.Integer(int64(p.Instance()))},
			{Path: at.Child(controlOwner), Value: lwm2m.Integer(int64(server))},
		},
	}, nil
}

// controls returns the instances of object 2 that are about an object instance.
func (t *Tree) controls(p lwm2m.Path) []lwm2m.Path {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var found []lwm2m.Path
	o := t.object(objectAccessControl)
	if o == nil {
		return nil
	}
	for _, in := range o.instances {
		if at, _ := in.grant(); at == (controlled{p.Object(), p.Instance()}) {
			found = append(found, lwm2m.NewPath(objectAccessControl, in.id))
		}
	}
	return found
}
