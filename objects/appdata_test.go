package objects

import (
	"errors"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

func (f *fixture) appData(save Save) *BinaryAppDataContainer {
	f.Helper()
	c, err := NewBinaryAppDataContainer(f.tree, f.now, save)
	f.check(err)
	return c
}

// put writes nodes of any instance, as a local program or Write-Composite does.
func (f *fixture) put(origin model.Origin, values map[string]lwm2m.Value) error {
	nodes := make([]lwm2m.Node, 0, len(values))
	for path, v := range values {
		nodes = append(nodes, lwm2m.Node{Path: lwm2m.MustPath(path), Value: v})
	}
	return f.tree.WriteAll(f.Context(), origin, nodes)
}

func TestAppDataBothWays(t *testing.T) {
	f := newFixture(t)
	f.appData(nil)
	f.has(map[string]string{"/19/0/3": "to servers", "/19/1/3": "from servers"})
	watch := f.tree.Subscribe()
	defer watch.Close()
	watch.Watch(lwm2m.MustPath("/19/0/0"))
	f.check(f.put(model.FromLocal(), map[string]lwm2m.Value{"/19/0/0/0": lwm2m.Opaque([]byte("up")), "/19/0/3": lwm2m.String("meter")}))
	if p := watch.Take(nil); len(p.Changes) != 1 || p.Changes[0].Value != lwm2m.Opaque([]byte("up")) {
		t.Errorf("whoever observes the uplink is told %v", p.Changes)
	}
	f.time = start.Add(time.Hour)
	f.check(f.put(model.FromServer(1), map[string]lwm2m.Value{"/19/1/0/0": lwm2m.Opaque([]byte("down")), "/19/1/5": lwm2m.Integer(65535)}))
	f.has(map[string]string{
		"/19/0/0/0": "dXA=", "/19/0/2": lwm2m.Time(start).String(), "/19/0/3": "meter",
		"/19/1/0/0": "ZG93bg==", "/19/1/2": lwm2m.Time(f.time).String(), "/19/1/5": "65535",
	})
	measured := lwm2m.UnixTime(1000)
	f.check(f.put(model.FromLocal(), map[string]lwm2m.Value{"/19/0/0/0": lwm2m.Opaque([]byte("later")), "/19/0/2": measured}))
	f.has(map[string]string{"/19/0/2": "1000"})
	f.check(f.put(model.FromLocal(), map[string]lwm2m.Value{"/19/0/4": lwm2m.String("UTF8-string")}))
	f.has(map[string]string{"/19/0/2": "1000"}) // no new data
}

func TestAppDataRefusals(t *testing.T) {
	f := newFixture(t)
	f.appData(nil)
	many := make(map[string]lwm2m.Value)
	for riid := range uint16(maxDataItems + 1) {
		many[lwm2m.NewPath(19, 1, 0, riid).String()] = lwm2m.Opaque(nil)
	}
	for _, tt := range []struct {
		values map[string]lwm2m.Value
		code   lwm2m.Code
		words  string
	}{
		{map[string]lwm2m.Value{"/19/1/1": lwm2m.Integer(256)}, lwm2m.BadRequest, "0 to 255"},
		{map[string]lwm2m.Value{"/19/1/1": lwm2m.Integer(-1)}, lwm2m.BadRequest, "0 to 255"},
		{map[string]lwm2m.Value{"/19/1/5": lwm2m.Integer(65536)}, lwm2m.BadRequest, "0 to 65535"},
		{map[string]lwm2m.Value{"/19/1/3": lwm2m.String("0123456789012345678901234567890123")}, lwm2m.BadRequest, "at most 32"},
		{map[string]lwm2m.Value{"/19/1/4": lwm2m.String("0123456789012345678901234567890123")}, lwm2m.BadRequest, "at most 32"},
		{map[string]lwm2m.Value{"/19/1/0/0": lwm2m.Opaque(make([]byte, maxDataBytes+1))}, lwm2m.RequestEntityTooLarge, "16384 bytes"},
		{many, lwm2m.RequestEntityTooLarge, "64 instances"},
	} {
		f.refused(f.put(model.FromServer(1), tt.values), tt.code, tt.words)
	}
	_, err := f.tree.Create(t.Context(), model.FromServer(1), lwm2m.NewPath(19), []lwm2m.Node{{Path: lwm2m.MustPath("/19/2/0/0"), Value: lwm2m.Opaque(nil)}})
	f.refused(err, lwm2m.MethodNotAllowed, "two instances")
	f.refused(f.tree.Delete(t.Context(), model.FromServer(1), lwm2m.MustPath("/19/1")), lwm2m.MethodNotAllowed, "two instances")
	f.has(map[string]string{"/19/1/0/0": "", "/19/1/2": ""})
}

// TestAppDataKept: the downlink outlives the process, the uplink costs no writing.
func TestAppDataKept(t *testing.T) {
	f, kept := newFixture(t), &recorder{}
	f.appData(kept.save)
	f.check(f.put(model.FromLocal(), map[string]lwm2m.Value{"/19/0/0/0": lwm2m.Opaque([]byte("up"))}))
	if len(kept.saved) != 0 {
		t.Errorf("what a program published was saved: %v", kept.saved)
	}
	f.check(f.put(model.FromServer(1), map[string]lwm2m.Value{"/19/1/0/3": lwm2m.Opaque([]byte("down")), "/19/1/3": lwm2m.String("orders")}))
	g := newFixture(t)
	f.check(g.appData(nil).Restore(kept.saved[len(kept.saved)-1]))
	g.has(map[string]string{"/19/0/0/0": "", "/19/1/0/3": "ZG93bg==", "/19/1/2": lwm2m.Time(start).String(), "/19/0/3": "to servers", "/19/1/3": "orders"})

	f.check(f.tree.Delete(t.Context(), model.FromServer(1), lwm2m.MustPath("/19/1/0/3"))) // read, and not needed any more
	if last := kept.last(); last["/19/1/0/3"] != "" {
		t.Errorf("what was deleted is kept: %v", last)
	}
	kept.err = errors.New("disk full")
	f.refused(f.put(model.FromServer(1), map[string]lwm2m.Value{"/19/1/0/3": lwm2m.Opaque([]byte("x"))}), lwm2m.InternalServerError, "disk full")
	f.has(map[string]string{"/19/1/0/3": ""})
}
