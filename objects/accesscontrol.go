package objects

import (
	"context"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// The resources of object 2 (Core, appendix E.3).
const (
	ridControlObject   = 0
	ridControlInstance = 1
	ridACL             = 2
	ridControlOwner    = 3
)

// Objects that access control has its own rules for.
const (
	objectSecurity      = 0
	objectServer        = 1
	objectAccessControl = 2
	objectOSCORE        = 21
	objectCOSE          = 23
)

// AccessControl is object 2: which server may do what to which object instance.
// The tree enforces what it says; here it is kept, checked and, by Provision, made
// for what the agent itself serves.
type AccessControl struct {
	model.Plain
	record record
}

// NewAccessControl adds object 2 to the tree. A nil save keeps nothing.
func NewAccessControl(tree *model.Tree, save Save) (*AccessControl, error) {
	c := &AccessControl{record: record{tree: tree, save: save}}
	var err error
	c.record.pub, err = tree.AddRegistered(objectAccessControl, c)
	return c, err
}

// Contained implements model.Container.
func (c *AccessControl) Contained() {}

// Restore makes the object's content what Save was given.
func (c *AccessControl) Restore(nodes []lwm2m.Node) error { return c.record.restore(nodes) }

// Prepare checks what owners write. That they are the owners, the tree has checked.
func (c *AccessControl) Prepare(_ context.Context, e *model.Edit) (model.Transaction, error) {
	if e.Origin.Kind == model.OriginServer || e.Origin.Kind == model.OriginLocal {
		if err := c.valid(e); err != nil {
			return nil, err
		}
	}
	var tx sequence
	c.record.keep(&tx, e)
	return &tx, nil
}

// valid refuses what neither servers nor local users may do: make and delete
// instances, and name servers that do not exist, who would have rights once they do.
func (c *AccessControl) valid(e *model.Edit) error {
	instance := func(p lwm2m.Path) bool { return p.Level() == lwm2m.LevelInstance }
	for _, p := range e.Delete {
		if instance(p) {
			return lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s goes when the object instance that it is about goes", p)
		}
	}
	if len(e.Create) > 0 {
		return lwm2m.Errorf(lwm2m.MethodNotAllowed, "access control comes with the object instance that it is about")
	}
	servers := make(map[uint16]bool)
	for _, a := range c.accounts() {
		servers[a.server] = true
	}
	for _, n := range e.Set {
		switch n.Path.Resource() {
		case ridACL:
			if id := n.Path.ResourceInstance(); id != 0 && !servers[id] {
				return lwm2m.Errorf(lwm2m.BadRequest, "%s: there is no server %d; 0 is for all others", n.Path, id)
			}
		case ridControlOwner:
			if id := n.Value.Int(); id < 1 || id >= lwm2m.MaxID || !servers[uint16(id)] {
				return lwm2m.Errorf(lwm2m.BadRequest, "%s: there is no server %d to be the owner", n.Path, id)
			}
		}
	}
	return nil
}

// serverAccount is an instance of object 1 and the Short Server ID that it names.
type serverAccount struct{ iid, server uint16 }

// accounts returns the server accounts in order of instance.
func (c *AccessControl) accounts() []serverAccount {
	var accounts []serverAccount
	for _, iid := range c.record.tree.Instances(objectServer) {
		id := c.record.tree.Value(lwm2m.NewPath(objectServer, iid, ridServerShortID)).Int()
		if id >= 1 && id < lwm2m.MaxID {
			accounts = append(accounts, serverAccount{iid, uint16(id)})
		}
	}
	return accounts
}
