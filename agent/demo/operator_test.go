package demo

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"lwm2m-agent/agent/web"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/client"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/server"
	"lwm2m-agent/objects"
	"lwm2m-agent/objects/registry"
)

const endpoint = "board"

// board is an object tree with a sensor and the test object.
type board struct {
	t       *testing.T
	tree    *model.Tree
	sensors *model.Publisher // 3303
}

func newBoard(t *testing.T) *board {
	t.Helper()
	b := &board{t: t, tree: model.NewTree(registry.Definitions(), time.Now)}
	var err error
	if b.sensors, err = b.tree.AddRegistered(3303, model.Plain{}); err != nil {
		t.Fatal(err)
	}
	if _, err := objects.NewTestObject(b.tree); err != nil {
		t.Fatal(err)
	}
	b.measure(0, 20)
	return b
}

func (b *board) measure(iid uint16, celsius float64) {
	b.t.Helper()
	var batch model.Batch
	batch.Create(iid)
	batch.Set(iid, 5700, lwm2m.Float(celsius))
	if err := b.sensors.Publish(&batch); err != nil {
		b.t.Fatal(err)
	}
}

// account gives the board a server.
func (b *board) account(uri string) {
	b.t.Helper()
	for oid, values := range map[uint16]map[uint16]lwm2m.Value{
		0: {0: lwm2m.String(uri), 1: lwm2m.Boolean(false), 2: lwm2m.Integer(3), 10: lwm2m.Integer(101)},
		1: {0: lwm2m.Integer(101), 1: lwm2m.Integer(600), 6: lwm2m.Boolean(true), 7: lwm2m.String("U")},
	} {
		pub, err := b.tree.AddRegistered(oid, model.Plain{})
		if err != nil {
			b.t.Fatal(err)
		}
		var batch model.Batch
		batch.Create(0)
		for rid, v := range values {
			batch.Set(0, rid, v)
		}
		if err := pub.Publish(&batch); err != nil {
			b.t.Fatal(err)
		}
	}
}

// background runs something until the test, or stop, ends it.
func background(t *testing.T, run func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := run(ctx); err != nil {
			t.Error(err)
		}
	}()
	stop = func() { cancel(); <-ended }
	t.Cleanup(stop)
	return stop
}

// remote is a board at an embedded server, with a page.
type remote struct {
	*Remote
	Server *server.Server
	board  *board
	client *client.Client
	page   *page
}

func newRemote(t *testing.T) *remote {
	t.Helper()
	pc, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	feed := &web.Feed{}
	s := server.New(server.Config{Shapes: model.Shapes(registry.Definitions())})
	state := func() web.Registration { return web.Registration{Endpoint: endpoint} }
	r := &remote{Remote: NewRemote(s, endpoint, state, slog.New(slog.DiscardHandler)), Server: s, board: newBoard(t), page: open(t, feed)}
	t.Cleanup(s.Wait)
	background(t, func(ctx context.Context) error { return s.Serve(ctx, pc) })
	background(t, func(ctx context.Context) error { return r.Follow(ctx, feed) })
	r.board.account("coap://" + pc.LocalAddr().String())
	r.client = client.New(client.Config{Endpoint: endpoint, Tree: r.board.tree})
	background(t, r.client.Run)
	r.page.next("objects", nil)  // it is registered
	r.page.next("observed", nil) // nothing is to be observed again
	return r
}

var (
	sensor      = lwm2m.MustPath("/3303/0/5700")
	text        = lwm2m.MustPath("/3442/0/110")
	texts       = lwm2m.MustPath("/3442/0/1110")
	arguments   = lwm2m.MustPath("/3442/0/4")
	comparePath = cmpopts.EquateComparable(lwm2m.Path{}, lwm2m.Value{})
)

func TestRemote(t *testing.T) {
	r := newRemote(t)
	operates(t, r, r.board)
	for _, p := range r.Instances() {
		if p.Object() == 0 {
			t.Errorf("%s is listed", p)
		}
	}
	if err := r.WriteAttributes(t.Context(), sensor, "pmin=1", "st=0.5"); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteAttributes(t.Context(), sensor.Parent(), "pmax=60"); err != nil {
		t.Fatal(err)
	}
	found, err := r.Discover(t.Context(), sensor.Parent())
	want := []web.Found{{Path: sensor.Parent(), Attributes: []string{"pmax=60"}}, {Path: sensor, Attributes: []string{"pmin=1", "st=0.5"}}}
	if d := cmp.Diff(want, found, comparePath); err != nil || d != "" {
		t.Error(err, d)
	}
	err = r.WriteAttributes(t.Context(), sensor, "pmin=soon")
	if refusal, ok := errors.AsType[*lwm2m.Error](err); !ok || refusal.Code != lwm2m.BadRequest {
		t.Errorf("a wrong attribute: %v", err)
	}
}

