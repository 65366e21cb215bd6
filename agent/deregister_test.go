package agent

import (
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/client"
	"lwm2m-agent/lwm2m/server"
)

// TestDeregister: the package's removal ends the registrations while the agent serves local users; the next
// start registers anew.
func TestDeregister(t *testing.T) {
	l := newLab(t)
	a, stop := l.run(t, l.config())
	first := l.next(t, server.Registered).Registration
	await(t, a, "registered", func(s client.AccountStatus) bool { return s.State == client.Registered }) // it has the answer
	if err := (&backend{a}).Deregister(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e := l.next(t, server.Deregistered); e.Registration.ID != first.ID {
		t.Errorf("%+v ended", e.Registration)
	}
	if err := (&backend{a}).Update(nil); lwm2m.CodeOf(err) != lwm2m.MethodNotAllowed {
		t.Errorf("an Update after that: %v", err)
	}
	if s := (&backend{a}).Status(); s.Endpoint != "gw" {
		t.Errorf("status %+v", s)
	}
	stop()
	l.run(t, l.config())
	l.next(t, server.Registered)
}
