package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/objects/registry"
)

func (pipeAddr) Network() string  { return "pipe" }
func (a pipeAddr) String() string { return string(a) }

// lab is a device with a client and its scripted server.
type lab struct {
	t        testing.TB
	server   *scripted
	tree     *model.Tree
	client   *Client
	security *model.Publisher
	accounts *model.Publisher
	device   *model.Publisher
	sensors  *model.Publisher // 3303
	states   []AccountStatus
	mu       sync.Mutex
	stop     func()
	count    float64 // of exercises
}

// serverObject lets a server use the triggers of object 1.
type serverObject struct {
	model.Plain
	lab *lab
}

func (o serverObject) Execute(_ context.Context, origin model.Origin, p lwm2m.Path, _ model.Arguments) error {
	switch p.Resource() {
	case 4:
		return o.lab.client.Disable(origin.Server, 0)
	case 8:
		return o.lab.client.Update(origin.Server)
	case 9:
		return o.lab.client.Bootstrap(origin.Server)
	}
	return lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s cannot be executed", p)
}

// Prepare keeps a server from cutting off its own account.
func (serverObject) Prepare(_ context.Context, e *model.Edit) (model.Transaction, error) {
	if e.Origin.Kind == model.OriginBootstrap {
		return model.Accepted{}, nil
	}
	refuse := len(e.Create) > 0
	for _, p := range e.Delete {
		refuse = refuse || p.Level() == lwm2m.LevelInstance
	}
	for _, n := range e.Set {
		refuse = refuse || n.Path.Resource() == 0
	}
	if refuse {
		return nil, lwm2m.Errorf(lwm2m.MethodNotAllowed, "accounts are the bootstrap server's")
	}
	return model.Accepted{}, nil
}

// rebootable takes a Reboot and does nothing.
type rebootable struct{ model.Plain }

func (rebootable) Execute(context.Context, model.Origin, lwm2m.Path, model.Arguments) error {
	return nil
}

// newLab returns a lab with one account (101, lifetime 600 s) that does not run yet.
func newLab(tb testing.TB, change func(*Config)) *lab {
	tb.Helper()
	l := &lab{t: tb, server: &scripted{t: tb}}
	l.tree = model.NewTree(registry.Definitions(), time.Now)
	add := func(oid uint16, owner model.Object) *model.Publisher {
		tb.Helper()
		p, err := l.tree.AddRegistered(oid, owner)
		if err != nil {
			tb.Fatal(err)
		}
		return p
	}
	l.security, l.accounts = add(0, model.Plain{}), add(1, serverObject{lab: l})
	l.device, l.sensors = add(3, rebootable{}), add(3303, model.Plain{})
	l.account(0, 101, 600)
	l.publish(l.device, func(b *model.Batch) {
		b.Create(0)
		b.Set(0, 0, lwm2m.String("Example"))
		b.Set(0, 9, lwm2m.Integer(80))
		b.Set(0, 13, lwm2m.UnixTime(1_700_000_000))
		b.SetAll(0, 6, lwm2m.Integer(1), lwm2m.Integer(5))
		b.Declare(0, 4)
		b.SetAll(0, 11, lwm2m.Integer(0))
	})
	l.temperature(0, 20)
	c := Config{
		Endpoint: "lab", Tree: l.tree, Dialer: l.server, Rand: func() float64 { return 0.5 },
		OnStatus: func(s AccountStatus) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.states = append(l.states, s)
		},
	}
	if change != nil {
		change(&c)
	}
	l.client = New(c)
	return l
}

// run starts the client and waits until nothing moves.
func (l *lab) run() {
	l.t.Helper()
	ctx, cancel := context.WithCancel(l.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.client.Run(ctx) }()
	l.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			l.t.Errorf("Run: %v", err)
		}
		if conn := l.server.connection(); conn != nil {
			conn.Close()
		}
	}
	synctest.Wait()
}

// after lets simulated time pass.
func (l *lab) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (l *lab) publish(p *model.Publisher, f func(*model.Batch)) {
	l.t.Helper()
	var b model.Batch
	f(&b)
	if err := p.Publish(&b); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) account(iid, ssid uint16, lifetime int64) {
	l.t.Helper()
	l.publish(l.security, func(b *model.Batch) {
		b.Create(iid)
		b.Set(iid, 0, lwm2m.String(fmt.Sprintf("coap://server%d.invalid", ssid)))
		b.Set(iid, 1, lwm2m.Boolean(false))
		b.Set(iid, 2, lwm2m.Integer(3))
		b.Set(iid, 10, lwm2m.Integer(int64(ssid)))
	})
	l.publish(l.accounts, func(b *model.Batch) {
		b.Create(iid)
		b.Set(iid, 0, lwm2m.Integer(int64(ssid)))
		b.Set(iid, 1, lwm2m.Integer(lifetime))
		b.Set(iid, 6, lwm2m.Boolean(true))
		b.Set(iid, 7, lwm2m.String("U"))
		b.Declare(iid, 4, 8)
	})
}

func (l *lab) temperature(iid uint16, celsius float64) {
	l.t.Helper()
	l.publish(l.sensors, func(b *model.Batch) {
		b.Create(iid)
		b.Set(iid, 5700, lwm2m.Float(celsius))
	})
}

