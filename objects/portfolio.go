package objects

import (
	"context"
	"slices"
	"sync"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// HostIdentities are what GSMA TS.34 wants to know of the host that a module is
// built into: /16/0/0/0 to /16/0/0/3.
type HostIdentities struct {
	DeviceID     string
	Manufacturer string
	Model        string
	Software     string // its version
}

// ModuleIdentities are the same of the communication module: /16/0/0/4 to /16/0/0/7. What is "" is not shown.
type ModuleIdentities struct {
	IMEI         string
	Manufacturer string
	Model        string
	Firmware     string // its version
}

const (
	objectPortfolio      = 16
	ridPortfolioIdentity = 0 // the one resource served: GetAuthData and what follows from it are optional
	firstModuleIdentity  = 4
)

// The bounds of what servers may store in object 16, over all instances.
const (
	maxPortfolios      = 32
	maxIdentities      = 256
	maxIdentitiesBytes = 16 << 10
)

// Portfolio is object 16: identities of the host and its module in instance 0, and what servers
// store in it and in further instances that they create and delete.
type Portfolio struct {
	model.Plain
	record record

	mu      sync.Mutex
	host    []lwm2m.Node // what instance 0 says of its own
	removed []lwm2m.Node // without value: what servers had removed when the content was restored
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
	p.mu.Lock()
	defer p.mu.Unlock()
	var content []lwm2m.Node
	p.removed = nil
	for _, n := range nodes {
		if n.Path.Level() == lwm2m.LevelResourceInstance && n.Value.IsZero() {
			p.removed = append(p.removed, n)
		} else {
			content = append(content, n)
		}
	}
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

// SetModule shows the identities of the module. What servers have changed of them stays.
func (p *Portfolio) SetModule(m ModuleIdentities) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	content, before := p.record.content(), p.host
	p.host = slices.DeleteFunc(slices.Clone(before), func(n lwm2m.Node) bool { return n.Path.ResourceInstance() >= firstModuleIdentity })
	var b model.Batch
	for i, text := range []string{m.IMEI, m.Manufacturer, m.Model, m.Firmware} {
		n := lwm2m.Node{Path: lwm2m.NewPath(objectPortfolio, 0, ridPortfolioIdentity, uint16(firstModuleIdentity+i)), Value: lwm2m.String(text)}
		if text == "" {
			continue
		}
		p.host = append(p.host, n)
		known, there := slices.ContainsFunc(before, at(n.Path)), slices.ContainsFunc(content, at(n.Path))
		own := there && slices.ContainsFunc(before, func(o lwm2m.Node) bool { return o.Path == n.Path && slices.Contains(content, o) })
		if own || !there && !known && !slices.ContainsFunc(p.removed, at(n.Path)) {
			b.SetInstance(0, ridPortfolioIdentity, n.Path.ResourceInstance(), n.Value)
		}
	}
	if !slices.ContainsFunc(content, ofInstance0) { // a server has deleted it
		return nil
	}
	return p.record.pub.Publish(&b)
}

// changed returns what differs from the host's identities: nodes without value
// stand for those that are gone. Instance 0 has a node of its own while it is
// there.
func (p *Portfolio) changed(nodes []lwm2m.Node) []lwm2m.Node {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := slices.DeleteFunc(slices.Clone(nodes), func(n lwm2m.Node) bool { return slices.Contains(p.host, n) })
	if !slices.ContainsFunc(nodes, ofInstance0) {
		return out
	}
	for _, n := range slices.Concat(p.host, p.removed) {
		if !slices.ContainsFunc(nodes, at(n.Path)) && !slices.ContainsFunc(out, at(n.Path)) {
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
