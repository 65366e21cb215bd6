package apps

import (
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// usage is what an application takes of its bounds.
type usage struct{ instances, values, bytes int }

func (u usage) plus(v usage) usage {
	return usage{u.instances + v.instances, u.values + v.values, u.bytes + v.bytes}
}

func (u usage) fits() bool {
	return u.instances <= maxInstances && u.values <= maxValues && u.bytes <= maxBytes
}

func (u usage) refusal(name string) error {
	return lwm2m.Errorf(lwm2m.RequestEntityTooLarge, "application %s would have %d instances, %d values and %d bytes of text; allowed: %d, %d and %d",
		name, u.instances, u.values, u.bytes, maxInstances, maxValues, maxBytes)
}

// fits checks the bounds. What is set is first taken for new; only if that is too
// much the tree is counted.
func (p *plan) fits() error {
	u := usage{values: len(p.set)}
	for _, size := range p.set {
		u.bytes += size
	}
	a := p.app
	instances := p.instances()
	if most := a.room.plus(u); instances <= maxInstances && most.fits() {
		a.room = most
		return nil
	}
	u.instances = instances
	p.each(func(at lwm2m.Path, size int) {
		if _, again := p.set[at]; !again && p.has(at.At(lwm2m.LevelInstance)) {
			u = u.plus(usage{values: 1, bytes: size})
		}
	})
	if !u.fits() {
		return u.refusal(a.name)
	}
	a.room = usage{values: u.values, bytes: u.bytes}
	return nil
}

// each visits the values that the plan's objects have in the tree.
func (p *plan) each(visit func(at lwm2m.Path, size int)) {
	for oid, o := range p.objects {
		if o.publisher == nil {
			continue
		}
		readings, err := p.app.cfg.Tree.Readings(model.FromAgent(), lwm2m.NewPath(oid))
		if err != nil {
			continue // it is not in the tree
		}
		for i := range readings {
			visit(readings[i].Path, readings[i].Value.Len())
		}
	}
}

// takes refuses what a server may not add to an application's objects.
func (a *App) takes(e *model.Edit) error {
	instances := len(e.Create)
	for _, o := range a.served() {
		instances += len(a.cfg.Tree.Instances(o.def.ID))
	}
	added := usage{instances: instances}
	for _, n := range e.Set {
		if n.Value.Len() > maxValue {
			return lwm2m.Errorf(lwm2m.RequestEntityTooLarge, "%s: %d bytes; allowed: %d", n.Path, n.Value.Len(), maxValue)
		}
		former := a.cfg.Tree.Value(n.Path)
		if former.IsZero() {
			added.values++
		}
		added.bytes += n.Value.Len() - former.Len()
	}
	if u := a.taken().plus(added); !u.fits() {
		return u.refusal(a.name)
	}
	return nil
}

// taken counts the values in the tree.
func (a *App) taken() usage {
	var u usage
	p := plan{app: a, objects: make(map[uint16]*object)}
	for _, o := range a.served() {
		p.objects[o.def.ID] = o
	}
	p.each(func(_ lwm2m.Path, size int) { u = u.plus(usage{values: 1, bytes: size}) })
	return u
}
