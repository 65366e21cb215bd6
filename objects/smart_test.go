package objects

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/objects/registry"
)

// board is the hardware behind a Setter.
type board struct {
	is         map[uint16]lwm2m.Value
	log        []string
	check, set error
}

func (b *board) Check(uint16, lwm2m.Value) error { return b.check }

func (b *board) Set(_ context.Context, rid uint16, v lwm2m.Value) error {
	if b.set != nil {
		return b.set
	}
	if b.is == nil {
		b.is = make(map[uint16]lwm2m.Value)
	}
	b.is[rid] = v
	b.log = append(b.log, fmt.Sprintf("%d=%s", rid, v))
	return nil
}

func (f *fixture) smart(oid uint16, hooks SmartHooks, instances ...SmartInstance) *SmartObject {
	f.Helper()
	hooks.Now = f.now
	o, err := NewSmartObject(f.tree, oid, hooks)
	f.check(err)
	for _, in := range instances {
		f.check(o.Add(in))
	}
	return o
}

func good(v lwm2m.Value, at time.Time) Reading { return Reading{Value: v, Time: at} }

func TestSensor(t *testing.T) {
	f := newFixture(t)
	o := f.smart(3303, SmartHooks{}, SmartInstance{
		ID: 2, Name: "cold room", ApplicationType: "Cold Room", Unit: "Cel", SensorType: "bme280", Min: -40, Max: 85,
	})
	before := f.listed("/3303/2")
	f.has(map[string]string{"/3303/2/5700": "", "/3303/2/5518": "", "/3303/2/5601": "", "/3303/2/6042": ""})

	f.check(o.Publish(2, o.main, good(lwm2m.Float(21.5), start)))
	f.check(o.Publish(2, o.main, good(lwm2m.Float(19), start.Add(time.Second))))
	f.check(o.Publish(2, o.main, good(lwm2m.Float(20), start.Add(2*time.Second))))
	want := map[string]string{
		"/3303/2/5700": "20", "/3303/2/5601": "19", "/3303/2/5602": "21.5", "/3303/2/5603": "-40", "/3303/2/5604": "85",
		"/3303/2/5701": "Cel", "/3303/2/5750": "Cold Room", // the object has no 5751
		"/3303/2/5518": "1767323047", "/3303/2/6050": "0.25", "/3303/2/6042": "4", "/3303/2/6049": "100",
	}
	if d := cmp.Diff(want, f.values("/3303/2")); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if d := cmp.Diff(before, f.listed("/3303/2")); d != "" {
		t.Errorf("the first readings changed what there is (-before +after):\n%s", d)
	}
	f.check(f.execute("/3303/2/5605", ""))
	f.has(map[string]string{"/3303/2/5601": "20", "/3303/2/5602": "20"})
}

func TestQuality(t *testing.T) {
	f := newFixture(t)
	o := f.smart(3303, SmartHooks{}, SmartInstance{Name: "cold room", Min: -40, Max: 85})
	for _, c := range []struct {
		what                     string
		reading                  Reading
		value, indicator, level  string
		lowest, highest, seconds string
	}{
		{"good", good(lwm2m.Float(20), start), "20", "4", "100", "20", "20", "1767323045"},
		{"stale", Reading{Quality: model.Stale}, "20 stale", "2", "25", "20", "20", "1767323045"},
		{"gone", Reading{Quality: model.Invalid, Time: start.Add(time.Minute)}, "20 invalid", "1", "0", "20", "20", "1767323045"},
		{"gone, with a value", Reading{Value: lwm2m.Float(99), Quality: model.Invalid}, "20 invalid", "1", "0", "20", "20", "1767323045"},
		{"no number", good(lwm2m.Float(math.NaN()), start), "20 invalid", "1", "0", "20", "20", "1767323045"},
		{"infinite", good(lwm2m.Float(math.Inf(1)), start), "20 invalid", "1", "0", "20", "20", "1767323045"},
		{"no value at all", Reading{}, "20 invalid", "1", "0", "20", "20", "1767323045"},
		{"beyond the sensor", good(lwm2m.Float(90), start.Add(time.Second)), "90 uncertain", "3", "50", "20", "90", "1767323046"},
		{"uncertain", Reading{Value: lwm2m.Float(1), Time: start, Quality: model.Uncertain}, "1 uncertain", "3", "50", "1", "90", "1767323045"},
		{"back", good(lwm2m.Integer(21), start.Add(2*time.Second)), "21", "4", "100", "1", "90", "1767323047"},
	} {
		if err := o.Publish(0, o.main, c.reading); err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		got := f.values("/3303/0")
		want := map[string]string{
			"/3303/0/5700": c.value, "/3303/0/6042": c.indicator, "/3303/0/6049": c.level, "/3303/0/5601": c.lowest,
			"/3303/0/5602": c.highest, "/3303/0/5518": c.seconds,
		}
		for path, text := range want {
			if got[path] != text {
				t.Errorf("%s: %s is %q, want %q", c.what, path, got[path], text)
			}
		}
	}
}

