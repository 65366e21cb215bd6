package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/modem/at/attest"
	"lwm2m-agent/test/modemmanager"
	"lwm2m-agent/test/process"
	"lwm2m-agent/test/workspace"
)

// modemLines is what a modem says by itself in a second.
const modemLines = 1000

// module is a registered BG95 at a pseudo-terminal, whose path it returns.
func (b *bench) module() (m *attest.Modem, path string) {
	m, path, unplug, err := attest.PlugIn(filepath.Join(workspace.Root(b), "modem", "at", "testdata", "module", "bg95.at"))
	b.must(err, "plug a modem in")
	b.Cleanup(unplug)
	return m, path
}

// startBeside starts the agent with a modem, and waits until it knows it.
func (b *bench) startBeside(p *peer, section string, env ...string) (*process.Process, *coap.Conn) {
	path := b.configure(0, p)
	b.extend(path, "[[modem]]\nname = \"wwan\"\n"+section)
	agent := b.launch(path, env...)
	conn := p.await().conn
	b.awaitValue(conn, "/10308/0/2", "262011234567890")
	b.pause(settled)
	return agent, conn
}

// awaitValue waits until a resource is as a text says.
func (b *bench) awaitValue(conn *coap.Conn, path, want string) {
	m := get(path)
	m.SetAccept(0)
	for end := time.Now().Add(patience); ; <-time.After(20 * time.Millisecond) {
		answer, err := conn.Do(b.ctx, m)
		b.must(err, "read "+path)
		if string(answer.Payload) == want {
			return
		}
		if time.Now().After(end) {
			b.Fatalf("%s is %s %q after %v, want %q", path, answer.Code, answer.Payload, patience, want)
		}
	}
}

// talkative measures what a modem costs that speaks a thousand times a second: of the cell where it is, and of another one each time, after
// which it is asked what there is.
func (b *bench) talkative() {
	const here, there, last = `+CEREG: 1,"1A2B","01A2D003",8`, `+CEREG: 1,"1A2B","01A2D004",8`, `+CEREG: 1,"1A2B","01A2D005",8`
	measure := func(cells ...string) (share, rate float64) {
		b.during(func() {
			m, port := b.module()
			agent, conn := b.startBeside(b.plainPeer(), fmt.Sprintf("driver = \"at\"\nport = %q\n", port))
			before, begin := b.processorTime(agent.PID()), time.Now()
			said, tick := 0, time.NewTicker(10*time.Millisecond)
			defer tick.Stop()
			for took := time.Duration(0); took < sampleTime/time.Duration(b.divisor); took = time.Since(begin) {
				for due := int(took.Seconds() * modemLines); said < due; said++ {
					b.must(m.Say(cells[said%len(cells)]), "have the modem speak")
				}
				<-tick.C
			}
			m.Set("AT+CEREG?", strings.Replace(last, "1,", "4,1,", 1), "OK")
			b.must(m.Say(last), "have the modem speak")
			b.awaitValue(conn, "/4/0/8", fmt.Sprint(0x01A2D005)) // all of it has been read
			took := time.Since(begin).Seconds()
			share, rate = (b.processorTime(agent.PID())-before).Seconds()/took, float64(said)/took
		})
		return share, rate
	}
	what := fmt.Sprintf("a modem that says %s lines a second by AT, all of the same cell", thousands(modemLines))
	share, rate := measure(here)
	b.add(row{what, fmt.Sprintf("%.1f %% of a core, at %s/s", 100*share, thousands(rate)), "5 % of a core", "–", share <= 0.05 && rate >= 0.95*modemLines})
	share, rate = measure(here, there)
	b.add(row{"the same, each of another cell, so that it is asked again and again", fmt.Sprintf("%.1f %% of a core, at %s/s", 100*share, thousands(rate)), "–", "–", true})
}

// idleModems counts wake-ups with a registered modem that is measured once a minute, by either driver, and which then has nothing to tell.
func (b *bench) idleModems() {
	measure := func(driver string, start func(p *peer) *process.Process) {
		var ours wakes
		b.during(func() {
			ours = b.wakes(start(b.securePeer()).PID())
		})
		b.add(row{
			fmt.Sprintf("the same, with an idle modem %s whose signal is measured each minute", driver), ours.String(),
			"2: one for the signal", "–", ours.moments <= 2,
		})
	}
	const signal = "signal = \"1m\"\n"
	measure("by AT commands", func(p *peer) *process.Process {
		_, port := b.module()
		agent, _ := b.startBeside(p, fmt.Sprintf("driver = \"at\"\nport = %q\n", port)+signal)
		return agent
	})
	measure("through ModemManager", func(p *peer) *process.Process {
		mm := modemmanager.Start(b)
		mm.Plug(b)
		mm.Enable(b)
		agent, _ := b.startBeside(p, "driver = \"modemmanager\"\n"+signal, "DBUS_SYSTEM_BUS_ADDRESS="+mm.Bus)
		return agent
	})
}
