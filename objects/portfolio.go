package objects

import (
	"context"
	"slices"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// HostIdentities are what GSMA TS.34 wants to know of the host that a module is
// built into: instance 0 of object 16.
type HostIdentities struct {
	DeviceID     string // /16/0/0/0
	Manufacturer string // /16/0/0/1
	Model        string // /16/0/0/2
	Software     string // /16/0/0/3: the version
}

const (
	objectPortfolio      = 16
	ridPortfolioIdentity = 0 // the one resource served: GetAuthData and what follows from it are optional
)

// The bounds of what servers may store in object 16, over all instances.
const (
	maxPortfolios      = 32
	maxIdentities      = 256
	maxIdentitiesBytes = 16 << 10
)

// Portfolio is object 16: identities of the host in instance 0, and what servers
// store in it and in further instances that they create and delete.
type Portfolio struct {
	model.Plain
	record record
	host   []lwm2m.Node // what instance 0 says of its own
}

// NewPortfolio adds object 16 with instance 0 to the tree. What servers change is
// handed to save; a nil save keeps nothing.
func NewPortfolio(tree *model.Tree, id HostIdentities, save Save) (*Portfolio, error) {
	p := &Portfolio{record: record{tree: tree}}
	identities := lwm2m.NewPath(objectPortfolio, 0, ridPortfolioIdentity)
	for riid, text := range []string{id.DeviceID, id.Manufacturer, id.Model, id.Software} {
		p.host = append(p.host, lwm2m.Node{Path: identities.Child(uint16(riid)), Value: lwm2m.String(text)})
	}
	if save != nil {
		p.record.save = func(ctx context.Context, nodes []lwm2m.Node) error { return save(ctx, p.changed(nodes)) }
	}
	var err error
	if p.record.pub, err = tree.AddRegistered(objectPortfolio, p); err != nil {
		return nil, err
	}
	return p, p.record.restore(p.host)
}

// Restore sets what Save was given. Identities of the host that no server has
// changed are as the host is now: its software may be another one.
func (p *Portfolio) Restore(nodes []lwm2m.Node) error {
	content := slices.DeleteFunc(slices.Clone(nodes), func(n lwm2m.Node) bool {
		return n.Path.Level() == lwm2m.LevelResourceInstance && n.Value.IsZero() // one that a server removed
	})
	if slices.ContainsFunc(nodes, ofInstance0) {
		for _, n := range p.host {
			if !slices.ContainsFunc(nodes, at(n.Path)) {
				content = append(content, n)
			}
		}
	}
	lwm2m.SortNodes(content)
	return p.record.restore(content)
}

// changed returns what differs from the host's identities: nodes without value
// stand for those that are gone. Instance 0 has a node of its own while it is
// there.
func (p *Portfolio) changed(nodes []lwm2m.Node) []lwm2m.Node {
	out := slices.DeleteFunc(slices.Clone(nodes), func(n lwm2m.Node) bool { return slices.Contains(p.host, n) })
	if !slices.ContainsFunc(nodes, ofInstance0) {
		return out
	}
	for _, n := range p.host {
		if !slices.ContainsFunc(nodes, at(n.Path)) {
			out = append(out, lwm2m.Node{Path: n.Path})
		}
	}
	if whole := p.record.path(0); !slices.ContainsFunc(out, at(whole)) {
		out = append(out, lwm2m.Node{Path: whole})
	}
	lwm2m.SortNodes(out)
	return out
}

func ofInstance0(n lwm2m.Node) bool { return n.Path.Instance() == 0 }

func at(p lwm2m.Path) func(lwm2m.Node) bool {
	return func(n lwm2m.Node) bool { return n.Path == p }
}

// Prepare lets servers write, create and delete within the bounds: 4.13.
func (p *Portfolio) Prepare(_ context.Context, e *model.Edit) (model.Transaction, error) {
	after := edited(p.record.content(), objectPortfolio, e)
	instances, identities, size := make(map[uint16]bool), 0, 0
	for _, n := range after {
		instances[n.Path.Instance()] = true
		if n.Path.Level() == lwm2m.LevelResourceInstance {
			identities, size = identities+1, size+n.Value.Len()
		}
	}
	grows := len(e.Set) > 0
	switch {
	case grows && len(instances) > maxPortfolios:
		return nil, lwm2m.Errorf(lwm2m.RequestEntityTooLarge, "object 16 (Portfolio) has room for %d instances", maxPortfolios)
	case grows && (identities > maxIdentities || size > maxIdentitiesBytes):
		return nil, lwm2m.Errorf(lwm2m.RequestEntityTooLarge, "object 16 (Portfolio) has room for %d identities of together %d bytes", maxIdentities, maxIdentitiesBytes)
	}
	var tx sequence
	p.record.keep(&tx, e)
	return &tx, nil
}
