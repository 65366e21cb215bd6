//go:build interop

package interop

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/modem/at/attest"
	"lwm2m-agent/test/gateway"
	"lwm2m-agent/test/leshan"
	"lwm2m-agent/test/relay"
	"lwm2m-agent/test/workspace"
)

// TestRemoteConfiguration has Leshan, which knows object 26241 by the file that is shipped, add a sensor, be
// refused a syntax error, and commit addresses that nobody answers at: one that returns by itself, one
// that a crash ends.
func TestRemoteConfiguration(t *testing.T) {
	t.Parallel()
	description, err := os.ReadFile(filepath.Join(workspace.Root(t), "objects/registry/xml/26241.xml"))
	if err != nil {
		t.Fatal(err)
	}
	l := leshan.Start(t, leshan.Options{Models: definitions(t), Descriptions: [][]byte{description}})
	s := peer{l, "gw-config", true}
	a := gateway.Start(t, board(s.endpoint)+"\n[remote_configuration]\nservers = [101]\n"+server(l.CoAP, false, ""))
	first := s.AwaitRegistered(t, s.endpoint, patience)
	s.set(t, 10, "10")
	active := s.get(t, 0)
	after := s.Now(t)
	s.set(t, 1, active+"\n[[sensor]]\nname = 'remote'\ndriver = 'sim'\nobject = 3303\nwave = 'sine'\nmin = 1\nmax = 2\n")
	s.run(t, 3, "2.04", "")
	s.state(t, "0", "kept: reached server 101")
	if r := s.Read(t, s.endpoint, "/3303/1/5750", lwm2m.FormatText); r.Content["/3303/1/5750"] != "remote" {
		t.Errorf("the sensor: %+v", r)
	}
	if c := s.Clients(t)[s.endpoint]; c.ID != first.ID {
		t.Errorf("registered anew, as %s", c.ID)
	}
	for _, e := range s.Events(t, after) {
		if e.Type == "registered" && e.Endpoint == s.endpoint {
			t.Errorf("%+v", e)
		}
	}

	s.set(t, 1, "[log]\nlevel = 'info'\nlevel == 'debug'\n")
	s.run(t, 3, "4.00", "candidate:3: ")
	s.state(t, "3", "candidate:3: ")

	wrong := fmt.Sprintf("[[server]]\nshort_server_id = 101\nuri = 'coap://%s'\n", deaf(t))
	s.set(t, 1, wrong)
	s.run(t, 3, "2.04", "")
	a.Kill(t)
	a.Restart(t)
	s.state(t, "5", "the agent ended, or the power was cut")

	s.set(t, 1, wrong)
	s.run(t, 3, "2.04", "")
	s.state(t, "5", "reverted: server 101 was not reached at coap://127.0.0.1:")
	if r := s.Read(t, s.endpoint, "/3303/1/5750", lwm2m.FormatText); r.Code != "2.05" && r.Code != "4.04" {
		t.Errorf("after that: %+v", r)
	}
}

// TestRemoteAPN has Leshan commit an APN that the network takes and over which nothing comes through: the power goes in the trial, and once
// the trial is waited for. Either way the modem has its former APN again, and Leshan is told why.
func TestRemoteAPN(t *testing.T) {
	t.Parallel()
	description, err := os.ReadFile(filepath.Join(workspace.Root(t), "objects/registry/xml/26241.xml"))
	if err != nil {
		t.Fatal(err)
	}
	l := leshan.Start(t, leshan.Options{Models: definitions(t), Descriptions: [][]byte{description}})
	sim, port, unplug, err := attest.PlugIn(filepath.Join(workspace.Root(t), "modem/at/testdata/module/bg95.at"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(unplug)
	var away atomic.Bool
	for _, c := range []string{"AT+CGATT=0", "AT+CGATT=1", "AT+CGACT=1,1", "AT+CGCONTRDP=1"} {
		sim.Set(c, "OK")
	}
	sim.Handle("AT+CGDCONT=1,", func(rest string) string {
		sim.Set("AT+CGDCONT?", "+CGDCONT: 1,"+rest, "OK")
		away.Store(!strings.Contains(rest, `"iot.lab"`))
		return "OK"
	})
	s := peer{l, "gw-apn", true}
	uri := "coap://" + relay.UDP(t, strings.TrimPrefix(l.CoAP, "coap://"), &away)
	a := gateway.Start(t, board(s.endpoint)+"\n[remote_configuration]\nservers = [101]\n"+server(uri, false, "")+"[[modem]]\nname = 'wwan'\ndriver = 'at'\nport = '"+port+"'\n")
	s.AwaitRegistered(t, s.endpoint, patience)
	awaitModem(t, a, "its APN", "iot.lab")
	s.set(t, 10, "10")

	const wrong = "[[modem]]\nname = 'wwan'\napn = 'wrong.lab'\n"
	commit := func() {
		t.Helper()
		s.set(t, 1, wrong)
		s.run(t, 3, "2.04", "")
		for end := time.Now().Add(patience); !away.Load(); {
			if time.Now().After(end) {
				t.Fatalf("the modem was told %q", sim.Commands())
			}
			a.Status(t)
		}
	}
	commit()
	a.Kill(t)
	a.Restart(t)
	s.state(t, "5", "the agent ended, or the power was cut")
	commit()
	s.state(t, "5", "reverted: server 101 was not reached at "+uri)
	if away.Load() {
		t.Error("the modem has not its former APN")
	}
}

// deaf is an address where somebody listens and never answers.
func deaf(t *testing.T) net.Addr {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.Close() })
	return pc.LocalAddr()
}

func resource(rid int) string { return fmt.Sprintf("/26241/0/%d", rid) }

func (s peer) get(t *testing.T, rid int) string {
	t.Helper()
	r := s.Read(t, s.endpoint, resource(rid), lwm2m.FormatText)
	if r.Code != "2.05" {
		t.Fatalf("read %s: %+v", resource(rid), r)
	}
	return r.Content[resource(rid)]
}

func (s peer) set(t *testing.T, rid int, value string) {
	t.Helper()
	if r := s.Replace(t, s.endpoint, resource(rid), lwm2m.FormatText, leshan.Values{"": value}); r.Code != "2.04" {
		t.Fatalf("write %s: %+v", resource(rid), r)
	}
}

func (s peer) run(t *testing.T, rid int, code, message string) {
	t.Helper()
	if r := s.Execute(t, s.endpoint, resource(rid), ""); r.Code != code || !strings.Contains(r.Message, message) {
		t.Fatalf("execute %s: %+v, want %s %s", resource(rid), r, code, message)
	}
}

// state waits until the server reads a state and a message.
func (s peer) state(t *testing.T, state, message string) {
	t.Helper()
	var last [2]leshan.Answer
	for end := time.Now().Add(patience); time.Now().Before(end); {
		last[0] = s.Do(t, leshan.Request{Endpoint: s.endpoint, Op: "read", Path: resource(6), Format: lwm2m.FormatText, Timeout: time.Second})
		last[1] = s.Do(t, leshan.Request{Endpoint: s.endpoint, Op: "read", Path: resource(7), Format: lwm2m.FormatText, Timeout: time.Second})
		if last[0].Content[resource(6)] == state && strings.Contains(last[1].Content[resource(7)], message) {
			return
		}
	}
	t.Fatalf("%+v, want %s %s", last, state, message)
}