// TestResetWhileAway: what was measured before the reset must not come back.
func TestResetWhileAway(t *testing.T) {
	f := newFixture(t)
	o := f.smart(3303, SmartHooks{}, SmartInstance{})
	f.check(o.Publish(0, o.main, good(lwm2m.Float(20), start)))
	f.check(o.Publish(0, o.main, Reading{Quality: model.Invalid}))
	f.check(f.execute("/3303/0/5605", ""))
	f.has(map[string]string{"/3303/0/5601": "", "/3303/0/5602": "", "/3303/0/5700": "20 invalid"})
	f.check(o.Publish(0, o.main, good(lwm2m.Float(25), start)))
	f.has(map[string]string{"/3303/0/5601": "25", "/3303/0/5602": "25"})
}

func TestPublishRefusals(t *testing.T) {
	f := newFixture(t)
	o := f.smart(3303, SmartHooks{}, SmartInstance{Name: "cold room"})
	for want, err := range map[string]error{
		"has no instance 1":                       o.Publish(1, o.main, good(lwm2m.Float(1), start)),
		"readings of resource 5518 are not expec": o.Publish(0, 5518, good(lwm2m.UnixTime(1), start)),
		"is no Float":                             o.Publish(0, o.main, good(lwm2m.String("warm"), start)),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
	}
	f.has(map[string]string{"/3303/0/5700": ""})
}

func TestDigitalInput(t *testing.T) {
	f := newFixture(t)
	var b board
	o := f.smart(3200, SmartHooks{}, SmartInstance{
		Name: "door", Feeds: []uint16{5500, 5501}, Drives: []uint16{5502, 5503, 5504}, Setter: &b,
		Values:  map[uint16]lwm2m.Value{5502: lwm2m.Boolean(true), 5503: lwm2m.Integer(20), 5504: lwm2m.Integer(3)},
		Offsets: map[uint16]float64{5501: 1000},
	})
	f.check(o.Publish(0, o.main, good(lwm2m.Boolean(true), start)))
	f.check(o.Publish(0, 5501, good(lwm2m.Integer(7), start)))
	f.has(map[string]string{"/3200/0/5500": "1", "/3200/0/5501": "1007", "/3200/0/5502": "1", "/3200/0/5503": "20", "/3200/0/5504": "3"})

	f.check(f.execute("/3200/0/5505", ""))
	f.has(map[string]string{"/3200/0/5501": "0"})
	f.check(o.Publish(0, 5501, good(lwm2m.Integer(9), start)))
	f.has(map[string]string{"/3200/0/5501": "2"})

	f.check(f.write("/3200/0/5503", lwm2m.Integer(50)))
	f.refused(f.write("/3200/0/5504", lwm2m.Integer(4)), lwm2m.BadRequest, "outside of 1..3")
	b.set = errors.New("the line is busy")
	f.refused(f.write("/3200/0/5502", lwm2m.Boolean(false)), lwm2m.InternalServerError, "the line is busy")
	f.has(map[string]string{"/3200/0/5502": "1", "/3200/0/5503": "50", "/3200/0/5504": "3"})
	if d := cmp.Diff([]string{"5503=50"}, b.log); d != "" {
		t.Errorf("the driver got (-want +got):\n%s", d)
	}
	f.refused(f.write("/3200/0/5500", lwm2m.Boolean(false)), lwm2m.MethodNotAllowed, "cannot be written")
}

