package apps

import (
	"errors"
	"slices"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// The bounds of one application.
const (
	maxInstances = 2048
	maxValues    = 16384
	maxValue     = 8 << 10   // bytes of one value
	maxBytes     = 256 << 10 // of all values together
)

// plan checks what a program says before anything of it happens, and makes a
// batch for each object.
type plan struct {
	app     *App
	objects map[uint16]*object
	whole   bool
	former  map[uint16][]uint16 // instances in the tree, of each object
	changed map[lwm2m.Path]bool // instances that are made (true) and removed
	named   map[lwm2m.Path]bool // instances that the program speaks of
	cleared map[lwm2m.Path]bool // multiple resources whose former instances go
	set     map[lwm2m.Path]int  // sizes of values that are set
	batches map[uint16]*model.Batch
}

// plan begins a plan for these objects. If it is to be the whole of them,
// instances that no update names go.
func (a *App) plan(objects map[uint16]*object, whole bool) *plan {
	p := &plan{
		app: a, objects: objects, whole: whole,
		former: make(map[uint16][]uint16), changed: make(map[lwm2m.Path]bool), named: make(map[lwm2m.Path]bool),
		cleared: make(map[lwm2m.Path]bool), set: make(map[lwm2m.Path]int), batches: make(map[uint16]*model.Batch),
	}
	for oid, o := range objects {
		p.batches[oid] = &model.Batch{}
		if o.publisher != nil {
			p.former[oid] = a.cfg.Tree.Instances(oid)
		}
	}
	return p
}

// has reports whether an instance is there after what was planned so far.
func (p *plan) has(at lwm2m.Path) bool {
	if there, changed := p.changed[at]; changed {
		return there
	}
	return p.had(at)
}

// had reports whether an instance was there before.
func (p *plan) had(at lwm2m.Path) bool {
	_, found := slices.BinarySearch(p.former[at.Object()], at.Instance())
	return found
}

// instances counts those that are there after what was planned so far.
func (p *plan) instances() int {
	n := 0
	for _, iids := range p.former {
		n += len(iids)
	}
	for at, there := range p.changed {
		switch had := p.had(at); {
		case there && !had:
			n++
		case !there && had:
			n--
		}
	}
	return n
}

// addAll checks all updates and what they come to.
func (p *plan) addAll(updates []Update) error {
	for i := range updates {
		if err := p.add(&updates[i]); err != nil {
			return err
		}
	}
	if p.whole {
		p.removeUnnamed()
	}
	for at := range p.cleared {
		if p.has(at.At(lwm2m.LevelInstance)) {
			p.removeOthers(at)
		}
	}
	return p.fits()
}

func (p *plan) removeUnnamed() {
	for oid, iids := range p.former {
		for _, iid := range iids {
			if at := lwm2m.NewPath(oid, iid); !p.named[at] {
				p.remove(at)
			}
		}
	}
}

func (p *plan) add(u *Update) error {
	o := p.objects[u.Path.Object()]
	if o == nil {
		return lwm2m.Errorf(lwm2m.NotFound, "%s: application %s has not registered object %d", u.Path, p.app.name, u.Path.Object())
	}
	at := u.Path.At(lwm2m.LevelInstance)
	if u.Path == at {
		return p.instance(o, u)
	}
	if !p.has(at) {
		return lwm2m.Errorf(lwm2m.NotFound, `%s: there is no instance %s; make it: {"%s": {…}}`, u.Path, at, at)
	}
	p.named[at] = true
	r := o.def.Resource(u.Path.Resource())
	if r == nil {
		return lwm2m.Errorf(lwm2m.NotFound, "%s: object %d (%s) has no resource %d", u.Path, o.def.ID, o.def.Name, u.Path.Resource())
	}
	return p.resource(r, u)
}

func (p *plan) instance(o *object, u *Update) error {
	if u.Kind == Remove {
		p.remove(u.Path)
		return nil
	}
	if !o.def.Multiple && u.Path.Instance() != 0 {
		return lwm2m.Errorf(lwm2m.BadRequest, "%s: object %d (%s) has a single instance; allowed: /%d/0", u.Path, o.def.ID, o.def.Name, o.def.ID)
	}
	p.changed[u.Path], p.named[u.Path] = true, true
	b := p.batches[o.def.ID]
	b.Create(u.Path.Instance())
	o.declare(b, u.Path.Instance())
	return nil
}

func (p *plan) remove(at lwm2m.Path) {
	p.changed[at] = false
	p.batches[at.Object()].Delete(at.Instance())
}

func (p *plan) resource(r *model.ResourceDefinition, u *Update) error {
	single := u.Path.Level() == lwm2m.LevelResource
	switch b := p.batches[u.Path.Object()]; {
	case !single && !r.Multiple:
		return lwm2m.Errorf(lwm2m.BadRequest, "%s: %s is a single resource", u.Path, r.Name)
	case u.Kind == Clear && !single:
		b.RemoveInstance(u.Path.Instance(), r.ID, u.Path.ResourceInstance())
	case u.Kind == Clear && r.Multiple:
		b.Declare(u.Path.Instance(), r.ID)
		p.cleared[u.Path] = true
	case u.Kind == Clear:
		if !p.app.cfg.Tree.Value(u.Path).IsZero() {
			b.Remove(u.Path.Instance(), r.ID)
		}
		b.Declare(u.Path.Instance(), r.ID)
	case r.Type == lwm2m.TypeNone:
		return lwm2m.Errorf(lwm2m.BadRequest, "%s: %s is executed and has no value; allowed: null", u.Path, r.Name)
	case single && r.Multiple:
		return lwm2m.Errorf(lwm2m.BadRequest, `%s: %s is a multiple resource; give its instances: {"0": …}`, u.Path, r.Name)
	case u.Kind == Judge:
		if !p.app.cfg.Tree.Value(u.Path).IsZero() {
			judge(b, u.Path, u.Quality)
		}
	default:
		return p.value(r, u)
	}
	return nil
}

func (p *plan) value(r *model.ResourceDefinition, u *Update) error {
	v, err := u.Value.Convert(r.Type)
	switch {
	case err != nil:
		return lwm2m.Errorf(lwm2m.BadRequest, "%s (%s): %w", u.Path, r.Name, err)
	case !r.Range.Contains(v):
		return lwm2m.Errorf(lwm2m.BadRequest, "%s (%s): %.40q is out of range; allowed: %s", u.Path, r.Name, v.String(), r.Range)
	case v.Len() > maxValue:
		return lwm2m.Errorf(lwm2m.RequestEntityTooLarge, "%s (%s): %d bytes; allowed: %d", u.Path, r.Name, v.Len(), maxValue)
	}
	set(p.batches[u.Path.Object()], u.Path, v, u.Time, u.Quality)
	p.set[u.Path] = v.Len()
	return nil
}

// removeOthers removes the instances of a multiple resource that have no new
// value.
func (p *plan) removeOthers(at lwm2m.Path) {
	there, err := p.app.cfg.Tree.Readings(model.FromAgent(), at)
	if err != nil {
		return // it is new
	}
	for i := range there {
		if _, stays := p.set[there[i].Path]; !stays {
			p.batches[at.Object()].RemoveInstance(at.Instance(), at.Resource(), there[i].Path.ResourceInstance())
		}
	}
}

// publish carries out the plan.
func (p *plan) publish() error {
	problems := make([]error, 0, len(p.batches))
	for oid, b := range p.batches {
		problems = append(problems, p.objects[oid].publisher.Publish(b))
	}
	return errors.Join(problems...)
}
