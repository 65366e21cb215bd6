//go:build web

package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lwm2m-agent/agent/control"
	"lwm2m-agent/agent/web"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/objects/registry"
)

// large is a board with many instances, which can be told to be slow. Each has a sensor value that is its number.
type large struct {
	instances int
	hold      atomic.Pointer[chan struct{}] // requests wait until it is closed; nil: they do not
	requests  atomic.Int64
	refusal   atomic.Pointer[error]
	quality   atomic.Int64 // of each sensor (6042); 0: it tells none
	troubles  []control.Trouble
}

func (l *large) Registration() web.Registration {
	return web.Registration{Endpoint: "large", Server: "coap://server.invalid", State: "registered", Registered: true}
}

func (l *large) Instances() (paths []lwm2m.Path) {
	for i := range l.instances {
		paths = append(paths, lwm2m.NewPath(3303, uint16(i)))
	}
	return append(paths, lwm2m.NewPath(3306, 0))
}

// request counts, waits and refuses.
func (l *large) request(ctx context.Context) error {
	l.requests.Add(1)
	if hold := l.hold.Load(); hold != nil {
		select {
		case <-*hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if refusal := l.refusal.Load(); refusal != nil {
		return *refusal
	}
	return nil
}

func (l *large) Discover(ctx context.Context, p lwm2m.Path) (found []web.Found, err error) {
	rids := []uint16{5700, 5701}
	if p.Object() == 3306 {
		rids = []uint16{5850}
	}
	for _, rid := range rids {
		found = append(found, web.Found{Path: p.Child(rid), Attributes: []string{}})
	}
	return found, l.request(ctx)
}

func (l *large) Read(ctx context.Context, p lwm2m.Path) ([]lwm2m.Node, error) {
	instance := p.At(lwm2m.LevelInstance)
	if p.Object() == 3306 {
		return []lwm2m.Node{{Path: instance.Child(5850), Value: lwm2m.Boolean(false)}}, l.request(ctx)
	}
	nodes := []lwm2m.Node{
		{Path: instance.Child(5700), Value: lwm2m.Float(float64(p.Instance()))}, {Path: instance.Child(5701), Value: lwm2m.String("Cel")},
	}
	if q := l.quality.Load(); q != 0 {
		nodes = append(nodes, lwm2m.Node{Path: instance.Child(6042), Value: lwm2m.Integer(q)})
	}
	return nodes, l.request(ctx)
}

func (l *large) Write(ctx context.Context, _ lwm2m.Path, _ lwm2m.Value) error { return l.request(ctx) }

func (l *large) Execute(ctx context.Context, _ lwm2m.Path, _ string) error { return l.request(ctx) }

func (l *large) Observe(ctx context.Context, p lwm2m.Path) ([]lwm2m.Node, error) {
	return l.Read(ctx, p)
}

func (l *large) Cancel(ctx context.Context, _ lwm2m.Path) error { return l.request(ctx) }

func (l *large) WriteAttributes(ctx context.Context, _ lwm2m.Path, _ ...string) error {
	return l.request(ctx)
}
func (l *large) Observed() []lwm2m.Path { return nil }

// visitBoard opens the page of a board that is no demo's.
func visitBoard(t *testing.T, l *large) (*Page, *web.Feed) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	feed := &web.Feed{}
	handler, err := web.Handler(web.Config{
		Operator: l, Definitions: registry.Definitions(), Feed: feed, Token: "token", Addr: listener.Addr(), Log: slog.New(slog.DiscardHandler),
		Troubles: func() []control.Trouble { return l.troubles },
	})
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: handler}}
	server.Start()
	t.Cleanup(server.Close)
	p := Start(t).Open(t, server.URL+"/?token=token")
	t.Cleanup(func() {
		checkManners(t, p, server.URL+"/")
		feed.Close() // server.Close would wait for the event stream
	})
	return p, feed
}

