package bind

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/hw"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// household is a configuration with a contact, two sensors, one that is derived, and a relay.
func household() *config.Config {
	sensor := func(name, wave string) config.Sensor {
		return config.Sensor{Name: name, Driver: "sim", Instance: config.NoInstance, Settings: config.Settings{Wave: wave, Period: time.Hour, Interval: time.Hour}}
	}
	cfg := &config.Config{
		Sensors:   []config.Sensor{sensor("door", "contact"), sensor("a", ""), sensor("b", "")},
		Derived:   []config.Derived{{Name: "twice", Kind: "sum", Inputs: []string{"a/value", "a/value"}, Resource: config.NoResource, Instance: config.NoInstance}},
		Actuators: []config.Actuator{{Name: "relay", Driver: "sim", Resource: config.NoResource, Instance: config.NoInstance}},
	}
	cfg.Sensors[1].Object, cfg.Sensors[2].Object = 3303, 3303
	return cfg
}

// TestMoved: what is configured of the place of values is in force at once, with the
// values that are there.
func TestMoved(t *testing.T) {
	f := newFixture(t, t.TempDir(), nil, nil)
	feed := func(role hw.Role, name, channel string, v hw.Value) {
		f.stage.Deliver(hw.Unit{Role: role, Name: name}, []hw.Reading{{Channel: channel, Value: v, Time: time.Now(), Quality: hw.Good}})
	}
	apply := func(change func(*config.Config)) {
		t.Helper()
		cfg := household()
		change(cfg)
		if err := f.Apply(t.Context(), cfg); err != nil || len(f.health.Troubles()) != 0 {
			t.Fatal(err, f.health.Troubles())
		}
	}
	wants := func(when string, want map[string]lwm2m.Value) {
		t.Helper()
		got := make(map[string]lwm2m.Value)
		for _, oid := range []uint16{3200, 3300, 3303, 3304, 3306, 3311} {
			for _, iid := range f.tree.Instances(oid) {
				for _, rid := range []uint16{5500, 5501, 5700, 5750, 5850, 5851} {
					if v := f.tree.Value(lwm2m.NewPath(oid, iid, rid)); !v.IsZero() {
						got[lwm2m.NewPath(oid, iid, rid).String()] = v
					}
				}
			}
		}
		if d := cmp.Diff(want, got, cmp.Comparer(func(a, b lwm2m.Value) bool { return a == b })); d != "" {
			t.Errorf("%s: %s", when, d)
		}
	}
	apply(func(*config.Config) {})
	feed(hw.RoleSensor, "door", "state", hw.Bool(true))
	feed(hw.RoleSensor, "door", "count", hw.Integer(5))
	feed(hw.RoleSensor, "a", "value", hw.Float(1))
	feed(hw.RoleSensor, "b", "value", hw.Float(2))
	feed(hw.RoleActuator, "relay", "state", hw.Bool(true))
	feed(hw.RoleActuator, "relay", "level", hw.Float(70))
	values := map[string]lwm2m.Value{
		"/3200/0/5500": lwm2m.Boolean(true), "/3200/0/5501": lwm2m.Integer(5), "/3200/0/5750": lwm2m.String("door"),
		"/3303/0/5700": lwm2m.Float(1), "/3303/0/5750": lwm2m.String("a"), "/3303/1/5700": lwm2m.Float(2), "/3303/1/5750": lwm2m.String("b"),
		"/3300/0/5700": lwm2m.Float(2), "/3300/0/5750": lwm2m.String("twice"),
		"/3306/0/5850": lwm2m.Boolean(true), "/3306/0/5851": lwm2m.Integer(70), "/3306/0/5750": lwm2m.String("relay"),
	}
	wants("at first", values)

	sub := f.tree.Subscribe()
	defer sub.Close()
	apply(func(c *config.Config) {
		c.Sensors[0].ApplicationType, c.Sensors[1].ApplicationType = "front door", "cold room"
	})
	values["/3200/0/5750"], values["/3303/0/5750"] = lwm2m.String("front door"), lwm2m.String("cold room")
	wants("other application types", values)
	if p := sub.Take(nil); p.Structure {
		t.Errorf("with another application type there is another instance: %+v", p.Changes)
	}
	feed(hw.RoleSensor, "door", "count", hw.Integer(6))
	values["/3200/0/5501"] = lwm2m.Integer(6)
	wants("one more", values)

	apply(func(c *config.Config) {
		c.Sensors[0].Instance = 7
		c.Sensors[1].Object = 3304
		c.Sensors[2].Instance = 0
		c.Derived[0].Object = 3303
		c.Actuators[0].Object = 3311
	})
	wants("other objects and instances", map[string]lwm2m.Value{
		"/3200/7/5500": lwm2m.Boolean(true), "/3200/7/5501": lwm2m.Integer(6), "/3200/7/5750": lwm2m.String("door"),
		"/3304/0/5700": lwm2m.Float(1), "/3304/0/5750": lwm2m.String("a"), "/3303/0/5700": lwm2m.Float(2), "/3303/0/5750": lwm2m.String("b"),
		"/3303/2/5700": lwm2m.Float(2), "/3303/2/5750": lwm2m.String("twice"),
		"/3311/0/5850": lwm2m.Boolean(true), "/3311/0/5851": lwm2m.Integer(70), "/3311/0/5750": lwm2m.String("relay"),
	})
	apply(func(c *config.Config) { c.Sensors[0].Channels = []config.Channel{mapped("state", config.Processing{})} })
	feed(hw.RoleSensor, "door", "count", hw.Integer(8))
	apply(func(*config.Config) {})
	feed(hw.RoleSensor, "door", "count", hw.Integer(9))
	got := f.cfg.Store.Counter("count/door").Value()
	if shown := f.tree.Value(lwm2m.MustPath("/3200/7/5501")); shown != lwm2m.Integer(9) || got != 9 {
		t.Errorf("%v is shown and %d kept of 9", shown, got)
	}
}

