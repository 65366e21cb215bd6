package control

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/agent/apps"
	"lwm2m-agent/agent/config"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// records is a Store of applications.
type records map[string][]byte

func (r records) List() (map[string][]byte, error) { return maps.Clone(r), nil }

func (r records) SaveAll(changes map[string][]byte) error {
	maps.Copy(r, changes)
	return nil
}

// applications are those of a device: meter of user 4711, and lamp of nobody.
func (d *device) applications() *apps.Apps {
	d.t.Helper()
	a := apps.New(apps.Config{Tree: d.tree, Definitions: testDefinitions(), Store: records{}, Health: d.tracker, Now: clock})
	if err := a.Apply([]config.App{{Name: "meter", User: "4711", Objects: []uint16{3303, 26300}}, {Name: "lamp", User: "nobody", Objects: []uint16{26301}}}); err == nil {
		d.t.Fatal("an application may own what the device serves")
	}
	if err := a.Apply([]config.App{{Name: "meter", User: "4711", Objects: []uint16{26300, 26302}}, {Name: "lamp", User: "nobody", Objects: []uint16{26301}}}); err != nil {
		d.t.Fatal(err)
	}
	return a
}

const meter = `{"objects": [{"id": 26300, "name": "Meter", "version": "1.1", "multiple": true, "resources": [
	{"id": 0, "name": "Power", "operations": "R", "type": "Float", "mandatory": true, "range": "0..5000", "unit": "W"},
	{"id": 1, "name": "Name", "operations": "RW", "type": "String"},
	{"id": 2, "name": "Phases", "operations": "RW", "type": "Integer", "multiple": true},
	{"id": 3, "name": "Reset", "operations": "E"}]}],
	"instances": {"/26300/0": {"0": 20, "2": {"0": 1, "1": 2}, "3": null}}}`

// TestAPIApps: what the routes of applications take and answer is what the file
// says.
func TestAPIApps(t *testing.T) {
	a := readAPI(t)
	d := newDevice(t)
	h := Handler(d, everyone, HandlerOptions{Apps: d.applications()})
	for _, tt := range []struct {
		method, path, target, body string
		status                     int
	}{
		{"GET", "/v1/apps", "/v1/apps", "", 200},
		{"PUT", "/v1/apps/{name}", "/v1/apps/meter", meter, 204},
		{"PUT", "/v1/apps/{name}", "/v1/apps/nobody", meter, 404},
		{"PATCH", "/v1/apps/{name}/values", "/v1/apps/meter/values", `{"/26300/0/0": {"value": 3, "time": "2026-01-02T03:04:05Z"}, "/26300/1": {"0": 1}}`, 204},
		{"PATCH", "/v1/apps/{name}/values", "/v1/apps/meter/values", `{"/26300/1": null}`, 204},
		{"PATCH", "/v1/apps/{name}/values", "/v1/apps/meter/values", `{"/26300/0/0": -1}`, 400},
		{"GET", "/v1/apps", "/v1/apps", "", 200},
		{"POST", "/v1/apps/{name}/answers/{id}", "/v1/apps/meter/answers/7", `{"ok": true}`, 404},
		{"POST", "/v1/apps/{name}/answers/{id}", "/v1/apps/meter/answers/7", `{"error": "4.05", "message": "no"}`, 404},
		{"DELETE", "/v1/apps/{name}", "/v1/apps/meter", "", 204},
		{"DELETE", "/v1/apps/{name}", "/v1/apps/x/y", "", 404},
	} {
		t.Run(tt.method+" "+tt.target, func(t *testing.T) {
			if status := a.checkCall(t, h, tt.path, tt.method, tt.target, tt.body); status != tt.status {
				t.Errorf("status %d, want %d", status, tt.status)
			}
		})
	}
	schema := at(a.doc, "paths", "/v1/apps/{name}/requests", "get", "responses", "200", "content", "application/x-ndjson", "schema")
	for _, r := range shownRequests(testRequests()) {
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		a.checkJSON(t, schema, string(b))
	}
	if status, text := call(Handler(d, everyone, HandlerOptions{}), "PUT", "/v1/apps/meter", meter); status != 404 || !strings.Contains(text, "applications are not served here") {
		t.Errorf("without applications: %d %s", status, text)
	}
}

