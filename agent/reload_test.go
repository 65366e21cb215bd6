package agent

import (
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"

	"lwm2m-agent/agent/health"
	"lwm2m-agent/lwm2m/server"
)

// TestReloadNamesWhatWaits: what is read at the start only is named when files with another one are
// read anew, until they are as they were.
func TestReloadNamesWhatWaits(t *testing.T) {
	l := newLab(t)
	var said lockedBuffer
	l.log = slog.New(slog.NewTextHandler(&said, nil))
	c := newConfigured(t, l, "")
	c.next(t, server.Registered)
	text, err := os.ReadFile(c.path("agent.toml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ more, want string }{
		{"lifetime = '2h'\n", ""},
		{"[device]\nmodel = 'm'\n[location]\nlatitude = 1\nlongitude = 2\n", `"device, location"`},
		{"", ""},
	} {
		before := len(said.bytes())
		if err := os.WriteFile(c.path("agent.toml"), append(text, tt.more...), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := c.agent.configuration.reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := string(said.bytes()[before:])
		if strings.Contains(got, "in force from the next start on") != (tt.want != "") || !strings.Contains(got, tt.want) {
			t.Errorf("after %q the log says\n%s", tt.more, got)
		}
	}
}

// TestReloadEndsTroubles: that there is no server, or that everyone can read a key, is no trouble any more when the files have been mended and read anew.
func TestReloadEndsTroubles(t *testing.T) {
	l := newLab(t)
	c := newConfigured(t, l, "")
	text, err := os.ReadFile(c.path("agent.toml"))
	if err != nil {
		t.Fatal(err)
	}
	const readable = "[bootstrap]\nuri = 'coaps://192.0.2.1'\nidentity = 'gw'\nkey = '00112233445566778899aabbccddeeff'\n"
	for _, tt := range []struct {
		text string
		want []health.Code
	}{
		{"endpoint = 'gw'\n", []health.Code{health.ServerMissing}},
		{string(text) + readable, []health.Code{health.ConfigurationUnsafe}},
		{string(text), nil},
	} {
		if err := os.WriteFile(c.path("agent.toml"), []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(c.path("agent.toml"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := c.agent.configuration.reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got []health.Code
		for _, trouble := range c.agent.health.Troubles() {
			if trouble.Code == health.ServerMissing || trouble.Code == health.ConfigurationUnsafe {
				got = append(got, trouble.Code)
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("after\n%s\nhealth has %v, want %v", tt.text, got, tt.want)
		}
	}
}
