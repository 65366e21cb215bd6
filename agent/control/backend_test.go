package control

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"lwm2m-agent/agent/health"
	"lwm2m-agent/agent/trace"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// clock is the wall clock of tests.
func clock() time.Time {
	return time.Date(2026, 3, 1, 12, 0, 0, 123_456_789, time.FixedZone("here", 3600))
}

// definitions are a few objects with every data type.
type definitions map[uint16]*model.Definition

func (d definitions) Object(id uint16) (*model.Definition, bool) {
	def, ok := d[id]
	return def, ok
}

const rw = model.OpRead | model.OpWrite

func testDefinitions() definitions {
	return definitions{
		0: {ID: 0, Name: "LWM2M Security", Version: lwm2m.Version12, Multiple: true, Mandatory: true, Resources: []model.ResourceDefinition{
			{ID: 0, Name: "LWM2M Server URI", Type: lwm2m.TypeString, Mandatory: true},
			{ID: 5, Name: "Secret Key", Type: lwm2m.TypeOpaque},
		}},
		3: {ID: 3, Name: "Device", Version: lwm2m.Version{Major: 1, Minor: 2}, Mandatory: true, Resources: []model.ResourceDefinition{
			{ID: 0, Name: "Manufacturer", Ops: model.OpRead, Type: lwm2m.TypeString},
			{ID: 4, Name: "Reboot", Ops: model.OpExecute, Mandatory: true},
			{ID: 9, Name: "Battery Level", Ops: model.OpRead, Type: lwm2m.TypeInteger, Unit: "%", Range: model.ParseRange("0..100")},
			{ID: 11, Name: "Error Code", Ops: model.OpRead, Type: lwm2m.TypeInteger, Multiple: true, Mandatory: true},
			{ID: 13, Name: "Current Time", Ops: rw, Type: lwm2m.TypeTime},
			{ID: 14, Name: "UTC Offset", Ops: rw, Type: lwm2m.TypeString},
		}},
		99: {ID: 99, Name: "Types", Version: lwm2m.Version10, Resources: []model.ResourceDefinition{
			{ID: 0, Name: "String", Ops: rw, Type: lwm2m.TypeString},
			{ID: 1, Name: "Integer", Ops: rw, Type: lwm2m.TypeInteger},
			{ID: 2, Name: "Unsigned", Ops: rw, Type: lwm2m.TypeUnsigned},
			{ID: 3, Name: "Float", Ops: rw, Type: lwm2m.TypeFloat},
			{ID: 4, Name: "Boolean", Ops: rw, Type: lwm2m.TypeBoolean},
			{ID: 5, Name: "Opaque", Ops: rw, Type: lwm2m.TypeOpaque},
			{ID: 6, Name: "Time", Ops: rw, Type: lwm2m.TypeTime},
			{ID: 7, Name: "Objlnk", Ops: rw, Type: lwm2m.TypeObjlnk},
			{ID: 8, Name: "Corelnk", Ops: rw, Type: lwm2m.TypeCorelnk},
			{ID: 9, Name: "Strings", Ops: rw, Type: lwm2m.TypeString, Multiple: true},
			{ID: 10, Name: "Write Only", Ops: model.OpWrite, Type: lwm2m.TypeString},
		}},
		3303: {ID: 3303, Name: "Temperature", Version: lwm2m.Version{Major: 1, Minor: 1}, Multiple: true, Resources: []model.ResourceDefinition{
			{ID: 5601, Name: "Min Measured Value", Ops: model.OpRead, Type: lwm2m.TypeFloat},
			{ID: 5700, Name: "Sensor Value", Ops: model.OpRead, Type: lwm2m.TypeFloat, Mandatory: true},
			{ID: 5701, Name: "Sensor Units", Ops: model.OpRead, Type: lwm2m.TypeString},
		}},
	}
}

// device is a Backend on a real tree.
type device struct {
	t       *testing.T
	tree    *model.Tree
	types   *model.Publisher
	sensors *model.Publisher
	tracker *health.Tracker
	servers []Server

	mu       sync.Mutex
	executed []string
	updated  [][]uint16
	tap      trace.Tap
	left     bool // deregistered; once more is not answered
	noBoot   bool // there is no bootstrap server
	sent     []lwm2m.Path
	subs     map[*subscription]struct{}
}

