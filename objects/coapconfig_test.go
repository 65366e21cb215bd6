package objects

import (
	"context"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

var parameters = map[Bearer]Transmission{
	BearerEthernet: {AckTimeout: 2 * time.Second, AckRandomFactor: 1.5, MaxRetransmit: 4, NStart: 1, DTLSTimeout: time.Second},
	BearerNBIoT:    {AckTimeout: 10 * time.Second, AckRandomFactor: 1.5, MaxRetransmit: 4, NStart: 1, DTLSTimeout: 9 * time.Second},
}

func TestCoAPConfig(t *testing.T) {
	f := newFixture(t)
	var saved []lwm2m.Node
	applied := 0
	o, err := NewCoAPConfig(f.tree, func(_ context.Context, nodes []lwm2m.Node) error { saved = nodes; return nil }, func() { applied++ })
	f.check(err)
	f.check(o.Seed(parameters))
	f.has(map[string]string{"/500/0/0": "7", "/500/0/1": "10", "/500/0/2": "1.5", "/500/0/3": "4", "/500/0/4": "1", "/500/0/7": "9", "/500/1/0": "41"})
	for b, want := range parameters {
		if got, ok := o.Of(b); !ok || got != want {
			t.Errorf("bearer %d has %+v, want %+v", b, got, want)
		}
	}
	if _, ok := o.Of(BearerWLAN); ok {
		t.Error("there are parameters for a bearer without an instance")
	}
	f.check(f.write("/500/1/1", lwm2m.Integer(5)))
	f.check(f.write("/500/1/3", lwm2m.Integer(0)))
	f.check(f.write("/500/1/8", lwm2m.Integer(60)))
	want := Transmission{5 * time.Second, 1.5, -1, 1, time.Second, time.Minute}
	if got, _ := o.Of(BearerEthernet); got != want {
		t.Errorf("Ethernet has %+v", got)
	}
	f.check(f.execute("/500/1/9", ""))
	if applied != 1 {
		t.Errorf("applied %d times", applied)
	}
	for path, v := range map[string]lwm2m.Value{
		"/500/0/1": lwm2m.Integer(0), "/500/0/2": lwm2m.Float(0.5), "/500/0/3": lwm2m.Integer(21), "/500/0/4": lwm2m.Integer(0),
		"/500/0/7": lwm2m.Integer(601), "/500/0/8": lwm2m.Integer(0),
	} {
		f.refused(f.write(path, v), lwm2m.BadRequest, "is not from")
	}
	f.refused(f.write("/500/0/0", lwm2m.Integer(41)), lwm2m.BadRequest, "for bearer 41 already")

	again := newFixture(t)
	o, err = NewCoAPConfig(again.tree, nil, nil)
	again.check(err)
	again.check(o.Restore(saved))
	if got, _ := o.Of(BearerEthernet); got != want {
		t.Errorf("after a restart Ethernet has %+v", got)
	}
}

// TestCoAPConfigInstances shows that a server can add a bearer, and take one away.
func TestCoAPConfigInstances(t *testing.T) {
	f := newFixture(t)
	applied := 0
	o, err := NewCoAPConfig(f.tree, nil, func() { applied++ })
	f.check(err)
	f.check(o.Seed(parameters))
	at := lwm2m.NewPath(500, 0)
	nodes := instanceNodes(at, map[uint16]lwm2m.Value{
		0: lwm2m.Integer(0), 1: lwm2m.Integer(8), 2: lwm2m.Float(1.5), 3: lwm2m.Integer(4), 4: lwm2m.Integer(1),
	})
	iid, err := f.tree.Create(t.Context(), model.FromServer(1), lwm2m.NewPath(500), nodes)
	f.check(err)
	if got, ok := o.Of(BearerGSM); !ok || got.AckTimeout != 8*time.Second || iid != 2 {
		t.Errorf("instance %d has %+v", iid, got)
	}
	f.check(f.execute("/500/2/9", ""))
	if applied != 1 {
		t.Errorf("what a server has added was applied %d times", applied)
	}
	_, err = f.tree.Create(t.Context(), model.FromServer(1), lwm2m.NewPath(500), nodes)
	f.refused(err, lwm2m.BadRequest, "already")
	f.check(f.tree.Delete(t.Context(), model.FromServer(1), lwm2m.NewPath(500, 1)))
	if _, ok := o.Of(BearerEthernet); ok {
		t.Error("a bearer that was taken away is there")
	}
}
