package apps

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

const tariff = `{"id": 26300, "name": "Tariff", "resources": [{"id": 0, "name": "Price", "operations": "RW", "type": "Float"}]}`

// TestRestart: objects, instances, resources and values are there again, marked.
func TestRestart(t *testing.T) {
	f := newFixture(t, nil)
	f.register()
	f.must(f.app("meter").Register(Registration{Objects: objects(t, "3305", tariff), Updates: []Update{made("/26300/0"), valued("/26300/0/0", lwm2m.Float(0.1))}}))
	f.must(f.app("meter").Publish([]Update{{Kind: Judge, Path: lwm2m.MustPath("/3305/0/1"), Quality: model.Invalid}}))
	f.each(func(app *App) { app.keep(true) })
	before := f.tree.Entries(lwm2m.Path{}, lwm2m.LevelResource)
	measured := f.reading("/3305/0/0").Time

	g := newFixture(t, f.store)
	if after := g.tree.Entries(lwm2m.Path{}, lwm2m.LevelResource); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("there is %v, before %v", after, before)
	}
	if r := g.reading("/3305/0/0"); r.Value != lwm2m.Float(20) || r.Time.UnixMilli() != measured.UnixMilli() || r.Quality != model.Stale {
		t.Errorf("%+v", r)
	}
	if q := g.reading("/3305/0/1").Quality; q != model.Invalid {
		t.Errorf("quality %v, want invalid as before", q)
	}
	if v := g.reading("/26300/0/0").Value; v != lwm2m.Float(0.1) || g.reading("/3305/0/2/1").Value != lwm2m.String("L2") {
		t.Errorf("price %v", v)
	}
	if s := g.state("meter"); s != Away || fmt.Sprint(g.troubles()) != "[app-away meter: it has not come back since the agent was started]" {
		t.Errorf("state %s, %v", s, g.troubles())
	}
	if s := g.state("lamp"); s != Unregistered {
		t.Errorf("state %s of one that had nothing", s)
	}
	structure := g.tree.Subscribe()
	defer structure.Close()
	g.register()
	g.must(g.app("meter").Register(Registration{Objects: objects(t, "3305", tariff)}))
	if len(g.troubles()) != 0 {
		t.Errorf("%v", g.troubles())
	}
}

// TestRestartWithLess: what the configuration gives it no more is not restored.
func TestRestartWithLess(t *testing.T) {
	f := newFixture(t, nil)
	f.must(f.app("meter").Register(Registration{Objects: objects(t, "3305", tariff), Updates: []Update{made("/3305/0"), made("/26300/0")}}))
	g := newFixture(t, &memory{records: make(map[string][]byte)})
	g.must(g.Apply(nil))
	g.store.records = f.store.records
	g.must(g.Apply([]config.App{{Name: "meter", User: "m", Objects: []uint16{3305}}}))
	if got := g.tree.Entries(lwm2m.Path{}, lwm2m.LevelInstance); len(got) != 2 {
		t.Errorf("restored %v, want /3305 and /3305/0", got)
	}
	g.store.records["former/0"] = []byte("of one that was removed while the agent did not run")
	g.must(g.Apply(nil))
	if len(g.store.records) != 0 {
		t.Errorf("%d records of an application that there is no more", len(g.store.records))
	}
}

// TestDamagedRecords: the agent starts without them.
func TestDamagedRecords(t *testing.T) {
	f := newFixture(t, nil)
	f.register()
	whole := f.store.records["meter/0"]
	for name, record := range map[string][]byte{"cut": whole[:len(whole)-9], "garbage": []byte("garbage"), "empty": {}} {
		t.Run(name, func(t *testing.T) {
			g := newFixture(t, &memory{records: map[string][]byte{"meter/0": record}})
			if s := g.state("meter"); s != Unregistered || !strings.Contains(g.log.String(), "objects of an application not restored") {
				t.Errorf("state %s, log %s", s, g.log.String())
			}
			g.register()
		})
	}
}

