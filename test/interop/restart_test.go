//go:build interop

package interop

import (
	"syscall"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/test/gateway"
	"lwm2m-agent/test/leshan"
	"lwm2m-agent/test/workspace"
)

// TestRestart shows that Leshan's servers go on with an agent that was killed, or that ended in order: they see no Register, and the
// observation goes on.
func TestRestart(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(workspace.T, leshan.Options) *leshan.Server{
		"newest": leshan.Start, "M4": leshan.StartDemo,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := start(t, leshan.Options{Models: definitions(t)})
			for transport, secure := range map[string]bool{"UDP": false, "DTLS": true} {
				t.Run(transport, func(t *testing.T) {
					t.Parallel()
					s := peer{l, "restart-" + transport, name == "newest"}
					uri := s.CoAP
					if secure {
						uri = s.CoAPS
						s.PSK(t, s.endpoint, identity, key)
					}
					checkRestart(t, s, gateway.Start(t, board(s.endpoint)+server(uri, secure, "")))
				})
			}
		})
	}
}

func checkRestart(t *testing.T, s peer, a *gateway.Agent) {
	t.Helper()
	s.AwaitRegistered(t, s.endpoint, patience)
	const path = "/3303/0/5700"
	if o := s.Observe(t, s.endpoint, path, lwm2m.FormatSenMLCBOR); o.Code != "2.05" {
		t.Fatalf("observe: %+v", o)
	}
	any := func(leshan.Content) bool { return true }
	s.AwaitNotification(t, 0, patience, s.endpoint, path, any)
	for i, end := range []func(){
		func() { a.Kill(t) },
		func() { a.Signal(t, syscall.SIGTERM); a.Wait(t, 5*time.Second) },
		func() { a.Kill(t) },
	} {
		end()
		after := s.Now(t)
		a.Restart(t)
		s.AwaitNotification(t, after, patience, s.endpoint, path, any)
		status := a.AwaitStatus(t, "registered", func(s gateway.Status) bool { return s.Servers[0].State == "registered" })
		if words := status.Servers[0].Words; words != "registered (continued after a restart of the agent)" {
			t.Errorf("restart %d: the agent is %s", i, words)
		}
		if r := s.Read(t, s.endpoint, "/3/0/2", lwm2m.FormatText); r.Code != "2.05" {
			t.Errorf("restart %d: read: %+v", i, r)
		}
		for _, e := range s.Events(t, after) {
			if e.Type == "registered" && e.Endpoint == s.endpoint {
				t.Errorf("restart %d: %+v", i, e)
			}
		}
	}
}
