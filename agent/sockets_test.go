package agent

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/client"
	"lwm2m-agent/lwm2m/server"
	"lwm2m-agent/modem/at/attest"
)

// newModemLab is a lab whose agent reaches the server over the AT sockets of a simulated modem alone.
func newModemLab(t *testing.T) (*lab, *config.Config, *attest.Modem, *attest.Stack) {
	t.Helper()
	return newModuleLab(t, "bg95", "quectel")
}

// newModuleLab is newModemLab with another module, and the family of its sockets.
func newModuleLab(t *testing.T, module, family string) (*lab, *config.Config, *attest.Modem, *attest.Stack) {
	t.Helper()
	psk := []byte("0123456789abcdef")
	l := newSecureLab(t, "gw", psk)
	sim, m := plugInModule(t, module)
	stack := sim.Connect(family, nil)
	t.Cleanup(stack.Close)
	cfg := l.config(sensor("cold room"))
	cfg.Modems = []config.Modem{m}
	s := &cfg.Servers[0]
	s.Modem, s.Security, s.Identity, s.Key = m.Name, config.SecurityPSK, "gw", config.NewSecret(psk)
	return l, cfg, sim, stack
}

// sent counts the commands that begin so.
func sent(sim *attest.Modem, prefix string) int {
	n := 0
	for _, c := range sim.Commands() {
		if strings.HasPrefix(c, prefix) {
			n++
		}
	}
	return n
}

// TestServerThroughModem registers, is observed and updates over the UDP sockets of a modem that answers AT commands
// at a pseudo-terminal, in a DTLS session with a Connection ID, which outlives the modem's restart.
func TestServerThroughModem(t *testing.T) {
	t.Parallel()
	l, cfg, sim, stack := newModemLab(t)
	cfg.Servers[0].Bearer = config.BearerEthernet // what is lost is sent again soon
	a, stop := l.run(t, cfg)
	l.next(t, server.Registered)
	until(t, a, "/4/0/0", lwm2m.Integer(6)) // LTE, whatever this machine is connected by

	value := lwm2m.MustPath("/3303/0/5700")
	if _, err := l.client(t).Observe(t.Context(), value, lwm2m.FormatSenMLCBOR); err != nil {
		t.Fatal(err)
	}
	relay := lwm2m.MustPath("/3306/0/5850")
	if _, err := l.client(t).Observe(t.Context(), relay, lwm2m.FormatSenMLCBOR); err != nil {
		t.Fatal(err)
	}
	on := false
	write := func() {
		t.Helper()
		on = !on
		if err := l.client(t).Replace(t.Context(), relay, lwm2m.FormatText, []lwm2m.Node{{Path: relay, Value: lwm2m.Boolean(on)}}); err != nil {
			t.Fatal(err)
		}
		if e := l.next(t, server.Notified); e.Path != relay || len(e.Nodes) != 1 || e.Nodes[0].Value != lwm2m.Boolean(on) {
			t.Errorf("notified of %v: %v", e.Path, e.Nodes)
		}
	}
	write()
	registration := l.client(t).Registration()
	// A large answer needs blocks.
	if nodes, err := l.client(t).Read(t.Context(), lwm2m.MustPath("/3")); err != nil || len(nodes) < 10 {
		t.Errorf("object 3: %d nodes, %v", len(nodes), err)
	}

	idle := func(s client.AccountStatus) bool { return s.State == client.Registered } // it has the answer
	await(t, a, "registered", idle)
	updates := func(why string) {
		t.Helper()
		if e := l.next(t, server.Registered, server.Updated); e.Kind != server.Updated || e.Registration.ID != registration.ID {
			t.Errorf("%s: %v", why, e.Kind)
		}
		await(t, a, why, idle)
	}
	update := func(why string) {
		t.Helper()
		if err := a.client.Update(101); err != nil {
			t.Fatal(err)
		}
		updates(why)
	}
	update("nothing has happened")
	for _, harm := range []struct {
		name string
		do   func() error
	}{{"the network has closed the socket", stack.Lose}, {"the connection was taken back", stack.Deactivate}} {
		before := stack.Opened()
		if err := harm.do(); err != nil {
			t.Fatal(err)
		}
		update(harm.name)
		if stack.Opened() == before {
			t.Errorf("%s: nothing was opened", harm.name)
		}
		write()
	}

	if err := stack.Reboot(); err != nil {
		t.Fatal(err)
	}
	updates("the modem has restarted") // by itself: what the server sends would not arrive
	write()

	stop() // the session outlives the program too
	before := stack.Opened()
	a, _ = l.run(t, cfg)
	if e := l.back(t); e.Kind == server.Registered {
		t.Errorf("after a restart of the agent: %v", e.Kind)
	}
	if n := sent(sim, "AT+QICLOSE=0"); n == 0 || stack.Opened() == before {
		t.Errorf("what was left is not closed: %d times", n)
	}
	// The modem may tell its address after the socket.
	await(t, a, "with a Connection ID and from the modem", func(s client.AccountStatus) bool { return s.CID != "" && strings.HasPrefix(s.Local, "10.45.0.2") })
}

