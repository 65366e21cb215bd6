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