// owner is an object that executes what it is told, and refuses some writes.
type owner struct {
	model.Plain
	d *device
}

func (o owner) Execute(_ context.Context, _ model.Origin, p lwm2m.Path, args model.Arguments) error {
	if _, refused := args.Get(9); refused {
		return lwm2m.Errorf(lwm2m.ServiceUnavailable, "not now")
	}
	if _, fails := args.Get(8); fails {
		return errors.New("something broke")
	}
	o.d.mu.Lock()
	defer o.d.mu.Unlock()
	value, _ := args.Get(0)
	o.d.executed = append(o.d.executed, p.String()+" "+value)
	return nil
}

func newDevice(t *testing.T) *device {
	t.Helper()
	defs := testDefinitions()
	d := &device{
		t: t, tree: model.NewTree(defs, clock), tracker: health.NewTracker(clock), subs: make(map[*subscription]struct{}),
		servers: []Server{{ShortServerID: 101, URI: "coaps://lwm2m.example.com:5684", State: "registered", Words: "registered", Since: clock(), Lifetime: 3600}},
	}
	security := d.add(0)
	d.publish(security, func(b *model.Batch) {
		b.Create(0)
		b.Set(0, 0, lwm2m.String("coaps://lwm2m.example.com:5684"))
		b.Set(0, 5, lwm2m.Opaque([]byte("very secret")))
	})
	d.publish(d.add(3), func(b *model.Batch) {
		b.Create(0)
		b.Set(0, 0, lwm2m.String("Example"))
		b.Declare(0, 4)
		b.Set(0, 9, lwm2m.Integer(80))
		b.SetAll(0, 11, lwm2m.Integer(1), lwm2m.Integer(8))
		b.Set(0, 13, lwm2m.UnixTime(1_700_000_000))
		b.Set(0, 14, lwm2m.String("+01:00"))
	})
	d.types = d.add(99)
	d.publish(d.types, func(b *model.Batch) {
		b.Create(0)
		b.Set(0, 0, lwm2m.String("text"))
		b.Set(0, 1, lwm2m.Integer(-1<<63))
		b.Set(0, 2, lwm2m.Unsigned(1<<64-1))
		b.Set(0, 3, lwm2m.Float(21.5))
		b.Set(0, 4, lwm2m.Boolean(true))
		b.Set(0, 5, lwm2m.Opaque([]byte{0, 1, 0xff}))
		b.Set(0, 6, lwm2m.UnixTime(1_700_000_000))
		b.Set(0, 7, lwm2m.Objlnk(3, 0))
		b.Set(0, 8, lwm2m.Corelnk("</3/0>"))
		b.SetAll(0, 9, lwm2m.String("a"), lwm2m.String("b"))
		b.Declare(0, 10)
	})
	d.sensors = d.add(3303)
	d.publish(d.sensors, func(b *model.Batch) {
		b.Create(0)
		b.Set(0, 5601, lwm2m.Float(18))
		b.SetAt(0, 5700, lwm2m.Float(21.5), clock(), model.Stale)
		b.Set(0, 5701, lwm2m.String("Cel"))
		b.Create(1)
		b.Declare(1, 5700)
	})
	return d
}

func (d *device) add(oid uint16) *model.Publisher {
	d.t.Helper()
	p, err := d.tree.AddRegistered(oid, owner{d: d})
	if err != nil {
		d.t.Fatal(err)
	}
	return p
}

func (d *device) publish(p *model.Publisher, fill func(*model.Batch)) {
	d.t.Helper()
	var b model.Batch
	fill(&b)
	if err := p.Publish(&b); err != nil {
		d.t.Fatal(err)
	}
}

func (d *device) Status() Status {
	return Status{Endpoint: "urn:dev:os:32473-gw-17", Version: "1.0", Started: clock(), StateDir: "/state", Servers: d.servers}
}
func (d *device) Health() []health.Trouble                { return d.tracker.Troubles() }
func (d *device) Definition(oid uint16) *model.Definition { return d.tree.Definition(oid) }
func (d *device) Entries(p lwm2m.Path) []model.Entry      { return d.tree.Entries(p, lwm2m.LevelResource) }

