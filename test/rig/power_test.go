//go:build rig

package rig

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/lwm2m/server"
)

// powerToml is an agent whose only way to its server is a modem, by the sockets that this has, and who has the modem's power line.
const powerToml = `
endpoint = "cellular"

[[server]]
uri             = "coaps://%s:%d"
short_server_id = 101
lifetime        = "24h"
modem           = "wwan"
identity        = "cellular"
key             = "%x"

[[actuator]]
name   = "modem power"
driver = "gpio-out"
line   = "%s"
active = "%s"
safe   = "on"

[[modem]]
name   = "wwan"
driver = "at"
port   = "%s"
heal   = true
power  = "modem power"
`

// wired is a module whose power comes over a simulated line, and the agent that has both.
type wired struct {
	*IndustrialPC
	*operator
	line   int
	name   string // of the line
	active string // the level at which the module has power
	port   string
	module string // its process in the guest
}

// wire has a module get its power over a line, and an agent configured for both.
func wire(t *testing.T, p *IndustrialPC, line int, name, active, port string) *wired {
	t.Helper()
	w := &wired{p, newOperator(t), line, name, active, port, ""}
	w.module = p.Spawn(t, fmt.Sprintf("module /etc/ec25.at %s %s %s", port, w.level(), w.supply(true)))
	toml := fmt.Sprintf(powerToml, Host, w.operator.port, presharedKey, name, active, port)
	t.Cleanup(func() { // the control socket is free for the next one
		p.Run(t, "killall supervisor lwm2m-agent; kill -9 "+w.module+"; while pidof lwm2m-agent; do usleep 50000; done")
	})
	p.Run(t, fmt.Sprintf("umask 77 && mkdir -p /etc/%s && echo '%s' >/etc/%[1]s/agent.toml", name, toml))
	return w
}

// run is the command that runs the agent.
func (w *wired) run() string {
	return fmt.Sprintf("lwm2m-agent run -config /etc/%s/agent.toml -state /tmp/%[1]s", w.name)
}

// says waits for something on the console, from a line on.
func (w *wired) says(t *testing.T, from int, text string) {
	t.Helper()
	w.process.WaitLine(t, slow, text, func(string) bool { return w.said(from, text) })
}

// said reports whether something was on the console, from a line on.
func (w *wired) said(from int, text string) bool {
	return strings.Contains(strings.Join(w.Console()[from:], "\n"), text)
}

// level is the file with the level of the module's line.
func (w *wired) level() string { return simulated(w.line) + "/value" }

// supply is what the file has while the module has power, or has none.
func (w *wired) supply(on bool) string {
	if on == (w.active == "high") {
		return "1"
	}
	return "0"
}

// breaks has the module do what it does upon a signal, and returns when.
func (w *wired) breaks(t *testing.T, from int, signal, says string) time.Duration {
	t.Helper()
	w.Run(t, fmt.Sprintf("kill -%s %s", signal, w.module))
	w.says(t, from, w.port+" "+says)
	return w.Uptime(t)
}

// off lets time pass until the agent has switched the power off, which must be half an hour after something at the earliest, and not after all
// these hours.
func (w *wired) off(t *testing.T, from int, since, most time.Duration) {
	t.Helper()
	if !w.Pass(t, most, w.level(), w.supply(false)) {
		t.Fatal("the power was not switched off")
	}
	if passed := w.Uptime(t) - since; passed < 30*time.Minute {
		t.Errorf("the power was switched off after %v", passed)
	}
	w.says(t, from, w.port+" off 1")
	if _, status := w.Try(t, "test -e "+w.port); status == 0 {
		t.Error("without power, the module has a port")
	}
	for len(w.events) > 0 { // of what was before
		<-w.events
	}
}

// returns expects that the module, which has power again, is found, and that the registration goes on.
func (w *wired) returns(t *testing.T, registration string) {
	t.Helper()
	w.Pass(t, time.Minute, "", "") // after which a port that was away is looked for again
	if e := w.next(t, server.Registered, server.Updated); e.Kind != server.Updated || e.Registration.ID != registration {
		t.Errorf("behind the power line: %v of %s, which was %s", e.Kind, e.Registration.ID, registration)
	}
	w.shows(t)
}

