package apps

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// App is one application.
type App struct {
	name string
	cfg  *shared

	changing sync.Mutex  // the program, or the configuration, changes what is served: one at a time
	shape    string      // what was last kept, without values
	room     usage       // what is taken at most
	written  atomic.Bool // a server has written since something was last kept

	mu      sync.Mutex // not held while the tree or the store is asked to wait
	user    string
	allowed []uint16 // objects, in order
	objects map[uint16]*object
	stream  *Stream
	pending map[uint64]*question
	away    string // not "": its program has gone, and why
	gone    string // not "": the application is no more, and why
	since   time.Time
}

// State is how an application stands.
type State string

// The states.
const (
	Unregistered State = "unregistered" // its program has no objects here
	Publishing   State = "publishing"   // it has, and publishes, but reads no requests
	Present      State = "present"      // it reads requests
	Away         State = "away"         // its program has gone, or not come back after a restart
)

// Status is how an application stands.
type Status struct {
	Name      string
	User      string
	State     State
	Since     time.Time // of the state
	Allowed   []uint16  // objects that it may own
	Objects   []uint16  // objects that it has registered
	Instances int
	Waiting   int // requests that wait for its answer
}

func newApp(c *config.App, s *shared) *App {
	return &App{
		name: c.Name, cfg: s, user: c.User, allowed: c.Objects, since: s.Now(),
		objects: make(map[uint16]*object), pending: make(map[uint64]*question),
	}
}

// Name returns the name of the application.
func (a *App) Name() string { return a.name }

// User returns the user of the operating system who may act for the application.
func (a *App) User() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.user
}

func (a *App) status() Status {
	objects := a.served()
	a.mu.Lock()
	defer a.mu.Unlock()
	s := Status{Name: a.name, User: a.user, State: a.state(), Since: a.since, Allowed: a.allowed, Objects: []uint16{}, Waiting: len(a.pending)}
	for _, o := range objects {
		s.Objects = append(s.Objects, o.def.ID)
		s.Instances += len(a.cfg.Tree.Instances(o.def.ID))
	}
	return s
}

// state returns the state; mu is held.
func (a *App) state() State {
	switch {
	case len(a.objects) == 0:
		return Unregistered
	case a.stream != nil:
		return Present
	case a.away != "":
		return Away
	}
	return Publishing
}

// served returns the objects in the tree, in order.
func (a *App) served() []*object {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.SortedFunc(maps.Values(a.objects), func(x, y *object) int { return cmp.Compare(x.def.ID, y.def.ID) })
}

// change changes how the application stands, and tells health. It fails if the
// application is no more.
func (a *App) change(f func()) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gone != "" {
		return lwm2m.Errorf(lwm2m.NotFound, "there is no application %s: %s", a.name, a.gone)
	}
	before := a.state()
	f()
	if a.state() == before {
		return nil
	}
	a.since = a.cfg.Now()
	if a.state() == Away {
		a.cfg.Health.Set(health.AppAway, a.name, a.away)
	} else {
		a.cfg.Health.Clear(health.AppAway, a.name)
	}
	return nil
}

// Listen returns the stream of requests. A program that listened before is told
// that another one has taken over, and what it has not answered is refused.
func (a *App) Listen() (*Stream, error) {
	s := newStream(a)
	return s, a.change(func() {
		a.interrupt("another program has taken over the requests of this application")
		a.stream, a.away = s, ""
	})
}

// interrupt ends the stream, if there is one; mu is held.
func (a *App) interrupt(why string) {
	if a.stream != nil {
		a.stream.end(why)
		a.drop(a.stream, why)
		a.stream = nil
	}
}

// wrote has Run keep what a server is about to write.
func (a *App) wrote() {
	a.written.Store(true)
	select {
	case a.cfg.written <- struct{}{}:
	default:
	}
}

const closedStream = "its program has closed the stream of requests"

// closed is told by a stream that nobody reads it any more.
func (a *App) closed(s *Stream) {
	left := false
	_ = a.change(func() { // an application that is no more has nothing to mark
		if left = a.stream == s; left {
			a.drop(s, closedStream)
			a.stream, a.away = nil, closedStream
		}
	})
	if left {
		a.leave()
	}
}

// leave marks the values of a program that has gone, and keeps them.
func (a *App) leave() {
	a.changing.Lock()
	defer a.changing.Unlock()
	a.markAway()
	a.keepNow()
}

// markAway marks the values of a program that is away; changing is held.
func (a *App) markAway() {
	for _, o := range a.served() {
		if a.isAway() { // it may come back meanwhile
			o.mark()
		}
	}
}

func (a *App) isAway() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.away != ""
}

// mark marks the object's values as those of a source that has gone silent. They
// stay readable, with the times at which they were good.
func (o *object) mark() {
	readings, err := o.app.cfg.Tree.Readings(model.FromAgent(), lwm2m.NewPath(o.def.ID))
	if err != nil {
		return // it is not in the tree
	}
	var b model.Batch
	for i := range readings {
		if r := &readings[i]; r.Quality < model.Stale {
			judge(&b, r.Path, model.Stale)
		}
	}
	_ = o.publisher.Publish(&b) // these places were read just now; one that a server has deleted since takes no mark
}

// judge changes the quality of the value at a path.
func judge(b *model.Batch, p lwm2m.Path, q model.Quality) {
	set(b, p, lwm2m.Value{}, time.Time{}, q)
}

// set gives the resource or resource instance at a path a value.
func set(b *model.Batch, p lwm2m.Path, v lwm2m.Value, at time.Time, q model.Quality) {
	if p.Level() == lwm2m.LevelResource {
		b.SetAt(p.Instance(), p.Resource(), v, at, q)
		return
	}
	b.SetInstanceAt(p.Instance(), p.Resource(), p.ResourceInstance(), v, at, q)
}

// complete gives instances that a server has made the mandatory resources that
// have no value yet.
func (a *App) complete() {
	a.changing.Lock()
	defer a.changing.Unlock()
	for _, o := range a.served() {
		var b model.Batch
		for _, iid := range a.cfg.Tree.Instances(o.def.ID) {
			o.declare(&b, iid)
		}
		_ = o.publisher.Publish(&b) // it stops at an instance that has gone meanwhile, which wakes Run again
	}
}

// declare has the mandatory resources of an instance be there.
func (o *object) declare(b *model.Batch, iid uint16) {
	for i := range o.def.Resources {
		if o.def.Resources[i].Mandatory {
			b.Declare(iid, o.def.Resources[i].ID)
		}
	}
}