// testRequests has one of each kind.
func testRequests() []apps.Request {
	p := lwm2m.MustPath
	return []apps.Request{
		{ID: 1, Op: apps.OpWrite, Path: p("/26300/0/1"), Set: []lwm2m.Node{{Path: p("/26300/0/1"), Value: lwm2m.String("a")}}, Server: 101, Deadline: clock()},
		{ID: 2, Op: apps.OpWrite, Path: p("/26300/0/4"), Set: []lwm2m.Node{{Path: p("/26300/0/4"), Value: lwm2m.Boolean(false)}}},
		{ID: 3, Op: apps.OpWrite, Path: p("/26300"), Set: []lwm2m.Node{{Path: p("/26300/0/1"), Value: lwm2m.String("a")}, {Path: p("/26300/7/2/5"), Value: lwm2m.Integer(9)}}},
		{ID: 4, Op: apps.OpWrite, Path: p("/26300/0"), Set: []lwm2m.Node{{Path: p("/26300/0/0"), Value: lwm2m.Float(1.5)}}, Removed: []lwm2m.Path{p("/26300/0/1"), p("/26300/0/2/3")}},
		{ID: 5, Op: apps.OpExecute, Path: p("/26300/0/3"), Args: "0='a'"},
		{ID: 6, Op: apps.OpCreate, Path: p("/26300/8")},
		{ID: 7, Op: apps.OpDelete, Path: p("/26300/8")},
		{ID: 7, Op: apps.OpAbort, Path: p("/26300/8")},
		{Op: apps.OpEnd, Message: "why"},
	}
}

