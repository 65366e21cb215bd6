package agent

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/control"
	"lwm2m-agent/agent/demo"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/server"
	"lwm2m-agent/lwm2m/wire/link"
)

// gateway is an agent with its control socket.
type gateway struct {
	*Agent
	socket string
	stop   func()
}

// serve runs an agent with its control socket until the end of the test, or until
// stop is called.
func (l *lab) serve(t *testing.T, cfg *config.Config) *gateway {
	t.Helper()
	machine := &demo.Machine{Say: func(string) {}}
	a, err := New(Options{Config: cfg, Version: "test", Control: machine, Now: machine.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{Agent: a, socket: filepath.Join(t.TempDir(), "agent.sock")}
	local := a.ControlTask(control.SocketOptions{Path: g.socket})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx, local) }()
	stopped := false
	g.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("the agent ended: %v", err)
			}
		case <-time.After(generous):
			t.Error("the agent does not end")
		}
	}
	t.Cleanup(g.stop)
	select {
	case <-local.Ready():
	case <-time.After(generous):
		t.Fatal("the control socket is not served")
	}
	return g
}

func (l *lab) withApps(apps ...config.App) *config.Config {
	cfg := l.config()
	cfg.Actuators, cfg.Apps = nil, apps
	return cfg
}

var meterApp = config.App{Name: "meter-reader", User: "nobody", Objects: []uint16{3305, 26300}}

// program is a local program that acts for an application.
type program struct {
	t      *testing.T
	client http.Client
	route  string
}

func (g *gateway) program(t *testing.T, name string) *program {
	t.Helper()
	p := &program{t: t, route: "http://agent/v1/apps/" + name}
	p.client.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", g.socket)
	}}
	return p
}

// ask sends a request and returns status and body.
func (p *program) ask(method, route, body string) (int, string) {
	p.t.Helper()
	request, err := http.NewRequestWithContext(p.t.Context(), method, p.route+route, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	answer, err := p.client.Do(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// must is ask for what must succeed.
func (p *program) must(method, route, body string) {
	p.t.Helper()
	if status, text := p.ask(method, route, body); status != http.StatusNoContent {
		p.t.Fatalf("%s %s: %d %s", method, route, status, text)
	}
}

// listening is a program's stream of requests.
type listening struct {
	*program
	lines chan control.AppRequest // closed with the stream
	close func()
}

// listen opens the stream of requests.
func (p *program) listen() *listening {
	p.t.Helper()
	ctx, cancel := context.WithCancel(p.t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.route+"/requests", http.NoBody)
	if err != nil {
		p.t.Fatal(err)
	}
	answer, err := p.client.Do(request) //nolint:bodyclose // by the goroutine below
	if err != nil || answer.StatusCode != http.StatusOK {
		p.t.Fatalf("listen: %v, %v", answer, err)
	}
	l := &listening{program: p, lines: make(chan control.AppRequest, 100)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(l.lines)
		defer answer.Body.Close()
		for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
			var r control.AppRequest
			if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
				p.t.Errorf("%v: %s", err, lines.Bytes())
			}
			l.lines <- r
		}
	}()
	l.close = func() {
		cancel()
		<-ended
	}
	p.t.Cleanup(l.close)
	return l
}

// next returns the next request.
func (l *listening) next() control.AppRequest {
	l.t.Helper()
	select {
	case r, ok := <-l.lines:
		if !ok {
			l.t.Fatal("the stream has ended")
		}
		return r
	case <-time.After(generous):
		l.t.Fatal("no request")
	}
	return control.AppRequest{}
}

// answer answers the next request and returns it.
func (l *listening) answer(body string) control.AppRequest {
	l.t.Helper()
	r := l.next()
	l.must(http.MethodPost, fmt.Sprintf("/answers/%d", r.ID), body)
	return r
}

const meter = `{"objects": [3305, {"id": 26300, "name": "Tariff", "resources": [
	{"id": 0, "name": "Price", "operations": "RW", "type": "Float", "mandatory": true, "range": "0..10"},
	{"id": 1, "name": "Name", "operations": "RW", "type": "String"}]}],
	"instances": {"/3305/0": {"5800": 1200, "5805": {"value": 7, "time": "2026-01-02T03:04:05Z"}, "5822": null}, "/26300/0": {"0": 0.25}}}`

// place is a place with a value for a server to write.
func place(path string, v lwm2m.Value) lwm2m.Node {
	return lwm2m.Node{Path: lwm2m.MustPath(path), Value: v}
}

// lists reports whether a registration's object list has a target.
func lists(objects []link.Link, target string) bool {
	return slices.ContainsFunc(objects, func(o link.Link) bool { return o.Target == target })
}

func mustRefuse(t *testing.T, err error, code lwm2m.Code) {
	t.Helper()
	if err == nil || lwm2m.CodeOf(err) != code {
		t.Errorf("%v, want %v", err, code)
	}
}

// wait waits until something is so.
func wait(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(generous); !so(); {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func (g *gateway) healthy() bool {
	for _, trouble := range g.health.Troubles() {
		if trouble.Code == "app-away" {
			return false
		}
	}
	return true
}

func TestApplicationGoesAllTheWay(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	g := l.serve(t, l.withApps(meterApp))
	l.next(t, server.Registered)
	p := g.program(t, "meter-reader")
	p.must(http.MethodPut, "", meter)
	stream := p.listen()
	e := l.next(t, server.Updated)
	for _, want := range []string{"/3305/0", "/26300/0"} {
		if !lists(e.Registration.Objects, want) {
			t.Errorf("the Update lists %v, want %s among them", e.Registration.Objects, want)
		}
	}
	if v := l.read(t, "/3305/0/5800"); v != lwm2m.Float(1200) {
		t.Errorf("power %v", v)
	}
	p.must(http.MethodPatch, "/values", `{"/3305/0/5800": 900.5, "/tariff/0/name": "night"}`)
	if v := l.read(t, "/3305/0/5800"); v != lwm2m.Float(900.5) {
		t.Errorf("power %v after the next value", v)
	}
	if v := l.read(t, "/26300/0/1"); v != lwm2m.String("night") {
		t.Errorf("name %v", v)
	}
	answered := make(chan error, 1)
	go func() { answered <- l.write(t, "/26300/0/0", lwm2m.Float(0.5)) }()
	if r := stream.answer(`{"ok": true}`); r.Op != "write" || r.Path != "/26300/0/0" || r.Value != 0.5 || r.Server != 101 || r.Deadline.IsZero() {
		t.Errorf("request %+v", r)
	}
	if err := <-answered; err != nil {
		t.Error(err)
	}
	if v := l.read(t, "/26300/0/0"); v.String() != "0.5" { // the server does not know the type
		t.Errorf("price %v", v)
	}
	go func() { answered <- l.client(t).Execute(t.Context(), lwm2m.MustPath("/3305/0/5822"), "0='all'") }()
	if r := stream.answer(`{"error": "4.05", "message": "the meter is sealed"}`); r.Op != "execute" || r.Path != "/3305/0/5822" || r.Args != "0='all'" {
		t.Errorf("request %+v", r)
	}
	mustRefuse(t, <-answered, lwm2m.MethodNotAllowed)
}
