package web

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

const token = "the-token"

type definitions struct{}

func (definitions) Object(id uint16) (*model.Definition, bool) {
	if id != 3306 {
		return nil, false
	}
	return &model.Definition{ID: 3306, Name: "Actuation", Multiple: true, Resources: []model.ResourceDefinition{
		{ID: 5850, Name: "On/Off", Ops: model.OpRead | model.OpWrite, Type: lwm2m.TypeBoolean},
		{ID: 5851, Name: "Dimmer", Ops: model.OpRead | model.OpWrite, Type: lwm2m.TypeInteger, Range: model.ParseRange("0..100"), Unit: "/100"},
	}}, true
}

// board is an Operator that records writes.
type board struct {
	written []lwm2m.Node
	refuse  error
}

func (b *board) Registration() Registration { return Registration{Endpoint: "gw", Registered: true} }

func (b *board) Paths(context.Context) ([]lwm2m.Path, error) {
	return []lwm2m.Path{lwm2m.MustPath("/3306/0/5850"), lwm2m.MustPath("/3306/0/5851"), lwm2m.MustPath("/9999/1/1")}, nil
}

func (b *board) Read(_ context.Context, p lwm2m.Path) ([]lwm2m.Node, error) {
	return []lwm2m.Node{{Path: p, Value: lwm2m.Boolean(true)}}, b.refuse
}

func (b *board) Write(_ context.Context, p lwm2m.Path, v lwm2m.Value) error {
	b.written = append(b.written, lwm2m.Node{Path: p, Value: v})
	return b.refuse
}
func (b *board) Execute(context.Context, lwm2m.Path, string) error { return b.refuse }
func (b *board) Observe(ctx context.Context, p lwm2m.Path) ([]lwm2m.Node, error) {
	return b.Read(ctx, p)
}
func (b *board) Cancel(context.Context, lwm2m.Path) error                     { return b.refuse }
func (b *board) WriteAttributes(context.Context, lwm2m.Path, ...string) error { return b.refuse }
func (b *board) Observed() []lwm2m.Path                                       { return nil }

func serve(t *testing.T, b *board) (*httptest.Server, *Feed) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	feed := &Feed{}
	h, err := Handler(Config{
		Operator: b, Definitions: definitions{}, Feed: feed, Token: token, Addr: l.Addr(), Log: slog.New(slog.DiscardHandler),
		Values: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "values") }),
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &httptest.Server{Listener: l, Config: &http.Server{Handler: h}}
	s.Start()
	t.Cleanup(func() { _ = feed.Close(); s.Close() })
	return s, feed
}

func do(t *testing.T, s *httptest.Server, method, path, body string, alter func(*http.Request)) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	if alter != nil {
		alter(req)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestGuard(t *testing.T) {
	s, _ := serve(t, &board{})
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	for _, c := range []struct {
		name  string
		path  string
		alter func(*http.Request)
		want  int
	}{
		{"bearer token", "/api/state", nil, http.StatusOK},
		{"token in the address", "/v1/value?token=" + token, func(r *http.Request) { r.Header.Del("Authorization") }, http.StatusOK},
		{"first visit", "/?token=" + token, func(r *http.Request) { r.Header.Del("Authorization") }, http.StatusSeeOther},
		{"cookie", "/", func(r *http.Request) {
			r.Header.Del("Authorization")
			r.AddCookie(&http.Cookie{Name: cookie, Value: token})
		}, http.StatusOK},
		{"no token", "/api/state", func(r *http.Request) { r.Header.Del("Authorization") }, http.StatusUnauthorized},
		{"no token for the page itself", "/", func(r *http.Request) { r.Header.Del("Authorization") }, http.StatusUnauthorized},
		{"wrong token", "/", func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, http.StatusUnauthorized},
		{"localhost", "/", func(r *http.Request) { r.Host = "localhost:" + port }, http.StatusOK},
		{"foreign host", "/", func(r *http.Request) { r.Host = "evil.example:" + port }, http.StatusMisdirectedRequest},
		{"foreign port", "/", func(r *http.Request) { r.Host = "127.0.0.1:1" }, http.StatusMisdirectedRequest},
		{"own origin", "/", func(r *http.Request) { r.Header.Set("Origin", s.URL) }, http.StatusOK},
		{"foreign origin", "/", func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") }, http.StatusForbidden},
		{"null origin", "/", func(r *http.Request) { r.Header.Set("Origin", "null") }, http.StatusForbidden},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, body := do(t, s, http.MethodGet, c.path, "", c.alter); got != c.want {
				t.Errorf("status %d (%s), want %d", got, body, c.want)
			}
		})
	}
}