// operates does with a board what a person does.
func operates(t *testing.T, o web.Operator, b *board) {
	t.Helper()
	ctx := t.Context()
	if o.Registration().Endpoint != endpoint {
		t.Errorf("registration is %+v", o.Registration())
	}
	instances := map[lwm2m.Path]bool{}
	for _, p := range o.Instances() {
		instances[p] = true
	}
	if !instances[sensor.Parent()] || !instances[text.Parent()] {
		t.Errorf("instances are %v", o.Instances())
	}
	found, err := o.Discover(ctx, sensor.Parent())
	if d := cmp.Diff([]web.Found{{Path: sensor, Attributes: []string{}}}, found, comparePath); err != nil || d != "" {
		t.Error(err, d)
	}
	if _, err := o.Discover(ctx, lwm2m.NewPath(3303, 9)); err == nil {
		t.Error("an instance that is not there can be discovered")
	}
	if err := o.Write(ctx, text, lwm2m.String("new")); err != nil || b.tree.Value(text) != lwm2m.String("new") {
		t.Errorf("Write: %v, the value is %v", err, b.tree.Value(text))
	}
	second := texts.Child(7) // is not there yet
	if err := o.Write(ctx, second, lwm2m.String("more")); err != nil || b.tree.Value(second) != lwm2m.String("more") {
		t.Errorf("Write of a resource instance: %v, the value is %v", err, b.tree.Value(second))
	}
	if b.tree.Value(texts.Child(0)).IsZero() {
		t.Error("the other resource instances have gone")
	}
	if err := o.Execute(ctx, text.Parent().Child(3), "0='a',5"); err != nil {
		t.Errorf("Execute: %v", err)
	}
	if err := o.Execute(ctx, text.Parent().Child(3), "no arguments"); err == nil {
		t.Error("what is no list of arguments is taken")
	}
	nodes, err := o.Read(ctx, arguments)
	want := []lwm2m.Node{{Path: arguments.Child(0), Value: lwm2m.String("a")}, {Path: arguments.Child(5), Value: lwm2m.String("")}}
	if d := cmp.Diff(want, nodes, comparePath, cmpopts.IgnoreFields(lwm2m.Node{}, "Time")); err != nil || d != "" {
		t.Error(err, d)
	}
	if _, err := o.Read(ctx, lwm2m.NewPath(3303, 9)); err == nil {
		t.Error("an instance that is not there can be read")
	}
}

// values waits for the next values that the page is told.
func (p *page) values() []web.Value {
	p.t.Helper()
	var event struct{ Values []web.Value }
	p.next("values", &event)
	return event.Values
}

// value waits until a value of the sensor is told.
func (p *page) value(want float64) {
	p.t.Helper()
	for {
		for _, v := range p.values() {
			if v.Path == sensor && v.Value == want {
				return
			}
		}
	}
}

// observed waits until the page is told that these paths are observed.
func (p *page) observed(want ...lwm2m.Path) {
	p.t.Helper()
	for {
		var told struct{ Paths []lwm2m.Path }
		if p.next("observed", &told); slices.Equal(told.Paths, want) {
			return
		}
	}
}

// await waits until the server is told something by a client.
func await(t *testing.T, events <-chan server.Event, kind server.EventKind, from string) {
	t.Helper()
	limit := time.After(generous)
	for {
		select {
		case e := <-events:
			if e.Kind == kind && e.Endpoint == from {
				return
			}
		case <-limit:
			t.Fatalf("%s is not %s", from, kind)
		}
	}
}

func TestRemoteObserves(t *testing.T) {
	r := newRemote(t)
	nodes, err := r.Observe(t.Context(), sensor)
	if err != nil || len(nodes) != 1 || nodes[0].Value != lwm2m.Float(20) {
		t.Fatalf("Observe: %v, %v", nodes, err)
	}
	r.board.measure(0, 21)
	r.page.value(21)
	if d := cmp.Diff([]lwm2m.Path{sensor}, r.Observed(), comparePath); d != "" {
		t.Error(d)
	}
	if err := r.Cancel(t.Context(), sensor); err != nil || len(r.Observed()) != 0 {
		t.Errorf("Cancel: %v, observed %v", err, r.Observed())
	}
	if err := r.Cancel(t.Context(), sensor); err != nil {
		t.Errorf("second Cancel: %v", err)
	}
	if _, err := r.Observe(t.Context(), lwm2m.NewPath(3303, 9)); err == nil || len(r.Observed()) != 0 {
		t.Errorf("an instance that is not there: %v, observed %v", err, r.Observed())
	}
}

