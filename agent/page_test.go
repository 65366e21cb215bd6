package agent

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/server"
)

// pageAt returns what asks the page on a unix socket, as a browser behind "ssh -L 9000:SOCKET" does.
func pageAt(t *testing.T, socket string) func(method, path, body, token string) (int, string) {
	t.Helper()
	awaitSocket(t, socket)
	browser := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	return func(method, path, body, token string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, "http://localhost:9000"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		answer, err := browser.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(text)
	}
}

// TestPage: an agent at work shows itself where the configuration says, changes nothing, and shows no key.
func TestPage(t *testing.T) {
	l := newLab(t)
	cfg := l.config(sensor("cold room"))
	cfg.Page.Listen = config.Local{Network: "unix", Address: filepath.Join(t.TempDir(), "p")}
	a, stop := l.run(t, cfg)
	l.next(t, server.Registered)
	ask := pageAt(t, cfg.Page.Listen.Address)
	for _, c := range []struct {
		name, method, path, body string
		want                     int
		contains                 string
	}{
		{"the page", http.MethodGet, "/", "", http.StatusOK, `<script type="module" src="app.js">`},
		{"its state", http.MethodGet, "/api/state", "", http.StatusOK, `"endpoint":"gw"`},
		{"a value", http.MethodPost, "/api/read", `{"path":"/3303/0/5701"}`, http.StatusOK, `"value":"Cel"`},
		{"a write", http.MethodPost, "/api/write", `{"path":"/3306/0/5850","value":true}`, http.StatusForbidden, "only shows"},
		{"an execute", http.MethodPost, "/api/execute", `{"path":"/3/0/4"}`, http.StatusForbidden, "only shows"},
		{"what is known of a server", http.MethodPost, "/api/read", `{"path":"/0/0/5"}`, http.StatusOK, `"refused"`},
		{"what there is of a server", http.MethodPost, "/api/discover", `{"path":"/0/0"}`, http.StatusOK, `"refused"`},
		{"everything", http.MethodPost, "/api/read", `{"path":"/"}`, http.StatusOK, `"refused"`},
		{"all that is known of servers", http.MethodPost, "/api/read", `{"path":"/0"}`, http.StatusOK, `"refused"`},
		{"the control interface", http.MethodGet, "/v1/status", "", http.StatusNotFound, ""},
	} {
		got, text := ask(c.method, c.path, c.body, "")
		if got != c.want || !strings.Contains(text, c.contains) {
			t.Errorf("%s: status %d, %.200s; want %d and %q", c.name, got, text, c.want, c.contains)
		}
	}
	a.health.Set(health.SensorFailing, "cold room", "no device answers")
	if _, state := ask(http.MethodGet, "/api/state", "", ""); !strings.Contains(state, `"code":"sensor-failing"`) || !strings.Contains(state, `"remedy":"Check wiring`) {
		t.Errorf("what is wrong is not told: %s", state)
	}
	if _, state := ask(http.MethodGet, "/api/state", "", ""); strings.Contains(state, `"id":0,`) && strings.Contains(state, "LWM2M Security") {
		t.Errorf("object 0 is listed: %s", state)
	}
	if info, err := os.Stat(cfg.Page.Listen.Address); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("the socket is %v, %v", info, err)
	}
	stop()
	if _, err := os.Lstat(cfg.Page.Listen.Address); err == nil {
		t.Error("the socket is left")
	}
}

// TestPageWrites: with a token that it was given, the page does what a local user may, and nothing without.
func TestPageWrites(t *testing.T) {
	const token = "0123456789abcdef"
	l := newLab(t)
	cfg := l.config()
	cfg.Page = config.Page{Listen: config.Local{Network: "unix", Address: filepath.Join(t.TempDir(), "p")}, Token: config.NewSecret([]byte(token)), Write: true}
	a, _ := l.run(t, cfg)
	l.next(t, server.Registered)
	ask := pageAt(t, cfg.Page.Listen.Address)
	relay := lwm2m.MustPath("/3306/0/5850")
	const body = `{"path":"/3306/0/5850","value":true}`
	for _, wrong := range []string{"", "0123456789abcdeg", token + "0"} {
		if got, text := ask(http.MethodGet, "/", "", wrong); got != http.StatusOK || strings.Contains(text, `"gw"`) || strings.Contains(text, token) {
			t.Errorf("the page that asks for the token: status %d, %s", got, text)
		}
		for _, path := range []string{"/api/state", "/api/events"} {
			if got, _ := ask(http.MethodGet, path, "", wrong); got != http.StatusUnauthorized {
				t.Errorf("%s with %q: status %d", path, wrong, got)
			}
		}
		if got, _ := ask(http.MethodPost, "/api/write", body, wrong); got != http.StatusUnauthorized || a.tree.Value(relay).Bool() {
			t.Errorf("written with %q: status %d", wrong, got)
		}
	}
	if got, text := ask(http.MethodPost, "/api/write", body, token); got != http.StatusOK || strings.Contains(text, "refused") || !a.tree.Value(relay).Bool() {
		t.Errorf("status %d, %s; the relay is %v", got, text, a.tree.Value(relay))
	}
}
