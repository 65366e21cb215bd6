package apps

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"lwm2m-agent/lwm2m"
)

// Register makes r all that the program serves: objects that it does not name
// go, and so do instances if r names all of them; what is there already stays,
// with its values. All of it happens or nothing. Errors: 4.00, 4.03 for objects
// that are not the application's, 4.04, 4.13.
func (a *App) Register(r Registration) error {
	a.changing.Lock()
	defer a.changing.Unlock()
	next, err := a.define(r.Objects)
	if err != nil {
		return err
	}
	p := a.plan(next, r.Whole)
	if err := p.addAll(r.Updates); err != nil {
		return err
	}
	if err := a.replace(next); err != nil {
		return err
	}
	if err := a.arrive(p); err != nil {
		return err
	}
	a.keepNow()
	return nil
}

// Publish takes over what the program says about its objects, all of it or
// nothing. Errors: 4.00, 4.03, 4.04, 4.13.
func (a *App) Publish(updates []Update) error {
	a.changing.Lock()
	defer a.changing.Unlock()
	objects := make(map[uint16]*object)
	for _, o := range a.served() {
		objects[o.def.ID] = o
	}
	p := a.plan(objects, false)
	if err := p.addAll(updates); err != nil {
		return err
	}
	return a.arrive(p)
}

// arrive publishes what a program has said, which shows that it is there.
func (a *App) arrive(p *plan) error {
	if err := a.change(func() { a.away = "" }); err != nil {
		return err
	}
	return p.publish()
}

// Withdraw takes all objects of the application away, and forgets them.
func (a *App) Withdraw() error {
	a.changing.Lock()
	defer a.changing.Unlock()
	if err := a.replace(nil); err != nil {
		return err
	}
	a.keepNow()
	return nil
}

// allow takes over what the configuration says.
func (a *App) allow(user string, oids []uint16) {
	a.changing.Lock()
	defer a.changing.Unlock()
	next := make(map[uint16]*object)
	for _, o := range a.served() {
		if slices.Contains(oids, o.def.ID) {
			next[o.def.ID] = o
		}
	}
	_ = a.change(func() {
		if user != a.user {
			a.away = "the configuration names another user for it"
			a.interrupt(a.away)
		}
		a.user, a.allowed = user, oids
	})
	_ = a.replace(next) // nothing is added
	a.markAway()
	a.keepNow()
}

// remove ends the application.
func (a *App) remove(why string) {
	a.changing.Lock()
	defer a.changing.Unlock()
	_ = a.replace(nil)
	_ = a.change(func() {
		a.interrupt(why)
		a.gone = why
	})
	a.keepNow()
}

// define returns the objects that a program registers: those that are served as
// they are, and new ones that are not in the tree yet.
func (a *App) define(sources []Object) (map[uint16]*object, error) {
	a.mu.Lock()
	allowed, served := a.allowed, maps.Clone(a.objects)
	a.mu.Unlock()
	next := make(map[uint16]*object, len(sources))
	for _, source := range sources {
		if !slices.Contains(allowed, source.ID) {
			return nil, lwm2m.Errorf(lwm2m.Forbidden, "object %d is none of application %s; allowed: %v; the list is objects in its [[app]]", source.ID, a.name, allowed)
		}
		if next[source.ID] != nil {
			return nil, lwm2m.Errorf(lwm2m.BadRequest, "object %d is there twice", source.ID)
		}
		def, err := define(source, a.cfg.Definitions)
		if err != nil {
			return nil, err
		}
		next[source.ID] = &object{app: a, source: source, def: def}
		if o := served[source.ID]; o != nil && reflect.DeepEqual(o.def, def) {
			next[source.ID] = o
		} else if o == nil && len(a.cfg.Tree.Entries(lwm2m.NewPath(source.ID), lwm2m.LevelObject)) > 0 {
			return nil, lwm2m.Errorf(lwm2m.Forbidden, "object %d (%s) is served by the agent itself: take it out of [[app]], or what feeds it out of the configuration", source.ID, def.Name)
		}
	}
	return next, nil
}

// replace makes these the objects of the application; a program does it, or the
// configuration. changing is held.
func (a *App) replace(next map[uint16]*object) error {
	for _, o := range a.served() {
		if next[o.def.ID] != o {
			a.cfg.Tree.Remove(o.def.ID)
			_ = a.change(func() { delete(a.objects, o.def.ID) })
		}
	}
	for oid, o := range next {
		if o.publisher != nil {
			continue
		}
		publisher, err := a.cfg.Tree.Add(o.def, o)
		if err != nil {
			return fmt.Errorf("application %s: %w", a.name, err) // the agent has begun to serve it just now
		}
		o.publisher = publisher
		if err := a.change(func() { a.objects[oid] = o }); err != nil {
			a.cfg.Tree.Remove(oid)
			return err
		}
	}
	return nil
}
