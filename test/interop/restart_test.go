//go:build interop

package interop

import (
	"encoding/json"
	"net"
	"syscall"
	"testing"
	"time"

	"lwm2m-agent/agent/control"
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
					a := gateway.Start(t, board(s.endpoint)+server(uri, secure, ""))
					s.AwaitRegistered(t, s.endpoint, patience)
					full := handshake(t, a)
					checkRestart(t, s, a)
					if secure && name == "M4" { // has no Connection ID
						checkResumed(t, s, a, full)
					}
				})
			}
		})
	}
}

// checkResumed shows that an agent whose port is taken resumes its session from another one.
func checkResumed(t *testing.T, s peer, a *gateway.Agent, full control.Flow) {
	t.Helper()
	local := serverStatus(t, a).Local
	a.Signal(t, syscall.SIGTERM)
	a.Wait(t, 5*time.Second)
	address, err := net.ResolveUDPAddr("udp", local)
	if err != nil {
		t.Fatal(err)
	}
	taken, err := net.ListenUDP("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	after := s.Now(t)
	a.Restart(t)
	s.Await(t, after, patience, "registered anew", func(e leshan.Event) bool { return e.Type == "registered" && e.Endpoint == s.endpoint })
	if r := s.Read(t, s.endpoint, "/3/0/2", lwm2m.FormatText); r.Code != "2.05" {
		t.Errorf("read: %+v", r)
	}
	if short := handshake(t, a); short.ReceivedDatagrams == 0 || short.ReceivedDatagrams >= full.ReceivedDatagrams {
		t.Errorf("the session was not resumed: %+v, a full handshake is %+v", short, full)
	}
}

// handshake returns what the agent's handshakes took in this run.
func handshake(t *testing.T, a *gateway.Agent) control.Flow {
	t.Helper()
	for _, f := range serverStatus(t, a).Traffic {
		if f.Purpose == "handshake" {
			return f.Total
		}
	}
	return control.Flow{}
}

func serverStatus(t *testing.T, a *gateway.Agent) control.Server {
	t.Helper()
	var s control.Status
	if err := json.Unmarshal([]byte(a.Must(t, "status", "-json")), &s); err != nil || len(s.Servers) != 1 {
		t.Fatalf("%v, %+v", err, s)
	}
	return s.Servers[0]
}

func checkRestart(t *testing.T, s peer, a *gateway.Agent) {
	t.Helper()
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