// TestManyInstances: a page of a thousand instances is not a thousand times as large, and asks the board for what is seen only.
// It takes the time, so nothing runs beside it.
func TestManyInstances(t *testing.T) {
	const many = 1000
	l := &large{instances: many}
	p, feed := visitBoard(t, l)
	settle(t, p)
	cards := func() (n int) { p.Eval(t, `document.querySelectorAll(".card").length`, &n); return n }
	if n := cards(); n != 24 {
		t.Errorf("%d cards at first", n)
	}
	p.Click(t, "#cards-more")
	p.WaitFor(t, `document.querySelectorAll(".card").length === 48`)
	settle(t, p)
	var took float64
	p.Eval(t, `(() => {
		const began = performance.now();
		document.querySelector('.object[data-path="/3303"] > summary').click();
		return new Promise((resolve) => requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - began), 0)));
	})()`, &took)
	t.Logf("an object of %d instances was opened within %.0f ms", many, took)
	if limit := 2000.0; took > limit {
		t.Errorf("the page was frozen for %.0f ms, want at most %.0f", took, limit)
	}
	p.WaitFor(t, `document.querySelectorAll(".instance").length === 50`)
	p.WaitText(t, object("/3303")+" > button", "Show 50 more of 1000 instances")
	p.Click(t, object("/3303")+" > button")
	p.WaitFor(t, `document.querySelectorAll(".instance").length === 100 && document.querySelectorAll(".row").length === 0`)
	before := l.requests.Load()
	p.Type(t, "#find", "/3303/877")
	p.WaitText(t, row("/3303/877/5700")+" .value", "877 °C")
	if n := l.requests.Load() - before; n != 2 {
		t.Errorf("%d requests for one instance, want Discover and Read", n)
	}
	// Notifications of everything, ten times over, do not hold it up.
	nodes := make([]lwm2m.Node, 0, many)
	for round := range 10 {
		nodes = nodes[:0]
		for i := range many {
			nodes = append(nodes, lwm2m.Node{Path: lwm2m.NewPath(3303, uint16(i), 5700), Value: lwm2m.Float(float64(i + round))})
		}
		feed.Values(nodes)
	}
	p.WaitText(t, row("/3303/877/5700")+" .value", "886 °C")
}

// TestSlowBoard: the page says that it waits, goes on to work, and asks once.
func TestSlowBoard(t *testing.T) {
	t.Parallel()
	l := &large{instances: 1}
	p, feed := visitBoard(t, l)
	settle(t, p)
	hold := make(chan struct{})
	l.hold.Store(&hold)
	before := l.requests.Load()
	relay := card("/3306/0") + " .switch"
	p.Click(t, relay)
	p.Click(t, relay)
	p.WaitText(t, "#notice", "Write /3306/0/5850: waiting for the board …")
	p.WaitFor(t, element(relay)+".getAttribute('aria-busy') === 'true'")
	feed.Values([]lwm2m.Node{{Path: lwm2m.MustPath("/3303/0/5700"), Value: lwm2m.Float(33)}})
	p.WaitText(t, card("/3303/0")+" .now", "33") // other things go on
	p.Click(t, object("/3303")+" > summary")
	p.WaitText(t, inst("/3303/0"), "Waiting for the board …")
	close(hold)
	l.hold.Store(nil)
	p.WaitText(t, "#notice", "Write /3306/0/5850: done")
	p.WaitText(t, row("/3303/0/5701")+" .value", "Cel")
	if n := l.requests.Load() - before; n != 4 {
		t.Errorf("%d requests, want Write, Read, Discover, Read", n)
	}
}

