package bind

import (
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/agent/store"
	"lwm2m-agent/hw"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/objects"
	"lwm2m-agent/objects/registry"
)

// summary is a group as a test compares it.
type summary struct {
	OID      uint16
	Name     string
	Channels map[string]uint16
}

func TestArrange(t *testing.T) {
	plain := config.Sensor{Name: "s", Instance: config.NoInstance}
	for _, c := range []struct {
		name     string
		sensor   config.Sensor
		channels []hw.Channel
		want     []summary
	}{
		{"one quantity each", plain, []hw.Channel{
			{Name: "temperature", Quantity: hw.Temperature}, {Name: "humidity", Quantity: hw.Humidity}, {Name: "pressure", Quantity: hw.Pressure},
		}, []summary{
			{3303, "s", map[string]uint16{"temperature": 5700}}, {3304, "s", map[string]uint16{"humidity": 5700}}, {3315, "s", map[string]uint16{"pressure": 5700}},
		}},
		{"state and count share an instance", plain, []hw.Channel{
			{Name: "state", Quantity: hw.State}, {Name: "count", Quantity: hw.Count},
		}, []summary{{3200, "s", map[string]uint16{"state": 5500, "count": 5501}}}},
		{"axes share an instance", plain, []hw.Channel{
			{Name: "x", Quantity: hw.Acceleration, Axis: "x"}, {Name: "y", Quantity: hw.Acceleration, Axis: "y"}, {Name: "z", Quantity: hw.Acceleration, Axis: "z"},
		}, []summary{{3313, "s", map[string]uint16{"x": 5702, "y": 5703, "z": 5704}}}},
		{"two of a kind get one each", plain, []hw.Channel{
			{Name: "temp1", Quantity: hw.Temperature}, {Name: "temp2", Quantity: hw.Temperature},
		}, []summary{{3303, "s/temp1", map[string]uint16{"temp1": 5700}}, {3303, "s/temp2", map[string]uint16{"temp2": 5700}}}},
		{"what has no object is generic", plain, []hw.Channel{{Name: "x", Quantity: hw.Rotation}}, []summary{{3300, "s", map[string]uint16{"x": 5700}}}},
		{
			"another object",
			config.Sensor{Name: "s", Object: 3330, Instance: config.NoInstance},
			[]hw.Channel{{Name: "value", Quantity: hw.Generic}},
			[]summary{{3330, "s", map[string]uint16{"value": 5700}}},
		},
		{
			"chosen and mapped channels",
			config.Sensor{Name: "s", Instance: config.NoInstance, Channels: []config.Channel{
				{Name: "b", Object: 3305, Resource: 5800, Instance: config.NoInstance},
			}},
			[]hw.Channel{{Name: "a", Quantity: hw.Temperature}, {Name: "b", Quantity: hw.Power}},
			[]summary{{3305, "s", map[string]uint16{"b": 5800}}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			groups := arrange(registry.Definitions(), "s", c.channels, sensorWish(&c.sensor))
			got := make([]summary, 0, len(groups))
			for _, g := range groups {
				got = append(got, summary{g.oid, g.name, g.channels})
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// TestEveryPlaceExists holds the table of places against the registry.
func TestEveryPlaceExists(t *testing.T) {
	for quantity, p := range places {
		def, ok := registry.Definitions().Object(p.oid)
		if !ok {
			t.Errorf("%s: no object %d", quantity, p.oid)
			continue
		}
		if def.Resource(resourceOf(registry.Definitions(), p)) == nil {
			t.Errorf("%s: object %d has no resource %d", quantity, p.oid, p.rid)
		}
	}
}

// fixture is a Board on a real store and tree, whose sink a test feeds.
type fixture struct {
	*Board
	tree   *model.Tree
	health *health.Tracker
}

func newFixture(t *testing.T, dir string, sensors []config.Sensor, actuators []config.Actuator) *fixture {
	t.Helper()
	st, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	tree := model.NewTree(registry.Definitions(), time.Now)
	location, err := objects.NewLocation(tree)
	if err != nil {
		t.Fatal(err)
	}
	tracker := health.NewTracker(time.Now)
	f := &fixture{tree: tree, health: tracker}
	f.Board = NewBoard(BoardConfig{
		Tree: tree, Definitions: registry.Definitions(), Store: st, Health: tracker, Location: location,
		Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	f.sensors, f.actuators = make(map[string]*config.Sensor), make(map[string]*config.Actuator)
	for i := range sensors {
		f.sensors[sensors[i].Name] = &sensors[i]
	}
	for i := range actuators {
		f.actuators[actuators[i].Name] = &actuators[i]
	}
	return f
}

func (f *fixture) value(path string) lwm2m.Value { return f.tree.Value(lwm2m.MustPath(path)) }

func TestDeliver(t *testing.T) {
	f := newFixture(t, t.TempDir(), []config.Sensor{{Name: "room", Instance: config.NoInstance}}, nil)
	unit := hw.Unit{Role: hw.RoleSensor, Name: "room"}
	f.Describe(unit, []hw.Channel{{Name: "temperature", Quantity: hw.Temperature, Unit: "Cel", Kind: hw.KindFloat, Range: hw.Range{Min: -40, Max: 85}}})
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f.Deliver(unit, []hw.Reading{{Channel: "temperature", Value: hw.Float(21.5), Time: at, Quality: hw.Good}})
	for path, want := range map[string]lwm2m.Value{
		"/3303/0/5700": lwm2m.Float(21.5), "/3303/0/5701": lwm2m.String("Cel"), "/3303/0/5603": lwm2m.Float(-40), "/3303/0/5750": lwm2m.String("room"),
	} {
		if got := f.value(path); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	f.Deliver(unit, []hw.Reading{{Channel: "temperature", Time: at, Quality: hw.Invalid, Reason: "no device answers"}})
	readings, err := f.tree.Readings(model.FromLocal(), lwm2m.MustPath("/3303/0/5700"))
	if err != nil || len(readings) != 1 || readings[0].Quality != model.Invalid || readings[0].Value != lwm2m.Float(21.5) {
		t.Errorf("a sensor that is gone reads as %+v, %v", readings, err)
	}
	if got := f.health.Troubles(); len(got) != 1 || got[0].Code != health.SensorFailing || got[0].Detail != "no device answers" {
		t.Errorf("troubles %+v", got)
	}
	f.Deliver(unit, []hw.Reading{{Channel: "temperature", Value: hw.Float(22), Time: at, Quality: hw.Good}})
	if got := f.health.Troubles(); len(got) != 0 {
		t.Errorf("troubles of a sensor that works again: %+v", got)
	}
	if got := f.Counts(); len(got) != 1 || got[0] != (Count{"room", "temperature", 3, 1}) {
		t.Errorf("counted %+v", got)
	}
	f.Deliver(unit, []hw.Reading{{Channel: "temperature", Time: at, Quality: hw.Invalid, Reason: "no device answers"}})
	f.Describe(unit, []hw.Channel{{Name: "temperature", Quantity: hw.Temperature, Unit: "Cel", Kind: hw.KindFloat}}) // with another address
	if got := f.health.Troubles(); len(got) != 1 {
		t.Errorf("troubles of a sensor that may work again: %+v", got)
	}
	f.Deliver(unit, []hw.Reading{{Channel: "temperature", Value: hw.Float(22), Time: at, Quality: hw.Good}})
	if got := f.health.Troubles(); len(got) != 0 {
		t.Errorf("troubles of a sensor that works with another address: %+v", got)
	}
	f.Removed(unit)
	if got := f.Counts(); len(got) != 0 {
		t.Errorf("counted of a sensor that was removed: %+v", got)
	}
	if got := f.tree.Instances(3303); len(got) != 0 {
		t.Errorf("instances %v of a sensor that was removed", got)
	}
}

// Why readings are uncertain is logged when that begins, and at most once a minute.
func TestDoubt(t *testing.T) {
	f := newFixture(t, t.TempDir(), []config.Sensor{{Name: "pulses", Instance: config.NoInstance}}, nil)
	var log strings.Builder
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f.cfg.Log, f.cfg.Now = slog.New(slog.NewTextHandler(&log, nil)), func() time.Time { return now }
	unit := hw.Unit{Role: hw.RoleSensor, Name: "pulses"}
	f.Describe(unit, []hw.Channel{{Name: "count", Quantity: hw.Count, Kind: hw.KindInteger}})
	good := []hw.Reading{{Channel: "count", Value: hw.Integer(1), Time: now, Quality: hw.Good}}
	lost := []hw.Reading{{Channel: "count", Value: hw.Integer(1), Time: now, Quality: hw.Uncertain, Reason: "7 edges came faster"}}
	want := 0
	for i, step := range []struct {
		after    time.Duration
		readings []hw.Reading
		logged   int
	}{{0, good, 0}, {0, lost, 1}, {2 * time.Minute, lost, 0}, {0, good, 0}, {0, lost, 1}, {0, good, 0}, {time.Minute - 1, lost, 0}, {0, good, 0}, {1, lost, 1}} {
		now = now.Add(step.after)
		f.Deliver(unit, step.readings)
		want += step.logged
		if got := strings.Count(log.String(), `unit=pulses channel=count why="7 edges came faster"`); got != want {
			t.Errorf("after step %d: %d lines, want %d:\n%s", i, got, want, log.String())
		}
	}
}

func TestCounterOutlivesTheProcess(t *testing.T) {
	dir := t.TempDir()
	unit := hw.Unit{Role: hw.RoleSensor, Name: "door"}
	channels := []hw.Channel{{Name: "state", Quantity: hw.State, Kind: hw.KindBool}, {Name: "count", Quantity: hw.Count, Kind: hw.KindInteger}}
	count := func(f *fixture, n int64) lwm2m.Value {
		f.Deliver(unit, []hw.Reading{{Channel: "count", Value: hw.Integer(n), Time: time.Now(), Quality: hw.Good}})
		return f.value("/3200/0/5501")
	}
	sensors := []config.Sensor{{Name: "door", Instance: config.NoInstance}}
	f := newFixture(t, dir, sensors, nil)
	f.Describe(unit, channels)
	if got := count(f, 5); got != lwm2m.Integer(5) {
		t.Errorf("count %v, want 5", got)
	}
	if err := f.cfg.Store.Close(); err != nil {
		t.Fatal(err)
	}
	f = newFixture(t, dir, sensors, nil)
	f.Describe(unit, channels)
	if got := count(f, 2); got != lwm2m.Integer(7) {
		t.Errorf("count %v after a restart and two more, want 7", got)
	}
}

// TestExtremesOutliveTheProcess: the lowest and highest value, until a server sets
// them back, and unless they are in another unit than now.
func TestExtremesOutliveTheProcess(t *testing.T) {
	dir := t.TempDir()
	unit := hw.Unit{Role: hw.RoleSensor, Name: "cold room"}
	start := func(unitOf string) *fixture {
		f := newFixture(t, dir, []config.Sensor{{Name: "cold room", Instance: config.NoInstance}}, nil)
		f.Describe(unit, []hw.Channel{{Name: "temperature", Quantity: hw.Temperature, Unit: unitOf, Kind: hw.KindFloat}})
		return f
	}
	measure := func(f *fixture, values ...float64) {
		for _, v := range values {
			f.Deliver(unit, []hw.Reading{{Channel: "temperature", Value: hw.Float(v), Time: time.Now(), Quality: hw.Good}})
		}
	}
	wants := func(f *fixture, when string, low, high lwm2m.Value) {
		t.Helper()
		if f.value("/3303/0/5601") != low || f.value("/3303/0/5602") != high {
			t.Errorf("%s: %v to %v, want %v to %v", when, f.value("/3303/0/5601"), f.value("/3303/0/5602"), low, high)
		}
	}
	end := func(f *fixture) {
		t.Helper()
		if err := f.cfg.Store.Close(); err != nil {
			t.Fatal(err)
		}
	}
	f := start("Cel")
	measure(f, 4, -2, 7, 5)
	end(f)
	f = start("Cel")
	wants(f, "after a restart", lwm2m.Float(-2), lwm2m.Float(7))
	measure(f, 5, 8)
	wants(f, "measured again", lwm2m.Float(-2), lwm2m.Float(8))
	reset := lwm2m.MustPath("/3303/0/5605")
	if err := f.tree.Execute(t.Context(), model.FromServer(1), reset, nil); err != nil {
		t.Fatal(err)
	}
	end(f)
	f = start("Cel")
	wants(f, "set back before the restart", lwm2m.Float(8), lwm2m.Float(8))
	f.Deliver(unit, []hw.Reading{{Channel: "temperature", Time: time.Now(), Quality: hw.Invalid, Reason: "no device answers"}})
	if err := f.tree.Execute(t.Context(), model.FromServer(1), reset, nil); err != nil {
		t.Fatal(err)
	}
	end(f)
	f = start("Cel")
	wants(f, "set back while it was away", lwm2m.Value{}, lwm2m.Value{})
	measure(f, 5)
	end(f)
	wants(start("K"), "in another unit", lwm2m.Value{}, lwm2m.Value{})
}

// TestCounterSetBack: a count that a server has set back stays so over a restart.
func TestCounterSetBack(t *testing.T) {
	dir := t.TempDir()
	unit := hw.Unit{Role: hw.RoleSensor, Name: "door"}
	start := func() *fixture {
		f := newFixture(t, dir, []config.Sensor{{Name: "door", Instance: config.NoInstance}}, nil)
		f.Describe(unit, []hw.Channel{{Name: "state", Quantity: hw.State, Kind: hw.KindBool}, {Name: "count", Quantity: hw.Count, Kind: hw.KindInteger}})
		return f
	}
	count := func(f *fixture, n int64) {
		f.Deliver(unit, []hw.Reading{{Channel: "count", Value: hw.Integer(n), Time: time.Now(), Quality: hw.Good}})
	}
	f := start()
	count(f, 5)
	if err := f.tree.Execute(t.Context(), model.FromServer(1), lwm2m.MustPath("/3200/0/5505"), nil); err != nil {
		t.Fatal(err)
	}
	count(f, 6)
	if err := f.cfg.Store.Close(); err != nil {
		t.Fatal(err)
	}
	f = start()
	count(f, 2)
	if got := f.value("/3200/0/5501"); got != lwm2m.Integer(3) {
		t.Errorf("set back, one more, a restart, two more: %v, want 3", got)
	}
}

// TestCountGoesOn: what is done to another channel's, or the count's own values is changed while the source counts on. A source that
// begins anew is one of another configuration.
func TestCountGoesOn(t *testing.T) {
	f := newFixture(t, t.TempDir(), nil, nil)
	unit := hw.Unit{Role: hw.RoleSensor, Name: "door"}
	count := func(n int64) {
		f.stage.Deliver(unit, []hw.Reading{{Channel: "count", Value: hw.Integer(n), Time: time.Now(), Quality: hw.Good}})
	}
	apply := func(period time.Duration, p config.Processing) {
		t.Helper()
		door := config.Sensor{Name: "door", Driver: "sim", Instance: config.NoInstance, Channels: []config.Channel{mapped("state", config.Processing{}), mapped("count", p)}}
		door.Settings = config.Settings{Wave: "contact", Period: period}
		if err := f.Apply(t.Context(), &config.Config{Sensors: []config.Sensor{door}}); err != nil {
			t.Fatal(err)
		}
	}
	wants := func(when string, want int64) {
		t.Helper()
		shown, kept := f.value("/3200/0/5501"), f.cfg.Store.Counter("count/door").Value()
		if shown != lwm2m.Integer(want) || kept != uint64(want) {
			t.Errorf("%s: %v is shown and %d kept, want %d", when, shown, kept, want)
		}
	}
	apply(time.Hour, config.Processing{})
	f.stage.Deliver(unit, []hw.Reading{{Channel: "state", Value: hw.Bool(true), Time: time.Now(), Quality: hw.Good}})
	count(0)
	count(5)
	apply(time.Hour, config.Processing{MaxRate: 100})
	wants("another processing", 5)
	if got := f.value("/3200/0/5500"); got != lwm2m.Boolean(true) {
		t.Errorf("after another processing the state is %v", got)
	}
	count(6)
	wants("another processing", 6)
	if err := f.tree.Execute(t.Context(), model.FromServer(1), lwm2m.MustPath("/3200/0/5505"), nil); err != nil {
		t.Fatal(err)
	}
	count(7)
	wants("set back", 1)
	apply(time.Hour, config.Processing{MaxRate: 200})
	count(8)
	wants("another processing again", 2)
	apply(2*time.Hour, config.Processing{MaxRate: 200})
	count(0)
	count(1)
	wants("the source began anew", 3)
	if err := f.Apply(t.Context(), &config.Config{}); err != nil {
		t.Fatal(err)
	}
	apply(2*time.Hour, config.Processing{})
	count(1)
	wants("the sensor was away", 4)
}

func TestPosition(t *testing.T) {
	f := newFixture(t, t.TempDir(), []config.Sensor{{Name: "gnss", Instance: config.NoInstance}}, nil)
	unit := hw.Unit{Role: hw.RoleSensor, Name: "gnss"}
	f.Describe(unit, []hw.Channel{{Name: "lat", Quantity: hw.Latitude}, {Name: "lon", Quantity: hw.Longitude}, {Name: "alt", Quantity: hw.Altitude}})
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	f.Deliver(unit, []hw.Reading{
		{Channel: "lat", Value: hw.Float(48.2), Time: at, Quality: hw.Good},
		{Channel: "lon", Value: hw.Float(16.4), Time: at, Quality: hw.Good},
		{Channel: "alt", Value: hw.Float(170), Time: at, Quality: hw.Good},
	})
	for path, want := range map[string]lwm2m.Value{"/6/0/0": lwm2m.Float(48.2), "/6/0/1": lwm2m.Float(16.4), "/6/0/2": lwm2m.Float(170), "/6/0/5": lwm2m.Time(at)} {
		if got := f.value(path); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	f.Deliver(unit, []hw.Reading{{Channel: "lat", Quality: hw.Invalid, Reason: "no fix"}, {Channel: "lon", Quality: hw.Invalid, Reason: "no fix"}})
	readings, err := f.tree.Readings(model.FromLocal(), lwm2m.MustPath("/6/0/0"))
	if err != nil || len(readings) != 1 || readings[0].Quality == model.Good || readings[0].Value != lwm2m.Float(48.2) {
		t.Errorf("without a fix the position is %+v, %v", readings, err)
	}
}

func account(fingerprint string, id uint16, lifetime time.Duration) config.Server {
	return config.Server{ShortServerID: id, Lifetime: lifetime, Account: config.Account{
		URI: &url.URL{Scheme: "coaps", Host: "h:5684"}, Security: config.SecurityPSK, Identity: "i", Key: config.NewSecret([]byte("k")),
		Instance: config.NoInstance, Fingerprint: fingerprint,
	}}
}

// seeded returns objects 0 and 1 after a start with a configuration.
func seeded(t *testing.T, dir string, cfg *config.Config, then func(*model.Tree)) (lifetimes map[uint16]int64, key string) {
	t.Helper()
	st, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	tree, a := model.NewTree(registry.Definitions(), time.Now), NewAccounts(st, nil)
	security, err := objects.NewSecurity(tree, a.SaveSecurity)
	if err != nil {
		t.Fatal(err)
	}
	srv, err := objects.NewServer(tree, "U", objects.ServerHooks{Save: a.SaveServer})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Seed(tree, security, srv, cfg); err != nil {
		t.Fatal(err)
	}
	if then != nil {
		then(tree)
	}
	lifetimes = make(map[uint16]int64)
	for _, iid := range tree.Instances(1) {
		lifetimes[iid] = tree.Value(lwm2m.NewPath(1, iid, 1)).Int()
	}
	return lifetimes, string(tree.Value(lwm2m.NewPath(0, 0, 5)).Bytes())
}

func TestAccounts(t *testing.T) {
	dir := t.TempDir()
	cfg := &config.Config{Servers: []config.Server{account("a", 101, time.Hour), account("b", 102, time.Hour)}}
	got, key := seeded(t, dir, cfg, func(tree *model.Tree) {
		p := lwm2m.MustPath("/1/0/1")
		if err := tree.Write(t.Context(), model.FromServer(101), model.Replace, p, []lwm2m.Node{{Path: p, Value: lwm2m.Integer(60)}}); err != nil {
			t.Fatal(err)
		}
	})
	if d := cmp.Diff(map[uint16]int64{0: 60, 1: 3600}, got); d != "" || key != "k" {
		t.Errorf("first start: key %q, lifetimes %s", key, d)
	}
	if got, key = seeded(t, dir, cfg, nil); got[0] != 60 || key != "k" {
		t.Errorf("second start: lifetime %d, key %q; want what the server wrote", got[0], key)
	}
	cfg.Servers[1] = account("b2", 102, 2*time.Hour)
	if got, _ = seeded(t, dir, cfg, nil); got[0] != 60 || got[1] != 7200 {
		t.Errorf("after editing the second section: %v", got)
	}
	cfg.Servers = append([]config.Server{account("c", 103, 3*time.Hour)}, cfg.Servers...)
	got, _ = seeded(t, dir, cfg, nil)
	if d := cmp.Diff(map[uint16]int64{0: 60, 1: 7200, 2: 10800}, got); d != "" {
		t.Errorf("after adding a section before the others: %s", d)
	}
	cfg.Servers = slices.Delete(cfg.Servers, 1, 2)
	got, _ = seeded(t, dir, cfg, nil)
	if d := cmp.Diff(map[uint16]int64{1: 7200, 2: 10800}, got); d != "" {
		t.Errorf("after removing a section: %s", d)
	}
}
