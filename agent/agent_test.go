package agent

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/demo"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/server"
	"lwm2m-agent/objects/registry"
)

const generous = time.Minute

// lab is a server and what an agent needs to register there.
type lab struct {
	*server.Server
	events <-chan server.Event
	uri    *url.URL
	dir    string
	die    func()       // ends the server
	log    *slog.Logger // of the agent; nil: none
}

func newLab(t *testing.T, change ...func(*server.Config)) *lab {
	t.Helper()
	pc, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	cfg := server.Config{Shapes: model.Shapes(registry.Definitions())}
	for _, f := range change {
		f(&cfg)
	}
	s := server.New(cfg)
	return serving(t, s, "coap", pc.LocalAddr(), func(ctx context.Context) error { return s.Serve(ctx, pc) })
}

// serving returns the lab of a server that listens at an address, and serves until the test ends.
func serving(t *testing.T, s *server.Server, scheme string, at net.Addr, serve func(context.Context) error) *lab {
	t.Helper()
	events, end := s.Events(100)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- serve(ctx) }()
	t.Cleanup(func() {
		end()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		s.Wait()
	})
	return &lab{s, events, &url.URL{Scheme: scheme, Host: at.String()}, t.TempDir(), cancel, nil}
}

func (l *lab) next(t *testing.T, kinds ...server.EventKind) server.Event {
	t.Helper()
	limit := time.After(generous)
	for {
		select {
		case e := <-l.events:
			if slices.Contains(kinds, e.Kind) {
				return e
			}
		case <-limit:
			t.Fatalf("no event of %v", kinds)
		}
	}
}

// back waits for an agent that was started again. It goes on with its registration, unless
// its port is another program's now.
func (l *lab) back(t *testing.T) server.Event {
	t.Helper()
	return l.next(t, server.Registered, server.Updated, server.Sent)
}

func sensor(name string) config.Sensor {
	return config.Sensor{Name: name, Driver: "sim", Object: 3303, Instance: config.NoInstance, Settings: config.Settings{
		Wave: "ramp", Min: 20, Max: 30, Period: time.Hour, Interval: time.Hour, Unit: "Cel",
	}}
}

func (l *lab) config(sensors ...config.Sensor) *config.Config {
	return &config.Config{
		Endpoint: "gw", TestObject: true,
		Servers:   []config.Server{{Account: config.Account{URI: l.uri, Security: config.SecurityNone, Instance: config.NoInstance, Fingerprint: "1"}, ShortServerID: 101, Lifetime: time.Hour}},
		Sensors:   sensors,
		Actuators: []config.Actuator{{Name: "relay", Driver: "sim", Resource: config.NoResource, Instance: config.NoInstance}},
		StateDir:  filepath.Join(l.dir, "state"),
	}
}

// run runs an agent until the returned function is called.
func (l *lab) run(t *testing.T, cfg *config.Config, change ...func(*Agent)) (*Agent, func()) {
	t.Helper()
	machine := &demo.Machine{Say: func(string) {}}
	a, err := New(Options{Config: cfg, Version: "test", Control: machine, Now: machine.Now, Log: cmp.Or(l.log, slog.New(slog.DiscardHandler))})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(a)
	}
	return a, start(t, a)
}

// start runs an agent until the returned function is called, at the latest until the test ends.
func start(t *testing.T, a *Agent) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("agent ended: %v", err)
			}
		case <-time.After(generous):
			t.Error("the agent does not end")
		}
	}
	t.Cleanup(stop)
	return stop
}

func (l *lab) client(t *testing.T) *server.Client {
	t.Helper()
	c, ok := l.Client("gw")
	if !ok {
		t.Fatal("the agent is not registered")
	}
	return c
}

func (l *lab) read(t *testing.T, path string) lwm2m.Value {
	t.Helper()
	nodes, err := l.client(t).Read(t.Context(), lwm2m.MustPath(path))
	if err != nil || len(nodes) != 1 {
		t.Fatalf("read %s: %v, %v", path, nodes, err)
	}
	return nodes[0].Value
}