// TestOvertaken: an answer that a later notification has overtaken does not bring its old value back.
func TestOvertaken(t *testing.T) {
	t.Parallel()
	l := &large{instances: 1}
	p, feed := visitBoard(t, l)
	settle(t, p)
	p.Click(t, object("/3303")+" > summary")
	p.WaitText(t, row("/3303/0/5700")+" .value", "0 °C")
	hold := make(chan struct{})
	l.hold.Store(&hold)
	before := l.requests.Load()
	p.Click(t, inst("/3303/0")+" "+named("Read Temperature"))
	p.WaitText(t, "#notice", "waiting for the board")
	if l.requests.Load() == before {
		t.Fatal("the board was not asked")
	}
	feed.Values([]lwm2m.Node{{Path: lwm2m.MustPath("/3303/0/5700"), Value: lwm2m.Float(5)}})
	p.WaitText(t, row("/3303/0/5700")+" .value", "5 °C")
	close(hold)
	p.WaitText(t, "#notice", "Read /3303/0: done")
	if got := p.Text(t, row("/3303/0/5700")+" .value"); got != "5 °C" {
		t.Errorf("the value went back to %s", got)
	}
}

// TestRefusals: what the board refuses, and that it does not answer, is told in words, and can be tried again.
func TestRefusals(t *testing.T) {
	t.Parallel()
	l := &large{instances: 1}
	p, _ := visitBoard(t, l)
	settle(t, p)
	for _, c := range []struct {
		err  error
		want string
	}{
		{lwm2m.Errorf(lwm2m.MethodNotAllowed, "it is locked"), "Write /3306/0/5850: 4.05 Method Not Allowed: it is locked"},
		{fmt.Errorf("PUT: %w", context.DeadlineExceeded), "Write /3306/0/5850: the board has not answered within 30s"},
		{errors.New("the client is asleep"), "Write /3306/0/5850: the client is asleep"},
	} {
		l.refusal.Store(&c.err)
		p.Click(t, card("/3306/0")+" .switch")
		p.WaitText(t, "#notice", c.want)
		idle(t, p)
	}
	p.Click(t, object("/3303")+" > summary")
	p.WaitText(t, inst("/3303/0"), "the client is asleep. Read tries again.")
	l.refusal.Store(nil)
	p.Click(t, "#notice-close")
	p.WaitFor(t, "document.getElementById('notice').hidden")
	p.Click(t, inst("/3303/0")+" "+named("Read Temperature"))
	p.WaitText(t, row("/3303/0/5700")+" .value", "0 °C")
}

// TestTroubles: the page says what is wrong, since when and what to do, once for all of a kind, and when it is over.
func TestTroubles(t *testing.T) {
	t.Parallel()
	failing := func(on, why string) control.Trouble {
		return control.Trouble{
			Code: "sensor-failing", Severity: "error", Text: "the sensor gives no values", Subject: "sensor", On: on, Detail: why,
			Remedy: "Check wiring; `lwm2m-agent scan` shows what answers.", Since: time.Now(),
		}
	}
	l := &large{instances: 1, troubles: []control.Trouble{failing("cold room", "no device answers"), failing("door", "<b>no</b> line")}}
	p, feed := visitBoard(t, l)
	settle(t, p)
	p.WaitText(t, "#health", "Health: 2 errors")
	p.Click(t, "#health a")
	for _, want := range []string{
		"error the sensor gives no values sensor-failing", "sensor cold room since ", "no device answers", "sensor door since ", "<b>no</b> line",
		"What to do: Check wiring; lwm2m-agent scan shows what answers.",
	} {
		p.WaitText(t, "#troubles", want)
	}
	if text := p.Text(t, "#troubles"); strings.Count(text, "What to do") != 1 {
		t.Errorf("what to do is said more than once: %s", text)
	}
	p.Screenshot(t, "troubles")
	missing := failing("", "")
	missing.Code, missing.Severity, missing.Subject, missing.Text = "server-missing", "warning", "", "no server is configured"
	feed.Troubles([]control.Trouble{missing})
	p.WaitText(t, "#health", "Health: 1 warning")
	p.WaitText(t, "#troubles", "no server is configured")
	feed.Troubles(nil)
	p.WaitText(t, "#health", "Health: no troubles")
	p.WaitFor(t, "document.getElementById('troubles').hidden")
}

