package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

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
		{ID: 5518, Name: "Timestamp", Ops: model.OpRead | model.OpWrite, Type: lwm2m.TypeTime},
		{ID: 5850, Name: "On/Off", Ops: model.OpRead | model.OpWrite, Type: lwm2m.TypeBoolean},
		{ID: 5851, Name: "Dimmer", Ops: model.OpRead | model.OpWrite, Type: lwm2m.TypeInteger, Range: model.ParseRange("0..100"), Unit: "/100"},
	}}, true
}

// board is an Operator that records writes.
type board struct {
	written  []lwm2m.Node
	refuse   error
	observed []lwm2m.Path
	nothing  bool // it has no objects
}

func (b *board) Registration() Registration { return Registration{Endpoint: "gw", Registered: true} }

func (b *board) Instances() []lwm2m.Path {
	if b.nothing {
		return nil
	}
	return []lwm2m.Path{lwm2m.MustPath("/3306/0"), lwm2m.MustPath("/3306/7"), lwm2m.MustPath("/9999/1")}
}

func (b *board) Discover(_ context.Context, p lwm2m.Path) ([]Found, error) {
	return []Found{{Path: p.Child(5850), Attributes: []string{"pmin=5"}}}, b.refuse
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
	b.observed = append(b.observed, p)
	return b.Read(ctx, p)
}

func (b *board) Cancel(context.Context, lwm2m.Path) error {
	b.observed = nil
	return b.refuse
}
func (b *board) WriteAttributes(context.Context, lwm2m.Path, ...string) error { return b.refuse }
func (b *board) Observed() []lwm2m.Path                                       { return b.observed }

func serve(t *testing.T, b *board, change ...func(*Config)) (*httptest.Server, *Feed) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	feed := &Feed{}
	cfg := Config{
		Operator: b, Definitions: definitions{}, Feed: feed, Token: token, Addr: l.Addr(), Log: slog.New(slog.DiscardHandler),
		Values: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "values") }),
	}
	for _, f := range change {
		f(&cfg)
	}
	h, err := Handler(cfg)
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
	if resp.Header.Get("Content-Type") == "text/event-stream" {
		return resp.StatusCode, "" // it has no end
	}
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
		{"first visit", "/?token=" + token, func(r *http.Request) { r.Header.Del("Authorization") }, http.StatusOK},
		{"cookie, which a browser shows at every port", "/api/state", func(r *http.Request) {
			r.Header.Del("Authorization")
			r.AddCookie(&http.Cookie{Name: "lwm2m-page-" + port, Value: token})
		}, http.StatusUnauthorized},
		{"no token", "/api/state", func(r *http.Request) { r.Header.Del("Authorization") }, http.StatusUnauthorized},
		{"no token for events", "/api/events", func(r *http.Request) { r.Header.Del("Authorization") }, http.StatusUnauthorized},
		{"no token for values", "/v1/value", func(r *http.Request) { r.Header.Del("Authorization") }, http.StatusUnauthorized},
		{"no token for the page's files", "/", func(r *http.Request) { r.Header.Del("Authorization") }, http.StatusOK},
		{"no token by another path", "//api/state", func(r *http.Request) { r.Header.Del("Authorization") }, http.StatusTemporaryRedirect},
		{"wrong token", "/api/state", func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, http.StatusUnauthorized},
		{"localhost", "/", func(r *http.Request) { r.Host = "localhost:" + port }, http.StatusOK},
		{"foreign host", "/", func(r *http.Request) { r.Host = "evil.example:" + port }, http.StatusMisdirectedRequest},
		{"no host", "/", func(r *http.Request) { r.Host = "" }, http.StatusOK}, // becomes the address's
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
		{"read", "/api/read", `{"path":"/3306/0/5850"}`, http.StatusOK, `"values":[{"path":"/3306/0/5850","value":true}]}`},
		{"write boolean", "/api/write", `{"path":"/3306/0/5850","value":"true"}`, http.StatusOK, ""},
		{"write number", "/api/write", `{"path":"/3306/0/5851","value":50}`, http.StatusOK, ""},
		{"write of a wrong type", "/api/write", `{"path":"/3306/0/5851","value":"warm"}`, http.StatusOK, `"refused":{"message":"4.00 Bad Request`},
		{"write to the unknown", "/api/write", `{"path":"/1/2/3","value":1}`, http.StatusOK, `"refused":{"message":"4.04 Not Found`},
		{"execute", "/api/execute", `{"path":"/3306/0/5850","arguments":"0='a'"}`, http.StatusOK, ""},
		{"write time as people do", "/api/write", `{"path":"/3306/0/5518","value":"2030-01-02T03:04:05Z"}`, http.StatusOK, ""},
		{"write time in seconds", "/api/write", `{"path":"/3306/0/5518","value":5}`, http.StatusOK, ""},
		{"discover", "/api/discover", `{"path":"/3306/0"}`, http.StatusOK, `"found":[{"path":"/3306/0/5850","attributes":["pmin=5"]}]}`},
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
	at := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	want := []lwm2m.Node{
		{Path: lwm2m.MustPath("/3306/0/5850"), Value: lwm2m.Boolean(true)},
		{Path: lwm2m.MustPath("/3306/0/5851"), Value: lwm2m.Integer(50)},
		{Path: lwm2m.MustPath("/3306/0/5518"), Value: lwm2m.Time(at)},
		{Path: lwm2m.MustPath("/3306/0/5518"), Value: lwm2m.UnixTime(5)},
	}
	if d := cmp.Diff(want, b.written, cmp.AllowUnexported(lwm2m.Path{}, lwm2m.Value{})); d != "" {
		t.Error(d)
	}
	if got, _ := do(t, s, http.MethodPost, "/api/read", `{"path":"/3"}`, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }); got != http.StatusUnsupportedMediaType {
		t.Errorf("a form's content type gave %d", got)
	}
}