// TestNumberTaken: who has had an instance that another is configured for now gets
// another, with its values, and servers write where it is.
func TestNumberTaken(t *testing.T) {
	f := newFixture(t, t.TempDir(), nil, nil)
	cfg := household()
	if err := f.Apply(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]float64{"a": 1, "b": 2} {
		f.stage.Deliver(hw.Unit{Role: hw.RoleSensor, Name: name}, []hw.Reading{{Channel: "value", Value: hw.Float(v), Time: time.Now(), Quality: hw.Good}})
	}
	cfg = household()
	cfg.Sensors[2].Instance = 0
	if err := f.Apply(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]lwm2m.Value{"/3303/0/5700": lwm2m.Float(2), "/3303/0/5750": lwm2m.String("b"), "/3303/2/5700": lwm2m.Float(1), "/3303/2/5750": lwm2m.String("a")} {
		if got := f.value(path); got != want {
			t.Errorf("%s is %v, want %v; there are %v", path, got, want, f.tree.Instances(3303))
		}
	}
	p := lwm2m.MustPath("/3303/2/5750")
	if err := f.tree.Write(t.Context(), model.FromServer(1), model.Replace, p, []lwm2m.Node{{Path: p, Value: lwm2m.String("attic")}}); err != nil {
		t.Fatal(err)
	}
	if record, err := f.cfg.Store.Bucket("values").Load("3303/a/5750"); string(record) != "attic" {
		t.Errorf("kept is %q, %v", record, err)
	}
}

// TestMisplaced: a trouble says that a channel has no place, until it has one.
func TestMisplaced(t *testing.T) {
	f := newFixture(t, t.TempDir(), []config.Sensor{{Name: "a", Instance: 3}, {Name: "b", Instance: 3}}, nil)
	for _, name := range []string{"a", "b"} {
		f.Describe(hw.Unit{Role: hw.RoleSensor, Name: name}, []hw.Channel{{Name: "t", Quantity: hw.Temperature, Kind: hw.KindFloat}})
	}
	if got := f.health.Troubles(); len(got) != 1 || got[0].On != "b" || got[0].Code != health.SensorFailing {
		t.Errorf("troubles %+v of two that want one number", got)
	}
	before := f.health.Troubles()
	for _, q := range []hw.Quality{hw.Invalid, hw.Good} {
		f.Deliver(hw.Unit{Role: hw.RoleSensor, Name: "b"}, []hw.Reading{{Channel: "t", Value: hw.Float(20), Time: time.Now(), Quality: q, Reason: "no device answers"}})
	}
	if d := cmp.Diff(before, f.health.Troubles()); d != "" {
		t.Errorf("it failed and works again: %s", d)
	}
	f.mu.Lock()
	f.sensors["b"].Instance = 4
	f.loosen()
	f.place()
	f.mu.Unlock()
	if got := f.health.Troubles(); len(got) != 0 || !cmp.Equal(f.tree.Instances(3303), []uint16{3, 4}) {
		t.Errorf("troubles %+v, instances %v", got, f.tree.Instances(3303))
	}
}

// TestAbsentFromTheStart: health tells of a device that was never there, whose channels nobody knows, until it is there or
// no longer configured.
func TestAbsentFromTheStart(t *testing.T) {
	f := newFixture(t, t.TempDir(), nil, nil)
	cfg := f.cfg
	cfg.Hardware.Sys = t.TempDir()
	device := filepath.Join(cfg.Hardware.Sys, "class/hwmon/hwmon0")
	if err := os.MkdirAll(device, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"name": "coretemp\n", "temp1_input": "40000\n"} {
		if err := os.WriteFile(filepath.Join(device, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	told := make(chan hw.Status, 16)
	cfg.Hardware.Changed = func(s hw.Status) { told <- s }
	b := NewBoard(cfg)
	apply := func(names ...string) {
		t.Helper()
		var c config.Config
		for _, name := range names {
			c.Sensors = append(c.Sensors, config.Sensor{Name: name, Driver: "hwmon", Instance: config.NoInstance, Settings: config.Settings{Device: name, Interval: time.Hour}})
		}
		c.Sensors[0].Name = "cpu"
		if err := b.Apply(t.Context(), &c); err != nil {
			t.Fatal(err)
		}
	}
	apply("nct6775", "gone")
	ctx, end := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.board.Run(ctx) }()
	defer func() {
		end()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	<-b.board.Ready()
	absent := func(n health.Trouble) bool {
		return n.Code == health.SensorFailing && n.On == "cpu" && strings.Contains(n.Detail, "nct6775")
	}
	if got := f.health.Troubles(); len(got) != 2 || !slices.ContainsFunc(got, absent) {
		t.Errorf("troubles %+v", got)
	}
	if s := <-told; s.Err == nil {
		t.Error("who else wants to know is not told")
	}
	<-told // of the other one
	apply("coretemp")
	if s := <-told; s.Err != nil {
		t.Error(s.Err)
	}
	if got := f.health.Troubles(); len(got) != 0 {
		t.Errorf("troubles of what is there now: %+v", got)
	}
}