// TestCounterIsLostAndBack: a source that is away does not undo a reset.
func TestCounterIsLostAndBack(t *testing.T) {
	f := newFixture(t)
	o := f.smart(3200, SmartHooks{}, SmartInstance{Feeds: []uint16{5500, 5501}})
	f.check(o.Publish(0, 5501, good(lwm2m.Integer(5), start)))
	f.check(o.Publish(0, 5501, Reading{Quality: model.Invalid}))
	f.check(f.execute("/3200/0/5505", ""))
	f.has(map[string]string{"/3200/0/5501": "0 invalid"})
	f.check(o.Publish(0, 5501, good(lwm2m.Integer(6), start)))
	f.has(map[string]string{"/3200/0/5501": "1"})
}

func TestApplicationType(t *testing.T) {
	f := newFixture(t)
	var saved []string
	var failure error
	o := f.smart(3303, SmartHooks{Save: func(_ context.Context, iid, rid uint16, v lwm2m.Value) error {
		saved = append(saved, fmt.Sprintf("%d/%d=%s", iid, rid, v))
		return failure
	}}, SmartInstance{ID: 4, ApplicationType: "before"})
	f.check(f.write("/3303/4/5750", lwm2m.String("after")))
	failure = errors.New("disk full")
	f.refused(f.write("/3303/4/5750", lwm2m.String("lost")), lwm2m.InternalServerError, "disk full")
	f.has(map[string]string{"/3303/4/5750": "after"})
	if d := cmp.Diff([]string{"4/5750=after", "4/5750=lost"}, saved); d != "" {
		t.Errorf("saved (-want +got):\n%s", d)
	}
	f.check(o.Add(SmartInstance{ID: 4, ApplicationType: "before", Unit: "K"})) // described anew: what a server wrote stays
	f.has(map[string]string{"/3303/4/5750": "after", "/3303/4/5701": "K"})
}

func TestServersCannotMakeOrTakeInstances(t *testing.T) {
	f := newFixture(t)
	f.smart(3306, SmartHooks{}, SmartInstance{Drives: []uint16{5850}, Setter: &board{}})
	_, err := f.tree.Create(t.Context(), model.FromServer(1), lwm2m.MustPath("/3306"),
		[]lwm2m.Node{{Path: lwm2m.MustPath("/3306/9/5850"), Value: lwm2m.Boolean(true)}})
	f.refused(err, lwm2m.MethodNotAllowed, "come from the configuration")
	f.refused(f.tree.Delete(t.Context(), model.FromServer(1), lwm2m.MustPath("/3306/0")), lwm2m.MethodNotAllowed, "belongs to the device")
	f.refused(f.tree.Delete(t.Context(), model.FromServer(1), lwm2m.MustPath("/3306/0/5750")), lwm2m.MethodNotAllowed, "belongs to the device")
	off := lwm2m.Node{Path: lwm2m.MustPath("/3306/0/5850"), Value: lwm2m.Boolean(false)}
	f.refused(f.tree.WriteAll(t.Context(), model.FromServer(1), []lwm2m.Node{off}, lwm2m.MustPath("/3306/0/5750")), lwm2m.MethodNotAllowed, "belongs to the device")
	f.refused(f.write("/3306/0/5853", lwm2m.String("eco")), lwm2m.NotFound, "has no resource 5853")
	f.refused(f.writeFrom(model.Origin{Kind: model.OriginBootstrap}, "/3306/0/5518", lwm2m.UnixTime(1)), lwm2m.MethodNotAllowed, "cannot be written")
	f.has(map[string]string{"/3306/0/5750": "", "/3306/0/5853": ""})
}