// TestRemoteObservesAgain: a Register ends the observations, and they begin anew.
// What cannot be observed any more is told.
func TestRemoteObservesAgain(t *testing.T) {
	r := newRemote(t)
	second := lwm2m.MustPath("/3303/1/5700")
	r.board.measure(1, 5)
	for _, p := range []lwm2m.Path{sensor, second} {
		if _, err := r.Observe(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	events, end := r.Server.Events(100)
	defer end()
	if err := r.client.Disable(101, time.Hour); err != nil {
		t.Fatal(err)
	}
	await(t, events, server.Deregistered, endpoint)
	if got := r.Instances(); got != nil {
		t.Errorf("a board that is away has %v", got)
	}
	for what, err := range map[string]error{
		"Write": r.Write(t.Context(), text, lwm2m.String("x")), "Execute": r.Execute(t.Context(), text, ""), "WriteAttributes": r.WriteAttributes(t.Context(), sensor, "pmin=1"),
	} {
		if !errors.Is(err, errUnregistered) {
			t.Errorf("%s to a board that is away: %v", what, err)
		}
	}
	background(t, client.New(client.Config{Endpoint: endpoint, Tree: r.board.tree}).Run)
	r.page.observed(sensor, second)
	r.board.measure(0, 22)
	r.page.value(22)
	// An instance that goes takes its observation along.
	var gone model.Batch
	gone.Delete(1)
	if err := r.board.sensors.Publish(&gone); err != nil {
		t.Fatal(err)
	}
	r.page.observed(sensor)
	var note string
	if r.page.next("note", &note); note == "" {
		t.Error("nothing was said")
	}
}

// TestRemoteAwaits: what had no value when it was to be observed is, when something else of its instance is told; what is not there is not.
func TestRemoteAwaits(t *testing.T) {
	r := newRemote(t)
	set := func(rid uint16, v float64) {
		var batch model.Batch
		batch.Create(1)
		batch.Declare(1, 5700)
		batch.Set(1, rid, lwm2m.Float(v))
		if err := r.board.sensors.Publish(&batch); err != nil {
			t.Fatal(err)
		}
	}
	events, end := r.Server.Events(100)
	defer end()
	set(5601, 1)
	await(t, events, server.Updated, endpoint) // which tells of the instance
	lowest, value := lwm2m.MustPath("/3303/1/5601"), lwm2m.MustPath("/3303/1/5700")
	for p, there := range map[lwm2m.Path]bool{lowest: true, value: false, lwm2m.MustPath("/3303/9/5700"): false} {
		if _, err := r.Observe(t.Context(), p); (err == nil) != there {
			t.Fatalf("%s: %v", p, err)
		}
	}
	if got := r.due(lwm2m.Path{}); !slices.Equal(got, []lwm2m.Path{value}) {
		t.Errorf("awaited is %v", got)
	}
	r.await(value)
	set(5700, 7)
	set(5601, 2)
	r.page.observed(lowest, value)
	for told := false; !told; {
		for _, v := range r.page.values() {
			told = told || v.Path == value && v.Value == 7.0
		}
	}
	if err := r.Cancel(t.Context(), value); err != nil {
		t.Error(err)
	}
}

// TestFollowIsAboutOneBoard: other clients of the server are no concern of the
// page.
func TestFollowIsAboutOneBoard(t *testing.T) {
	r := newRemote(t)
	other := newBoard(t)
	other.account(clientURI(r))
	events, end := r.Server.Events(10)
	defer end()
	background(t, client.New(client.Config{Endpoint: "another", Tree: other.tree}).Run)
	await(t, events, server.Registered, "another")
	c, _ := r.Server.Client("another")
	if _, err := c.Observe(t.Context(), sensor); err != nil {
		t.Fatal(err)
	}
	other.measure(0, 99)
	await(t, events, server.Notified, "another")
	if _, err := r.Observe(t.Context(), sensor); err != nil {
		t.Fatal(err)
	}
	r.board.measure(0, 23)
	if values := r.page.values(); len(values) != 1 || values[0].Value != 23.0 {
		t.Errorf("the page is told %v", values)
	}
}

func clientURI(r *remote) string { return r.client.Status()[0].URI }

func TestLocal(t *testing.T) {
	b := newBoard(t)
	b.account("coap://127.0.0.1:1")
	l := web.NewLocal(b.tree, func() web.Registration { return web.Registration{Endpoint: endpoint} })
	feed := &web.Feed{}
	p := open(t, feed)
	background(t, func(ctx context.Context) error { return l.Follow(ctx, feed) })
	operates(t, l, b)
	for _, p := range l.Instances() {
		if p.Object() == 0 {
			t.Errorf("%s is listed", p)
		}
	}
	nodes, err := l.Observe(t.Context(), sensor)
	if err != nil || len(nodes) != 1 || len(l.Observed()) != 1 {
		t.Errorf("Observe: %v, %v, observed %v", nodes, err, l.Observed())
	}
	b.measure(0, 24)
	p.value(24)
	b.measure(1, 1)
	p.next("objects", nil)
	if err := l.Cancel(t.Context(), sensor); err != nil || len(l.Observed()) != 0 {
		t.Errorf("Cancel: %v, observed %v", err, l.Observed())
	}
	err = l.WriteAttributes(t.Context(), sensor, "pmin=1")
	if refusal, ok := errors.AsType[*lwm2m.Error](err); !ok || refusal.Code != lwm2m.NotImplemented {
		t.Errorf("WriteAttributes: %v", err)
	}
	if _, err := l.Observe(t.Context(), lwm2m.NewPath(3303, 9)); err == nil {
		t.Error("an instance that is not there can be observed")
	}
}
