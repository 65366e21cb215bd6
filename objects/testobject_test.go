package objects

import (
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/objects/registry"
)

func TestTestObject(t *testing.T) {
	tree := model.NewTree(registry.Definitions(), time.Now)
	if _, err := NewTestObject(tree); err != nil {
		t.Fatal(err)
	}
	server, at := model.FromServer(1), lwm2m.MustPath
	initial, err := tree.Read(server, at("/3442/0"), nil)
	if err != nil || len(initial) != 28 { // nine types, single and two multiple each, and the empty list of arguments
		t.Fatalf("%d nodes, %v", len(initial), err)
	}
	execute := func(path string, args model.Arguments) {
		t.Helper()
		if err := tree.Execute(t.Context(), server, at(path), args); err != nil {
			t.Fatal(err)
		}
	}
	execute("/3442/0/2", nil)
	if v := tree.Value(at("/3442/0/120")); v != lwm2m.Integer(0) {
		t.Errorf("after Clear 120 is %v", v)
	}
	if nodes, err := tree.Read(server, at("/3442/0/1120"), nil); err != nil || len(nodes) != 1 || !nodes[0].Value.IsZero() {
		t.Errorf("after Clear 1120 is %v, %v", nodes, err)
	}
	execute("/3442/0/0", nil)
	if v := tree.Value(at("/3442/0/120")); v != lwm2m.Integer(1024) {
		t.Errorf("after Reset 120 is %v", v)
	}
	execute("/3442/0/3", model.Arguments{{ID: 0, Value: "x", HasValue: true}, {ID: 5}})
	if a, b := tree.Value(at("/3442/0/4/0")), tree.Value(at("/3442/0/4/5")); a != lwm2m.String("x") || b != lwm2m.String("") {
		t.Errorf("arguments are %v and %v", a, b)
	}
	execute("/3442/0/1", nil)
	if v := tree.Value(at("/3442/0/110")); v == lwm2m.String("initial value") || v.Type() != lwm2m.TypeString {
		t.Errorf("after Randomize 110 is %v", v)
	}
	iid, err := tree.Create(t.Context(), server, at("/3442"), []lwm2m.Node{{Path: at("/3442/0/110"), Value: lwm2m.String("mine")}})
	if err != nil || iid != 1 {
		t.Fatalf("created %d, %v", iid, err)
	}
	if a, b := tree.Value(at("/3442/1/110")), tree.Value(at("/3442/1/120")); a != lwm2m.String("mine") || b != lwm2m.Integer(1024) {
		t.Errorf("the new instance has %v and %v", a, b)
	}
	if err := tree.Delete(t.Context(), server, at("/3442/1")); err != nil {
		t.Error(err)
	}
	if err := tree.Execute(t.Context(), server, at("/3442/0/5"), nil); lwm2m.CodeOf(err) != lwm2m.NotFound {
		t.Errorf("Send Data: %v, want 4.04: it is not there", err)
	}
}
