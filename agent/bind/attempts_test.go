package bind

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/agent/store"
	"lwm2m-agent/modem/heal"
)

// TestAttemptsOutliveTheAgent: what a healer has tried counts after a restart, for its modem alone; a record that cannot be read is none.
func TestAttemptsOutliveTheAgent(t *testing.T) {
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	now := time.Unix(1_800_000_000, 0)
	healer := func(name string) *Healer {
		m := &Modems{Store: st, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return now }, Health: health.NewTracker(time.Now)}
		_, h, _ := m.Add(&config.Modem{Name: name, Heal: true, Driver: config.ModemAT})
		return h
	}
	tried := []heal.Attempt{{Stage: heal.Reset, At: now.Add(-2 * time.Hour)}, {Stage: heal.PowerCycle, At: now.Add(-time.Hour)}, {Stage: heal.Reset, At: now.Add(-time.Minute)}}
	first := healer("wwan")
	first.Keep(tried)
	same := func(a, b heal.Attempt) bool { return a.Stage == b.Stage && a.At.Equal(b.At) }
	if got := healer("wwan").course.Tried(); !slices.EqualFunc(got, tried, same) {
		t.Errorf("%v, want %v", got, tried)
	}
	if got := healer("another").course.Tried(); len(got) != 0 {
		t.Errorf("another modem: %v", got)
	}
	many := make([]heal.Attempt, 0, heal.PerDay.Attachments)
	for i := range heal.PerDay.Attachments {
		many = append(many, heal.Attempt{Stage: heal.Stage(i % 5), At: now.Add(-time.Duration(i) * time.Minute)})
	}
	first.Keep(many)
	if got := healer("wwan").course.Tried(); len(got) != len(many) {
		t.Errorf("%d of %d are kept", len(got), len(many))
	}
	if err := st.SmallBucket("heal/").Save("wwan", []byte("{")); err != nil {
		t.Fatal(err)
	}
	if got := healer("wwan").course.Tried(); len(got) != 0 {
		t.Errorf("of a broken record: %v", got)
	}
}