func TestSeveralFeeds(t *testing.T) {
	f := newFixture(t)
	o := f.smart(3334, SmartHooks{}, SmartInstance{Feeds: []uint16{5702, 5703, 5704}, Min: -10, Max: 10})
	for i, rid := range []uint16{5702, 5703, 5704} {
		f.check(o.Publish(0, rid, good(lwm2m.Float(float64(i)), start)))
		f.has(map[string]string{"/3334/0/5518": "1767323045"})
	}
	f.check(o.Publish(0, 5703, good(lwm2m.Float(-3), start)))
	f.has(map[string]string{
		"/3334/0/5508": "0", "/3334/0/5509": "0", "/3334/0/5510": "-3", "/3334/0/5511": "1", "/3334/0/5512": "2",
		"/3334/0/5513": "2", "/3334/0/5603": "-10", "/3334/0/6042": "4",
	})
	f.check(o.Publish(0, 5704, Reading{Quality: model.Invalid})) // the instance is as good as its worst value
	f.has(map[string]string{"/3334/0/5702": "0", "/3334/0/5704": "2 invalid", "/3334/0/6042": "1"})
}

func TestEnergy(t *testing.T) {
	f := newFixture(t)
	o := f.smart(3305, SmartHooks{}, SmartInstance{Feeds: []uint16{5800, 5805}, Offsets: map[uint16]float64{5805: 10.5}})
	f.check(o.Publish(0, o.main, good(lwm2m.Float(100), start)))
	f.check(o.Publish(0, 5805, good(lwm2m.Float(2), start)))
	f.has(map[string]string{"/3305/0/5800": "100", "/3305/0/5801": "100", "/3305/0/5805": "12.5"})
	f.check(f.execute("/3305/0/5822", ""))
	f.check(o.Publish(0, 5805, good(lwm2m.Float(3), start)))
	f.has(map[string]string{"/3305/0/5805": "1", "/3305/0/5801": "100"})
}

func TestExecuteThroughSetter(t *testing.T) {
	f := newFixture(t)
	var b board
	f.smart(3341, SmartHooks{}, SmartInstance{Drives: []uint16{5527, 5530}, Setter: &b})
	f.check(f.execute("/3341/0/5530", ""))
	if d := cmp.Diff([]string{"5530="}, b.log); d != "" {
		t.Errorf("the driver got (-want +got):\n%s", d)
	}
	b.check = errors.New("no display")
	f.refused(f.execute("/3341/0/5530", ""), lwm2m.BadRequest, "no display")
	b.check, b.set = nil, errors.New("display broken")
	f.refused(f.execute("/3341/0/5530", ""), lwm2m.InternalServerError, "display broken")
}

func TestDescribedAnew(t *testing.T) {
	f := newFixture(t)
	o := f.smart(3303, SmartHooks{}, SmartInstance{Name: "a", Unit: "Cel", Min: 0, Max: 40})
	f.check(o.Publish(0, o.main, good(lwm2m.Float(20), start)))
	f.check(o.Publish(0, o.main, good(lwm2m.Float(22), start)))
	s := f.tree.Subscribe()
	defer s.Close()
	f.check(o.Add(SmartInstance{Name: "a", Unit: "K"}))
	if s.Take(nil).Structure {
		t.Error("the instance came or went")
	}
	f.has(map[string]string{"/3303/0/5700": "22", "/3303/0/5601": "20", "/3303/0/5701": "K", "/3303/0/5603": "", "/3303/0/5518": "1767323045"})
	f.check(o.Publish(0, o.main, good(lwm2m.Float(21), start.Add(time.Second))))
	f.has(map[string]string{"/3303/0/5601": "20", "/3303/0/5602": "22", "/3303/0/5518": "1767323046"})
	f.check(o.Remove(0))
	if got := f.tree.Instances(3303); len(got) != 0 {
		t.Errorf("instances %v are left", got)
	}
	if err := o.Publish(0, o.main, good(lwm2m.Float(1), start)); err == nil {
		t.Error("a reading of what is gone was taken")
	}
}