// TestRefusals: what the board does not do is told in words, and is no failure
// of the request.
func TestRefusals(t *testing.T) {
	b := &board{}
	s, _ := serve(t, b)
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"a code and a reason", lwm2m.Errorf(lwm2m.MethodNotAllowed, "it is locked"), "4.05 Method Not Allowed: it is locked"},
		{"wrapped", fmt.Errorf("write: %w", lwm2m.Errorf(lwm2m.Forbidden, "no")), "4.03 Forbidden: no"},
		{"no answer", fmt.Errorf("PUT: %w", context.DeadlineExceeded), "the board has not answered within 30s"},
		{"anything else", errors.New("the client is asleep"), "the client is asleep"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.refuse = c.err
			for _, operation := range []string{"discover", "read", "execute", "observe", "cancel", "attributes"} {
				got, body := do(t, s, http.MethodPost, "/api/"+operation, `{"path":"/3306/0/5850"}`, nil)
				var a answer
				if err := json.Unmarshal([]byte(body), &a); err != nil || got != http.StatusOK || a.Refused == nil || a.Refused.Message != c.want || a.Values != nil {
					t.Errorf("%s: status %d, body %s; want %q", operation, got, body, c.want)
				}
			}
		})
	}
}

// TestGuardBehindAForwardedPort: the port is not the page's own, the name still is one of this machine's.
func TestGuardBehindAForwardedPort(t *testing.T) {
	s, _ := serve(t, &board{}, func(c *Config) { c.Addr = nil })
	for host, want := range map[string]int{
		"localhost:9000": http.StatusOK, "LOCALHOST": http.StatusOK, "127.0.0.1:1": http.StatusOK, "[::1]:9000": http.StatusOK, "[::1]": http.StatusOK,
		"evil.example:9000": http.StatusMisdirectedRequest, "192.0.2.1:9000": http.StatusMisdirectedRequest, "localhost.evil.example": http.StatusMisdirectedRequest,
		"0.0.0.0:9000": http.StatusMisdirectedRequest, "127.0.0.1.evil.example": http.StatusMisdirectedRequest,
	} {
		if got, body := do(t, s, http.MethodGet, "/", "", func(r *http.Request) { r.Host = host }); got != want {
			t.Errorf("%s: status %d (%.60s), want %d", host, got, body, want)
		}
	}
	// Pages of other ports are other origins, on the same machine too.
	for origin, want := range map[string]int{"http://localhost:9000": http.StatusOK, "http://localhost:9001": http.StatusForbidden, "https://localhost:9000": http.StatusForbidden} {
		got, _ := do(t, s, http.MethodPost, "/api/read", `{"path":"/3306/0/5850"}`, func(r *http.Request) { r.Host = "localhost:9000"; r.Header.Set("Origin", origin) })
		if got != want {
			t.Errorf("from %s: status %d, want %d", origin, got, want)
		}
	}
}

