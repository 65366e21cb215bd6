package agent

import (
	"log/slog"
	"os"
	"strings"
	"testing"

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
