package agent

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/demo"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/server"
)

// pair is a device with two servers: first is 101, second 102.
type pair struct {
	*testing.T
	first, second *lab
}

func newPair(t *testing.T) *pair {
	t.Helper()
	return &pair{t, newLab(t), newLab(t)}
}

// config is a configuration with both servers, the second with the given rights.
func (p *pair) config(rights []config.Right, sensors ...config.Sensor) *config.Config {
	cfg := p.first.config(sensors...)
	cfg.Servers = append(cfg.Servers, config.Server{
		Account:       config.Account{URI: p.second.uri, Security: config.SecurityNone, Instance: config.NoInstance, Fingerprint: "2"},
		ShortServerID: 102, Lifetime: time.Hour, Rights: rights,
	})
	return cfg
}

// registered waits for both servers to have a registration, and until object 2 says
// something about each object instance of the hardware.
func (p *pair) registered(a *Agent) {
	p.Helper()
	<-a.board.Hardware().Ready()
	sub := a.tree.Subscribe()
	defer sub.Close()
	sub.Watch(lwm2m.NewPath(2))
	for limit := time.After(generous); !provided(a.tree); {
		select {
		case <-sub.Wake():
			sub.Take(nil)
		case <-limit:
			p.Fatal("object 2 does not mention the sensors")
		}
	}
	p.first.back(p.T)
	p.second.back(p.T)
}

// provided reports whether object 2 has an instance for each of object 3303 and 3306.
func provided(t *model.Tree) bool {
	mentioned := make(map[lwm2m.Path]bool)
	for _, iid := range t.Instances(2) {
		value := func(rid uint16) uint16 { return uint16(t.Value(lwm2m.NewPath(2, iid, rid)).Int()) }
		mentioned[lwm2m.NewPath(value(0), value(1))] = true
	}
	for _, oid := range []uint16{3303, 3306} {
		for _, iid := range t.Instances(oid) {
			if !mentioned[lwm2m.NewPath(oid, iid)] {
				return false
			}
		}
	}
	return true
}

// refused fails the test unless a server is refused with 4.01.
func (p *pair) refused(what string, err error) {
	p.Helper()
	if err == nil || lwm2m.CodeOf(err) != lwm2m.Unauthorized {
		p.Errorf("%s: %v, want 4.01", what, err)
	}
}

func (p *pair) check(what string, err error) {
	p.Helper()
	if err != nil {
		p.Errorf("%s: %v", what, err)
	}
}

func (l *lab) write(t *testing.T, path string, v lwm2m.Value) error {
	t.Helper()
	p := lwm2m.MustPath(path)
	return l.client(t).Replace(t.Context(), p, lwm2m.FormatText, []lwm2m.Node{{Path: p, Value: v}})
}

func (l *lab) get(t *testing.T, path string) ([]lwm2m.Node, error) {
	t.Helper()
	return l.client(t).Read(t.Context(), lwm2m.MustPath(path))
}

// instances returns the object instances that a Read gives, in order.
func (l *lab) instances(t *testing.T, path string) []string {
	t.Helper()
	nodes, err := l.get(t, path)
	if err != nil {
		t.Fatalf("read %s: %v", path, err)
	}
	var out []string
	for _, n := range nodes {
		if at := n.Path.At(lwm2m.LevelInstance).String(); !slices.Contains(out, at) {
			out = append(out, at)
		}
	}
	return out
}

// control returns the instance of object 2 about an object instance, as a server finds it.
func (l *lab) control(t *testing.T, about string) lwm2m.Path {
	t.Helper()
	nodes, err := l.get(t, "/2")
	if err != nil {
		t.Fatal(err)
	}
	want := lwm2m.MustPath(about)
	value := func(p lwm2m.Path) int64 {
		for _, n := range nodes {
			if n.Path == p {
				return n.Value.Int()
			}
		}
		return -1
	}
	for _, n := range nodes {
		at := n.Path.At(lwm2m.LevelInstance)
		if value(at.Child(0)) == int64(want.Object()) && value(at.Child(1)) == int64(want.Instance()) {
			return at
		}
	}
	t.Fatalf("object 2 has nothing about %s", about)
	return lwm2m.Path{}
}

