package model

import (
	"maps"
	"slices"
	"strings"

	"lwm2m-agent/lwm2m"
)

// Rights is a set of access rights, with the bits of an ACL (Core, appendix E.3).
type Rights uint8

// The access rights to an object instance, and RightCreate to an object.
const (
	RightRead  Rights = 1 << iota // Read, Observe, Write-Attributes; what is notified and sent
	RightWrite                    // Write, Write-Composite
	RightExecute
	RightDelete
	RightCreate
	allRights Rights = 1<<iota - 1
)

// Has reports whether all of the given rights are there.
func (r Rights) Has(right Rights) bool { return r&right == right }

var rightNames = [...]string{"read", "write", "execute", "delete", "create"}

// String returns the rights in words: "read, write"; "nothing" for none.
func (r Rights) String() string {
	var words []string
	for i, name := range rightNames {
		if r.Has(1 << i) {
			words = append(words, name)
		}
	}
	if words == nil {
		return "nothing"
	}
	return strings.Join(words, ", ")
}

// Objects and resources that access control is made of (Core, appendices E.2 and
// E.3).
const (
	objectServer        = 1
	objectAccessControl = 2

	controlObject   = 0 // Object ID of what is controlled
	controlInstance = 1 // its Object Instance ID; MAX_ID for the object itself
	controlACL      = 2 // rights by Short Server ID; 0 is the default
	controlOwner    = 3 // Short Server ID; MAX_ID for nobody but the bootstrap server
)

// Access is who may do what at one moment (Core, section 8): what object 2 says,
// and whether it counts, which it does while there is more than one server
// account. An Access never changes. The zero Access allows everything.
type Access struct {
	enforced bool
	owners   map[uint16]uint16 // by instance of object 2
	grants   map[controlled]grant
	rest     grant // for object instances of which object 2 does not say anything yet
}

// controlled is what an instance of object 2 is about.
type controlled struct {
	oid, iid uint16 // iid MAX_ID: the object, for Create
}

// grant is what an instance of object 2 says.
type grant struct {
	owner uint16
	acl   []aclEntry // in order of server
}

type aclEntry struct {
	server uint16 // 0: all that have no entry and are not the owner
	rights Rights
}

// rights returns what a server may do (Core, section 8.2.1): what its own entry
// says; without one everything if it is the owner, else what the default entry
// says, else nothing.
func (g grant) rights(server uint16) Rights {
	var byDefault Rights
	for _, e := range g.acl {
		switch e.server {
		case server:
			return e.rights
		case 0:
			byDefault = e.rights
		}
	}
	if g.owner == server && server != 0 {
		return allRights
	}
	return byDefault
}

func (g grant) reads(server uint16) bool { return g.rights(server).Has(RightRead) }

// newGrant returns a grant with entries by server.
func newGrant(owner uint16, entries map[uint16]Rights) grant {
	g := grant{owner: owner}
	for _, server := range slices.Sorted(maps.Keys(entries)) {
		g.acl = append(g.acl, aclEntry{server, entries[server]})
	}
	return g
}

// Allows reports whether a server has a right to the object instance that p is or
// lies in, for RightCreate to the object. For an instance without access control the
// tree's default counts; see SetDefaultAccess. Instances of object 2 can be read by
// all and written by their owners, whether access control is in force or not.
func (a *Access) Allows(server uint16, right Rights, p lwm2m.Path) bool {
	if p.Object() == objectAccessControl {
		return right == RightRead || a.allowsControl(server, right, p)
	}
	if !a.enforced {
		return true
	}
	at := controlled{p.Object(), lwm2m.MaxID}
	if right != RightCreate {
		at.iid = p.Instance()
	}
	return a.grant(at).rights(server).Has(right)
}

// grant returns what holds for an object instance, or an object. An account is nobody's
// before object 2 says whose.
func (a *Access) grant(at controlled) grant {
	g, ok := a.grants[at]
	if !ok && at.iid != lwm2m.MaxID && at.oid != objectServer {
		return a.rest
	}
	return g
}

