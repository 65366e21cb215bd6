package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/agent/health"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

func everyone(*http.Request, Access) error { return nil }

// call asks a handler and returns status and body.
func call(h http.Handler, method, target, body string) (int, string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, target, strings.NewReader(body)))
	return w.Code, strings.TrimSpace(w.Body.String())
}

func TestAnswers(t *testing.T) {
	d := newDevice(t)
	d.tracker.Set(health.SensorFailing, "cold room", "no device answers")
	h := Handler(d, everyone, HandlerOptions{})
	const trouble = `{"code":"sensor-failing","severity":"error","text":"the sensor gives no values","subject":"sensor","on":"cold room","detail":"no device answers",` +
		`"remedy":"Check wiring, bus and address; ` + "`lwm2m-agent scan`" + ` shows what answers. Its object stays, with the last value marked invalid, and the sensor is tried again by itself.","since":"2026-03-01T11:00:00.123Z"}`
	tests := []struct{ name, method, target, want string }{
		{"status", "GET", "/v1/status", `{"endpoint":"urn:dev:os:32473-gw-17","version":"1.0","started":"2026-03-01T11:00:00.123Z","state_dir":"/state","servers":[{"short_server_id":101,"uri":"coaps://lwm2m.example.com:5684","state":"registered","words":"registered","since":"2026-03-01T11:00:00.123Z","lifetime":3600,"queue_mode":false,"sent_bytes":0,"received_bytes":0,"sent_messages":0,"received_messages":0,"retransmissions":0,"observations":0,"queued":0}],"health":[` + trouble + `]}`},
		{"health", "GET", "/v1/health", "[" + trouble + "]"},
		{"one value", "GET", "/v1/value?path=/3/0/0", `[{"path":"/3/0/0","name":"Manufacturer","type":"String","value":"Example","unit":"","time":"2026-03-01T11:00:00.123Z","quality":"good"}]`},
		{"unit of the definition", "GET", "/v1/value?path=/3/0/9", `[{"path":"/3/0/9","name":"Battery Level","type":"Integer","value":80,"unit":"%","time":"2026-03-01T11:00:00.123Z","quality":"good"}]`},
		{"by name, with unit and quality", "GET", "/v1/value?path=/temperature/0/5700", `[{"path":"/3303/0/5700","name":"Sensor Value","type":"Float","value":21.5,"unit":"Cel","time":"2026-03-01T11:00:00.123Z","quality":"stale"}]`},
		{"several paths", "GET", "/v1/value?path=/3/0/11&path=/3303/0/5601", `[{"path":"/3/0/11/0","name":"Error Code","type":"Integer","value":1,"unit":"","time":"2026-03-01T11:00:00.123Z","quality":"good"},{"path":"/3/0/11/1","name":"Error Code","type":"Integer","value":8,"unit":"","time":"2026-03-01T11:00:00.123Z","quality":"good"},{"path":"/3303/0/5601","name":"Min Measured Value","type":"Float","value":18,"unit":"Cel","time":"2026-03-01T11:00:00.123Z","quality":"good"}]`},
		{"tree of a resource", "GET", "/v1/tree?path=/3/0/11", `[{"path":"/3/0/11","name":"Error Code","type":"Integer","operations":"R","multiple":true,"mandatory":true},{"path":"/3/0/11/0","value":1,"time":"2026-03-01T11:00:00.123Z","quality":"good"},{"path":"/3/0/11/1","value":8,"time":"2026-03-01T11:00:00.123Z","quality":"good"}]`},
		{"tree of one to execute", "GET", "/v1/tree?path=/3/0/4", `[{"path":"/3/0/4","name":"Reboot","type":"None","operations":"E","mandatory":true}]`},
		{"tree of one that has no value yet", "GET", "/v1/tree?path=/3303/1", `[{"path":"/3303/1"},{"path":"/3303/1/5700","name":"Sensor Value","type":"Float","operations":"R","mandatory":true}]`},
		{"tree of keys", "GET", "/v1/tree?path=/0", `[{"path":"/0","name":"LWM2M Security","version":"1.2","multiple":true,"mandatory":true},{"path":"/0/0"},{"path":"/0/0/0","name":"LWM2M Server URI","type":"String","mandatory":true,"value":"coaps://lwm2m.example.com:5684","time":"2026-03-01T11:00:00.123Z","quality":"good"},{"path":"/0/0/5","name":"Secret Key","type":"Opaque"}]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, got := call(h, tt.method, tt.target, "")
			if code != http.StatusOK {
				t.Errorf("status %d", code)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestTree: every place once, in order, with its value.
func TestTree(t *testing.T) {
	h := Handler(newDevice(t), everyone, HandlerOptions{})
	code, text := call(h, "GET", "/v1/tree", "")
	var places []Place
	if err := json.Unmarshal([]byte(text), &places); err != nil || code != http.StatusOK {
		t.Fatal(code, err)
	}
	last := lwm2m.Path{}
	values := 0
	for _, p := range places {
		path, err := lwm2m.ParsePath(p.Path)
		if err != nil || last.Compare(path) >= 0 {
			t.Errorf("%s after %s: %v", p.Path, last, err)
		}
		last = path
		if p.Value != nil {
			values++
		}
	}
	// Security 1, Device 6 (an error code each), Types 11, Temperature 3.
	if values != 1+6+11+3 {
		t.Errorf("%d values", values)
	}
	if strings.Contains(text, "very secret") || strings.Contains(text, "dmVyeSBzZWNyZXQ") {
		t.Error("a key got out")
	}
}

func TestValuesOfEveryType(t *testing.T) {
	d := newDevice(t)
	h := Handler(d, everyone, HandlerOptions{})
	_, text := call(h, "GET", "/v1/value?path=/99", "")
	var raw []struct{ Value json.RawMessage }
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		t.Fatal(err)
	}
	got := make([]string, len(raw))
	for i, v := range raw {
		got[i] = string(v.Value)
	}
	want := []string{`"text"`, "-9223372036854775808", "18446744073709551615", "21.5", "true", `"AAH/"`, "1700000000", `"3:0"`, `"</3/0>"`, `"a"`, `"b"`}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestWrite(t *testing.T) {
	tests := []struct {
		path, value string
		want        lwm2m.Value
	}{
		{"/99/0/0", `"ä"`, lwm2m.String("ä")},
		{"/99/0/0", `"5"`, lwm2m.String("5")},
		{"/99/0/1", `-9223372036854775808`, lwm2m.Integer(-1 << 63)},
		{"/99/0/1", `"-5"`, lwm2m.Integer(-5)},
		{"/99/0/2", `18446744073709551615`, lwm2m.Unsigned(1<<64 - 1)},
		{"/99/0/3", `1e3`, lwm2m.Float(1000)},
		{"/99/0/3", `"-0.25"`, lwm2m.Float(-0.25)},
		{"/99/0/4", `false`, lwm2m.Boolean(false)},
		{"/99/0/4", `0`, lwm2m.Boolean(false)},
		{"/99/0/4", `"false"`, lwm2m.Boolean(false)},
		{"/99/0/5", `"AAH/"`, lwm2m.Opaque([]byte{0, 1, 0xff})},
		{"/99/0/6", `1600000000`, lwm2m.UnixTime(1_600_000_000)},
		{"/99/0/7", `"99:0"`, lwm2m.Objlnk(99, 0)},
		{"/99/0/8", `"</4>"`, lwm2m.Corelnk("</4>")},
		{"/99/0/9/1", `"c"`, lwm2m.String("c")},
	}
	for _, tt := range tests {
		t.Run(tt.path+" "+tt.value, func(t *testing.T) {
			d := newDevice(t)
			code, text := call(Handler(d, everyone, HandlerOptions{}), "PUT", "/v1/value", `{"`+tt.path+`": `+tt.value+`}`)
			if code != http.StatusNoContent || text != "" {
				t.Fatalf("%d %s", code, text)
			}
			if got := d.tree.Value(lwm2m.MustPath(tt.path)); got != tt.want {
				t.Errorf("there is %v %s, want %v %s", got.Type(), got, tt.want.Type(), tt.want)
			}
		})
	}
}

func TestWriteSeveral(t *testing.T) {
	d := newDevice(t)
	h := Handler(d, everyone, HandlerOptions{})
	code, text := call(h, "PUT", "/v1/value", `{"/3/0/14": "+02:00", "/99/0/9": {"0": "x", "7": "y"}}`)
	if code != http.StatusNoContent {
		t.Fatalf("%d %s", code, text)
	}
	for path, want := range map[string]string{"/3/0/14": "+02:00", "/99/0/9/0": "x", "/99/0/9/7": "y"} {
		if got := d.tree.Value(lwm2m.MustPath(path)).Text(); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	// One that is refused takes the others with it.
	code, _ = call(h, "PUT", "/v1/value", `{"/3/0/14": "+03:00", "/3/0/0": "no"}`)
	if got := d.tree.Value(lwm2m.MustPath("/3/0/14")).Text(); code != http.StatusMethodNotAllowed || got != "+02:00" {
		t.Errorf("%d, /3/0/14 is %q", code, got)
	}
}

func TestExecuteAndUpdate(t *testing.T) {
	d := newDevice(t)
	h := Handler(d, everyone, HandlerOptions{})
	for _, tt := range []struct {
		target, body string
		want         int
	}{
		{"/v1/execute", `{"path": "/3/0/4"}`, http.StatusNoContent},
		{"/v1/execute", `{"path": "/3/0/4", "args": "0='now',1"}`, http.StatusNoContent},
		{"/v1/update", ``, http.StatusAccepted},
		{"/v1/update", `{"servers": [101]}`, http.StatusAccepted},
		{"/v1/bootstrap", ``, http.StatusAccepted},
		{"/v1/deregister", ``, http.StatusNoContent},
	} {
		if code, text := call(h, "POST", tt.target, tt.body); code != tt.want || text != "" {
			t.Errorf("%s %s: %d %s", tt.target, tt.body, code, text)
		}
	}
	if code, text := call(h, "POST", "/v1/deregister", ""); code != http.StatusServiceUnavailable || !strings.Contains(text, "server 101") {
		t.Errorf("a server that is silent: %d %s", code, text)
	}
	if d := cmp.Diff([]string{"/3/0/4 ", "/3/0/4 now"}, d.executed); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([][]uint16{nil, {101}}, d.updated); d != "" {
		t.Error(d)
	}
}

func TestSend(t *testing.T) {
	d := newDevice(t)
	h := Handler(d, everyone, HandlerOptions{})
	code, text := call(h, "POST", "/v1/send", `{"paths": ["/temperature/0", "/3/0/0"], "servers": [101, 102]}`)
	want := `[{"short_server_id":101,"sent":true},{"short_server_id":102,"sent":false,"error":"the server has muted Send"}]`
	if code != http.StatusOK || text != want {
		t.Errorf("%d %s, want %s", code, text, want)
	}
	if got := fmt.Sprint(d.sent); got != "[/3303/0 /3/0/0]" {
		t.Errorf("sent %s", got)
	}
}

func TestRefusals(t *testing.T) {
	many := strings.Repeat("path=/3&", maxPaths+1)
	tests := []struct {
		name, method, target, body string
		status                     int
		want                       string
	}{
		{"no such route", "GET", "/v1/nothing", "", 404, `{"error":"4.04","message":"there is no route \"/v1/nothing\"; docs/api.yaml lists them"}`},
		{"no such method", "DELETE", "/v1/value", "", 405, `{"error":"4.05","message":"DELETE is no method of /v1/value"}`},
		{"no path", "GET", "/v1/value", "", 400, `{"error":"4.00","message":"there is no path: /v1/value?path=/3/0/0"}`},
		{"not a path", "GET", "/v1/value?path=//", "", 400, `{"error":"4.00","message":"not a path: \"//\": \"\" is neither identifier nor prefix"}`},
		{"nothing there", "GET", "/v1/value?path=/3/1", "", 404, `{"error":"4.04","message":"there is no instance /3/1"}`},
		{"no value yet", "GET", "/v1/value?path=/3303/1/5700", "", 404, `{"error":"4.04","message":"/3303/1/5700 (Sensor Value) has no value yet"}`},
		{"a key", "GET", "/v1/value?path=/0/0/5", "", 405, `{"error":"4.05","message":"/0/0/5 (Secret Key) cannot be read"}`},
		{"too many paths", "GET", "/v1/value?" + many, "", 400, `{"error":"4.00","message":"65 paths, at most 64"}`},
		{"tree of nothing", "GET", "/v1/tree?path=/5", "", 404, `{"error":"4.04","message":"there is no object /5"}`},
		{"tree below a resource", "GET", "/v1/tree?path=/3/0/11/0", "", 400, `{"error":"4.00","message":"/3/0/11/0 is an instance of a resource: ask for the resource or the value"}`},
		{"two trees", "GET", "/v1/tree?path=/3&path=/0", "", 400, `{"error":"4.00","message":"the tree of one path at a time"}`},
		{"no JSON", "PUT", "/v1/value", "hello", 400, `{"error":"4.00","message":"the body is not the JSON that this route takes: invalid character 'h' looking for beginning of value"}`},
		{"more than JSON", "PUT", "/v1/value", `{"/3/0/14":"x"} {}`, 400, `{"error":"4.00","message":"there is something behind the JSON of the body"}`},
		{"no value", "PUT", "/v1/value", `{}`, 400, `{"error":"4.00","message":"0 values, at least 1 and at most 64"}`},
		{"an instance", "PUT", "/v1/value", `{"/3/0":{}}`, 400, `{"error":"4.00","message":"/3/0 is an object instance; a value has a path down to its resource"}`},
		{"unknown resource", "PUT", "/v1/value", `{"/3/0/99":1}`, 404, `{"error":"4.04","message":"there is no resource /3/0/99"}`},
		{"wrong type", "PUT", "/v1/value", `{"/99/0/1":"x"}`, 400, `{"error":"4.00","message":"/99/0/1 (Integer): not a valid value: \"x\" is no Integer"}`},
		{"number for a string", "PUT", "/v1/value", `{"/99/0/0":5}`, 400, `{"error":"4.00","message":"/99/0/0 (String): not a valid value: 5 is no String"}`},
		{"fraction for an integer", "PUT", "/v1/value", `{"/99/0/1":1.5}`, 400, `{"error":"4.00","message":"/99/0/1 (Integer): not a valid value: \"1.5\" is no Integer"}`},
		{"null", "PUT", "/v1/value", `{"/99/0/1":null}`, 400, `{"error":"4.00","message":"/99/0/1 (Integer): not a valid value: null is no Integer"}`},
		{"list for a multiple resource", "PUT", "/v1/value", `{"/99/0/9":["a"]}`, 400, `{"error":"4.00","message":"/99/0/9 (Strings) is a multiple resource: give its instances like {\"0\": …, \"1\": …}"}`},
		{"bad resource instance", "PUT", "/v1/value", `{"/99/0/9":{"65535":"a"}}`, 400, `{"error":"4.00","message":"/99/0/9 (Strings): \"65535\" is no resource instance"}`},
		{"the same twice", "PUT", "/v1/value", `{"/3/0/14":"a","3/0/14":"b"}`, 400, `{"error":"4.00","message":"/3/0/14 is there twice"}`},
		{"not writable", "PUT", "/v1/value", `{"/3/0/0":"a"}`, 405, `{"error":"4.05","message":"/3/0/0 (Manufacturer) cannot be written"}`},
		{"too long", "PUT", "/v1/value", `{"/3/0/14":"` + strings.Repeat("a", maxBody) + `"}`, 413, `{"error":"4.13","message":"the body is longer than 1048576 bytes"}`},
		{"empty", "POST", "/v1/execute", "", 400, `{"error":"4.00","message":"the body is not the JSON that this route takes: it is empty"}`},
		{"cut off", "POST", "/v1/execute", `{"path":`, 400, `{"error":"4.00","message":"the body is not the JSON that this route takes: it ends early"}`},
		{"a list for an object", "PUT", "/v1/value", `[]`, 400, `{"error":"4.00","message":"the body is not the JSON that this route takes: array in the wrong place"}`},
		{"text for a list", "POST", "/v1/send", `{"paths":"/3"}`, 400, `{"error":"4.00","message":"the body is not the JSON that this route takes: paths: string in the wrong place"}`},
		{"unknown field", "POST", "/v1/execute", `{"path":"/3/0/4","arg":""}`, 400, `{"error":"4.00","message":"the body is not the JSON that this route takes: unknown field \"arg\""}`},
		{"bad arguments", "POST", "/v1/execute", `{"path":"/3/0/4","args":"x"}`, 400, `{"error":"4.00","message":"execute argument 1 is malformed: want 0 to 9, then optionally ='text'"}`},
		{"not executable", "POST", "/v1/execute", `{"path":"/3/0/0"}`, 405, `{"error":"4.05","message":"/3/0/0 (Manufacturer) cannot be executed"}`},
		{"refused by its owner", "POST", "/v1/execute", `{"path":"/3/0/4","args":"9"}`, 503, `{"error":"5.03","message":"not now"}`},
		{"failed in its owner", "POST", "/v1/execute", `{"path":"/3/0/4","args":"8"}`, 500, `{"error":"5.00","message":"something broke"}`},
		{"send nothing", "POST", "/v1/send", `{"paths":[]}`, 400, `{"error":"4.00","message":"there is no path: {\"paths\": [\"/3303/0/5700\"]}"}`},
		{"send what is no path", "POST", "/v1/send", `{"paths":["//"]}`, 400, `{"error":"4.00","message":"not a path: \"//\": \"\" is neither identifier nor prefix"}`},
		{"send to too many", "POST", "/v1/send", `{"paths":["/3"],"servers":[` + strings.Repeat("101,", maxServers) + `101]}`, 400, `{"error":"4.00","message":"65 servers, at most 64"}`},
		{"send to nobody", "POST", "/v1/send", `{"paths":["/3"],"servers":[7]}`, 404, `{"error":"4.04","message":"there is no server with this Short Server ID"}`},
		{"unknown server", "POST", "/v1/update", `{"servers":[7]}`, 404, `{"error":"4.04","message":"there is no server with this Short Server ID"}`},
	}
	d := newDevice(t)
	h := Handler(d, everyone, HandlerOptions{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, text := call(h, tt.method, tt.target, tt.body)
			if status != tt.status || text != tt.want {
				t.Errorf("%d %s\nwant %d %s", status, text, tt.status, tt.want)
			}
		})
	}
	if len(d.executed)+len(d.updated)+len(d.sent) > 0 {
		t.Errorf("executed %q, updated %v, sent %v", d.executed, d.updated, d.sent)
	}
}

// TestAuthorization: each route asks for what the table says, before anything else.
func TestAuthorization(t *testing.T) {
	for _, rt := range routes() {
		var asked []Access
		h := Handler(newDevice(t), func(_ *http.Request, need Access) error {
			asked = append(asked, need)
			return errors.New("not you")
		}, HandlerOptions{})
		status, text := call(h, rt.method, rt.path, "garbage")
		if want := `{"error":"4.03","message":"not you"}`; status != http.StatusForbidden || text != want {
			t.Errorf("%s %s: %d %s", rt.method, rt.path, status, text)
		}
		reading := rt.method == http.MethodGet && rt.need != Owning // who may not change anything must own the application
		if want := map[bool]Access{true: Reading, false: Changing}[reading]; len(asked) != 1 || asked[0] != want {
			t.Errorf("%s %s asked for %v", rt.method, rt.path, asked)
		}
	}
}

func TestHTTPStatus(t *testing.T) {
	for code, want := range map[lwm2m.Code]int{
		lwm2m.BadRequest: 400, lwm2m.Unauthorized: 403, lwm2m.Forbidden: 403, lwm2m.NotFound: 404, lwm2m.MethodNotAllowed: 405,
		lwm2m.RequestEntityTooLarge: 413, lwm2m.InternalServerError: 500, lwm2m.ServiceUnavailable: 503,
	} {
		if got := httpStatus(code); got != want {
			t.Errorf("%s is %d, want %d", code, got, want)
		}
	}
}

// FuzzRequest: no request panics or is answered by something else than JSON.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/v1/value", "path=/3/0/0", "")
	f.Add("GET", "/v1/tree", "path=/", "")
	f.Add("PUT", "/v1/value", "", `{"/3/0/14":"+01:00","/99/0/9":{"0":"a"}}`)
	f.Add("PUT", "/v1/value", "", `{"/99/0/3":1e999,"/99/0/4":tru}`)
	f.Add("POST", "/v1/execute", "", `{"path":"/3/0/4","args":"0='a',1"}`)
	f.Add("POST", "/v1/update", "", `{"servers":[101,65535]}`)
	f.Add("PUT", "/v1/apps/meter", "", meter)
	f.Add("PUT", "/v1/apps/meter", "", `{"objects":[26300,{"id":26302,"name":"x","resources":[{"id":0,"name":"y","operations":"E"}]}]}`)
	f.Add("PATCH", "/v1/apps/meter/values", "", `{"/26300/0/0":{"value":1,"time":1e9,"quality":"stale"},"26300/1":{"2":{"0":1,"1":null}},"/26300/0":null}`)
	f.Add("POST", "/v1/apps/meter/answers/1", "", `{"error":"4.05","message":"no"}`)
	f.Add("DELETE", "/v1/apps/meter", "", "")
	f.Add("GET", "/v1/../etc", "path=%ff&path=/65535", "")
	f.Fuzz(func(t *testing.T, method, path, query, body string) {
		if path == "/v1/events" || strings.HasSuffix(path, "/requests") { // which do not end
			return
		}
		r, err := http.NewRequestWithContext(t.Context(), method, "http://agent/", strings.NewReader(body))
		if err != nil {
			return
		}
		r.URL = &url.URL{Path: path, RawQuery: query}
		w := httptest.NewRecorder()
		d := newDevice(t)
		h := Handler(d, everyone, HandlerOptions{Apps: d.applications()})
		call(h, "PUT", "/v1/apps/meter", meter)
		h.ServeHTTP(w, r)
		text := w.Body.Bytes()
		if len(text) > 0 && !json.Valid(text) || w.Code < 200 || w.Code >= 600 {
			t.Errorf("%d %q", w.Code, text)
		}
		if strings.Contains(string(text), "very secret") {
			t.Errorf("a key got out: %q", text)
		}
	})
}

// TestDecodeEncode: what encode makes of a value, decode reads.
func TestDecodeEncode(t *testing.T) {
	d := newDevice(t)
	readings, err := d.tree.Readings(model.FromLocal(), lwm2m.MustPath("/99"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range readings {
		raw, err := json.Marshal(encode(r.Value))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := decode(r.Value.Type(), raw); err != nil || got != r.Value {
			t.Errorf("%v %s became %s and then %s, %v", r.Value.Type(), r.Value, raw, got, err)
		}
	}
}