// status returns the status of the only account.
func (l *lab) status() AccountStatus {
	l.t.Helper()
	all := l.client.Status()
	if len(all) != 1 {
		l.t.Fatalf("there are %d accounts, want 1", len(all))
	}
	return all[0]
}

func (l *lab) wantState(want State) {
	l.t.Helper()
	if s := l.status(); s.State != want {
		l.t.Fatalf("state is %v (%s), want %v", s.State, s.Words, want)
	}
}

// wantCalls compares what the server has received since the last time.
func (l *lab) wantCalls(want ...string) []call {
	l.t.Helper()
	calls := l.server.take()
	got := make([]string, len(calls))
	for i, c := range calls {
		got[i] = c.String()
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		l.t.Fatalf("server received %q, want %q", got, want)
	}
	return calls
}

const register = "POST /rd [ep=lab lt=600 lwm2m=1.2 b=U]"

// registered starts the client and takes its Register.
func (l *lab) registered() {
	l.t.Helper()
	l.run()
	l.wantState(Registered)
	l.wantCalls(register)
}

// do sends a request from the server to the client.
func (l *lab) do(m *coap.Message) *coap.Message {
	l.t.Helper()
	answer, err := l.server.connection().Do(l.t.Context(), m)
	if err != nil {
		l.t.Fatalf("%s %s: %v", m.Code, m.Path(), err)
	}
	return answer
}

// ask sends a request without payload; accept and content are left out if negative.
func (l *lab) ask(code coap.Code, path string, queries ...string) *coap.Message {
	l.t.Helper()
	m := &coap.Message{Code: code}
	m.SetPath(path)
	for _, q := range queries {
		m.AddQuery(q)
	}
	return l.do(m)
}

// send sends a request with a payload.
func (l *lab) send(code coap.Code, path string, f lwm2m.Format, payload string) *coap.Message {
	l.t.Helper()
	m := &coap.Message{Code: code, Payload: []byte(payload)}
	m.SetPath(path)
	m.SetContentFormat(uint16(f))
	return l.do(m)
}

func (l *lab) wantCode(m *coap.Message, want coap.Code) *coap.Message {
	l.t.Helper()
	if m.Code != want {
		l.t.Fatalf("answer is %v %q, want %v", m.Code, m.Payload, want)
	}
	return m
}

// simulate runs a test with a lab in simulated time.
func simulate(t *testing.T, change func(*Config), f func(l *lab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, change)
		f(l)
		if l.stop != nil {
			l.stop()
		}
	})
}

var errNoRoute = errors.New("no route")

// note is a notification as the server got it.
type note struct {
	after   time.Duration // since the observation began
	typ     coap.Type
	code    coap.Code
	payload string
}

func (n note) String() string {
	s := fmt.Sprintf("%v %s", n.after, n.payload)
	if n.code != coap.Content {
		s = fmt.Sprintf("%v %s", n.after, n.code)
	}
	if n.typ == coap.CON {
		s += " CON"
	}
	return s
}

// watcher collects the notifications of one observation.
type watcher struct {
	lab         *lab
	began       time.Time
	first       *coap.Message
	observation *coap.Observation
	mu          sync.Mutex
	notes       []note
}

// observe begins an observation; accept is left out if negative.
func (l *lab) observe(path string, accept int, queries ...string) *watcher {
	l.t.Helper()
	m := &coap.Message{Code: coap.GET}
	m.SetPath(path)
	for _, q := range queries {
		m.AddQuery(q)
	}
	if accept >= 0 {
		m.SetAccept(uint16(accept))
	}
	return l.watch(m)
}

// watch begins the observation that a request asks for.
func (l *lab) watch(m *coap.Message) *watcher {
	l.t.Helper()
	o, first, err := l.server.connection().Observe(l.t.Context(), m)
	if err != nil {
		l.t.Fatalf("observe %s %q: %v", m.Path(), m.Payload, err)
	}
	if o == nil {
		l.t.Fatalf("observation of %s %q declined: %v", m.Path(), m.Payload, first)
	}
	w := &watcher{lab: l, began: time.Now(), first: first, observation: o}
	l.server.wg.Go(func() {
		for {
			m, err := o.Next(l.t.Context())
			if err != nil {
				return
			}
			w.mu.Lock()
			w.notes = append(w.notes, note{time.Since(w.began).Round(time.Millisecond), m.Type, m.Code, string(m.Payload)})
			w.mu.Unlock()
		}
	})
	return w
}

// want compares what was notified since the last time.
func (w *watcher) want(want ...string) {
	w.lab.t.Helper()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	got := make([]string, len(w.notes))
	for i, n := range w.notes {
		got[i] = n.String()
	}
	w.notes = nil
	if fmt.Sprint(got) != fmt.Sprint(want) {
		w.lab.t.Fatalf("notified %q, want %q", got, want)
	}
}

// payloads returns what was notified since the last time, without when.
func (w *watcher) payloads() []string {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	got := make([]string, len(w.notes))
	for i, n := range w.notes {
		got[i] = n.payload
	}
	w.notes = nil
	return got
}