// allowsControl reports whether a server may change an instance of object 2. None
// may make or delete one: they come and go with what they control.
func (a *Access) allowsControl(server uint16, right Rights, p lwm2m.Path) bool {
	below := p.Level() > lwm2m.LevelInstance
	if right != RightWrite && (right != RightDelete || !below) {
		return false
	}
	owner, ok := a.owners[p.Instance()]
	return ok && owner == server
}

// Differs reports whether a server may read more or less at p, above or below it
// than it could by a former Access.
func (a *Access) Differs(former *Access, server uint16, p lwm2m.Path) bool {
	switch {
	case !p.IsRoot() && p.Object() == objectAccessControl:
		return false
	case !a.enforced || !former.enforced:
		return a.enforced != former.enforced
	case p.Level() >= lwm2m.LevelInstance:
		return a.Allows(server, RightRead, p) != former.Allows(server, RightRead, p)
	}
	return a.rest.reads(server) != former.rest.reads(server) || a.differs(former, server, p) || former.differs(a, server, p)
}

// differs reports whether a server may read, of what is mentioned below p, more or less
// than by another Access.
func (a *Access) differs(other *Access, server uint16, p lwm2m.Path) bool {
	for at, g := range a.grants {
		below := at.iid != lwm2m.MaxID && (p.IsRoot() || p.Object() == at.oid)
		if below && g.reads(server) != other.grant(at).reads(server) {
			return true
		}
	}
	return false
}

// limits returns what limits the reading of an origin, nil if nothing does: so it is
// with one server.
func (a *Access) limits(origin Origin) *Access {
	if origin.Kind == OriginServer && a.enforced {
		return a
	}
	return nil
}

// may refuses with 4.01 what an origin has no right to; see Allows.
func (a *Access) may(origin Origin, right Rights, p lwm2m.Path) error {
	if origin.Kind != OriginServer || a.Allows(origin.Server, right, p) {
		return nil
	}
	at := p.At(min(p.Level(), lwm2m.LevelInstance))
	if right == RightCreate {
		at = p.At(lwm2m.LevelObject)
	}
	return lwm2m.Errorf(lwm2m.Unauthorized, "server %d has no right to %s %s; object 2 says who has", origin.Server, right, at)
}

// owns reports whether what an origin creates at p becomes its own.
func (a *Access) owns(origin Origin, p lwm2m.Path) bool {
	return a.enforced && origin.Kind == OriginServer && p.Object() != objectAccessControl
}

func (a *Access) equal(b *Access) bool {
	same := func(g, h grant) bool { return g.owner == h.owner && slices.Equal(g.acl, h.acl) }
	return a.enforced == b.enforced && same(a.rest, b.rest) && maps.Equal(a.owners, b.owners) && maps.EqualFunc(a.grants, b.grants, same)
}

// readAccess makes the Access of what objects 1 and 2 hold; the tree's lock must
// be held. Where two instances are about the same, the first counts.
func readAccess(server, control *object, rest grant) *Access {
	a := &Access{rest: rest}
	if control == nil {
		return a
	}
	a.enforced = server != nil && len(server.instances) > 1
	a.owners, a.grants = make(map[uint16]uint16), make(map[controlled]grant)
	for _, in := range control.instances {
		at, g := in.grant()
		a.owners[in.id] = g.owner
		if _, dup := a.grants[at]; !dup {
			a.grants[at] = g
		}
	}
	return a
}

// grant reads an instance of object 2. One without owner is nobody's.
func (in *instance) grant() (controlled, grant) {
	at := controlled{in.identifier(controlObject), in.identifier(controlInstance)}
	g := grant{owner: in.identifier(controlOwner)}
	if r := in.resource(controlACL); r != nil {
		for _, c := range r.many {
			g.acl = append(g.acl, aclEntry{c.id, Rights(c.value.Int()) & allRights}) //nolint:gosec // the bits that mean something
		}
	}
	return at, g
}

// identifier returns a resource that holds an identifier, MAX_ID if it has none.
func (in *instance) identifier(rid uint16) uint16 {
	r := in.resource(rid)
	if r == nil || r.one.value.IsZero() {
		return lwm2m.MaxID
	}
	return uint16(r.one.value.Int()) //nolint:gosec // 0 to 65535, says the definition
}