// give has the server write an entry of an ACL: rights of another server.
func (l *lab) give(t *testing.T, about string, to uint16, rights model.Rights) error {
	t.Helper()
	at := l.control(t, about).Child(2)
	nodes := []lwm2m.Node{{Path: at.Child(to), Value: lwm2m.Integer(int64(rights))}}
	return l.client(t).WriteComposite(t.Context(), lwm2m.FormatSenMLCBOR, nodes)
}

const relay = "/3306/0/5850"

// TestTwoServers goes through what each of two servers may do, over UDP: the first one
// everything, the second one read, until the first one gives and takes rights.
func TestTwoServers(t *testing.T) {
	p := newPair(t)
	a, _ := p.first.run(t, p.config(nil, sensor("a"), sensor("b")))
	p.registered(a)
	second := p.second.client(t)

	p.check("101 writes", p.first.write(t, relay, lwm2m.Boolean(true)))
	if v := p.second.read(t, relay); v != lwm2m.Boolean(true) {
		t.Errorf("102 reads %v", v)
	}
	p.refused("102 writes", p.second.write(t, relay, lwm2m.Boolean(false)))
	p.refused("102 executes", second.Execute(t.Context(), lwm2m.MustPath("/3/0/4"), ""))
	_, err := second.Create(t.Context(), lwm2m.MustPath("/3442"), lwm2m.FormatTLV, nil)
	p.refused("102 creates", err)
	p.refused("102 deletes", second.Delete(t.Context(), lwm2m.MustPath("/3442/0")))
	p.refused("102 gives itself rights", p.second.give(t, relay[:7], 102, 31))
	p.refused("102 writes the account of 101", p.second.write(t, "/1/0/1", lwm2m.Integer(60)))
	p.refused("101 writes the account of 102", p.first.write(t, "/1/1/1", lwm2m.Integer(60)))
	p.check("102 writes its account", p.second.write(t, "/1/1/1", lwm2m.Integer(1800)))
	for _, l := range []*lab{p.first, p.second} {
		_, err = l.get(t, "/0")
		p.refused("object 0", err)
	}

	p.check("101 gives", p.first.give(t, "/3306/0", 102, model.RightRead|model.RightWrite))
	p.check("102 writes what it was given", p.second.write(t, relay, lwm2m.Boolean(false)))
	p.check("101 takes", p.first.give(t, "/3303/0", 102, 0))
	if got := p.second.instances(t, "/3303"); !slices.Equal(got, []string{"/3303/1"}) {
		t.Errorf("102 reads %v of /3303", got)
	}
	if got := p.first.instances(t, "/3303"); !slices.Equal(got, []string{"/3303/0", "/3303/1"}) {
		t.Errorf("101 reads %v of /3303", got)
	}
	_, err = p.second.get(t, "/3303/0/5700")
	p.refused("102 reads what was taken", err)
}

