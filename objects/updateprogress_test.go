package objects

import (
	"fmt"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/objects/registry"
)

// TestUpdateProgress shows what of a download changes the object, and when.
func TestUpdateProgress(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	tree := model.NewTree(registry.Definitions(), func() time.Time { return now })
	g, err := NewUpdateProgress(tree, func() time.Time { return now }, &FirmwareProgress{Phase: "idle"})
	if err != nil {
		t.Fatal(err)
	}
	const mib = 1 << 20
	fetching := FirmwareProgress{Phase: "fetching", Size: 100 * mib, Budget: 500 * mib}
	with := func(change func(*FirmwareProgress)) FirmwareProgress {
		change(&fetching)
		return fetching
	}
	for _, c := range []struct {
		name  string
		after time.Duration
		p     FirmwareProgress
		shown int64 // bytes that have come
	}{
		{"a phase", 0, with(func(*FirmwareProgress) {}), 0},
		{"too soon", 9 * time.Second, with(func(p *FirmwareProgress) { p.Received, p.Used = 5*mib, 6*mib }), 0},
		{"in time", time.Second, with(func(*FirmwareProgress) {}), 5 * mib},
		{"no whole percent", time.Hour, with(func(p *FirmwareProgress) { p.Received, p.Used = 6*mib-1, 7*mib }), 5 * mib},
		{"a percent", 0, with(func(p *FirmwareProgress) { p.Received++ }), 6 * mib},
		{"a wait", 0, with(func(p *FirmwareProgress) { p.WaitingFor, p.WaitingUntil, p.Received = "the data budget", now, 6*mib+10 }), 6*mib + 10},
		{"its end", 0, with(func(p *FirmwareProgress) { p.WaitingFor, p.WaitingUntil = "", time.Time{} }), 6*mib + 10},
		{"a clock that is set back", -time.Hour, with(func(p *FirmwareProgress) { p.Received = 8 * mib }), 8 * mib},
		{"an unknown size", 0, with(func(p *FirmwareProgress) { p.Size = 0 }), 8 * mib},
		{"less than a MiB", time.Minute, with(func(p *FirmwareProgress) { p.Received = 9*mib - 1 }), 8 * mib},
		{"a MiB", time.Minute, with(func(p *FirmwareProgress) { p.Received++ }), 9 * mib},
		{"a failure", 0, FirmwareProgress{Phase: "idle", Reason: "the connection is lost"}, 0},
	} {
		now = now.Add(c.after)
		if err := g.Publish(&c.p); err != nil {
			t.Fatal(err)
		}
		if got := tree.Value(lwm2m.MustPath("/26243/0/1")).Int(); got != c.shown {
			t.Errorf("%s: %d bytes are shown, want %d", c.name, got, c.shown)
		}
	}
	all, err := tree.Read(model.FromServer(1), lwm2m.MustPath("/26243/0"), nil)
	if want := "[/26243/0/0=idle /26243/0/1=0 /26243/0/4= /26243/0/6=the connection is lost]"; err != nil || fmt.Sprint(valuesOf(all)) != want {
		t.Errorf("%v, %v, want %s", valuesOf(all), err, want)
	}
}

func valuesOf(nodes []lwm2m.Node) []string {
	out := make([]string, len(nodes))
	for i, n := range nodes {
		out[i] = fmt.Sprintf("%s=%s", n.Path, n.Value)
	}
	return out
}