func TestReadingAndWriteGoAllTheWay(t *testing.T) {
	l := newLab(t)
	a, _ := l.run(t, l.config(sensor("cold room")))
	<-a.board.Hardware().Ready()
	l.next(t, server.Registered)
	if v := l.read(t, "/3303/0/5700").Float(); v < 20 || v > 30 {
		t.Errorf("temperature %v", v)
	}
	if v := l.read(t, "/3303/0/5750"); v != lwm2m.String("cold room") {
		t.Errorf("application type %v", v)
	}
	relay := lwm2m.MustPath("/3306/0/5850")
	if err := l.client(t).Replace(t.Context(), relay, lwm2m.FormatText, []lwm2m.Node{{Path: relay, Value: lwm2m.Boolean(true)}}); err != nil {
		t.Fatal(err)
	}
	if v := l.read(t, relay.String()); v != lwm2m.Boolean(true) {
		t.Errorf("the relay is %v after being switched on", v)
	}
	for path, want := range map[string]lwm2m.Value{
		"/3/0/0": lwm2m.String(a.facts.Manufacturer), "/3/0/19": lwm2m.String("test"), "/3/0/16": lwm2m.String("UT"), "/1/0/1": lwm2m.Integer(3600),
	} {
		if v := l.read(t, path); v != want {
			t.Errorf("%s is %v, want %v", path, v, want)
		}
	}
}

func TestInstanceNumbersAndWritesOutliveTheProcess(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	_, stop := l.run(t, l.config(sensor("a"), sensor("b")))
	l.next(t, server.Registered)
	write := func(path string, v lwm2m.Value) {
		t.Helper()
		p := lwm2m.MustPath(path)
		if err := l.client(t).Replace(t.Context(), p, lwm2m.FormatText, []lwm2m.Node{{Path: p, Value: v}}); err != nil {
			t.Fatal(err)
		}
	}
	write("/3303/1/5750", lwm2m.String("renamed"))
	write("/1/0/1", lwm2m.Integer(1800))
	stop()

	// "a" is gone, "b" keeps its number and what the server wrote, "c" is new.
	_, stop = l.run(t, l.config(sensor("c"), sensor("b")))
	e := l.back(t)
	if e.Registration.Lifetime != 30*time.Minute {
		t.Errorf("lifetime %v, want what the server wrote", e.Registration.Lifetime)
	}
	if v := l.read(t, "/3303/1/5750"); v != lwm2m.String("renamed") {
		t.Errorf("application type %v, want what the server wrote", v)
	}
	if v := l.read(t, "/3303/2/5750"); v != lwm2m.String("c") {
		t.Errorf("instance 2 is %v, want the new sensor: 0 was another's", v)
	}
	stop()

	// The section was edited: it seeds the account anew.
	cfg := l.config(sensor("b"))
	cfg.Servers[0].Lifetime, cfg.Servers[0].Fingerprint = 2*time.Hour, "2"
	l.run(t, cfg)
	for l.back(t).Registration.Lifetime != 2*time.Hour { // that of the edited section; what comes before may be of the former agent
	}
}

func TestNewSensorDoesNotDisturbTheSession(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a, _ := l.run(t, l.config(sensor("a")))
	first := l.next(t, server.Registered).Registration
	if err := a.Apply(t.Context(), l.config(sensor("a"), sensor("b"))); err != nil {
		t.Fatal(err)
	}
	e := l.next(t, server.Updated)
	if e.Registration.ID != first.ID || e.Registration.Address != first.Address {
		t.Errorf("the registration changed from %+v to %+v", first, e.Registration)
	}
	found := false
	for _, o := range e.Registration.Objects {
		found = found || o.Target == "/3303/1"
	}
	if !found {
		t.Errorf("the Update lists %v, want /3303/1 among them", e.Registration.Objects)
	}
	sleepy := l.config(sensor("a"), sensor("b"))
	sleepy.Servers[0].Awake, sleepy.Servers[0].Gather = 20*time.Second, time.Hour
	if err := a.Apply(t.Context(), sleepy); err != nil {
		t.Fatal(err)
	}
	if p := a.params(101); p.Awake != 20*time.Second || p.Gather != time.Hour {
		t.Errorf("awake for %v, gathered for %v", p.Awake, p.Gather)
	}
	bad := l.config(sensor("a"))
	bad.Sensors[0].Object = 65000
	if err := a.Apply(t.Context(), bad); err == nil {
		t.Error("an object that does not exist was applied")
	}
	if !slices.Equal(a.Tree().Instances(3303), []uint16{0, 1}) {
		t.Errorf("a configuration that is wrong changed the sensors: %v", a.Tree().Instances(3303))
	}
}

func TestEndWhileStarting(t *testing.T) {
	l := newLab(t)
	a, err := New(Options{Config: l.config(sensor("a"))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Run(ctx); err != nil {
		t.Errorf("an agent that is ended while it starts fails: %v", err)
	}
}

func TestStateDirectoryInUse(t *testing.T) {
	l := newLab(t)
	l.run(t, l.config())
	if _, err := New(Options{Config: l.config()}); err == nil {
		t.Error("two agents use one state directory")
	}
}
