package apps

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// Config is what Apps stands on.
type Config struct {
	Tree        *model.Tree
	Definitions model.Definitions // the registry's
	Store       Store
	Health      *health.Tracker
	Log         *slog.Logger // nil discards
	Now         func() time.Time
}

// Store keeps records over a restart.
type Store interface {
	// List returns all records by key.
	List() (map[string][]byte, error)
	// SaveAll replaces these records, all of them or none; nil removes one.
	SaveAll(records map[string][]byte) error
}

// Apps are the applications that the configuration names. All methods may be
// called from any goroutine.
type Apps struct {
	shared *shared

	applying sync.Mutex // one configuration at a time
	mu       sync.Mutex
	apps     map[string]*App
}

// shared is what all applications stand on.
type shared struct {
	Config
	written chan struct{} // receives when a server has written to an application

	mu   sync.Mutex
	last uint64 // number of a request
}

// number returns a number that no request had, nor one before a restart: an
// answer that comes late must not pass for that to another request.
func (s *shared) number() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = max(s.last+1, uint64(max(s.Now().UnixMilli(), 0)))
	return s.last
}

// New returns the applications of an agent, none before Apply.
func New(cfg Config) *Apps {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Apps{shared: &shared{Config: cfg, written: make(chan struct{}, 1)}, apps: make(map[string]*App)}
}

// Check finds applications that claim objects which the agent itself serves.
func (a *Apps) Check(cfg []config.App) config.Problems {
	owned := make(map[uint16]bool)
	for _, app := range a.all() {
		for _, o := range app.served() {
			owned[o.def.ID] = true
		}
	}
	var problems config.Problems
	for i := range cfg {
		for _, oid := range cfg[i].Objects {
			if len(a.shared.Tree.Entries(lwm2m.NewPath(oid), lwm2m.LevelObject)) > 0 && !owned[oid] {
				problems = append(problems, cfg[i].Problem("objects", "%d (%s) is served by the agent itself; take it out, or restart the agent if its sensor is configured no more", oid, a.shared.Tree.Definition(oid).Name))
			}
		}
	}
	return problems
}

// Apply makes the configuration's applications those that there are. One that is
// new has the objects that it had before a restart, and is away; one that is gone
// takes its objects with it. The error is a config.Problems for what is wrong
// with the configuration; nothing has changed then.
func (a *Apps) Apply(cfg []config.App) error {
	a.applying.Lock()
	defer a.applying.Unlock()
	if problems := a.Check(cfg); len(problems) > 0 {
		return problems
	}
	wanted := make(map[string]*config.App, len(cfg))
	for i := range cfg {
		wanted[cfg[i].Name] = &cfg[i]
	}
	// What goes, goes first: an object may pass from one application to another.
	for _, app := range a.all() {
		if c := wanted[app.name]; c != nil {
			app.allow(c.User, c.Objects)
			continue
		}
		a.mu.Lock()
		delete(a.apps, app.name)
		a.mu.Unlock()
		app.remove("the configuration names the application no more")
	}
	kept := a.kept()
	for i := range cfg {
		if _, ok := a.find(cfg[i].Name); ok {
			continue
		}
		app := newApp(&cfg[i], a.shared)
		app.restore(kept[app.name])
		a.mu.Lock()
		a.apps[app.name] = app
		a.mu.Unlock()
	}
	a.clean(kept)
	return nil
}

// Run keeps what programs and servers make and delete, and what servers write,
// until ctx ends, and then the last values as well. It returns nil.
func (a *Apps) Run(ctx context.Context) error {
	sub := a.shared.Tree.Subscribe()
	defer sub.Close()
	defer a.each(func(app *App) { app.keep(true) })
	var settled <-chan time.Time // nil: nothing has changed
	settle := func() {
		if settled == nil {
			settled = time.After(settleTime)
		}
	}
	for {
		select {
		case <-sub.Wake():
			sub.Take(nil)
			a.each((*App).complete)
			settle()
		case <-a.shared.written:
			settle()
		case <-settled:
			settled = nil
			a.each(func(app *App) { app.keep(false) })
		case <-ctx.Done():
			return nil
		}
	}
}

// settleTime is how long changes are gathered before they are kept, so that many
// instances cost one write.
const settleTime = time.Second

func (a *Apps) each(do func(*App)) {
	for _, app := range a.all() {
		do(app)
	}
}

// App returns an application by name; the error is a 4.04.
func (a *Apps) App(name string) (*App, error) {
	if app, ok := a.find(name); ok {
		return app, nil
	}
	return nil, lwm2m.Errorf(lwm2m.NotFound, "there is no application %.64q; the configuration names it: [[app]]", name)
}

// List returns the applications in order of their names.
func (a *Apps) List() []Status {
	all := a.all()
	list := make([]Status, len(all))
	for i, app := range all {
		list[i] = app.status()
	}
	return list
}

// Definitions returns the definitions that programs gave themselves.
func (a *Apps) Definitions() []*model.Definition {
	var defs []*model.Definition
	for _, app := range a.all() {
		for _, o := range app.served() {
			if o.source.Definition != nil {
				defs = append(defs, o.def)
			}
		}
	}
	return defs
}

// Define returns the definition of an object that a program registers: its own,
// else the registry's. The error is a 4.00.
func (a *Apps) Define(o Object) (*model.Definition, error) {
	return define(o, a.shared.Definitions)
}

func (a *Apps) find(name string) (*App, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	app, ok := a.apps[name]
	return app, ok
}

func (a *Apps) all() []*App {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := make([]*App, 0, len(a.apps))
	for _, app := range a.apps {
		list = append(list, app)
	}
	slices.SortFunc(list, func(x, y *App) int { return cmp.Compare(x.name, y.name) })
	return list
}

// kept returns the parts of the records that the store has for each application,
// in order.
func (a *Apps) kept() map[string]map[string][]byte {
	kept := make(map[string]map[string][]byte)
	records, err := a.shared.Store.List()
	if err != nil {
		a.shared.Log.Error("objects of applications not read", slog.Any("error", err))
	}
	for key, record := range records {
		name, _, _ := strings.Cut(key, "/")
		if kept[name] == nil {
			kept[name] = make(map[string][]byte)
		}
		kept[name][key] = record
	}
	return kept
}

// clean removes the records of applications that there are no more.
func (a *Apps) clean(kept map[string]map[string][]byte) {
	gone := make(map[string][]byte)
	for name, parts := range kept {
		if _, ok := a.find(name); ok {
			continue
		}
		for key := range parts {
			gone[key] = nil
		}
	}
	if len(gone) == 0 {
		return
	}
	if err := a.shared.Store.SaveAll(gone); err != nil {
		a.shared.Log.Error("objects of former applications not removed from the state directory", slog.Any("error", err))
	}
}
