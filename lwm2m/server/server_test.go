package server

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/dtls"
)

const generous = 10 * time.Second

// device is a scripted client: a CoAP connection that answers what a test says.
type device struct {
	*coap.Conn
	mu       sync.Mutex
	requests []string
	answer   func(x *coap.Exchange)
}

func (d *device) handle(x *coap.Exchange) {
	d.mu.Lock()
	d.requests = append(d.requests, x.Request.Code.String()+" "+x.Request.Path())
	answer := d.answer
	d.mu.Unlock()
	answer(x)
}

// start serves a Server on loopback and returns it with its address.
func start(t *testing.T, cfg Config) (*Server, *net.UDPAddr) {
	t.Helper()
	pc, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	s := New(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Serve(ctx, pc) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		s.Wait()
	})
	return s, pc.LocalAddr().(*net.UDPAddr)
}

func connect(t *testing.T, addr *net.UDPAddr, answer func(*coap.Exchange)) *device {
	t.Helper()
	nc, err := net.DialUDP("udp", nil, addr)
	if err != nil {
		t.Fatal(err)
	}
	return serveDevice(t, nc, answer)
}

func serveDevice(t *testing.T, nc net.Conn, answer func(*coap.Exchange)) *device {
	t.Helper()
	d := &device{answer: answer}
	d.Conn = coap.New(nc, d.handle, coap.Options{})
	done := make(chan struct{})
	go func() { defer close(done); _ = d.Run(context.WithoutCancel(t.Context())) }()
	t.Cleanup(func() { _ = d.Close(); <-done })
	return d
}

func (d *device) post(t *testing.T, path string, payload string, queries ...string) *coap.Message {
	t.Helper()
	m := &coap.Message{Code: coap.POST, Payload: []byte(payload)}
	m.SetPath(path)
	for _, q := range queries {
		m.AddQuery(q)
	}
	ctx, cancel := context.WithTimeout(t.Context(), generous)
	defer cancel()
	answer, err := d.Do(ctx, m)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

const objectList = `</>;rt="oma.lwm2m";ct="60 112",</1/0>,</3/0>,</3303>;ver=1.1,</3303/0>`

func (d *device) register(t *testing.T, queries ...string) string {
	t.Helper()
	answer := d.post(t, "/rd", objectList, append([]string{"ep=dev", "lwm2m=1.2", "lt=300", "b=U"}, queries...)...)
	if answer.Code != coap.Created {
		t.Fatalf("Register: %s %s", answer.Code, answer.Payload)
	}
	return answer.LocationPath()
}

func next(t *testing.T, events <-chan Event, kind EventKind) Event {
	t.Helper()
	limit := time.After(generous)
	for {
		select {
		case e := <-events:
			if e.Kind == kind {
				return e
			}
		case <-limit:
			t.Fatalf("no %s event", kind)
		}
	}
}

func refuse(x *coap.Exchange) { _ = x.Reply(coap.NotFound) }

func TestRegistrationLife(t *testing.T) {
	s, addr := start(t, Config{})
	events, end := s.Events(10)
	defer end()
	d := connect(t, addr, refuse)
	location := d.register(t, "Q")
	e := next(t, events, Registered)
	got := e.Registration
	if got.Endpoint != "dev" || got.Lifetime != 300*time.Second || got.Version != lwm2m.Version12 || !got.Queue || got.Root != "" || len(got.Objects) != 4 {
		t.Errorf("registration is %+v", got)
	}
	if d := cmp.Diff([]lwm2m.Format{lwm2m.FormatCBOR, lwm2m.FormatSenMLCBOR}, got.Formats); d != "" {
		t.Error(d)
	}
	if answer := d.post(t, location, "", "lt=60"); answer.Code != coap.Changed {
		t.Fatalf("Update: %s", answer.Code)
	}
	if e := next(t, events, Updated); e.Registration.Lifetime != time.Minute || len(e.Registration.Objects) != 4 {
		t.Errorf("after Update: %+v", e.Registration)
	}
	m := &coap.Message{Code: coap.DELETE}
	m.SetPath(location)
	if answer, err := d.Do(t.Context(), m); err != nil || answer.Code != coap.Deleted {
		t.Fatalf("Deregister: %v %v", answer, err)
	}
	next(t, events, Deregistered)
	if _, ok := s.Client("dev"); ok {
		t.Error("still registered")
	}
	if answer := d.post(t, location, ""); answer.Code != coap.NotFound {
		t.Errorf("Update after Deregister: %s, want 4.04", answer.Code)
	}
}

func TestRegisterRefusals(t *testing.T) {
	s, addr := start(t, Config{MaxClients: 1})
	d := connect(t, addr, refuse)
	for _, c := range []struct {
		name, payload string
		queries       []string
		want          coap.Code
	}{
		{"no endpoint", objectList, []string{"lwm2m=1.2"}, coap.BadRequest},
		{"no objects", "", []string{"ep=x"}, coap.BadRequest},
		{"broken objects", "</1", []string{"ep=x"}, coap.BadRequest},
		{"lifetime", objectList, []string{"ep=x", "lt=soon"}, coap.BadRequest},
		{"version", objectList, []string{"ep=x", "lwm2m=one"}, coap.BadRequest},
		{"version to come", objectList, []string{"ep=x", "lwm2m=2.0"}, coap.PreconditionFailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			if answer := d.post(t, "/rd", c.payload, c.queries...); answer.Code != c.want {
				t.Errorf("%s %s, want %s", answer.Code, answer.Payload, c.want)
			}
		})
	}
	d.register(t)
	if answer := d.post(t, "/rd", objectList, "ep=another"); answer.Code != coap.ServiceUnavailable {
		t.Errorf("one client too many: %s", answer.Code)
	}
	d.register(t)
	if n := len(s.Clients()); n != 1 {
		t.Errorf("%d clients after a second Register of the same", n)
	}
	if answer := d.post(t, "/nowhere", ""); answer.Code != coap.NotFound {
		t.Errorf("unknown path: %s", answer.Code)
	}
}

