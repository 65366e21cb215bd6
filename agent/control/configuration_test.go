package control

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/lwm2m"
)

// configurer is a ConfigurationBackend that remembers what it was asked.
type configurer struct {
	asked  []string
	refuse error
}

func (c *configurer) ask(what string) error {
	c.asked = append(c.asked, what)
	return c.refuse
}

func (c *configurer) Configuration(context.Context) (Configuration, error) {
	return Configuration{State: "idle", Active: "endpoint = \"gw\"\n"}, c.refuse
}

func (c *configurer) Validate(_ context.Context, toml string) (Plan, error) {
	return Plan{}, c.ask("validate " + toml)
}

func (c *configurer) Apply(_ context.Context, toml string) (Plan, error) {
	return Plan{Changes: []string{"x"}, Restart: []string{"firmware"}}, c.ask("apply " + toml)
}
func (c *configurer) Confirm(context.Context) error       { return c.ask("confirm") }
func (c *configurer) Rollback(context.Context) error      { return c.ask("rollback") }
func (c *configurer) ResetAccounts(context.Context) error { return c.ask("reset-accounts") }

func TestConfigurationRoutes(t *testing.T) {
	c := &configurer{}
	h := Handler(newDevice(t), everyone, HandlerOptions{Configuration: c})
	call := func(method, body string) (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, "/v1/config", strings.NewReader(body)))
		return w.Code, strings.TrimSpace(w.Body.String())
	}
	tests := []struct {
		method, body string
		code         int
		answer       string
	}{
		{"GET", "", 200, `{"state":"idle","active":"endpoint = \"gw\"\n","hash":"","confirm_time":0}`},
		{"POST", `{"action":"validate","toml":"a"}`, 200, `{"changes":[]}`},
		{"POST", `{"action":"apply","toml":"b"}`, 202, `{"changes":["x"],"restart":["firmware"]}`},
		{"POST", `{"action":"confirm"}`, 204, ""},
		{"POST", `{"action":"rollback"}`, 204, ""},
		{"POST", `{"action":"reset-accounts"}`, 204, ""},
		{"POST", `{"action":"erase"}`, 400, `{"error":"4.00","message":"there is no action \"erase\"; there are validate, apply, confirm, rollback and reset-accounts"}`},
	}
	for _, tt := range tests {
		if code, answer := call(tt.method, tt.body); code != tt.code || answer != tt.answer {
			t.Errorf("%s %s: %d %s", tt.method, tt.body, code, answer)
		}
	}
	if d := cmp.Diff([]string{"validate a", "apply b", "confirm", "rollback", "reset-accounts"}, c.asked); d != "" {
		t.Error(d)
	}
	c.refuse = lwm2m.Errorf(lwm2m.BadRequest, "candidate:3: syntax")
	if code, answer := call("POST", `{"action":"apply","toml":"b"}`); code != 400 || !strings.Contains(answer, "candidate:3: syntax") {
		t.Errorf("%d %s", code, answer)
	}
	h = Handler(newDevice(t), everyone, HandlerOptions{})
	if code, _ := call("GET", ""); code != http.StatusNotFound {
		t.Errorf("without files: %d", code)
	}
}