// TestLargeState: an application at its bounds takes several records, each within
// what a store takes, and is restored from them.
func TestLargeState(t *testing.T) {
	f := newFixture(t, nil)
	random := rand.New(rand.NewPCG(1, 2))
	updates := make([]Update, 0, 4*maxInstances)
	for i := range maxInstances {
		path := fmt.Sprintf("/3305/%d", i)
		updates = append(updates, made(path), valued(path+"/0", lwm2m.Float(100*random.Float64())))
		text := make([]rune, 100)
		for j := range text {
			text[j] = rune('!' + random.IntN(90))
		}
		updates = append(updates, valued(path+"/4", lwm2m.String(string(text))), valued(path+"/1", lwm2m.Integer(random.Int64())))
	}
	f.must(f.app("meter").Register(Registration{Objects: objects(t, "3305"), Whole: true, Updates: updates}))
	total := 0
	for key, record := range f.store.records {
		total += len(record)
		if len(record) > maxPart {
			t.Errorf("record %s has %d bytes", key, len(record))
		}
	}
	if len(f.store.records) < 2 || total > 512<<10 {
		t.Errorf("%d records of together %d bytes", len(f.store.records), total)
	}
	g := newFixture(t, f.store)
	if n := len(g.tree.Instances(3305)); n != maxInstances || g.reading("/3305/2047/0").Value != f.reading("/3305/2047/0").Value {
		t.Errorf("%d instances restored", n)
	}
	g.must(g.app("meter").Register(Registration{Objects: objects(t, "3305"), Whole: true}))
	if n := len(g.store.records); n != 1 {
		t.Errorf("%d records of an object without instances", n)
	}
}

// TestRunKeepsWhatServersMake, many at a time in one write, and the last values in
// the end.
func TestRunKeepsWhatServersMake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		ended := f.run(ctx)
		s := f.listen()
		synctest.Wait()
		time.Sleep(2 * settleTime)
		writes := f.store.written()
		for i := 20; i < 30; i++ {
			done := make(chan error, 1)
			go func() {
				_, err := f.tree.Create(t.Context(), model.FromServer(101), lwm2m.NewPath(3305, uint16(i)), nil)
				done <- err
			}()
			f.must(f.app("meter").Answer(next(t, s).ID, nil))
			f.must(<-done)
		}
		synctest.Wait()
		if n := len(f.tree.Entries(lwm2m.MustPath("/3305/25"), lwm2m.LevelResource)); n != 3 {
			t.Errorf("a new instance has %d places, want itself and two mandatory resources", n)
		}
		time.Sleep(2 * settleTime)
		if n := f.store.written() - writes; n != 1 {
			t.Errorf("ten new instances cost %d writes", n)
		}
		// What a server writes is kept soon, what a program publishes in the end.
		f.must(f.app("meter").Publish([]Update{valued("/3305/0/0", lwm2m.Float(77))}))
		time.Sleep(2 * settleTime)
		if n := f.store.written() - writes; n != 1 {
			t.Errorf("a value cost %d writes", n-1)
		}
		result := f.write(t.Context(), limit(11)...)
		f.must(f.app("meter").Answer(next(t, s).ID, nil))
		f.must(<-result)
		time.Sleep(2 * settleTime)
		kept, err := f.store.List()
		f.must(err)
		if g := newFixture(t, &memory{records: kept}); g.reading("/3305/0/1").Value != lwm2m.Integer(11) {
			t.Error("what a server has written is not kept")
		}
		f.must(f.app("meter").Publish([]Update{valued("/3305/0/0", lwm2m.Float(78))}))
		cancel()
		f.must(<-ended)
		g := newFixture(t, f.store)
		if n := len(g.tree.Instances(3305)); n != 12 || g.reading("/3305/0/0").Value != lwm2m.Float(78) {
			t.Errorf("%d instances, value %v after a restart", n, g.reading("/3305/0/0").Value)
		}
		s.Close()
	})
}