func (d *device) Readings(p lwm2m.Path) ([]model.Reading, error) {
	return d.tree.Readings(model.FromLocal(), p)
}

func (d *device) ParsePath(s string) (lwm2m.Path, error) {
	return lwm2m.ParsePath(strings.Replace(s, "temperature", "3303", 1))
}

func (d *device) Write(ctx context.Context, nodes []lwm2m.Node) error {
	return d.tree.WriteAll(ctx, model.FromLocal(), nodes)
}

func (d *device) Execute(ctx context.Context, p lwm2m.Path, args model.Arguments) error {
	return d.tree.Execute(ctx, model.FromLocal(), p, args)
}

// Send takes server 101 for one that listens, and 102 for one that does not.
func (d *device) Send(_ context.Context, servers []uint16, paths []lwm2m.Path) ([]SendOutcome, error) {
	outcomes := []SendOutcome{}
	for _, id := range servers {
		switch id {
		case 101:
			outcomes = append(outcomes, SendOutcome{ShortServerID: id, Sent: true})
		case 102:
			outcomes = append(outcomes, SendOutcome{ShortServerID: id, Error: "the server has muted Send"})
		default:
			return nil, lwm2m.Errorf(lwm2m.NotFound, "there is no server with this Short Server ID")
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sent = append(d.sent, paths...)
	return outcomes, nil
}

func (d *device) Bootstrap() error {
	if d.noBoot {
		return lwm2m.Errorf(lwm2m.MethodNotAllowed, "there is no bootstrap server")
	}
	return nil
}

func (d *device) Deregister(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.left {
		return errors.New("deregister from server 101: no answer")
	}
	d.left = true
	return nil
}

func (d *device) Update(servers []uint16) error {
	for _, id := range servers {
		if id != 101 {
			return errors.New("there is no server with this Short Server ID")
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.updated = append(d.updated, servers)
	return nil
}

func (d *device) Trace(context.Context) *trace.Listener {
	return d.tap.Listen(&trace.Decoder{Definition: d.Definition, Name: func(p lwm2m.Path) string { return "name of " + p.String() }})
}

func (d *device) Subscribe(paths []lwm2m.Path) Subscription {
	s := &subscription{device: d, tree: d.tree.Subscribe(), health: d.tracker.Subscribe(), wake: make(chan struct{}, 1), end: make(chan struct{})}
	s.tree.Watch(paths...)
	s.merging.Go(s.merge)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.subs[s] = struct{}{}
	return s
}

// subscription is one of the tree and the health.
type subscription struct {
	device  *device
	tree    *model.Subscription
	health  *health.Subscription
	wake    chan struct{}
	end     chan struct{}
	merging sync.WaitGroup

	mu      sync.Mutex
	servers []Server
	lost    bool
}

func (s *subscription) merge() {
	for {
		select {
		case <-s.tree.Wake():
		case <-s.health.Wake():
		case <-s.end:
			return
		}
		s.signal()
	}
}

func (s *subscription) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *subscription) Wake() <-chan struct{} { return s.wake }

func (s *subscription) Take() Happened {
	p := s.tree.Take(nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	h := Happened{Changes: p.Changes, Lost: p.Lost || s.lost, Health: s.health.Take(), Servers: s.servers}
	s.servers, s.lost = nil, false
	return h
}

func (s *subscription) Close() {
	close(s.end)
	s.merging.Wait()
	s.tree.Close()
	s.health.Close()
	s.device.mu.Lock()
	defer s.device.mu.Unlock()
	delete(s.device.subs, s)
}

// subscribed counts the open subscriptions.
func (d *device) subscribed() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.subs)
}

// tell hands something to all subscriptions.
func (d *device) tell(servers []Server, lost bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for s := range d.subs {
		s.mu.Lock()
		s.servers, s.lost = append(s.servers, servers...), s.lost || lost
		s.mu.Unlock()
		s.signal()
	}
}
