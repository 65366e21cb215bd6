package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/demo"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/hw"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/server"
)

// TestTroubleIsNotified: a server that observes the codes of object 26244 while nothing is wrong is told that something is, reads there which
// sensor fails and why, and is told when that is over.
func TestTroubleIsNotified(t *testing.T) {
	t.Parallel()
	sys := t.TempDir()
	zone := filepath.Join(sys, "class/thermal/thermal_zone0")
	if err := os.MkdirAll(zone, 0o755); err != nil {
		t.Fatal(err)
	}
	put := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(zone, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("type", "cabinet\n")
	put("temp", "21500\n")
	l := newLab(t)
	a, err := New(Options{
		Config:  l.config(config.Sensor{Name: "cabinet", Driver: "thermal", Instance: config.NoInstance, Settings: config.Settings{Device: "cabinet", Interval: 100 * time.Millisecond}}),
		Control: &demo.Machine{Say: func(string) {}}, Hardware: hw.Options{Sys: sys},
	})
	if err != nil {
		t.Fatal(err)
	}
	a.health.Clear(health.StateVolatile, "") // of a folder for tests on a RAM disk
	start(t, a)
	<-a.board.Hardware().Ready()
	l.next(t, server.Registered)
	codes := lwm2m.MustPath("/26244/0/1")
	if nodes, err := l.client(t).Observe(t.Context(), codes); err != nil || len(codesIn(nodes)) != 0 {
		t.Fatalf("at first: %v, %v", nodes, err)
	}
	if err := os.Remove(filepath.Join(zone, "temp")); err != nil {
		t.Fatal(err)
	}
	if e := l.next(t, server.Notified); e.Path != codes || len(codesIn(e.Nodes)) != 1 || e.Nodes[0].Value != lwm2m.String("sensor-failing") {
		t.Fatalf("told: %+v", e)
	}
	trouble := a.await(t, health.SensorFailing, true)
	read, err := l.client(t).Read(t.Context(), lwm2m.MustPath("/26244/0"))
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]lwm2m.Value)
	for _, n := range read {
		got[n.Path.String()] = n.Value
	}
	for path, want := range map[string]lwm2m.Value{
		"/26244/0/0": lwm2m.Integer(1), "/26244/0/2/0": lwm2m.String("cabinet"), "/26244/0/3/0": lwm2m.String(trouble.Detail),
		"/26244/0/4/0": lwm2m.String(trouble.Remedy), "/26244/0/5/0": lwm2m.Time(trouble.Since), "/26244/0/6/0": lwm2m.String("error"),
	} {
		if got[path] != want {
			t.Errorf("%s is %v, want %v", path, got[path], want)
		}
	}
	put("temp", "22000\n")
	if e := l.next(t, server.Notified); e.Err != nil || len(codesIn(e.Nodes)) != 0 {
		t.Errorf("told of the end: %+v", e)
	}
}

// TestTroubleHasWords: a trouble of which nothing is known but its code says what the code means.
func TestTroubleHasWords(t *testing.T) {
	a := &Agent{health: health.NewTracker(time.Now)}
	a.health.Set(health.StateCopied, "", "")
	if got := a.troubles(); len(got) != 1 || !strings.HasPrefix(got[0].Detail, "the state directory comes from another machine") {
		t.Errorf("%+v", got)
	}
}

// codesIn returns the nodes that have a value: a multiple resource without instances may be one that has none.
func codesIn(nodes []lwm2m.Node) []lwm2m.Node {
	var out []lwm2m.Node
	for _, n := range nodes {
		if !n.Value.IsZero() {
			out = append(out, n)
		}
	}
	return out
}
