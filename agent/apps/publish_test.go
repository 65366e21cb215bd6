package apps

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

func TestPublish(t *testing.T) {
	f := newFixture(t, nil)
	f.register()
	meter := f.app("meter")
	measured := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f.must(meter.Publish([]Update{
		{Kind: Set, Path: lwm2m.MustPath("/3305/0/0"), Value: lwm2m.Integer(30), Time: measured, Quality: model.Uncertain},
		{Kind: Clear, Path: lwm2m.MustPath("/3305/0/2")},
		valued("/3305/0/2/1", lwm2m.String("L2")), valued("/3305/0/2/5", lwm2m.String("N")),
		{Kind: Clear, Path: lwm2m.MustPath("/3305/0/1")},
		{Kind: Clear, Path: lwm2m.MustPath("/3305/0/3")},
		made("/3305/8"), valued("/3305/8/0", lwm2m.Float(1)),
		{Kind: Remove, Path: lwm2m.MustPath("/3305/7")},
	}))
	if r := f.reading("/3305/0/0"); r.Value != lwm2m.Float(30) || !r.Time.Equal(measured) || r.Quality != model.Uncertain {
		t.Errorf("%+v", r)
	}
	f.must(meter.Publish([]Update{{Kind: Judge, Path: lwm2m.MustPath("/3305/0/0"), Quality: model.Invalid}, {Kind: Judge, Path: lwm2m.MustPath("/3305/0/1")}}))
	if r := f.reading("/3305/0/0"); r.Value != lwm2m.Float(30) || !r.Time.Equal(measured) || r.Quality != model.Invalid {
		t.Errorf("%+v, want the last value, judged", r)
	}
	f.must(meter.Publish([]Update{{Kind: Clear, Path: lwm2m.MustPath("/3305/0/2/5")}}))
	nodes := read(t, f.tree, "/3305")
	got := make([]string, len(nodes))
	for i, n := range nodes {
		got[i] = n.Path.String() + " " + n.Value.String()
	}
	if want := "/3305/0/0 30;/3305/0/2/1 L2;/3305/8/0 1"; strings.Join(got, ";") != want {
		t.Errorf("%q, want %q", got, want)
	}
	if e := f.tree.Entries(lwm2m.MustPath("/3305/0/1"), lwm2m.LevelResource); len(e) != 1 {
		t.Error("a resource whose value was taken away is not there any more")
	}
}

func read(t *testing.T, tree *model.Tree, path string) []lwm2m.Node {
	t.Helper()
	nodes, err := tree.Read(model.FromLocal(), lwm2m.MustPath(path), nil)
	if err != nil {
		t.Fatal(err)
	}
	return nodes
}

