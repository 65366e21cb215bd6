package agent

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/agent/health"
	"lwm2m-agent/agent/transaction"
	"lwm2m-agent/lwm2m/server"
)

// TestForeignOverlayIsLeftOut: an agent starts without what it cannot read, tells, and can be set anew; also where a trial was cut
// and what is to come back cannot be read.
func TestForeignOverlayIsLeftOut(t *testing.T) {
	const foreign = "[quantum]\nsensor = true\n"
	t.Run("as it was kept", func(t *testing.T) { foreignOverlay(t, foreign, "") })
	t.Run("as it was before", func(t *testing.T) {
		foreignOverlay(t, aSensor, fmt.Sprintf(`{"layout":1,"phase":"applying","by":"server 101","before":%q,"history":[]}`, foreign))
	})
}

func foreignOverlay(t *testing.T, overlay, journal string) {
	t.Helper()
	l := newLab(t)
	c := &configured{lab: l, T: t}
	if err := os.MkdirAll(c.path("state"), 0o700); err != nil {
		t.Fatal(err)
	}
	c.put("state/overlay.toml", overlay)
	if journal != "" {
		c.put("state/overlay.journal", journal)
	}
	c = newConfigured(t, l, "")
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
	c.ended(transaction.Kept, 1+min(len(journal), 1))
	c.agent.await(t, health.ConfigurationInvalid, false)
	c.stop()
	c.put("state/overlay.journal", "{")
	c.start()
	if tr := c.agent.await(t, health.ConfigurationInvalid, true); !strings.Contains(tr.Detail, "is in force, whether it was tried or not: overlay.journal is damaged") {
		t.Errorf("without a journal: %+v", tr)
	}
	c.back(t)
	if got := c.agent.tree.Instances(3303); len(got) != 1 {
		t.Errorf("sensors after a restart: %v", got)
	}
}

// put makes a file hold a text.
func (c *configured) put(name, text string) {
	c.Helper()
	if err := os.WriteFile(c.path(name), []byte(text), 0o600); err != nil {
		c.Fatal(err)
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