func TestRequestsAsJSON(t *testing.T) {
	requests := shownRequests(testRequests())
	got := make([]string, len(requests))
	for i, r := range requests {
		var b strings.Builder
		if err := encoder(&b).Encode(r); err != nil {
			t.Fatal(err)
		}
		got[i] = strings.TrimSpace(b.String())
	}
	want := []string{
		`{"id":1,"op":"write","path":"/26300/0/1","value":"a","server":101,"deadline":"2026-03-01T11:00:00.123Z"}`,
		`{"id":2,"op":"write","path":"/26300/0/4","value":false}`,
		`{"id":3,"op":"write","path":"/26300","value":{"0":{"1":"a"},"7":{"2":{"5":9}}}}`,
		`{"id":4,"op":"write","path":"/26300/0","value":{"0":1.5,"1":null,"2":{"3":null}}}`,
		`{"id":5,"op":"execute","path":"/26300/0/3","args":"0='a'"}`,
		`{"id":6,"op":"create","path":"/26300/8","value":{}}`,
		`{"id":7,"op":"delete","path":"/26300/8"}`,
		`{"id":7,"op":"abort","path":"/26300/8"}`,
		`{"op":"end","message":"why"}`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestPublishedValues: what a program says is what is read.
func TestPublishedValues(t *testing.T) {
	d := newDevice(t)
	h := Handler(d, everyone, HandlerOptions{Apps: d.applications()})
	must := func(method, target, body string) {
		t.Helper()
		if status, text := call(h, method, target, body); status != http.StatusNoContent {
			t.Fatalf("%s %s: %d %s", method, body, status, text)
		}
	}
	must("PUT", "/v1/apps/meter", meter)
	read := func() (lines []string) {
		readings, err := d.Readings(lwm2m.MustPath("/26300"))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range readings {
			lines = append(lines, fmt.Sprint(r.Path, " ", r.Value, " ", r.Quality, " ", r.Time.UTC().Format("15:04:05")))
		}
		return lines
	}
	for _, tt := range []struct{ body, want string }{
		{`{"26300/0/0": 21.5}`, "/26300/0/0 21.5 good 11:00:00, /26300/0/2/0 1 good 11:00:00, /26300/0/2/1 2 good 11:00:00"},
		{`{"/26300/0/0": {"value": "22", "time": "2026-01-02T03:04:05+01:00", "quality": "uncertain"}}`, "/26300/0/0 22 uncertain 02:04:05, /26300/0/2/0 1 good 11:00:00, /26300/0/2/1 2 good 11:00:00"},
		{`{"/26300/0/0": {"quality": "invalid"}}`, "/26300/0/0 22 invalid 02:04:05, /26300/0/2/0 1 good 11:00:00, /26300/0/2/1 2 good 11:00:00"},
		{`{"/26300/0/0": {"value": 23, "time": 1767323045.5}}`, "/26300/0/0 23 good 03:04:05, /26300/0/2/0 1 good 11:00:00, /26300/0/2/1 2 good 11:00:00"},
		{`{"/26300/0/2": {"value": {"0": 1, "4": {"value": 9, "quality": "stale"}}, "time": 0}}`, "/26300/0/0 23 good 03:04:05, /26300/0/2/0 1 good 00:00:00, /26300/0/2/4 9 stale 00:00:00"},
		{`{"/26300/0/2/5": 7, "/26300/0/2/4": null}`, "/26300/0/0 23 good 03:04:05, /26300/0/2/0 1 good 00:00:00, /26300/0/2/5 7 good 11:00:00"},
		{`{"/26300/0/2": {}, "/26300/0/0": null, "/26300/1": {"1": "x", "2/3": 4}}`, "/26300/1/1 x good 11:00:00, /26300/1/2/3 4 good 11:00:00"},
		{`{"/26300": {"0": {"0": 4}, "1": null}}`, "/26300/0/0 4 good 11:00:00"},
		{`{"/26300/0/0": null}`, ""},
		{`{"/26300/1": {}, "/26300/0": {"1": "y"}}`, "/26300/0/1 y good 11:00:00"},
	} {
		must("PATCH", "/v1/apps/meter/values", tt.body)
		if got := strings.Join(read(), ", "); got != tt.want {
			t.Errorf("%s gives\n%s, want\n%s", tt.body, got, tt.want)
		}
	}
}

// TestRefusedPublications: what is wrong is named with its path and what is
// allowed, and changes nothing.
func TestRefusedPublications(t *testing.T) {
	d := newDevice(t)
	h := Handler(d, everyone, HandlerOptions{Apps: d.applications()})
	if status, text := call(h, "PUT", "/v1/apps/meter", meter); status != http.StatusNoContent {
		t.Fatal(text)
	}
	const registers, publishes = "PUT /v1/apps/meter", "PATCH /v1/apps/meter/values"
	for _, tt := range []struct {
		route, body string
		status      int
		want        string
	}{
		{registers, `{`, 400, "the body is not the JSON that this route takes"},
		{registers, `{"objects": [26300], "more": 1}`, 400, `unknown field`},
		{registers, `{"objects": []}`, 400, "there are no objects"},
		{registers, `{"objects": ["26300"]}`, 400, "the body is not the JSON"},
		{registers, `{"objects": [26302]}`, 400, "object 26302 is not in the OMA registry: give its definition"},
		{registers, `{"objects": [3303]}`, 403, "object 3303 is none of application meter; allowed: [26300 26302]"},
		{registers, `{"objects": [26301]}`, 400, "object 26301 is not in the OMA registry"},
		{registers, `{"objects": [3]}`, 403, "object 3 is none of application meter"},
		{registers, strings.Replace(meter, `"/26300/0"`, `"/26301/0"`, 1), 404, "/26301/0/0: object 26301 is not registered"},
		{registers, strings.Replace(meter, `{"0": 20,`, `{"9": 20,`, 1), 404, "/26300/0/9: object 26300 (Meter) has no resource 9"},
		{publishes, ``, 400, "the body is not the JSON"},
		{publishes, `{}`, 400, "there are no values"},
		{publishes, `{"/26300/0/0": NaN}`, 400, "invalid character 'N'"},
		{publishes, `{"/26300/0/0": "NaN"}`, 400, `/26300/0/0 (Power): not a valid value: \"NaN\" is no Float`},
		{publishes, `{"/26300/0/0": 1e999}`, 400, `/26300/0/0 (Power): not a valid value: \"1e999\" is no Float`},
		{publishes, `{"/26300/0/0": true}`, 400, "/26300/0/0 (Power): not a valid value: true is no Float"},
		{publishes, `{"/26300/0/0": [1]}`, 400, "/26300/0/0 (Power): not a valid value: [1] is no Float"},
		{publishes, `{"/26300/0/0": 5001}`, 400, `/26300/0/0 (Power): \"5001\" is out of range; allowed: 0..5000`},
		{publishes, `{"/26300/0/0": {"value": 1, "when": 2}}`, 400, "/26300/0/0 (Power): json: unknown field"},
		{publishes, `{"/26300/0/0": {"value": 1, "time": "noon"}}`, 400, `/26300/0/0 (Power): time \"noon\" is none; allowed: \"2026-01-02T03:04:05Z\", or seconds`},
		{publishes, `{"/26300/0/0": {"value": 1, "time": -1}}`, 400, `time -1 is none`},
		{publishes, `{"/26300/0/0": {"value": 1, "quality": "best"}}`, 400, `quality \"best\" is none; allowed: good, uncertain, stale, invalid`},
		{publishes, `{"/26300/0/2": 1}`, 400, `/26300/0/2 (Phases) is a multiple resource: give its instances like {\"0\": …, \"1\": …}`},
		{publishes, `{"/26300/0/2": {"a": 1}}`, 400, `/26300/0/2 (Phases): \"a\" is no resource instance`},
		{publishes, `{"/26300/0/2": {"65535": 1}}`, 400, `\"65535\" is no resource instance`},
		{publishes, `{"/26300/0/2": {"0": 1.5}}`, 400, `/26300/0/2/0 (Phases): not a valid value: \"1.5\" is no Integer`},
		{publishes, `{"/26300/0/2": {"0": {"quality": "x"}}}`, 400, `/26300/0/2/0 (Phases): quality \"x\" is none`},
		{publishes, `{"/26300/0/3": 1}`, 400, "/26300/0/3 (Reset) is executed and has no value; allowed: null"},
		{publishes, `{"/26300/0/0/1": 1}`, 400, "/26300/0/0/1: Power is a single resource"},
		{publishes, `{"/26300/0": 1}`, 400, `/26300/0 is an object instance: give values by resource`},
		{publishes, `{"/26300/0": {"x/y": 1}}`, 400, "/26300/0: not a path"},
		{publishes, `{"/26300": 1}`, 400, "/26300 is an object: give values by instance and resource"},
		{publishes, `{"/26300": null}`, 400, "/26300 is an object: give values"},
		{publishes, `{"/26300/0": {"": 1}}`, 400, "names nothing below it"},
		{publishes, `{"/": 1}`, 400, "/ takes no value; allowed"},
		{publishes, `{"x/": 1}`, 400, "/x lies behind a gateway"},
		{publishes, `{"/dev/26300/3": {}}`, 400, "/dev/26300/3 lies behind a gateway"},
		{publishes, `{"/26300/0/0/0/0": 1}`, 400, "not a path"},
		{publishes, `{"/26300/9/0": 1}`, 404, `there is no instance /26300/9; make it`},
		{publishes, `{"/99/0/0": "mine"}`, 404, "/99/0/0: application meter has not registered object 99"},
		{publishes, `{"/26300/0/1": "` + strings.Repeat("x", 8193) + `"}`, 413, "/26300/0/1 (Name): 8193 bytes; allowed: 8192"},
		{publishes, `{"/26300/0/1": "` + strings.Repeat("x", maxBody) + `"}`, 413, "the body is longer than 1048576 bytes"},
		{"POST /v1/apps/meter/answers/x", `{"ok": true}`, 400, `\"x\" is no number of a request`},
		{"POST /v1/apps/meter/answers/1", `{"ok": false}`, 400, `an answer is {\"ok\": true} or`},
		{"POST /v1/apps/meter/answers/1", `{"ok": true, "error": "4.00"}`, 400, `an answer is {\"ok\": true} or`},
		{"POST /v1/apps/meter/answers/1", `{"error": "2.04"}`, 400, `error \"2.04\" is none; allowed: 4.00, 4.01, 4.03, 4.04, 4.05, 4.06, 4.13, 5.00, 5.01, 5.03`},
		{"POST /v1/apps/meter/answers/1", `{"error": "4.00", "message": "` + strings.Repeat("x", 257) + `"}`, 400, "at most 256 bytes"},
		{"POST /v1/apps/meter/answers/1", `{"ok": true}`, 404, "no request 1 of application meter waits for an answer"},
		{"POST /v1/apps/meter", `{}`, 405, "POST is no method of /v1/apps/meter"},
	} {
		method, target, _ := strings.Cut(tt.route, " ")
		if status, text := call(h, method, target, tt.body); status != tt.status || !strings.Contains(text, tt.want) {
			t.Errorf("%s %.80s: %d %s\nwant %d …%s…", tt.route, tt.body, status, text, tt.status, tt.want)
		}
	}
	if readings, err := d.Readings(lwm2m.MustPath("/26300")); err != nil || len(readings) != 3 || readings[0].Value != lwm2m.Float(20) {
		t.Errorf("%v, %v after all that was refused", readings, err)
	}
}

// TestOwning: a user acts for its own application and nothing else.
func TestOwning(t *testing.T) {
	d := newDevice(t)
	h := Handler(d, byPeer, HandlerOptions{Apps: d.applications()})
	const nobody = 65534
	as := func(p peer, method, target, body string) (int, string) {
		r := httptest.NewRequest(method, target, strings.NewReader(body))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), peerKey{}, p)))
		return w.Code, w.Body.String()
	}
	lamp := strings.ReplaceAll(meter, "26300", "26301")
	for _, tt := range []struct {
		who                  peer
		method, target, body string
		status               int
	}{
		{peer{uid: 4711}, "PUT", "/v1/apps/meter", meter, 204},
		{peer{uid: 4711}, "PATCH", "/v1/apps/meter/values", `{"/26300/0/0": 1}`, 204},
		{peer{uid: 4711}, "PUT", "/v1/apps/lamp", lamp, 403},
		{peer{uid: 4711}, "DELETE", "/v1/apps/lamp", "", 403},
		{peer{uid: 4711}, "GET", "/v1/apps/lamp/requests", "", 403},
		{peer{uid: 4711}, "POST", "/v1/apps/lamp/answers/1", `{"ok": true}`, 403},
		{peer{uid: 4711}, "PUT", "/v1/apps/none", meter, 403},
		{peer{uid: 4711}, "PUT", "/v1/value", `{"/3/0/14": "+02:00"}`, 403},
		{peer{uid: 4711}, "GET", "/v1/apps", "", 403},
		{peer{uid: 4711, read: true}, "GET", "/v1/apps", "", 200},
		{peer{uid: nobody}, "PUT", "/v1/apps/lamp", lamp, 204},
		{peer{uid: nobody}, "PUT", "/v1/apps/meter", meter, 403},
		{peer{uid: 1, read: true}, "DELETE", "/v1/apps/lamp", "", 403},
		{peer{uid: 1, read: true, changes: true}, "DELETE", "/v1/apps/lamp", "", 204},
		{peer{uid: 4711, err: context.Canceled}, "DELETE", "/v1/apps/meter", "", 403},
		{peer{uid: 4711}, "DELETE", "/v1/apps/meter", "", 204},
	} {
		if status, text := as(tt.who, tt.method, tt.target, tt.body); status != tt.status {
			t.Errorf("user %d: %s %s: %d %s, want %d", tt.who.uid, tt.method, tt.target, status, text, tt.status)
		}
	}
	_, text := as(peer{uid: 1}, "DELETE", "/v1/apps/meter", "")
	if want := "user 1 may not act for this application; user 4711 may (user of its [[app]]), root, and members of group lwm2m-agent-admin"; !strings.Contains(text, want) {
		t.Errorf("%s, want %s", text, want)
	}
}

