package model

import (
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
)

func TestSubscriptionAddDrop(t *testing.T) {
	tree := NewTree(noDefinitions{}, time.Now)
	p, err := tree.Add(testObject, Plain{})
	if err != nil {
		t.Fatal(err)
	}
	var b Batch
	b.Create(0)
	if err := p.Publish(&b); err != nil {
		t.Fatal(err)
	}
	s := tree.Subscribe()
	defer s.Close()
	publish := func(text string) Pending {
		t.Helper()
		if err := p.Set(0, 2, lwm2m.String(text)); err != nil {
			t.Fatal(err)
		}
		return s.Take(nil)
	}
	if got := publish("a"); len(got.Changes) != 0 {
		t.Errorf("watching nothing: got %v", got.Changes)
	}
	s.Add(lwm2m.MustPath("/100/0"))
	if got := publish("b"); len(got.Changes) != 1 {
		t.Errorf("watching /100/0: got %v, want one change", got.Changes)
	}
	s.Drop(lwm2m.MustPath("/100/0"))
	if got := publish("c"); len(got.Changes) != 0 {
		t.Errorf("after Drop: got %v", got.Changes)
	}
}

// TestBatchIsTakenWhole shows that a subscriber that is woken by the first change of a
// batch does not see a part of it.
func TestBatchIsTakenWhole(t *testing.T) {
	tree, p := newTestTree(t, Plain{})
	s := tree.Subscribe()
	defer s.Close()
	s.Watch(lwm2m.NewPath())
	const size, rounds = 1000, 50
	var b Batch
	published := make(chan error, 1)
	for round := range rounds {
		b.steps = b.steps[:0]
		for i := range size {
			b.Set(0, 0, lwm2m.Float(float64(round*size+i+1)))
		}
		go func() { published <- p.Publish(&b) }()
		<-s.Wake()
		if got := s.Take(nil); len(got.Changes) != size {
			t.Errorf("round %d: took %d changes of a batch of %d", round, len(got.Changes), size)
		}
		if err := <-published; err != nil {
			t.Fatal(err)
		}
		select {
		case <-s.Wake():
			t.Errorf("round %d: woken for what was taken", round)
		default:
		}
	}
}

func TestMayTouch(t *testing.T) {
	tree := NewTree(noDefinitions{}, time.Now)
	for path, refused := range map[string]bool{"/0": true, "/0/0/5": true, "/21/0": true, "/23": true, "/1/0": false, "/": false} {
		err := tree.MayTouch(FromServer(1), lwm2m.MustPath(path))
		if (err != nil) != refused || refused && lwm2m.CodeOf(err) != lwm2m.Unauthorized {
			t.Errorf("MayTouch(%s) = %v, want refused=%v with 4.01", path, err, refused)
		}
		if err := tree.MayTouch(FromAgent(), lwm2m.MustPath(path)); err != nil {
			t.Errorf("the agent may not touch %s: %v", path, err)
		}
	}
}