func TestRegistrationExpires(t *testing.T) {
	s, addr := start(t, Config{Grace: time.Millisecond})
	events, end := s.Events(10)
	defer end()
	connect(t, addr, refuse).register(t, "lt=1")
	next(t, events, Expired)
	if len(s.Clients()) != 0 {
		t.Error("still registered")
	}
}

func TestOperations(t *testing.T) {
	s, addr := start(t, Config{Shapes: func(p lwm2m.Path) (lwm2m.Shape, bool) { return lwm2m.Shape{Type: lwm2m.TypeInteger}, true }})
	d := connect(t, addr, func(x *coap.Exchange) {
		m := &coap.Message{Code: coap.Changed}
		f, _ := x.Request.Accept()
		switch method := x.Request.Code; {
		case method == coap.GET && f == uint16(lwm2m.FormatLink):
			m.Code, m.Payload = coap.Content, []byte("</3/0>;pmin=10,</3/0/1>")
			m.SetContentFormat(f)
		case method == coap.GET:
			m.Code, m.Payload = coap.Content, []byte("42")
			m.SetContentFormat(uint16(lwm2m.FormatText))
		case method == coap.POST && x.Request.Path() == "/16":
			m.Code = coap.Created
			m.SetLocationPath("/16/7")
		case method == coap.DELETE:
			m.Code, m.Payload = coap.Forbidden, []byte("keep it")
		}
		_ = x.Respond(m)
	})
	d.register(t)
	c, _ := s.Client("dev")
	ctx, p := t.Context(), lwm2m.MustPath("/3/0/1")
	nodes, err := c.Read(ctx, p, lwm2m.FormatText)
	if err != nil || len(nodes) != 1 || nodes[0].Value != lwm2m.Integer(42) {
		t.Errorf("Read: %v %v", nodes, err)
	}
	links, err := c.Discover(ctx, lwm2m.MustPath("/3/0"))
	if err != nil || len(links) != 2 {
		t.Errorf("Discover: %v %v", links, err)
	}
	value := []lwm2m.Node{{Path: p, Value: lwm2m.Integer(1)}}
	for name, err := range map[string]error{
		"Replace": c.Replace(ctx, p, lwm2m.FormatText, value), "Update": c.Update(ctx, p.At(lwm2m.LevelInstance), lwm2m.FormatTLV, value),
		"Execute": c.Execute(ctx, p, "0='x'"), "WriteAttributes": c.WriteAttributes(ctx, p, "pmin=1"),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	created, err := c.Create(ctx, lwm2m.NewPath(16), lwm2m.FormatSenMLCBOR, []lwm2m.Node{{Path: lwm2m.MustPath("/16/7/0"), Value: lwm2m.String("a")}})
	if err != nil || created != lwm2m.NewPath(16, 7) {
		t.Errorf("Create: %v %v", created, err)
	}
	err = c.Delete(ctx, lwm2m.NewPath(16, 7))
	var refusal *lwm2m.Error
	if !errors.As(err, &refusal) || refusal.Code != lwm2m.Forbidden || refusal.Reason != "keep it" {
		t.Errorf("Delete: %v, want the client's refusal", err)
	}
}

func TestObserve(t *testing.T) {
	s, addr := start(t, Config{})
	events, end := s.Events(20)
	defer end()
	requests := make(chan *coap.Message, 2)
	var d *device
	d = connect(t, addr, func(x *coap.Exchange) {
		m := &coap.Message{Code: coap.Content, Payload: []byte("1")}
		m.SetContentFormat(uint16(lwm2m.FormatText))
		if n, ok := x.Request.Observe(); ok && n == 0 {
			requests <- x.Request.Clone()
			m.SetObserve(d.NextObserve())
		}
		_ = x.Respond(m)
	})
	d.register(t)
	c, _ := s.Client("dev")
	p := lwm2m.MustPath("/3303/0/5700")
	if _, err := c.Observe(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	observed := <-requests
	notify := func(text string, done func(error)) {
		m := &coap.Message{Code: coap.Content, Type: coap.CON, Payload: []byte(text)}
		m.SetContentFormat(uint16(lwm2m.FormatText))
		if err := d.Notify(observed, m, done); err != nil {
			t.Fatal(err)
		}
	}
	notify("21.5", nil)
	if e := next(t, events, Notified); e.Path != p || len(e.Nodes) != 1 || e.Nodes[0].Value.String() != "21.5" {
		t.Errorf("notified of %+v", e)
	}
	if got := c.Observed(); len(got) != 1 || got[0] != p {
		t.Errorf("observed %v", got)
	}
	c.Forget(p)
	outcome := make(chan error, 1)
	notify("22", func(err error) { outcome <- err })
	if err := <-outcome; !errors.Is(err, coap.ErrReset) {
		t.Errorf("after Forget a notification ends in %v, want a reset", err)
	}
	if _, err := c.Observe(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if err := c.Cancel(t.Context(), p); err != nil || len(c.Observed()) != 0 {
		t.Errorf("Cancel: %v, observed %v", err, c.Observed())
	}
	if err := c.Cancel(t.Context(), p); !errors.Is(err, errNotObserved) {
		t.Errorf("second Cancel: %v", err)
	}
}

func TestSleeperIsAskedWhenItWakes(t *testing.T) {
	var later atomic.Int64 // how far the server's clock is ahead of the client's last message
	later.Store(int64(time.Hour))
	s, addr := start(t, Config{Now: func() time.Time { return time.Now().Add(time.Duration(later.Load())) }})
	d := connect(t, addr, func(x *coap.Exchange) {
		m := &coap.Message{Code: coap.Content, Payload: []byte("1")}
		m.SetContentFormat(uint16(lwm2m.FormatText))
		_ = x.Respond(m)
	})
	location := d.register(t, "Q")
	c, _ := s.Client("dev")
	short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := c.Read(short, lwm2m.MustPath("/3/0/0")); !errors.Is(err, ErrAsleep) {
		t.Fatalf("Read of a sleeper: %v", err)
	}
	later.Store(0)
	read := make(chan error, 1)
	go func() {
		_, err := c.Read(t.Context(), lwm2m.MustPath("/3/0/0"))
		read <- err
	}()
	d.post(t, location, "")
	if err := <-read; err != nil {
		t.Errorf("Read after waking up: %v", err)
	}
}

// startSecure returns a server and what makes connections to it.
func startSecure(t *testing.T, cfg Config) (*Server, func(dtls.Config) (*dtls.Conn, error)) {
	t.Helper()
	s := New(cfg)
	l, err := s.ListenSecure(&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.ServeSecure(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		s.Wait()
	})
	return s, func(cfg dtls.Config) (*dtls.Conn, error) {
		nc, err := net.DialUDP("udp", nil, l.Addr().(*net.UDPAddr))
		if err != nil {
			t.Fatal(err)
		}
		cfg.Timeout = generous
		conn, err := dtls.Client(t.Context(), nc, cfg)
		if err != nil {
			_ = nc.Close()
		}
		return conn, err
	}
}

func TestSecure(t *testing.T) {
	keys := &Keys{}
	keys.Add("id", []byte("0123456789abcdef"), "dev")
	s, dial := startSecure(t, Config{Keys: keys})
	known := dtls.Config{Identity: []byte("id"), PSK: []byte("0123456789abcdef")}
	conn, err := dial(known)
	if err != nil {
		t.Fatal(err)
	}
	d := serveDevice(t, conn, refuse)
	if answer := d.post(t, "/rd", objectList, "ep=somebody else"); answer.Code != coap.Forbidden {
		t.Errorf("Register under another's name: %s, want 4.03", answer.Code)
	}
	d.register(t)
	c, ok := s.Client("dev")
	if reg := c.Registration(); !ok || !reg.Secure || reg.Identity != "id" {
		t.Errorf("registration is %+v", reg)
	}
	known.Identity = []byte("nobody")
	if _, err := dial(known); err == nil {
		t.Error("an unknown identity was let in")
	}
}
