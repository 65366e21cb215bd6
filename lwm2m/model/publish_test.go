package model

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/lwm2m"
)

func TestSubscription(t *testing.T) {
	tree, p := newTestTree(t, Plain{})
	s := tree.Subscribe()
	defer s.Close()
	awake := func() bool {
		select {
		case <-s.Wake():
			return true
		default:
			return false
		}
	}
	set := func(v float64) {
		t.Helper()
		if err := p.Set(0, 0, lwm2m.Float(v)); err != nil {
			t.Fatal(err)
		}
	}
	set(1)
	if awake() {
		t.Error("woken for a value that it does not watch")
	}
	s.Watch(lwm2m.MustPath("/100/0"))
	set(2)
	set(2)
	set(3)
	if !awake() {
		t.Fatal("not woken")
	}
	got := s.Take(nil)
	if len(got.Changes) != 2 || got.Structure || got.Lost {
		t.Fatalf("took %+v, want two values", got)
	}
	if c := got.Changes[1]; c.Kind != Valued || c.Value != lwm2m.Float(3) || c.Path != lwm2m.MustPath("/100/0/0") || !c.Time.Equal(start) {
		t.Errorf("last change is %+v", c)
	}
	var b Batch
	for iid := range uint16(50) {
		b.Create(iid + 1)
	}
	if err := p.Publish(&b); err != nil {
		t.Fatal(err)
	}
	if got = s.Take(got.Changes); !got.Structure || len(got.Changes) != 0 {
		t.Errorf("50 new instances gave %+v, want one sign of structure", got)
	}
}

func TestSlowSubscriberIsBounded(t *testing.T) {
	tree, p := newTestTree(t, Plain{})
	s := tree.Subscribe()
	defer s.Close()
	s.Watch(lwm2m.NewPath())
	for i := range 10 * maxPending {
		if err := p.Set(0, 0, lwm2m.Float(float64(i))); err != nil {
			t.Fatal(err)
		}
	}
	got := s.Take(nil)
	if len(got.Changes) > maxPending || got.Lost {
		t.Fatalf("%d changes wait, lost %v", len(got.Changes), got.Lost)
	}
	if last := got.Changes[len(got.Changes)-1]; last.Value != lwm2m.Float(10*maxPending-1) {
		t.Errorf("the newest value is %v", last.Value)
	}
}

func TestPublishMistakes(t *testing.T) {
	_, p := newTestTree(t, Plain{})
	for name, fill := range map[string]func(*Batch){
		"no instance":         func(b *Batch) { b.Set(9, 0, lwm2m.Float(1)) },
		"no resource":         func(b *Batch) { b.Set(0, 99, lwm2m.Float(1)) },
		"wrong type":          func(b *Batch) { b.Set(0, 0, lwm2m.String("x")) },
		"single for multiple": func(b *Batch) { b.Set(0, 3, lwm2m.Integer(1)) },
		"multiple for single": func(b *Batch) { b.SetInstance(0, 0, 0, lwm2m.Float(1)) },
	} {
		var b Batch
		fill(&b)
		if err := p.Publish(&b); err == nil {
			t.Errorf("%s: published", name)
		}
	}
}

func TestQualityKeepsTheLastValue(t *testing.T) {
	tree, p := newTestTree(t, Plain{})
	var b Batch
	b.SetAt(0, 0, lwm2m.Value{}, time.Time{}, Invalid)
	if err := p.Publish(&b); err != nil {
		t.Fatal(err)
	}
	got, err := tree.Readings(FromLocal(), lwm2m.MustPath("/100/0/0"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Reading{{Path: lwm2m.MustPath("/100/0/0"), Value: lwm2m.Float(21.5), Time: start, Quality: Invalid}}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(lwm2m.Path{}, lwm2m.Value{})); d != "" {
		t.Error(d)
	}
}

func TestPublishInstancesOfAResource(t *testing.T) {
	tree, p := newTestTree(t, Plain{})
	list := lwm2m.MustPath("/100/0/3")
	s := tree.Subscribe()
	defer s.Close()
	s.Watch(list)
	measured := start.Add(-time.Hour)
	var b Batch
	b.SetInstanceAt(0, 3, 7, lwm2m.Integer(1), measured, Uncertain)
	b.SetInstance(0, 3, 9, lwm2m.Integer(2))
	b.RemoveInstance(0, 3, 0)
	b.RemoveInstance(0, 3, 1)
	b.RemoveInstance(0, 3, 8)
	b.RemoveInstance(0, 2, 0)
	if err := p.Publish(&b); err != nil {
		t.Fatal(err)
	}
	var last Batch
	last.RemoveInstance(0, 3, 9)
	if err := p.Publish(&last); err != nil {
		t.Fatal(err)
	}
	got, err := tree.Readings(FromServer(1), list)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]Reading{{Path: list.Child(7), Value: lwm2m.Integer(1), Time: measured, Quality: Uncertain}}, got, cmp.AllowUnexported(lwm2m.Path{}, lwm2m.Value{})); d != "" {
		t.Error(d)
	}
	changes := s.Take(nil).Changes
	if n := len(changes); n != 5 || changes[4].Kind != Deleted || changes[4].Path != list.Child(9) {
		t.Errorf("told %+v, want two values and three that went", changes)
	}
}