func TestAddRefusals(t *testing.T) {
	f := newFixture(t)
	o := f.smart(3306, SmartHooks{})
	for want, in := range map[string]SmartInstance{
		"driven by nothing":                          {Drives: []uint16{5850}},
		"9999 is not one that readings could be for": {Feeds: []uint16{9999}},
		"5505 is not one that servers could write":   {Drives: []uint16{5505}, Setter: &board{}},
		"5518 is not one that servers could write":   {Drives: []uint16{5518}, Setter: &board{}},
		"9999 is not one that could have a value":    {Values: map[uint16]lwm2m.Value{9999: lwm2m.Integer(1)}},
		"is no Integer":                              {Values: map[uint16]lwm2m.Value{5851: lwm2m.String("x")}},
		"5850 (On/Off), which is mandatory":          {Feeds: []uint16{5851}},
	} {
		in.Name = "pump"
		if err := o.Add(in); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `"pump" as instance 0 of object 3306`) {
			t.Errorf("%v; want %s", err, want)
		}
	}
	if got := f.tree.Instances(3306); len(got) != 0 {
		t.Errorf("instances %v were made", got)
	}
	if _, err := NewSmartObject(f.tree, 17, SmartHooks{}); err == nil {
		t.Error("object 17 was made, which is not registered")
	}
	if main, ok := Main(&model.Definition{Resources: []model.ResourceDefinition{{ID: 1, Mandatory: true, Ops: model.OpExecute}}}); ok {
		t.Errorf("resource %d carries a value", main)
	}
	if _, err := NewSmartObject(f.tree, 3306, SmartHooks{}); err == nil {
		t.Error("object 3306 was made twice")
	}
}

func BenchmarkPublish(b *testing.B) {
	tree := model.NewTree(registry.Definitions(), time.Now)
	o, err := NewSmartObject(tree, 3303, SmartHooks{})
	if err != nil {
		b.Fatal(err)
	}
	if err := o.Add(SmartInstance{Name: "cold room", Unit: "Cel", Min: -40, Max: 85}); err != nil {
		b.Fatal(err)
	}
	s := tree.Subscribe()
	defer s.Close()
	s.Watch(lwm2m.MustPath("/3303/0/5700"))
	var (
		buf []model.Change
		at  = start
		n   int
	)
	b.ReportAllocs()
	for b.Loop() {
		n++
		at = at.Add(time.Second)
		if err := o.Publish(0, o.main, Reading{Value: lwm2m.Float(float64(n % 40)), Time: at}); err != nil {
			b.Fatal(err)
		}
		buf = s.Take(buf).Changes
	}
}

// TestAtOnce reads, feeds, writes, resets and describes an instance from several
// goroutines; the race detector and deadlocks judge.
func TestAtOnce(t *testing.T) {
	f := newFixture(t)
	in := SmartInstance{Name: "pump", Feeds: []uint16{5850}, Drives: []uint16{5850}, Setter: settable{}}
	o := f.smart(3306, SmartHooks{}, in)
	at := lwm2m.MustPath("/3306/0")
	var wg sync.WaitGroup
	for range 2 {
		for _, act := range []func(i int) error{
			func(i int) error { return o.Publish(0, o.main, good(lwm2m.Boolean(i%2 == 0), start)) },
			func(int) error { return o.Publish(0, o.main, Reading{Quality: model.Invalid}) },
			func(int) error { _, err := f.tree.Readings(model.FromServer(1), at); return err },
			func(i int) error { return f.write("/3306/0/5850", lwm2m.Boolean(i%2 == 0)) },
			func(int) error { return f.write("/3306/0/5852", lwm2m.Integer(0)) },
			func(int) error { return o.Add(in) },
		} {
			wg.Go(func() {
				for i := range 100 {
					if err := act(i); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	wg.Wait()
}

// settable is hardware that does what it is told.
type settable struct{}

func (settable) Check(uint16, lwm2m.Value) error { return nil }

func (settable) Set(context.Context, uint16, lwm2m.Value) error { return nil }
