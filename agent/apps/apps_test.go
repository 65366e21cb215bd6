package apps

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

const rw = model.OpRead | model.OpWrite

// registry has two objects.
type registry struct{}

var (
	power = &model.Definition{ID: 3305, Name: "Power", Version: lwm2m.Version10, Multiple: true, Resources: []model.ResourceDefinition{
		{ID: 0, Name: "Watts", Ops: model.OpRead, Mandatory: true, Type: lwm2m.TypeFloat, Range: model.ParseRange("0..100")},
		{ID: 1, Name: "Limit", Ops: rw, Type: lwm2m.TypeInteger},
		{ID: 2, Name: "Phases", Ops: rw, Multiple: true, Type: lwm2m.TypeString},
		{ID: 3, Name: "Reset", Ops: model.OpExecute, Mandatory: true},
		{ID: 4, Name: "Note", Ops: rw, Type: lwm2m.TypeString},
	}}
	lamp = &model.Definition{ID: 3311, Name: "Lamp", Version: lwm2m.Version10, Resources: []model.ResourceDefinition{
		{ID: 0, Name: "On", Ops: rw, Mandatory: true, Type: lwm2m.TypeBoolean},
	}}
)

func (registry) Object(oid uint16) (*model.Definition, bool) {
	switch oid {
	case 3305:
		return power, true
	case 3311:
		return lamp, true
	}
	return nil, false
}

// memory is a Store.
type memory struct {
	mu      sync.Mutex
	records map[string][]byte
	writes  int
	fails   error
}

func (m *memory) List() (map[string][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.records), m.fails
}

func (m *memory) SaveAll(records map[string][]byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fails != nil {
		return m.fails
	}
	m.writes++
	for key, record := range records {
		if record == nil {
			delete(m.records, key)
			continue
		}
		m.records[key] = record
	}
	return nil
}

func (m *memory) written() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.writes
}

// fixture is a tree with the applications meter and lamp.
type fixture struct {
	*Apps
	t      *testing.T
	tree   *model.Tree
	store  *memory
	health *health.Tracker
	log    strings.Builder
}

func sections() []config.App {
	return []config.App{
		{Name: "meter", User: "m", Objects: []uint16{3305, 26300}},
		{Name: "lamp", User: "l", Objects: []uint16{3311}},
	}
}

func newFixture(t *testing.T, store *memory) *fixture {
	t.Helper()
	f := &fixture{t: t, store: store, tree: model.NewTree(registry{}, time.Now), health: health.NewTracker(time.Now)}
	if store == nil {
		f.store = &memory{records: make(map[string][]byte)}
	}
	f.Apps = New(Config{
		Tree: f.tree, Definitions: registry{}, Store: f.store, Health: f.health,
		Log: slog.New(slog.NewTextHandler(&f.log, nil)), Now: time.Now,
	})
	f.must(f.Apply(sections()))
	return f
}

func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) refused(err error, code lwm2m.Code, reason string) {
	f.t.Helper()
	if err == nil || lwm2m.CodeOf(err) != code || !strings.Contains(err.Error(), reason) {
		f.t.Errorf("error: %v\nwant %s: …%s…", err, code, reason)
	}
}

func (f *fixture) app(name string) *App {
	f.t.Helper()
	app, err := f.App(name)
	f.must(err)
	return app
}

func (f *fixture) state(name string) State {
	f.t.Helper()
	return f.app(name).status().State
}

func (f *fixture) reading(path string) model.Reading {
	f.t.Helper()
	readings, err := f.tree.Readings(model.FromLocal(), lwm2m.MustPath(path))
	if err != nil || len(readings) != 1 {
		f.t.Fatalf("%s: %v, %v", path, readings, err)
	}
	return readings[0]
}

func (f *fixture) troubles() (details []string) {
	for _, trouble := range f.health.Troubles() {
		details = append(details, string(trouble.Code)+" "+trouble.On+": "+trouble.Detail)
	}
	return details
}

func objects(t *testing.T, texts ...string) []Object {
	t.Helper()
	list := make([]Object, len(texts))
	for i, text := range texts {
		if err := json.Unmarshal([]byte(text), &list[i]); err != nil {
			t.Fatal(err)
		}
	}
	return list
}

func made(path string) Update { return Update{Kind: Make, Path: lwm2m.MustPath(path)} }

func valued(path string, v lwm2m.Value) Update {
	return Update{Kind: Set, Path: lwm2m.MustPath(path), Value: v}
}

// register registers the meter with two instances.
func (f *fixture) register() {
	f.t.Helper()
	f.must(f.app("meter").Register(Registration{Objects: objects(f.t, "3305"), Whole: true, Updates: []Update{
		made("/3305/0"), valued("/3305/0/0", lwm2m.Float(20)), valued("/3305/0/1", lwm2m.Integer(5)),
		valued("/3305/0/2/0", lwm2m.String("L1")), valued("/3305/0/2/1", lwm2m.String("L2")), made("/3305/7"),
	}}))
}