func TestOperations(t *testing.T) {
	b := &board{}
	s, _ := serve(t, b)
	for _, c := range []struct {
		name, path, body string
		want             int
		contains         string
	}{
		{"read", "/api/read", `{"path":"/3306/0/5850"}`, http.StatusOK, `{"values":[{"path":"/3306/0/5850","value":true}]}`},
		{"write boolean", "/api/write", `{"path":"/3306/0/5850","value":"true"}`, http.StatusOK, ""},
		{"write number", "/api/write", `{"path":"/3306/0/5851","value":50}`, http.StatusOK, ""},
		{"write of a wrong type", "/api/write", `{"path":"/3306/0/5851","value":"warm"}`, http.StatusUnprocessableEntity, "4.00 Bad Request"},
		{"write to the unknown", "/api/write", `{"path":"/1/2/3","value":1}`, http.StatusUnprocessableEntity, "4.04 Not Found"},
		{"execute", "/api/execute", `{"path":"/3306/0/5850","arguments":"0='a'"}`, http.StatusOK, ""},
		{"observe", "/api/observe", `{"path":"/3306/0/5850"}`, http.StatusOK, "true"},
		{"cancel", "/api/cancel", `{"path":"/3306/0/5850"}`, http.StatusOK, ""},
		{"attributes", "/api/attributes", `{"path":"/3306/0/5850","attributes":["pmin=1"]}`, http.StatusOK, ""},
		{"no such operation", "/api/explode", `{"path":"/3"}`, http.StatusNotFound, "no such operation"},
		{"no path", "/api/read", `{"path":"/3/x"}`, http.StatusBadRequest, "not a path"},
		{"unknown key", "/api/read", `{"pth":"/3"}`, http.StatusBadRequest, "pth"},
		{"no JSON", "/api/read", `path=/3`, http.StatusBadRequest, "cannot be read"},
		{"too long", "/api/write", `{"path":"/3306/0/5850","value":"` + strings.Repeat("x", maxRequest) + `"}`, http.StatusBadRequest, "too large"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, body := do(t, s, http.MethodPost, c.path, c.body, nil)
			if got != c.want || !strings.Contains(body, c.contains) {
				t.Errorf("status %d, body %s; want %d and %q", got, body, c.want, c.contains)
			}
		})
	}
	want := []lwm2m.Node{{Path: lwm2m.MustPath("/3306/0/5850"), Value: lwm2m.Boolean(true)}, {Path: lwm2m.MustPath("/3306/0/5851"), Value: lwm2m.Integer(50)}}
	if d := cmp.Diff(want, b.written, cmp.AllowUnexported(lwm2m.Path{}, lwm2m.Value{})); d != "" {
		t.Error(d)
	}
	if got, _ := do(t, s, http.MethodPost, "/api/read", `{"path":"/3"}`, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }); got != http.StatusUnsupportedMediaType {
		t.Errorf("a form's content type gave %d", got)
	}
	b.refuse = lwm2m.Errorf(lwm2m.MethodNotAllowed, "it is locked")
	if got, body := do(t, s, http.MethodPost, "/api/execute", `{"path":"/3306/0/5850"}`, nil); got != http.StatusUnprocessableEntity || !strings.Contains(body, "it is locked") {
		t.Errorf("a refusal gave %d %s", got, body)
	}
}

func TestState(t *testing.T) {
	s, _ := serve(t, &board{})
	_, body := do(t, s, http.MethodGet, "/api/state", "", nil)
	var got stateOf
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Objects) != 2 || got.Objects[0].Name != "Actuation" || len(got.Objects[0].Instances[0].Resources) != 2 || got.Objects[1].Name != "Object 9999" {
		t.Errorf("state is %+v", got)
	}
	if r := got.Objects[0].Instances[0].Resources[1]; r.Ops != "RW" || r.Range != "0..100" || r.Unit != "/100" || r.Type != "Integer" {
		t.Errorf("resource is %+v", r)
	}
}

func TestFeed(t *testing.T) {
	s, feed := serve(t, &board{})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/api/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Scan() // the stream is open
	feed.Values([]lwm2m.Node{{Path: lwm2m.MustPath("/3306/0/5851"), Value: lwm2m.Integer(7)}})
	var got []string
	for len(got) < 2 && lines.Scan() {
		if lines.Text() != "" {
			got = append(got, lines.Text())
		}
	}
	if d := cmp.Diff([]string{"event: values", `data: [{"path":"/3306/0/5851","value":7}]`}, got); d != "" {
		t.Error(d)
	}
	if err := feed.Close(); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
		if lines.Text() != "" {
			t.Errorf("after the end: %q", lines.Text())
		}
	}
}

func TestFeedDropsForASlowPage(t *testing.T) {
	var f Feed
	ch, _ := f.open()
	for range 2 * feedBuffer {
		f.Objects()
	}
	if len(ch) != feedBuffer {
		t.Errorf("%d events wait, want at most %d", len(ch), feedBuffer)
	}
}
