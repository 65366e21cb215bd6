package objects

import (
	"context"
	"slices"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// AccessPolicy is what the configuration says about access rights.
type AccessPolicy struct {
	Servers []uint16                // Short Server IDs; who has no account yet is about to get one
	Rights  map[uint16]model.Rights // of those to which it gives rights explicitly
	Changed []uint16                // whose rights it gives, or no longer gives, since it was last applied
}

// Provision brings object 2 in step with accounts, object instances and the
// configuration, in one transaction. With a single server it makes nothing. What it
// would make for an object instance holds for those that appear later, too, until the
// next call makes it.
//
// What the agent makes has the main server as its owner, the one whose account is
// the lowest instance of object 1; others may read it by the default entry, unless
// the policy gives them rights of their own. An account is its own server's. The
// right to create instances of an object is the main server's, or that of whom the
// policy gives it to. What is there already stays as servers wrote it, but for
// accounts that are gone: their entries go, and what they owned is the main
// server's. A change of a policy reaches what has a default entry: an owner that
// takes it away makes the instance private.
func (c *AccessControl) Provision(ctx context.Context, policy AccessPolicy) error {
	return c.record.pub.Transact(ctx, func() *model.Edit {
		p := c.newProvision(policy)
		if p.main == 0 {
			return nil
		}
		c.record.tree.SetDefaultAccess(p.main, p.entries(false))
		p.tidy()
		if len(p.accounts) > 1 || len(policy.Servers) > 1 {
			p.apply()
			p.complete(c.record.tree)
		}
		if len(p.edit.Create)+len(p.edit.Delete)+len(p.edit.Set) == 0 {
			return nil
		}
		lwm2m.SortNodes(p.edit.Set)
		return p.edit
	})
}

// provision is one run of Provision.
type provision struct {
	policy   AccessPolicy
	accounts map[uint16]uint16 // instance of object 1 to Short Server ID
	servers  map[uint16]bool   // that have an account or are about to get one
	main     uint16            // 0: there is no server
	controls map[uint16]*control
	about    map[lwm2m.Path]bool // what controls are about
	taken    map[uint16]bool     // instances of object 2 that are there, or go with this edit
	free     uint16              // the lowest that may not be taken
	edit     *model.Edit
}

// control is an instance of object 2.
type control struct {
	at       lwm2m.Path
	oid, iid uint16 // what it is about; iid MAX_ID: the right to create
	owner    uint16
	acl      map[uint16]bool // who has an entry
}

// forObject reports whether it is about an object, not an instance.
func (c *control) forObject() bool { return c.iid == lwm2m.MaxID }

func (c *AccessControl) newProvision(policy AccessPolicy) *provision {
	p := &provision{
		policy: policy, accounts: make(map[uint16]uint16), servers: make(map[uint16]bool),
		controls: c.controls(), about: make(map[lwm2m.Path]bool), taken: make(map[uint16]bool), edit: &model.Edit{Origin: model.FromAgent()},
	}
	for _, a := range c.accounts() {
		p.accounts[a.iid], p.servers[a.server] = a.server, true
		if p.main == 0 {
			p.main = a.server
		}
	}
	for _, server := range policy.Servers {
		p.servers[server] = true
		if p.main == 0 {
			p.main = server
		}
	}
	for iid, k := range p.controls {
		p.taken[iid], p.about[lwm2m.NewPath(k.oid, k.iid)] = true, true
	}
	return p
}

// controls reads the instances of object 2.
func (c *AccessControl) controls() map[uint16]*control {
	controls := make(map[uint16]*control)
	for _, n := range c.record.content() {
		iid := n.Path.Instance()
		k := controls[iid]
		if k == nil {
			k = &control{at: n.Path.At(lwm2m.LevelInstance), acl: make(map[uint16]bool)}
			controls[iid] = k
		}
		switch {
		case n.Path.Level() == lwm2m.LevelResourceInstance:
			k.acl[n.Path.ResourceInstance()] = true
		case n.Path.Level() == lwm2m.LevelInstance:
		case n.Path.Resource() == ridControlObject:
			k.oid = uint16(n.Value.Int()) //nolint:gosec // an identifier, says the definition
		case n.Path.Resource() == ridControlInstance:
			k.iid = uint16(n.Value.Int()) //nolint:gosec // likewise
		case n.Path.Resource() == ridControlOwner:
			k.owner = uint16(n.Value.Int()) //nolint:gosec // likewise
		}
	}
	return controls
}

// tidy takes out what accounts that are gone have left.
func (p *provision) tidy() {
	for iid, k := range p.controls {
		if k.oid == objectServer && !k.forObject() && p.accounts[k.iid] == 0 {
			p.edit.Delete = append(p.edit.Delete, k.at)
			delete(p.controls, iid)
			delete(p.about, lwm2m.NewPath(k.oid, k.iid))
			continue
		}
		orphan := k.owner != lwm2m.MaxID && !p.servers[k.owner]
		another := orphan && k.oid == objectServer // another server's account has its instance number
		for server := range k.acl {
			if another || server != 0 && !p.servers[server] {
				p.revoke(k, server)
			}
		}
		switch {
		case another:
			p.own(k, p.accounts[k.iid])
		case orphan:
			p.own(k, p.main)
		case k.forObject() && len(k.acl) == 0: // nobody may create instances any more
			if rights, given := p.rights(p.main, true); given {
				p.grant(k, p.main, rights)
			}
		}
	}
	slices.SortFunc(p.edit.Delete, lwm2m.Path.Compare)
}

// apply gives and takes what the configuration does since it was edited.
func (p *provision) apply() {
	for _, k := range p.controls {
		if k.oid == objectServer || !k.forObject() && !k.acl[0] {
			continue
		}
		for _, server := range p.policy.Changed {
			rights, given := p.rights(server, k.forObject())
			switch {
			case given:
				p.grant(k, server, rights)
			case k.acl[server]:
				p.revoke(k, server)
			}
		}
	}
}

// rights returns what the policy gives a server at an object or at an instance.
func (p *provision) rights(server uint16, forObject bool) (rights model.Rights, given bool) {
	rights, given = p.policy.Rights[server]
	switch {
	case !forObject:
		return rights &^ model.RightCreate, given
	case !given && server == p.main:
		return model.RightCreate, true
	}
	return rights & model.RightCreate, rights.Has(model.RightCreate)
}

// complete makes access control for what has none: object instances, and objects
// of which instances can be created.
func (p *provision) complete(tree *model.Tree) {
	for _, e := range tree.Entries(lwm2m.Path{}, lwm2m.LevelInstance) {
		switch oid := e.Path.Object(); {
		case uncontrolled(oid):
		case e.Path.Level() == lwm2m.LevelObject:
			if def := tree.Definition(oid); def != nil && def.Multiple && oid != objectServer {
				p.provide(oid, lwm2m.MaxID, lwm2m.MaxID)
			}
		case oid == objectServer:
			p.provide(oid, e.Path.Instance(), p.accounts[e.Path.Instance()])
		default:
			p.provide(oid, e.Path.Instance(), p.main)
		}
	}
}

// uncontrolled reports whether object 2 has no say over an object: what only the
// bootstrap server touches, and object 2 itself.
func uncontrolled(oid uint16) bool {
	switch oid {
	case objectSecurity, objectAccessControl, objectOSCORE, objectCOSE:
		return true
	}
	return false
}

// provide makes an instance of object 2, if there is none about the same.
func (p *provision) provide(oid, iid, owner uint16) {
	target := lwm2m.NewPath(oid, iid)
	if p.about[target] || owner == 0 {
		return
	}
	p.about[target] = true
	for p.taken[p.free] {
		p.free++
	}
	p.taken[p.free] = true
	k := &control{at: lwm2m.NewPath(objectAccessControl, p.free), oid: oid, iid: iid, acl: make(map[uint16]bool)}
	p.edit.Create = append(p.edit.Create, p.free)
	p.set(k.at.Child(ridControlObject), int64(oid))
	p.set(k.at.Child(ridControlInstance), int64(iid))
	p.own(k, owner)
	if oid == objectServer {
		return
	}
	for server, rights := range p.entries(k.forObject()) {
		p.grant(k, server, rights)
	}
}

// entries returns the ACL of what the agent makes.
func (p *provision) entries(forObject bool) map[uint16]model.Rights {
	entries := make(map[uint16]model.Rights)
	if !forObject {
		entries[0] = model.RightRead
	}
	for server := range p.servers {
		if rights, given := p.rights(server, forObject); given {
			entries[server] = rights
		}
	}
	return entries
}

func (p *provision) grant(k *control, server uint16, rights model.Rights) {
	k.acl[server] = true
	p.set(k.at.Child(ridACL).Child(server), int64(rights))
}

func (p *provision) revoke(k *control, server uint16) {
	delete(k.acl, server)
	p.edit.Delete = append(p.edit.Delete, k.at.Child(ridACL).Child(server))
}

func (p *provision) own(k *control, owner uint16) {
	k.owner = owner
	p.set(k.at.Child(ridControlOwner), int64(owner))
}

func (p *provision) set(at lwm2m.Path, n int64) {
	p.edit.Set = append(p.edit.Set, lwm2m.Node{Path: at, Value: lwm2m.Integer(n)})
}
