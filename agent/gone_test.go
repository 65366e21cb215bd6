package agent

import (
	"net/url"
	"slices"
	"testing"

	"lwm2m-agent/agent/health"
	"lwm2m-agent/lwm2m/client"
	"lwm2m-agent/lwm2m/server"
)

// TestSameNameIsSaid: a device whose registrations another one of its name ends says so, until one has stood, or the
// account is over.
func TestSameNameIsSaid(t *testing.T) {
	l := newLab(t)
	a, _ := l.run(t, l.config())
	said := func() bool {
		return slices.ContainsFunc(a.health.Troubles(), func(w health.Trouble) bool { return w.Code == health.RegistrationLost })
	}
	for _, c := range []struct {
		gone  int
		state client.State
		want  bool
	}{
		{1, client.Registered, false},
		{manyGone, client.Registered, true},
		{manyGone + 1, client.Registered, true},
		{0, client.Registered, false},
		{manyGone, client.Registered, true},
		{manyGone, client.Stopped, false},
	} {
		a.accountChanged(client.AccountStatus{ShortServerID: 102, State: c.state, Gone: c.gone})
		if said() != c.want {
			t.Errorf("%d gone, %v: said %v", c.gone, c.state, !c.want)
		}
	}
}

// TestTroubleGoesWithTheAccount: that a server cannot be reached is no trouble any more when the configuration has it no longer.
func TestTroubleGoesWithTheAccount(t *testing.T) {
	l := newLab(t)
	cfg := l.config()
	away := cfg.Servers[0]
	away.ShortServerID, away.Fingerprint = 102, "2"
	away.URI = &url.URL{Scheme: "coap+tcp", Host: "127.0.0.1:1"} // where nothing listens
	with := *cfg
	with.Servers = append(slices.Clone(cfg.Servers), away)
	a, _ := l.run(t, &with)
	l.next(t, server.Registered)
	a.await(t, health.ServerUnreachable, true)
	if err := a.Apply(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	a.await(t, health.ServerUnreachable, false)
}
