//go:build rig

package rig

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/server"
	"lwm2m-agent/modem/at/attest"
	"lwm2m-agent/objects/registry"
	"lwm2m-agent/test/gateway"
	"lwm2m-agent/test/workspace"
)

const cellularToml = `
endpoint = "cellular"

[[server]]
uri             = "coaps://%s:%d"
short_server_id = 101
lifetime        = "1h"
identity        = "cellular"
key             = "%x"

[[sensor]]
name     = "cold room"
driver   = "sim"
object   = 3303
interval = "1s"

[[modem]]
name   = "wwan"
driver = "at"
port   = "%s"
signal = "0s"
heal   = true
netifd = "wwan"
`

// TestPPP has netifd, for which a script stands in, make a connection by pppd and a modem. The agent registers over it. The network takes it
// back, and the agent has netifd make it anew; the registration goes on.
func TestPPP(t *testing.T) {
	inTurn(t)
	if runtime.GOARCH != "amd64" {
		t.Skip("the PC has programs of this machine's Debian, which is for no x86-64")
	}
	l := newOperator(t)
	p := StartCellularPC(t, Config{
		Programs: map[string]string{"/usr/bin/lwm2m-agent": gateway.Binary(t, "GOARCH=amd64"), "/usr/bin/lapse": Build(t, "./test/rig/lapse", "GOARCH=amd64")},
		Files:    map[string][]byte{"/etc/lwm2m-agent/agent.toml": fmt.Appendf(nil, cellularToml, Host, l.port, presharedKey, CommandPort)},
	}, transcribed(t, "ec25"))
	p.Run(t, "chmod 600 /etc/lwm2m-agent/agent.toml")
	p.Spawn(t, "lwm2m-agent run -state /tmp/state")
	p.said(t, `msg="modem found"`)
	p.Run(t, "ubus call network.interface.wwan up")

	registration := l.next(t, server.Registered).Registration
	for path, want := range map[string]string{"/4/0/4/0": "10.0.2.77", "/4/0/0": "5", "/4/0/7/0": "ctnet"} { // LTE TDD
		if got := l.read(t, path); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}

	l.execute(t, "/20/0/4011") // the Event Log begins
	p.Drop()
	p.Run(t, `until lwm2m-agent status -json | grep -q "the connection is gone; looked at again in"; do usleep 100000; done`)
	if !p.Pass(t, time.Minute, "/run/wwan", "down") { // the pause before it is 30 to 45 s
		t.Fatal("netifd is not asked to make the connection anew")
	}
	p.said(t, `stage="reconnect the bearer" why="the connection is gone"`)
	if e := l.next(t, server.Registered, server.Updated); e.Kind != server.Updated || e.Registration.ID != registration.ID {
		t.Errorf("over the new connection: %v of %s", e.Kind, e.Registration.ID)
	}
	if got := l.read(t, "/4/0/4/0"); got != "10.0.2.78" {
		t.Errorf("the address is %s", got)
	}
	p.said(t, `msg="nothing is left to mend"`)
	events := string(l.node(t, "/20/0/4014").Value.Bytes())
	for _, want := range []string{`code=link-lost`, `msg="mending the link" modem=wwan stage="reconnect the bearer" why="the connection is gone"`, `msg="nothing is left to mend"`} {
		if !strings.Contains(events, want) {
			t.Errorf("the Event Log has no %s: %s", want, events)
		}
	}
	p.PowerOff(t)
}

// said waits for a line on the console, which may be there.
func (p *CellularPC) said(t *testing.T, text string) {
	t.Helper()
	p.process.WaitLine(t, patience, text, func(line string) bool { return strings.Contains(line, text) })
}

// transcribed is a modem that answers as a module does.
func transcribed(t *testing.T, module string) *attest.Modem {
	t.Helper()
	m, err := attest.Open(transcriptPath(t, module))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func transcriptPath(t *testing.T, module string) string {
	t.Helper()
	return filepath.Join(workspace.Root(t), "modem/at/testdata/module", module+".at")
}

// operator is a server that the cellular PC registers at.
type operator struct {
	*server.Server
	events <-chan server.Event
	port   int
}

func newOperator(t *testing.T) *operator {
	t.Helper()
	known := new(server.Keys)
	known.Add("cellular", presharedKey, "")
	s := server.New(server.Config{Shapes: model.Shapes(registry.Definitions()), Keys: known})
	l, err := s.ListenSecure(&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	events, end := s.Events(100)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.ServeSecure(ctx, l) }()
	t.Cleanup(func() {
		end()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		s.Wait()
	})
	return &operator{s, events, l.Addr().(*net.UDPAddr).Port}
}

// next waits for an event.
func (o *operator) next(t *testing.T, kinds ...server.EventKind) server.Event {
	t.Helper()
	limit := time.After(patience)
	for {
		select {
		case e := <-o.events:
			if slices.Contains(kinds, e.Kind) {
				return e
			}
		case <-limit:
			t.Fatalf("no event of %v", kinds)
		}
	}
}

// read reads a resource of the only client.
func (o *operator) read(t *testing.T, path string) string {
	t.Helper()
	return o.node(t, path).Value.String()
}

func (o *operator) node(t *testing.T, path string) lwm2m.Node {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	nodes, err := o.only(t).Read(ctx, lwm2m.MustPath(path))
	if err != nil || len(nodes) != 1 {
		t.Fatalf("read %s: %v, %v", path, nodes, err)
	}
	return nodes[0]
}

func (o *operator) execute(t *testing.T, path string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := o.only(t).Execute(ctx, lwm2m.MustPath(path), ""); err != nil {
		t.Fatal(err)
	}
}

// only is the client.
func (o *operator) only(t *testing.T) *server.Client {
	t.Helper()
	c, ok := o.Client("cellular")
	if !ok {
		t.Fatal("nobody is registered")
	}
	return c
}
