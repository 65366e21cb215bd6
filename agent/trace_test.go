package agent

import (
	"context"
	"testing"

	"lwm2m-agent/agent/trace"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/server"
)

// TestTrace: who begins to look hears the names of what a server has observed before, and of what it does.
func TestTrace(t *testing.T) {
	l := newLab(t)
	a, _ := l.run(t, l.config(sensor("cold room")))
	<-a.board.Hardware().Ready()
	l.next(t, server.Registered)
	relay := lwm2m.MustPath("/3306/0/5850")
	if _, err := l.client(t).Observe(t.Context(), relay, lwm2m.FormatText); err != nil {
		t.Fatal(err)
	}
	messages := (&backend{a}).Trace(t.Context())
	defer messages.Close()
	if err := l.client(t).Replace(t.Context(), relay, lwm2m.FormatText, []lwm2m.Node{{Path: relay, Value: lwm2m.Boolean(true)}}); err != nil {
		t.Fatal(err)
	}
	const name = "/actuation/0/on-off"
	ctx, cancel := context.WithTimeout(t.Context(), generous)
	defer cancel()
	wanted := map[string]bool{"Write": false, "Notify": true} // by operation: sent by the agent
	for len(wanted) > 0 {
		select {
		case <-messages.Wake():
		case <-ctx.Done():
			t.Fatalf("%v were not heard", wanted)
		}
		for _, m := range messages.Take() {
			if sent, ok := wanted[m.Operation]; !ok || sent != m.Sent || len(m.Values) == 0 {
				continue
			}
			if want := (trace.Value{Path: relay.String(), Name: name, Value: "true"}); m.Name != name || m.ShortServerID != 101 || m.Values[0] != want || m.Hidden {
				t.Errorf("heard %+v", m)
			}
			delete(wanted, m.Operation)
		}
	}
}
