package control

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/agent/apps"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/agent/trace"
	"lwm2m-agent/lwm2m"
)

// api is docs/api.yaml.
type api struct{ doc map[string]any }

func readAPI(t *testing.T) api {
	t.Helper()
	return api{readYAML(t, "../../docs/api.yaml")}
}

// at follows keys through mappings; nil if one is not there.
func at(v any, keys ...string) any {
	for _, key := range keys {
		m, _ := v.(map[string]any)
		v = m[key]
	}
	return v
}

// resolve follows a $ref.
func (a api) resolve(v any) any {
	if ref, ok := at(v, "$ref").(string); ok {
		return at(a.doc, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
	}
	return v
}

// TestAPIRoutes: the routes of the file are those of the table.
func TestAPIRoutes(t *testing.T) {
	a := readAPI(t)
	var documented []string
	served := make([]string, 0, len(routes()))
	for path, methods := range at(a.doc, "paths").(map[string]any) {
		for method := range methods.(map[string]any) {
			documented = append(documented, strings.ToUpper(method)+" "+path)
		}
	}
	for _, rt := range routes() {
		served = append(served, rt.method+" "+rt.path)
	}
	slices.Sort(documented)
	slices.Sort(served)
	if d := cmp.Diff(served, documented); d != "" {
		t.Error(d)
	}
}

// TestAPISchemas: the schemas of the file are the Go types.
func TestAPISchemas(t *testing.T) {
	a := readAPI(t)
	types := map[string]reflect.Type{
		"Status": reflect.TypeFor[Status](), "Server": reflect.TypeFor[Server](), "Bootstrap": reflect.TypeFor[Bootstrap](), "Modem": reflect.TypeFor[Modem](), "Location": reflect.TypeFor[Location](), "Trouble": reflect.TypeFor[Trouble](),
		"Place": reflect.TypeFor[Place](), "Value": reflect.TypeFor[Value](), "Event": reflect.TypeFor[Event](),
		"ExecuteRequest": reflect.TypeFor[ExecuteRequest](), "UpdateRequest": reflect.TypeFor[UpdateRequest](),
		"SendRequest": reflect.TypeFor[SendRequest](), "SendOutcome": reflect.TypeFor[SendOutcome](), "Refusal": reflect.TypeFor[Refusal](),
		"AppStatus": reflect.TypeFor[AppStatus](), "AppRequest": reflect.TypeFor[AppRequest](), "AppAnswer": reflect.TypeFor[AppAnswer](),
		"Firmware": reflect.TypeFor[Firmware](), "Slot": reflect.TypeFor[Slot](), "FirmwareRequest": reflect.TypeFor[FirmwareRequest](),
		"Configuration": reflect.TypeFor[Configuration](), "ConfigurationRun": reflect.TypeFor[ConfigurationRun](),
		"ConfigurationRequest": reflect.TypeFor[ConfigurationRequest](), "Plan": reflect.TypeFor[Plan](),
		"Message": reflect.TypeFor[trace.Message](), "MessageValue": reflect.TypeFor[trace.Value](),
		"AppResource": reflect.TypeFor[apps.ResourceDefinition](),
	}
	for name, typ := range types {
		schema, ok := at(a.doc, "components", "schemas", name).(map[string]any)
		if !ok {
			t.Errorf("there is no schema %s", name)
			continue
		}
		properties, _ := schema["properties"].(map[string]any)
		required, _ := schema["required"].([]any)
		var fields []string
		for field := range typ.Fields() {
			tag, options, _ := strings.Cut(field.Tag.Get("json"), ",")
			fields = append(fields, tag)
			if got, want := slices.Contains(required, any(tag)), !strings.Contains(options, "omit"); got != want {
				t.Errorf("%s.%s: required is %v, want %v", name, tag, got, want)
			}
			if got, want := a.describes(properties[tag]), goType(field.Type); got != want {
				t.Errorf("%s.%s: is %s, want %s", name, tag, got, want)
			}
		}
		slices.Sort(fields)
		if d := cmp.Diff(fields, slices.Sorted(maps.Keys(properties))); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// describes says what a property is, in the words of goType.
func (a api) describes(property any) string {
	schema := a.resolve(property)
	switch typ := at(schema, "type").(type) {
	case []any:
		return "any"
	case string:
		if typ == "array" {
			return "array of " + a.describes(at(schema, "items"))
		}
		if at(schema, "format") == "date-time" {
			return "time"
		}
		return typ
	}
	return "nothing"
}

func goType(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "time"
	case t.Kind() == reflect.Pointer:
		return goType(t.Elem())
	case t.Kind() == reflect.Slice:
		return "array of " + goType(t.Elem())
	case t.Kind() == reflect.Struct:
		return "object"
	case t.Kind() == reflect.Interface:
		return "any"
	case t.Kind() == reflect.Bool:
		return "boolean"
	case t.Kind() == reflect.String:
		return "string"
	}
	return "integer"
}

// TestAPIAnswers: what the handler answers is what the file says.
func TestAPIAnswers(t *testing.T) {
	a := readAPI(t)
	d := newDevice(t)
	d.tracker.Set(health.SensorFailing, "cold room", "no device answers")
	h := Handler(d, everyone, HandlerOptions{})
	tests := []struct{ method, target, body string }{
		{"GET", "/v1/status", ""},
		{"GET", "/v1/health", ""},
		{"GET", "/v1/tree", ""},
		{"GET", "/v1/tree?path=/7", ""},
		{"GET", "/v1/value?path=/", ""},
		{"GET", "/v1/value", ""},
		{"PUT", "/v1/value", `{"/3/0/14": "+01:00", "/99/0/9": {"0": "a"}, "/99/0/3": 1.5, "/99/0/4": true}`},
		{"PUT", "/v1/value", `{"/3/0/0": "a"}`},
		{"POST", "/v1/execute", `{"path": "/3/0/4", "args": "0='a'"}`},
		{"POST", "/v1/execute", `{"path": "/3/0/4", "args": "9"}`},
		{"POST", "/v1/send", `{"paths": ["/3303", "/3/0/0"], "servers": [101, 102]}`},
		{"POST", "/v1/send", `{"paths": ["/3303"], "servers": [1]}`},
		{"POST", "/v1/update", `{"servers": [101]}`},
		{"POST", "/v1/update", `{"servers": [1]}`},
		{"POST", "/v1/bootstrap", ""},
		{"POST", "/v1/deregister", ""},
		{"POST", "/v1/deregister", ""},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.target+" "+tt.body, func(t *testing.T) {
			path, _, _ := strings.Cut(tt.target, "?")
			a.checkCall(t, h, path, tt.method, tt.target, tt.body)
		})
	}
}

// checkCall asks a handler, holds body and answer against the file, and returns
// the answer's status.
func (a api) checkCall(t *testing.T, h http.Handler, path, method, target, body string) int {
	t.Helper()
	operation := at(a.doc, "paths", path, strings.ToLower(method))
	if body != "" {
		a.checkJSON(t, at(operation, "requestBody", "content", "application/json", "schema"), body)
	}
	status, text := call(h, method, target, body)
	response := at(operation, "responses", fmt.Sprint(status))
	if response == nil && status >= http.StatusBadRequest {
		response = a.resolve(at(operation, "responses", "default"))
	}
	if response == nil {
		t.Fatalf("an answer %d is not described", status)
	}
	schema := at(response, "content", "application/json", "schema")
	switch {
	case schema != nil:
		a.checkJSON(t, schema, text)
	case text != "":
		t.Errorf("there is a body: %s", text)
	}
	return status
}

// TestAPIEvents: the lines of the event stream are what the file says.
func TestAPIEvents(t *testing.T) {
	a := readAPI(t)
	schema := at(a.doc, "paths", "/v1/events", "get", "responses", "200", "content", "application/x-ndjson", "schema")
	d := newDevice(t)
	d.tracker.Set(health.SensorFailing, "cold room", "no device answers")
	s := stream{handler: Handler(d, everyone, HandlerOptions{}).(*handler)}
	s.paths = append(s.paths, lwm2m.Path{}, lwm2m.MustPath("/3303/77"))
	s.begin()
	s.add(Event{Event: EventLost})
	s.add(Event{Event: EventTree, Change: "created", Path: "/3303/7"})
	s.happened(Happened{Bootstrap: &Bootstrap{
		URI: "coaps://bs", State: "waiting", Words: "no answer", Since: clock(), Reason: "there is no server account", NextAttempt: clock(), Attempts: 1,
		Last: clock(), Purge: clock(), Traffic: []Traffic{{Purpose: "bootstrap"}}, LastError: "no answer", Remedy: "wait", LastErrorTime: clock(), ErrorCleared: true,
	}})
	kinds := make(map[string]bool)
	for _, e := range s.pending {
		kinds[e.Event] = true
		b, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		a.checkJSON(t, schema, string(b))
	}
	if len(kinds) != 6 {
		t.Errorf("only events %v", kinds)
	}
}

func (a api) checkJSON(t *testing.T, schema any, text string) {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	for _, wrong := range a.check(schema, v, "") {
		t.Errorf("%s\nin %s", wrong, text)
	}
}

// check holds a JSON value against a schema, as far as the file uses schemas. An
// object has no other properties than those described.
func (a api) check(schema, v any, where string) (wrong []string) {
	schema = a.resolve(schema)
	if schema == nil {
		return []string{where + " is not described"}
	}
	if !hasType(at(schema, "type"), v) {
		return []string{fmt.Sprintf("%s is %T, want %v", where, v, at(schema, "type"))}
	}
	if allowed, ok := at(schema, "enum").([]any); ok && !slices.Contains(allowed, v) {
		wrong = append(wrong, fmt.Sprintf("%s is %v, want one of %v", where, v, allowed))
	}
	if at(schema, "format") == "date-time" {
		if _, err := time.Parse(time.RFC3339, v.(string)); err != nil {
			wrong = append(wrong, fmt.Sprintf("%s: %v", where, err))
		}
	}
	switch v := v.(type) {
	case []any:
		for i, element := range v {
			wrong = append(wrong, a.check(at(schema, "items"), element, fmt.Sprintf("%s[%d]", where, i))...)
		}
	case map[string]any:
		properties, described := at(schema, "properties").(map[string]any)
		for name, property := range v {
			switch {
			case described:
				wrong = append(wrong, a.check(properties[name], property, where+"."+name)...)
			case at(schema, "additionalProperties") != nil:
				wrong = append(wrong, a.check(at(schema, "additionalProperties"), property, where+"."+name)...)
			}
		}
		required, _ := at(schema, "required").([]any)
		for _, name := range required {
			if _, there := v[name.(string)]; !there {
				wrong = append(wrong, fmt.Sprintf("%s.%s is missing", where, name))
			}
		}
	}
	return wrong
}

func hasType(want, v any) bool {
	switch want := want.(type) {
	case []any:
		return slices.ContainsFunc(want, func(w any) bool { return hasType(w, v) })
	case string:
		switch v := v.(type) {
		case nil:
			return want == "null"
		case bool:
			return want == "boolean"
		case float64:
			return want == "number" || want == "integer" && v == float64(int64(v))
		case string:
			return want == "string"
		case []any:
			return want == "array"
		case map[string]any:
			return want == "object"
		}
	}
	return false
}

// TestCheckFindsWhatIsWrong: the checker of these tests can fail.
func TestCheckFindsWhatIsWrong(t *testing.T) {
	a := readAPI(t)
	value := map[string]any{"$ref": "#/components/schemas/Value"}
	good := `{"path":"/3/0/0","name":"n","type":"Float","value":null,"unit":"","time":"2026-01-01T00:00:00Z","quality":"good"}`
	for text, want := range map[string]int{
		good: 0, `[]`: 1, `{}`: 7,
		strings.Replace(good, "null", "[]", 1):              1,
		strings.Replace(good, `"good"`, `"bad"`, 1):         1,
		strings.Replace(good, "2026-01", "2026", 1):         1,
		strings.Replace(good, `"unit"`, `"unity"`, 1):       2,
		strings.Replace(good, `"path":"/3/0/0",`, "", 1):    1,
		strings.Replace(good, `"/3/0/0"`, "3", 1):           1,
		strings.Replace(good, `"name":"n"`, `"name":{}`, 1): 1,
	} {
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		if wrong := a.check(value, v, ""); len(wrong) != want {
			t.Errorf("%s: %q, want %d", text, wrong, want)
		}
	}
}