// TestReadOnly: a page that only shows refuses what would change the board, and says so.
func TestReadOnly(t *testing.T) {
	b := &board{}
	s, _ := serve(t, b, func(c *Config) { c.ReadOnly, c.Token = true, "" })
	for operation, want := range map[string]int{
		"read": http.StatusOK, "discover": http.StatusOK, "observe": http.StatusOK, "cancel": http.StatusOK,
		"write": http.StatusForbidden, "execute": http.StatusForbidden, "attributes": http.StatusForbidden,
	} {
		got, body := do(t, s, http.MethodPost, "/api/"+operation, `{"path":"/3306/0/5850","value":"true"}`, func(r *http.Request) { r.Header.Del("Authorization") })
		if got != want {
			t.Errorf("%s: status %d (%s), want %d", operation, got, body, want)
		}
	}
	if len(b.written) > 0 {
		t.Errorf("it wrote %v", b.written)
	}
	if _, body := do(t, s, http.MethodGet, "/api/state", "", nil); !strings.Contains(body, `"readOnly":true`) {
		t.Errorf("the state is %s", body)
	}
}

// TestGuardWhereverItListens: on all addresses, the page answers at the one that
// a request came to.
func TestGuardWhereverItListens(t *testing.T) {
	p := &page{Config: Config{Addr: &net.TCPAddr{IP: net.IPv6unspecified, Port: 80}}, port: "80"}
	for host, want := range map[string]bool{
		"192.0.2.1:80": true, "192.0.2.1": true, "localhost": true, "LOCALHOST:80": true, "192.0.2.2": false, "board.example": false, "192.0.2.1:8080": false,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = host
		ctx := context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80}))
		if got := p.ownHost(r.WithContext(ctx)); got != want {
			t.Errorf("%s: %v, want %v", host, got, want)
		}
	}
}

// TestFiles: the page has what it refers to, and refers to nothing outside.
func TestFiles(t *testing.T) {
	s, _ := serve(t, &board{})
	reference := regexp.MustCompile(`(?:src|href|from|import)[ =(]*"([^"#]+)"`)
	seen := map[string]bool{}
	for open := []string{"index.html"}; len(open) > 0; open = open[1:] {
		if seen[open[0]] {
			continue
		}
		seen[open[0]] = true
		path := open[0]
		if path == "index.html" {
			path = ""
		}
		status, body := do(t, s, http.MethodGet, "/"+path, "", nil)
		if status != http.StatusOK {
			t.Errorf("%s: status %d", open[0], status)
		}
		for _, m := range reference.FindAllStringSubmatch(body, -1) {
			open = append(open, strings.TrimPrefix(m[1], "./"))
		}
		body = strings.ReplaceAll(body, "http://www.w3.org/2000/svg", "") // a name, not an address
		if strings.Contains(body, "http:") || strings.Contains(body, "https:") {
			t.Errorf("%s refers to something outside", open[0])
		}
	}
	entries, err := files.ReadDir("page")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !seen[e.Name()] {
			t.Errorf("nothing refers to %s", e.Name())
		}
	}
}
