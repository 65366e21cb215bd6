package agent

import (
	"slices"
	"testing"

	"lwm2m-agent/agent/health"
	"lwm2m-agent/lwm2m/client"
)

// TestSameNameIsSaid: a device whose registrations another one of its name ends says so, until one has stood.
func TestSameNameIsSaid(t *testing.T) {
	l := newLab(t)
	a, _ := l.run(t, l.config())
	said := func() bool {
		return slices.ContainsFunc(a.health.Troubles(), func(w health.Trouble) bool { return w.Code == health.RegistrationLost })
	}
	for _, c := range []struct {
		gone int
		want bool
	}{{1, false}, {manyGone, true}, {manyGone + 1, true}, {0, false}} {
		a.accountChanged(client.AccountStatus{ShortServerID: 102, State: client.Registered, Gone: c.gone})
		if said() != c.want {
			t.Errorf("%d gone: said %v", c.gone, !c.want)
		}
	}
}