// TestRequestsEndWithTheAgent: the last line says why.
func TestRequestsEndWithTheAgent(t *testing.T) {
	d := newDevice(t)
	a := d.applications()
	path := filepath.Join(t.TempDir(), "agent.sock")
	end := start(t, d, SocketOptions{Path: path, Apps: a})
	c := NewClient(path)
	answer, err := c.do(t.Context(), http.MethodGet, "/v1/apps/meter/requests", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text := answer.Header.Get("Content-Type"); text != "application/x-ndjson" {
		t.Errorf("it is %s", text)
	}
	if err := c.send(t.Context(), http.MethodPut, "/v1/apps/meter", json.RawMessage(meter)); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(answer.Body)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	executed := make(chan error, 1)
	go func() {
		executed <- d.tree.Execute(ctx, model.FromServer(101), lwm2m.MustPath("/26300/0/3"), nil)
	}()
	if !lines.Scan() || !strings.Contains(lines.Text(), `"op":"execute","path":"/26300/0/3","server":101`) {
		t.Errorf("line %s", lines.Text())
	}
	ended := make(chan error, 1)
	go func() { ended <- end() }()
	if !lines.Scan() || lines.Text() != `{"op":"end","message":"the agent ends"}` {
		t.Errorf("line %s", lines.Text())
	}
	if lines.Scan() {
		t.Errorf("behind the end stands %s", lines.Text())
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := <-executed; lwm2m.CodeOf(err) != lwm2m.ServiceUnavailable {
		t.Errorf("the request that waited: %v", err)
	}
}