// TestDoubt: a value that is not good says so, as long as it is not.
func TestDoubt(t *testing.T) {
	t.Parallel()
	l := &large{instances: 1}
	l.quality.Store(1)
	p, feed := visitBoard(t, l)
	settle(t, p)
	p.WaitText(t, card("/3303/0")+" .doubt", "invalid")
	tell := func(quality int64) {
		feed.Values([]lwm2m.Node{{Path: lwm2m.MustPath("/3303/0/6042"), Value: lwm2m.Integer(quality)}})
	}
	tell(3)
	p.WaitText(t, card("/3303/0")+" .doubt", "uncertain")
	tell(4)
	p.WaitFor(t, element(card("/3303/0")+" .doubt")+".hidden")
}

// TestLongValue: a long value is shortened in its line, and whole behind its name; bytes that are text can be read.
func TestLongValue(t *testing.T) {
	t.Parallel()
	p, feed := visitBoard(t, &large{instances: 1})
	settle(t, p)
	unfold(t, p, "/3303")
	long := strings.Repeat("0123456789", 50)
	feed.Values([]lwm2m.Node{{Path: lwm2m.MustPath("/3303/0/5701"), Value: lwm2m.String(long)}})
	units := row("/3303/0/5701")
	p.WaitText(t, units+" .value", "0123456789… (500 characters)")
	p.Click(t, units+" .opener")
	p.WaitFor(t, element(units+" .whole")+".innerText === "+quote(long))
	feed.Values([]lwm2m.Node{{Path: lwm2m.MustPath("/3303/0/5701"), Value: lwm2m.String("Cel")}})
	p.WaitFor(t, element(units+" .whole")+".hidden")
}

// TestFormats: values as people read them.
func TestFormats(t *testing.T) {
	t.Parallel()
	p, _ := visitBoard(t, &large{instances: 1})
	for expression, want := range map[string]string{
		`f.number(21.456789012345)`:                     "21.456789",
		`f.number(100360.4, 4)`:                         "100360",
		`f.number(1e-7, 4)`:                             "1e-7",
		`f.number(123456789012)`:                        "123456789012",
		`f.withUnit(3.5, "Cel")`:                        "3.5 °C",
		`f.withUnit("text", "")`:                        "text",
		`f.withUnit(true)`:                              "true",
		`f.unit("furlong")`:                             "furlong",
		`f.duration(0)`:                                 "never ends",
		`f.duration(600)`:                               "10 min",
		`f.duration(86400)`:                             "1 d",
		`f.duration(7200)`:                              "2 h",
		`f.duration(61)`:                                "61 s",
		`f.exactTime(new Date(2026, 1, 2, 3, 4, 5, 6))`: "03:04:05.006",

		`f.readable("aGkK4oKs")`: "hi\n€",
		`f.readable("AAEC")`:     "",
		`f.readable("/w==")`:     "",
		`f.shorten("short")`:     "short",

		`f.when(new Date(2026, 1, 2, 3, 4, 5), new Date(2026, 1, 2, 0, 0, 0))`:    "03:04:05",
		`f.when(new Date(2026, 1, 2, 3, 4, 5), new Date(2026, 1, 3, 0, 0, 0))`:    "2026-02-02 03:04",
		`f.when(new Date(2026, 0, 31, 23, 4, 5), new Date(2026, 1, 28, 1, 0, 0))`: "2026-01-31 23:04",
	} {
		var got string
		if p.Eval(t, `import("./format.js").then((f) => `+expression+`)`, &got); got != want {
			t.Errorf("%s is %q, want %q", expression, got, want)
		}
	}
	var policy string
	p.Eval(t, `fetch("app.js").then((r) => r.headers.get("Content-Security-Policy"))`, &policy)
	if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("the policy is %q", policy)
	}
}
