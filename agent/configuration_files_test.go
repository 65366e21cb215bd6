package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/agent/health"
	"lwm2m-agent/agent/transaction"
	"lwm2m-agent/lwm2m/server"
)

// TestForeignOverlayIsLeftOut: an agent starts without what it cannot read, tells, and can be set anew.
func TestForeignOverlayIsLeftOut(t *testing.T) {
	l := newLab(t)
	if err := os.MkdirAll(filepath.Join(l.dir, "state"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(l.dir, "state/overlay.toml"), []byte("[quantum]\nsensor = true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := newConfigured(t, l, "")
	c.next(t, server.Registered)
	text, err := os.ReadFile(c.path("agent.toml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, edited := range []struct{ more, wrong string }{{"", "overlay.toml:1: quantum: unknown"}, {"x = 1\n", "agent.toml:7: server 101: x: unknown"}, {"", "overlay.toml:1: quantum: unknown"}} {
		if err := os.WriteFile(c.path("agent.toml"), append(text, edited.more...), 0o600); err != nil {
			t.Fatal(err)
		}
		c.agent.reloaded(c.agent.configuration.reload(t.Context()))
		if tr := c.agent.await(t, health.ConfigurationInvalid, true); !strings.Contains(tr.Detail, edited.wrong) {
			t.Errorf("read anew with %q: %+v, want %s", edited.more, tr, edited.wrong)
		}
	}
	c.apply(aSensor)
	c.ended(transaction.Kept, 1)
	c.agent.await(t, health.ConfigurationInvalid, false)
	c.stop()
	c.start()
	c.back(t)
	if got := c.agent.tree.Instances(3303); len(got) != 1 {
		t.Errorf("sensors after a restart: %v", got)
	}
}

// TestReloadKeepsTheOverlay: files that are read anew are read with what is in force, and a wrong one
// changes nothing.
func TestReloadKeepsTheOverlay(t *testing.T) {
	c := newConfigured(t, newLab(t), "")
	c.next(t, server.Registered)
	c.apply(aSensor)
	c.ended(transaction.Kept, 1)
	text, err := os.ReadFile(c.path("agent.toml"))
	if err != nil {
		t.Fatal(err)
	}
	edit := func(more string) error {
		if err := os.WriteFile(c.path("agent.toml"), append(text, more...), 0o600); err != nil {
			t.Fatal(err)
		}
		return c.agent.configuration.reload(t.Context())
	}
	if err := edit("lifetime = '2h'\n"); err != nil {
		t.Fatal(err)
	}
	for c.next(t, server.Updated).Registration.Lifetime != 2*time.Hour {
	}
	if active := c.value(0).Text(); !strings.Contains(active, `lifetime = "2h"`) || !strings.Contains(active, "cold room") {
		t.Errorf("in force is\n%s", active)
	}
	if err := edit("lifetime = 'forever'\n"); err == nil {
		t.Error("a wrong file was read")
	}
	if !strings.Contains(c.value(0).Text(), `lifetime = "2h"`) {
		t.Error("a wrong file changed something")
	}
}