// shows waits until the server has what the module says.
func (w *wired) shows(t *testing.T) {
	t.Helper()
	for path, want := range map[string]string{"/4/0/0": "5", "/4/0/7/0": "ctnet", "/4/0/2": "-81", "/10/0/11/0": "11:1"} { // LTE TDD
		end := time.Now().Add(slow)
		for got := w.read(t, path); got != want; got = w.read(t, path) {
			if time.Now().After(end) {
				t.Fatalf("%s is %s, want %s", path, got, want)
			}
			<-time.After(100 * time.Millisecond)
		}
	}
}

// checkModemPower has a module lose its connection for good, and hang when it is reset. The agent goes from one step to the next, and at last
// takes the power away and gives it back, by a line that the module sees: only then it answers.
func checkModemPower(t *testing.T, p *IndustrialPC) {
	t.Helper()
	w := wire(t, p, 4, "MODEM", "high", "/dev/ttyUSB2")
	from := len(p.Console())
	p.Spawn(t, w.run())
	w.says(t, from, w.port+" on 1")
	registration := w.next(t, server.Registered).Registration
	w.shows(t)
	w.execute(t, "/20/0/4011") // the Event Log begins

	broken := w.breaks(t, from, "USR2", "fails")
	w.off(t, from, broken, 3*time.Hour)
	w.says(t, from, w.port+" hangs")
	if !w.Pass(t, 30*time.Second, w.level(), w.supply(true)) {
		t.Fatal("the power was not switched on again")
	}
	w.says(t, from, w.port+" on 2")
	w.returns(t, registration.ID)
	w.says(t, from, `msg="nothing is left to mend"`)
	events := string(w.node(t, "/20/0/4014").Value.Bytes())
	at := 0
	for _, want := range []string{
		"code=link-lost", `stage="reconnect the bearer" why="the connection is gone"`, `stage="flight mode off and on" why="the connection is gone"`,
		`stage="reset by command" why="the connection is gone"`, `stage="power off and on" why="the modem does not answer"`, `msg="nothing is left to mend"`,
	} {
		next := strings.Index(events[at:], want)
		if next < 0 {
			t.Fatalf("the Event Log has no %s, or not in its place: %s", want, events)
		}
		at += next
	}
	if n := strings.Count(events, "mending the link"); n != 4 {
		t.Errorf("%d steps: %s", n, events)
	}
	if status := p.Run(t, "lwm2m-agent status -json"); strings.Contains(status, "link-lost") {
		t.Errorf("it is back, and status says: %s", status)
	}
}

// checkModemPowerCut has a module hang whose power is wired the other way round, and kills the agent while it is off: systemd, for which a
// program stands in, keeps the line as it is, and the agent that it starts again switches it on.
func checkModemPowerCut(t *testing.T, p *IndustrialPC) {
	t.Helper()
	w := wire(t, p, 5, "MODEM2", "low", "/dev/ttyUSB3")
	from := len(p.Console())
	p.Spawn(t, "supervisor "+w.run())
	w.says(t, from, "SUPERVISOR run 1 ready")
	registration := w.next(t, server.Registered).Registration

	broken := w.breaks(t, from, "USR1", "hangs")
	w.Pass(t, 29*time.Minute, "", "")
	if status := p.Run(t, "lwm2m-agent status -json"); !strings.Contains(status, "the modem does not answer; looked at again in") || w.said(from, w.port+" off") {
		t.Fatalf("after 29 minutes, status says: %s", status)
	}
	w.off(t, from, broken, time.Hour)
	p.Run(t, "kill -9 $(pidof lwm2m-agent)")
	w.says(t, from, "SUPERVISOR run 2 ready with 1")
	w.says(t, from, w.port+" on 2")
	w.says(t, from, `msg="a modem was left without power, which is on again" actuator="modem power"`)
	w.returns(t, registration.ID)
}

// transcript is what a module answers.
func transcript(t *testing.T, module string) []byte {
	t.Helper()
	content, err := os.ReadFile(transcriptPath(t, module))
	if err != nil {
		t.Fatal(err)
	}
	return content
}