func TestRegister(t *testing.T) {
	f := newFixture(t, nil)
	if s := f.state("meter"); s != Unregistered {
		t.Errorf("state %s before anything", s)
	}
	f.register()
	if s := f.state("meter"); s != Publishing {
		t.Errorf("state %s", s)
	}
	if n := len(f.tree.Entries(lwm2m.MustPath("/3305/7"), lwm2m.LevelResource)); n != 3 {
		t.Errorf("an instance without values has %d places, want itself and two mandatory resources", n)
	}
	structure := f.tree.Subscribe()
	defer structure.Close()
	f.register()
	if structure.Take(nil).Structure {
		t.Error("the same registration has changed objects or instances")
	}
	// Without instances, those there are stay; a whole list removes others.
	meter := f.app("meter")
	f.must(meter.Register(Registration{Objects: objects(t, "3305")}))
	if n := len(f.tree.Instances(3305)); n != 2 {
		t.Errorf("%d instances after a registration of objects alone", n)
	}
	f.must(meter.Register(Registration{Objects: objects(t, "3305"), Whole: true, Updates: []Update{made("/3305/7")}}))
	if ids := f.tree.Instances(3305); len(ids) != 1 || ids[0] != 7 {
		t.Errorf("instances %v, want 7 alone", ids)
	}
	// An object that it names no more goes, one of its own comes, and is made anew with another definition.
	tariff := `{"id": 26300, "name": "Tariff", "resources": [{"id": 0, "name": "Price", "operations": "RW", "type": "float"}]}`
	f.must(meter.Register(Registration{Objects: objects(t, tariff), Updates: []Update{made("/26300/0"), valued("/26300/0/0", lwm2m.Integer(2))}}))
	if f.tree.Entries(lwm2m.MustPath("/3305"), lwm2m.LevelObject) != nil {
		t.Error("object 3305 is still there")
	}
	if v := f.reading("/26300/0/0").Value; v != lwm2m.Float(2) {
		t.Errorf("price %v, want it as a Float", v)
	}
	if defs := f.Definitions(); len(defs) != 1 || defs[0].Name != "Tariff" {
		t.Errorf("definitions %v", defs)
	}
	f.must(meter.Register(Registration{Objects: objects(t, strings.Replace(tariff, `"float"`, `"String"`, 1))}))
	if n := len(f.tree.Instances(26300)); n != 0 {
		t.Errorf("%d instances of an object whose definition has changed", n)
	}
	f.must(meter.Withdraw())
	if s := f.state("meter"); s != Unregistered || len(f.tree.Entries(lwm2m.Path{}, lwm2m.LevelObject)) != 0 || len(f.store.records) != 0 {
		t.Errorf("state %s, %d records after everything was withdrawn", s, len(f.store.records))
	}
}

// TestRefusedRegistrations change nothing.
func TestRefusedRegistrations(t *testing.T) {
	f := newFixture(t, nil)
	if _, err := f.tree.Add(&model.Definition{ID: 26300, Name: "Gauge"}, model.Plain{}); err != nil {
		t.Fatal(err)
	}
	f.register()
	meter := f.app("meter")
	for _, tt := range []struct {
		name   string
		r      Registration
		code   lwm2m.Code
		reason string
	}{
		{"another's object", Registration{Objects: objects(t, "3311")}, lwm2m.Forbidden, "object 3311 is none of application meter; allowed: [3305 26300]"},
		{"the device", Registration{Objects: objects(t, "3")}, lwm2m.Forbidden, "object 3 is none of"},
		{"twice", Registration{Objects: objects(t, "3305", "3305")}, lwm2m.BadRequest, "object 3305 is there twice"},
		{"not in the registry", Registration{Objects: objects(t, "26300")}, lwm2m.BadRequest, "object 26300 is not in the OMA registry: give its definition"},
		{"the agent's", Registration{Objects: objects(t, `{"id": 26300, "name": "x", "resources": [{"id": 0, "name": "y", "operations": "E"}]}`)}, lwm2m.Forbidden, "object 26300 (x) is served by the agent itself"},
		{"a value of a wrong type", Registration{Objects: objects(t, "3305"), Whole: true, Updates: []Update{made("/3305/1"), valued("/3305/1/0", lwm2m.String("a"))}}, lwm2m.BadRequest, `/3305/1/0 (Watts)`},
	} {
		t.Run(tt.name, func(t *testing.T) { f.refused(meter.Register(tt.r), tt.code, tt.reason) })
	}
	if ids := f.tree.Instances(3305); len(ids) != 2 || f.reading("/3305/0/0").Value != lwm2m.Float(20) {
		t.Errorf("instances %v after registrations that were refused", ids)
	}
}

