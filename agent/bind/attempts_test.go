package bind

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/agent/store"
	"lwm2m-agent/modem/heal"
)

// TestAttemptsOutliveTheAgent: what was tried with a modem counts after a restart, for that modem alone; a record that cannot be read is none.
func TestAttemptsOutliveTheAgent(t *testing.T) {
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	now := time.Unix(1_800_000_000, 0)
	kept := func(name string) []heal.Attempt { return newAttempts(st, name, slog.New(slog.DiscardHandler)).tried }
	tried := []heal.Attempt{{Stage: heal.Reset, At: now.Add(-2 * time.Hour)}, {Stage: heal.PowerCycle, At: now.Add(-time.Hour)}, {Stage: heal.Reset, At: now.Add(-time.Minute)}}
	first := newAttempts(st, "wwan", slog.New(slog.DiscardHandler))
	first.decide(func([]heal.Attempt) ([]heal.Attempt, bool) { return tried, true })
	same := func(a, b heal.Attempt) bool { return a.Stage == b.Stage && a.At.Equal(b.At) }
	got := kept("wwan")
	slices.SortFunc(got, func(a, b heal.Attempt) int { return a.At.Compare(b.At) })
	if !slices.EqualFunc(got, tried, same) {
		t.Errorf("%v, want %v", got, tried)
	}
	if got := kept("another"); len(got) != 0 {
		t.Errorf("another modem: %v", got)
	}
	many := make([]heal.Attempt, 0, heal.PerDay.Attachments)
	for i := range heal.PerDay.Attachments {
		many = append(many, heal.Attempt{Stage: heal.Stage(i % 5), At: now.Add(-time.Duration(i) * time.Minute)})
	}
	first.decide(func([]heal.Attempt) ([]heal.Attempt, bool) { return many, true })
	if got := kept("wwan"); len(got) != len(many) {
		t.Errorf("%d of %d are kept", len(got), len(many))
	}
	if err := st.SmallBucket("heal/").Save("wwan", []byte("{")); err != nil {
		t.Fatal(err)
	}
	if got := kept("wwan"); len(got) != 0 {
		t.Errorf("of a broken record: %v", got)
	}
}

// TestAttemptsAreCountedTogether: what sets the APN of a modem and what mends its link share the limits.
func TestAttemptsAreCountedTogether(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	m := &Modems{Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }, Health: health.NewTracker(time.Now)}
	_, h, _ := m.Add(&config.Modem{Name: "wwan", Heal: true, Driver: config.ModemAT})
	keeper := m.states[0].apn
	for range 3 {
		if later := keeper.tried.allow(heal.Reconnect, 1, now); later != 0 {
			t.Fatalf("the APN waits %v", later)
		}
	}
	h.link = linkState{fault: heal.NoBearer, had: true}
	h.Bearer = func(context.Context) error { return nil }
	h.next(t.Context(), heal.Lost)
	h.next(t.Context(), heal.Elapsed)
	if h.last != heal.Reconnect.String() {
		t.Fatalf("done: %q", h.last)
	}
	if later := keeper.tried.allow(heal.Reconnect, 1, now); later != time.Hour {
		t.Errorf("after four attempts the APN waits %v", later)
	}
	if spent := h.course.Spent(now); spent.Attachments != 4 {
		t.Errorf("heal counts %d", spent.Attachments)
	}
}