// TestCreatedInstanceIsPrivate holds that what a server creates is its own.
func TestCreatedInstanceIsPrivate(t *testing.T) {
	p := newPair(t)
	a, _ := p.first.run(t, p.config([]config.Right{config.RightRead, config.RightCreate}))
	p.registered(a)
	at, err := p.second.client(t).Create(t.Context(), lwm2m.MustPath("/3442"), lwm2m.FormatTLV, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.check("its creator writes it", p.second.write(t, at.Child(120).String(), lwm2m.Integer(5)))
	_, err = p.first.get(t, at.String())
	p.refused("the other one reads it", err)
	p.check("its creator deletes it", p.second.client(t).Delete(t.Context(), at))
	for _, n := range p.first.instances(t, "/2") {
		if p.first.read(t, n+"/0") == lwm2m.Integer(3442) && p.first.read(t, n+"/1") == lwm2m.Integer(int64(at.Instance())) {
			t.Errorf("%s is about the instance that was deleted", n)
		}
	}
}

// TestRightsOutliveTheProcess restarts the agent: what the owner gave stays, and what
// an edited configuration gives is applied.
func TestRightsOutliveTheProcess(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	a, stop := p.first.run(t, p.config(nil, sensor("a")))
	p.registered(a)
	p.check("101 gives", p.first.give(t, "/3306/0", 102, model.RightRead|model.RightWrite))
	stop()
	a, stop = p.first.run(t, p.config(nil, sensor("a")))
	p.registered(a)
	p.check("102 writes what it was given", p.second.write(t, relay, lwm2m.Boolean(true)))
	p.refused("102 resets what it was not given", p.second.client(t).Execute(t.Context(), lwm2m.MustPath("/3303/0/5605"), ""))
	stop()
	a, _ = p.first.run(t, p.config([]config.Right{config.RightRead, config.RightExecute}, sensor("a")))
	p.registered(a)
	p.refused("102 writes what it is no longer given", p.second.write(t, relay, lwm2m.Boolean(false)))
	p.check("102 resets what it is given now", p.second.client(t).Execute(t.Context(), lwm2m.MustPath("/3303/0/5605"), ""))
}

// TestSecondServerComesAndGoes adds a server to a running agent, lets it die, and takes
// it away again. The first one notices nothing: its observation goes on, it is refused
// nothing, and its registration is the same.
func TestSecondServerComesAndGoes(t *testing.T) {
	p := newPair(t)
	alone := p.first.config(sensor("a"))
	a, _ := p.first.run(t, alone)
	<-a.board.Hardware().Ready()
	registration := p.first.next(t, server.Registered).Registration
	for _, path := range []string{"/3306/0", "/1/0"} {
		if _, err := p.first.client(t).Observe(t.Context(), lwm2m.MustPath(path)); err != nil {
			t.Fatal(err)
		}
	}
	notified := func(on bool) {
		t.Helper()
		p.check("101 writes", p.first.write(t, relay, lwm2m.Boolean(on)))
		for {
			e := p.first.next(t, server.Notified)
			if e.Err != nil {
				t.Fatalf("the observation of 101: %v", e.Err)
			}
			if slices.Contains(e.Nodes, lwm2m.Node{Path: lwm2m.MustPath(relay), Value: lwm2m.Boolean(on)}) {
				return
			}
		}
	}
	notified(true)

	p.check("a second server", a.Apply(t.Context(), p.config(nil, sensor("a"))))
	if !a.tree.Access().Allows(102, model.RightWrite, lwm2m.MustPath("/1/1")) {
		t.Error("the account of 102 is not its own")
	}
	notified(false)
	p.second.next(t, server.Registered)
	if _, err := p.second.client(t).Observe(t.Context(), lwm2m.MustPath("/3303")); err != nil {
		t.Fatal(err)
	}
	p.check("a second sensor", a.Apply(t.Context(), p.config(nil, sensor("a"), sensor("b"))))
	for !slices.ContainsFunc(p.second.next(t, server.Notified).Nodes, func(n lwm2m.Node) bool { return n.Path.Instance() == 1 }) {
	}

	p.second.die()
	notified(true)
	p.check("one server again", a.Apply(t.Context(), p.first.config(sensor("a"), sensor("b"))))
	notified(false)
	p.check("101 writes everything", p.first.write(t, "/3303/1/5750", lwm2m.String("b")))
	if now := p.first.client(t).Registration(); now.ID != registration.ID || now.Address != registration.Address {
		t.Errorf("the registration of 101 changed from %+v to %+v", registration, now)
	}
}

// TestNewObjectOnAFullDisk: with two servers, and a disk that takes nothing, the agent starts also with an object that it did not have;
// for that the rights of the configuration hold.
func TestNewObjectOnAFullDisk(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	cfg := p.config([]config.Right{config.RightRead, config.RightWrite})
	cfg.TestObject = false
	_, stop := p.first.run(t, cfg)
	p.first.back(t)
	p.second.back(t)
	stop()
	cfg.TestObject = true
	machine := &demo.Machine{Say: func(string) {}}
	a, err := New(Options{
		Config: cfg, Version: "test", Control: machine, Now: machine.Now, Log: slog.New(slog.DiscardHandler), BeforeWrite: func() error { return unix.ENOSPC },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	defer end()
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	p.second.back(t)
	p.check("write", p.second.write(t, "/3442/0/120", lwm2m.Integer(7)))
	p.refused("execute", p.second.client(t).Execute(t.Context(), lwm2m.MustPath("/3442/0/0"), ""))
	end()
	if err := <-ended; err != nil && !errors.Is(err, unix.ENOSPC) { // the last words are not kept
		t.Error(err)
	}
}