// TestRefusedValues: each change is refused as a whole, with its path and what is
// allowed.
func TestRefusedValues(t *testing.T) {
	f := newFixture(t, nil)
	f.register()
	f.must(f.app("lamp").Register(Registration{Objects: objects(t, "3311"), Updates: []Update{made("/3311/0")}}))
	good := valued("/3305/0/0", lwm2m.Float(99))
	for _, tt := range []struct {
		app    string
		update Update
		code   lwm2m.Code
		reason string
	}{
		{"meter", valued("/3311/0/0", lwm2m.Boolean(true)), lwm2m.NotFound, "/3311/0/0: application meter has not registered object 3311"},
		{"meter", valued("/3/0/0", lwm2m.String("mine")), lwm2m.NotFound, "has not registered object 3"},
		{"meter", valued("/3305/5/0", lwm2m.Float(1)), lwm2m.NotFound, `/3305/5/0: there is no instance /3305/5; make it: {"/3305/5": {…}}`},
		{"meter", valued("/3305/0/9", lwm2m.Float(1)), lwm2m.NotFound, "/3305/0/9: object 3305 (Power) has no resource 9"},
		{"meter", valued("/3305/0/0", lwm2m.String("much")), lwm2m.BadRequest, `/3305/0/0 (Watts): not a valid value: String "much" is no Float`},
		{"meter", valued("/3305/0/0", lwm2m.Float(101)), lwm2m.BadRequest, `/3305/0/0 (Watts): "101" is out of range; allowed: 0..100`},
		{"meter", valued("/3305/0/3", lwm2m.Float(1)), lwm2m.BadRequest, "/3305/0/3: Reset is executed and has no value; allowed: null"},
		{"meter", valued("/3305/0/0/1", lwm2m.Float(1)), lwm2m.BadRequest, "/3305/0/0/1: Watts is a single resource"},
		{"meter", valued("/3305/0/2", lwm2m.String("L1")), lwm2m.BadRequest, "/3305/0/2: Phases is a multiple resource"},
		{"meter", valued("/3305/0/4", lwm2m.String(strings.Repeat("x", maxValue+1))), lwm2m.RequestEntityTooLarge, "/3305/0/4 (Note): 8193 bytes; allowed: 8192"},
		{"lamp", made("/3311/1"), lwm2m.BadRequest, "/3311/1: object 3311 (Lamp) has a single instance; allowed: /3311/0"},
	} {
		updates := []Update{tt.update}
		if tt.app == "meter" {
			updates = []Update{good, tt.update}
		}
		f.refused(f.app(tt.app).Publish(updates), tt.code, tt.reason)
	}
	if v := f.reading("/3305/0/0").Value; v != lwm2m.Float(20) {
		t.Errorf("%v after changes that were refused", v)
	}
}

// TestBounds: what is full takes nothing more, but what it has can change.
func TestBounds(t *testing.T) {
	f := newFixture(t, nil)
	f.register()
	meter := f.app("meter")
	long := lwm2m.String(strings.Repeat("x", maxValue))
	many := make([]Update, maxInstances)
	for i := range many {
		many[i] = made(fmt.Sprintf("/3305/%d", i))
	}
	f.must(meter.Publish(many))
	f.refused(meter.Publish([]Update{made("/3305/3000")}), lwm2m.RequestEntityTooLarge, "application meter would have 2049 instances")
	fill := func(from, to int, v lwm2m.Value) (updates []Update) {
		for i := from; i < to; i++ {
			updates = append(updates, valued(fmt.Sprintf("/3305/%d/4", i), v))
		}
		return updates
	}
	const whole = maxBytes / maxValue
	f.must(meter.Publish(fill(1, whole, long))) // and L1, L2
	for range 3 {
		f.must(meter.Publish(fill(1, whole, long)))
	}
	f.refused(meter.Publish(fill(whole, whole+1, long)), lwm2m.RequestEntityTooLarge, "bytes of text; allowed: 2048, 16384 and 262144")
	// A server's writes count as well.
	stream, err := meter.Listen()
	f.must(err)
	defer stream.Close()
	write := func(i int) error {
		p := lwm2m.MustPath(fmt.Sprintf("/3305/%d/4", i))
		return f.tree.Write(t.Context(), model.FromServer(1), model.Replace, p, []lwm2m.Node{{Path: p, Value: long}})
	}
	f.refused(write(whole), lwm2m.RequestEntityTooLarge, "application meter would have")
	p := lwm2m.MustPath("/3305/0/4")
	tooLong := lwm2m.String(long.Text() + "x")
	f.refused(f.tree.Write(t.Context(), model.FromServer(1), model.Replace, p, []lwm2m.Node{{Path: p, Value: tooLong}}), lwm2m.RequestEntityTooLarge, "8193 bytes; allowed: 8192")
	if len(stream.Take()) != 0 {
		t.Error("the program was asked for what does not fit")
	}
	// What has gone leaves room.
	f.must(meter.Publish([]Update{{Kind: Remove, Path: lwm2m.MustPath("/3305/1")}}))
	f.must(meter.Publish(fill(whole, whole+1, long)))
}