// TestServerThroughModules registers, is observed and updates over the sockets of the other families.
func TestServerThroughModules(t *testing.T) {
	for module, family := range map[string]string{"bc660": "bc660", "bc95": "neul", "sara-n2": "neul", "sara-n3": "ublox", "sim7080": "simcom", "sim7000": "sim7000", "sim7600": "sim7600"} {
		t.Run(module, func(t *testing.T) {
			l, cfg, sim, stack := newModuleLab(t, module, family)
			sim.Set("AT+CEREG?", `+CEREG: 5,1,"1816","0A3392C5",9`, "OK")
			cfg.Servers[0].Bearer = config.BearerEthernet // what is lost is sent again soon
			a, _ := l.run(t, cfg)
			l.next(t, server.Registered)
			registration := l.client(t).Registration()
			if _, err := l.client(t).Observe(t.Context(), lwm2m.MustPath("/3303/0/5700"), lwm2m.FormatSenMLCBOR); err != nil {
				t.Fatal(err)
			}
			if nodes, err := l.client(t).Read(t.Context(), lwm2m.MustPath("/3")); err != nil || len(nodes) < 10 { // in blocks
				t.Errorf("object 3: %d nodes, %v", len(nodes), err)
			}
			await(t, a, "registered", func(s client.AccountStatus) bool { return s.State == client.Registered })
			if err := a.client.Update(101); err != nil {
				t.Fatal(err)
			}
			if e := l.next(t, server.Registered, server.Updated); e.Kind != server.Updated || e.Registration.ID != registration.ID {
				t.Errorf("%v of %s", e.Kind, e.Registration.ID)
			}
			if stack.Opened() == 0 {
				t.Error("the modem has opened no socket")
			}
		})
	}
}

// TestBootstrapThroughModem gets the server from a bootstrap server that only the modem's sockets lead to: both go that way, and
// a package from the server's host, and the server's account sleeps as [bootstrap] says.
func TestBootstrapThroughModem(t *testing.T) {
	l := newBootstrapLab(t)
	sim, m := plugIn(t)
	stack := sim.Connect("quectel", nil)
	t.Cleanup(stack.Close)
	cfg := l.config()
	cfg.Modems = []config.Modem{m}
	cfg.Bootstrap.Modem, cfg.Bootstrap.QueueMode = m.Name, true
	a, _ := l.run(t, cfg)
	l.bootstrapped(t, server.Registered)
	await(t, a, "registered through the modem", func(s client.AccountStatus) bool {
		return s.QueueMode && strings.HasPrefix(s.Local, "10.45.0.2")
	})
	if !a.goesThrough(101, m.Name) || a.goesThrough(101, "another") {
		t.Error("the account is not known to go through the modem")
	}
	uri := *l.uri
	uri.Path = "/package"
	if to, done, err := a.packageServer(&uri); err != nil || to.Interface != throughModem+m.Name {
		t.Errorf("a package comes over %q, %v", to.Interface, err)
	} else {
		done()
	}
}

// TestServerThroughAbsentModem registers as soon as the modem is there.
func TestServerThroughAbsentModem(t *testing.T) {
	t.Parallel()
	l, cfg, _, _ := newModemLab(t)
	port := cfg.Modems[0].Port
	cfg.Modems[0].Port = filepath.Join(l.dir, "modem")
	a, _ := l.run(t, cfg)
	a.await(t, health.ModemMissing, true)
	if n := a.params(101).CoAP.BlockSize; n != leastDatagram-datagramRoom {
		t.Errorf("blocks of %d bytes for a modem that has not told what it takes", n)
	}
	if err := os.Symlink(port, cfg.Modems[0].Port); err != nil {
		t.Fatal(err)
	}
	l.next(t, server.Registered)
	if p := a.params(101); p.Interface != "modem:wwan" || p.CoAP.BlockSize != 1460-datagramRoom || p.CoAP.AckTimeout != profiles[config.BearerLTEM].transmission.AckTimeout {
		t.Errorf("the parameters are not those of the modem: %+v", p)
	}
}

// TestNoWayThroughModem shows what a server cannot be reached by.
func TestNoWayThroughModem(t *testing.T) {
	l, cfg, _, _ := newModemLab(t)
	a, _ := l.run(t, cfg)
	for _, to := range []client.Server{
		{URI: "coap://192.0.2.1", Interface: throughModem + "another"},
		{URI: "coap+tcp://192.0.2.1", Interface: throughModem + "wwan"},
	} {
		if _, err := a.dialer().Dial(t.Context(), to); !errors.Is(err, client.ErrAccount) {
			t.Errorf("%s over %s: %v", to.URI, to.Interface, err)
		}
	}
}
