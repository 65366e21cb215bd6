package agent

import (
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/server"
)

// A server that wants to look at a value more often than it is sampled has it sampled so, and by the configuration
// alone once it does not observe it any more.
func TestObserverSetsThePace(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	fast, steady := sensor("cold room"), sensor("attic")
	fast.IntervalMin = 100 * time.Millisecond
	fast.Settings.Period = 7 * time.Second // it changes with each sample
	a, _ := l.run(t, l.config(fast, steady))
	<-a.board.Hardware().Ready()
	l.next(t, server.Registered)
	path := lwm2m.MustPath("/3303/0/5700")
	if err := l.client(t).WriteAttributes(t.Context(), path, "epmax=1"); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"/3303/0/5700", "/3303/1/5700"} {
		if _, err := l.client(t).Observe(t.Context(), lwm2m.MustPath(p)); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		if e := l.next(t, server.Notified); e.Path != path {
			t.Errorf("notified %+v", e)
		}
	}
	counts := a.board.Counts()
	if len(counts) != 2 || counts[0].Readings != 1 || counts[1].Readings < 3 {
		t.Errorf("sampled %+v", counts)
	}
}