func TestDefinitions(t *testing.T) {
	resource := func(text string) string { return `{"id": 26300, "name": "x", "resources": [` + text + `]}` }
	for _, tt := range []struct{ text, want string }{
		{`{"id": 26300, "name": "", "resources": []}`, `object 26300: name "" is none; allowed: 1 to 64 printable bytes`},
		{`{"id": 26300, "name": "x", "version": "one", "resources": []}`, `version "one" is none; allowed: "1.0"`},
		{`{"id": 26300, "name": "x", "resources": []}`, "has 0 resources; allowed: 1 to 256"},
		{resource(`{"id": 65535, "name": "y", "operations": "E"}`), "65535 is reserved; allowed: 0 to 65534"},
		{resource(`{"id": 1, "operations": "E"}`), `resource 1: name "" is none`},
		{resource(`{"id": 1, "name": "a\nb", "operations": "E"}`), "allowed: 1 to 64 printable bytes"},
		{resource(`{"id": 1, "name": "y"}`), `operations "" are none; allowed: "R", "W", "RW", "E"`},
		{resource(`{"id": 1, "name": "y", "operations": "R"}`), `type "" is none; allowed: String,`},
		{resource(`{"id": 1, "name": "y", "operations": "R", "type": "double"}`), `type "double" is none`},
		{resource(`{"id": 1, "name": "y", "operations": "E", "type": "Float"}`), "it is executed, so it has no type"},
		{resource(`{"id": 1, "name": "y", "operations": "R", "type": "Float", "range": "much"}`), `range "much" is none; allowed: "0..100"`},
		{resource(`{"id": 1, "name": "y", "operations": "E"}, {"id": 1, "name": "z", "operations": "E"}`), "resource 1 is there twice"},
	} {
		if _, err := define(objects(t, tt.text)[0], registry{}); err == nil || lwm2m.CodeOf(err) != lwm2m.BadRequest || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.text, err, tt.want)
		}
	}
	for _, text := range []string{`"3305"`, `-1`, `65536`, `3305.5`, `{"id": 1, "names": "x"}`, `[]`, `{`} {
		var o Object
		if err := json.Unmarshal([]byte(text), &o); err == nil {
			t.Errorf("%s is %+v", text, o)
		}
	}
	for _, text := range []string{`3305`, resource(`{"id":1,"name":"y","operations":"R","type":"Float","multiple":true,"mandatory":true,"range":"0..5","unit":"W"}`)} {
		o := objects(t, text)[0]
		if b, err := json.Marshal(o); err != nil || strings.ReplaceAll(string(b), " ", "") != strings.ReplaceAll(text, " ", "") {
			t.Errorf("%s is written %s, %v", text, b, err)
		}
	}
}

// TestConfigurations: what applications may own follows the configuration.
func TestConfigurations(t *testing.T) {
	f := newFixture(t, nil)
	f.register()
	meter := f.app("meter")
	stream, err := meter.Listen()
	f.must(err)
	// The lamp gets what the meter gives up; the meter is another user's.
	f.must(f.Apply([]config.App{{Name: "meter", User: "other", Objects: []uint16{26300}}, {Name: "lamp", User: "l", Objects: []uint16{3305, 3311}}}))
	if r := stream.Take(); len(r) != 1 || r[0].Op != OpEnd || !strings.Contains(r[0].Message, "another user") {
		t.Errorf("the stream of the former user has %+v", r)
	}
	stream.Close()
	if meter.User() != "other" || f.state("meter") != Unregistered {
		t.Errorf("user %s, state %s", meter.User(), f.state("meter"))
	}
	f.must(f.app("lamp").Register(Registration{Objects: objects(t, "3305"), Updates: []Update{made("/3305/0")}}))
	// One that is gone is no more, also for who still holds it.
	held := f.app("lamp")
	stream, err = held.Listen()
	f.must(err)
	f.must(f.Apply(nil))
	if r := stream.Take(); len(r) != 1 || r[0].Op != OpEnd {
		t.Errorf("the stream has %+v", r)
	}
	_, err = held.Listen()
	f.refused(err, lwm2m.NotFound, "there is no application lamp")
	f.refused(held.Register(Registration{Objects: objects(t, "3305")}), lwm2m.NotFound, "there is no application lamp")
	if _, err := f.App("lamp"); err == nil {
		t.Error("it is still found")
	}
	if len(f.tree.Entries(lwm2m.Path{}, lwm2m.LevelObject)) != 0 || len(f.store.records) != 0 || len(f.troubles()) != 0 {
		t.Errorf("left: %v, %d records, %v", f.tree.Entries(lwm2m.Path{}, lwm2m.LevelObject), len(f.store.records), f.troubles())
	}
}

var errBroken = errors.New("the disk is broken")

// TestBrokenStore: what cannot be kept is served all the same, and logged.
func TestBrokenStore(t *testing.T) {
	f := newFixture(t, &memory{fails: errBroken})
	f.register()
	if v := f.reading("/3305/0/0").Value; v != lwm2m.Float(20) {
		t.Errorf("%v", v)
	}
	if !strings.Contains(f.log.String(), errBroken.Error()) {
		t.Errorf("logged: %s", f.log.String())
	}
}

// run runs the applications until ctx ends.
func (f *fixture) run(ctx context.Context) (ended chan error) {
	ended = make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	return ended
}
