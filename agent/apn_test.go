package agent

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lwm2m-agent/agent/transaction"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/server"
	"lwm2m-agent/modem/at/attest"
	"lwm2m-agent/objects"
	between "lwm2m-agent/test/relay"
)

// carried is a lab whose agent reaches its server through a simulated modem: with another APN than
// "iot.lab" the network takes the connection, and nothing comes through.
type carried struct {
	*configured
	sim  *attest.Modem
	more string
	deaf *atomic.Bool // nothing comes through
}

func newCarried(t *testing.T) *carried {
	t.Helper()
	l := newLab(t)
	sim, m := plugIn(t)
	deaf := new(atomic.Bool)
	l.uri = &url.URL{Scheme: "coap", Host: between.UDP(t, l.uri.Host, deaf)}
	for _, c := range []string{"AT+CGATT=0", "AT+CGATT=1", "AT+CGACT=1,1"} {
		sim.Set(c, "OK")
	}
	sim.Set("AT+CGCONTRDP=1", "OK")
	sim.Handle("AT+CGDCONT=1,", func(rest string) string {
		sim.Set("AT+CGDCONT?", "+CGDCONT: 1,"+rest, "OK")
		deaf.Store(!strings.Contains(rest, `"iot.lab"`))
		return "OK"
	})
	more := fmt.Sprintf("[[modem]]\nname = 'wwan'\ndriver = 'at'\nport = '%s'\n", m.Port)
	c := &carried{newConfigured(t, l, more), sim, more, deaf}
	c.next(t, server.Registered)
	until(t, c.agent, "/11/1/1", lwm2m.String("iot.lab"))
	return c
}

// defined returns how often each APN was set in the modem, in order.
func (c *carried) defined() (apns []string) {
	for _, command := range c.sim.Commands() {
		if rest, ok := strings.CutPrefix(command, "AT+CGDCONT=1,"); ok {
			apns = append(apns, strings.Trim(strings.Split(rest, ",")[1], `"`))
		}
	}
	return apns
}

const wrongAPN = "[[modem]]\nname = 'wwan'\napn = 'wrong.lab'\n"

// TestWrongAPNReverts: the network takes an APN over which no server is reached. The former one returns by itself,
// and the server learns why; one that is right stays.
func TestWrongAPNReverts(t *testing.T) {
	t.Parallel()
	c := newCarried(t)
	c.confirmTime(3 * time.Second)
	c.commit(wrongAPN)
	c.ended(transaction.Reverted, 1)
	c.back(t)
	if got := fmt.Sprint(c.defined()); got != "[wrong.lab iot.lab]" {
		t.Errorf("the modem was told %s", got)
	}
	if s := c.value(6); s.Int() != int64(objects.ConfigurationReverted) {
		t.Errorf("the state is %v", s)
	}
	if m := c.value(7).Text(); !strings.Contains(m, "reverted: server 101 was not reached at ") {
		t.Errorf("the message is %q", m)
	}
	until(t, c.agent, "/11/1/1", lwm2m.String("iot.lab"))
	c.confirmTime(generous)
	c.commit("[[modem]]\nname = 'wwan'\napn = 'iot.lab'\n")
	c.ended(transaction.Kept, 2)
	if got := len(c.defined()); got != 2 {
		t.Errorf("what the modem has was set again: %q", c.defined())
	}
}

// TestRefusedAPNReverts: the network refuses the APN, so that nobody waits for the end of the time.
func TestRefusedAPNReverts(t *testing.T) {
	t.Parallel()
	c := newCarried(t)
	c.sim.Set("AT+CGACT?", "+CGACT: 1,0", "OK")
	c.sim.Set("AT+CGACT=1,1", "+CME ERROR: 133")
	c.sim.Handle("AT+CGDCONT=1,", func(rest string) string {
		c.sim.Set("AT+CGDCONT?", "+CGDCONT: 1,"+rest, "OK")
		if strings.Contains(rest, "iot.lab") {
			c.sim.Set("AT+CGACT=1,1", "OK")
		}
		return "OK"
	})
	c.commit(wrongAPN)
	if why := c.ended(transaction.Reverted, 1); !strings.Contains(why, `connect with the APN "wrong.lab"`) {
		t.Errorf("reverted since %q", why)
	}
	if got := fmt.Sprint(c.defined()); got != "[wrong.lab iot.lab]" {
		t.Errorf("the modem was told %s", got)
	}
}

// TestCutInTrialOfAPN: an agent that ends before the server was reached starts with the former APN, which the
// modem, that keeps what it was told, gets back.
func TestCutInTrialOfAPN(t *testing.T) {
	t.Parallel()
	c := newCarried(t)
	c.commit(wrongAPN)
	until(t, c.agent, "/11/1/1", lwm2m.String("wrong.lab"))
	c.stop()
	c.start()
	c.back(t)
	until(t, c.agent, "/11/1/1", lwm2m.String("iot.lab"))
	if got := fmt.Sprint(c.defined()); got != "[wrong.lab iot.lab]" {
		t.Errorf("the modem was told %s", got)
	}
	if m := c.value(7).Text(); !strings.Contains(m, "the agent ended, or the power was cut, before the servers were reached") {
		t.Errorf("the message is %q", m)
	}
	c.stop()
	c.start()
	c.back(t)
	if got := len(c.defined()); got != 2 {
		t.Errorf("a later start sets it again: %q", c.defined())
	}
}

// TestWrittenAPN: what a server writes into object 11 is tried, too.
func TestWrittenAPN(t *testing.T) {
	t.Parallel()
	c := newCarried(t)
	c.confirmTime(3 * time.Second)
	path := lwm2m.MustPath("/11/1/1")
	write := func(apn string) error {
		return c.client(t).Replace(t.Context(), path, lwm2m.FormatText, []lwm2m.Node{{Path: path, Value: lwm2m.String(apn)}})
	}
	if err := write("wrong.lab"); err != nil {
		t.Fatal(err)
	}
	if err := c.execute(2); err == nil { // there is no candidate
		t.Error("it left a candidate")
	}
	c.ended(transaction.Reverted, 1)
	c.back(t)
	until(t, c.agent, path.String(), lwm2m.String("iot.lab"))
	if got := fmt.Sprint(c.defined()); got != "[wrong.lab iot.lab]" {
		t.Errorf("the modem was told %s", got)
	}
	if h := c.value(9).Text(); !strings.Contains(h, " a server, by object 11: reverted: server 101 was not reached") {
		t.Errorf("the history is %q", h)
	}
	if err := write(`a"b`); err == nil || !strings.Contains(err.Error(), "4.00") {
		t.Errorf("an APN that is none: %v", err)
	}
	c.sim.Handle("AT+CGDCONT=1,", func(rest string) string { // a second APN of the same network
		c.sim.Set("AT+CGDCONT?", "+CGDCONT: 1,"+rest, "OK")
		return "OK"
	})
	c.confirmTime(generous)
	if err := write("second.lab"); err != nil {
		t.Fatal(err)
	}
	c.ended(transaction.Kept, 2)
	if shown := c.value(0).Text(); !strings.Contains(shown, `apn = "second.lab"`) {
		t.Errorf("the configuration is\n%s", shown)
	}
	c.stop()
	c.start()
	c.back(t)
	until(t, c.agent, path.String(), lwm2m.String("second.lab"))
	if got := len(c.defined()); got != 3 {
		t.Errorf("the modem was told %q", c.defined())
	}
	c.sim.Set("AT+CGDCONT?", `+CGDCONT: 1,"IPV4V6","iot.lab"`, "OK") // which it forgets as it restarts, its port staying
	if err := c.sim.Say("RDY"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the APN is set again", func() bool { return len(c.defined()) == 4 && c.defined()[3] == "second.lab" })
	until(t, c.agent, path.String(), lwm2m.String("second.lab"))
}

// TestWrittenLoginReverts: a server writes APN, type and login in one request. The network lets nobody through with another login than
// the one that its APN has, so all of it must come back with the APN, also where the power is cut in the trial; what is right stays.
func TestWrittenLoginReverts(t *testing.T) {
	t.Parallel()
	c := newCarried(t)
	c.sim.Handle("AT+QICSGP=1,", func(rest string) string { // type, APN, user, password, authentication
		f := strings.Split(rest, ",")
		c.deaf.Store(f[1] != `"iot.lab"` && f[1] != `"second.lab"` || f[1] == `"iot.lab"` && f[4] != "0" || f[1] == `"second.lab"` && f[2] != `"gw"`)
		return "OK"
	})
	c.sim.Handle("AT+CGDCONT=1,", func(rest string) string { // the login stays what it was
		c.sim.Set("AT+CGDCONT?", "+CGDCONT: 1,"+rest, "OK")
		c.deaf.Store(strings.Contains(rest, "wrong.lab"))
		return "OK"
	})
	instance := lwm2m.MustPath("/11/1")
	write := func(apn, user string) {
		t.Helper()
		nodes := []lwm2m.Node{
			{Path: instance.Child(1), Value: lwm2m.String(apn)},
			{Path: instance.Child(4), Value: lwm2m.Integer(1)},
			{Path: instance.Child(5), Value: lwm2m.String(user)},
			{Path: instance.Child(6), Value: lwm2m.String("s3cret")},
			{Path: instance.Child(24), Value: lwm2m.Integer(1)},
		}
		if err := c.client(t).Update(t.Context(), instance, lwm2m.FormatSenMLCBOR, nodes); err != nil {
			t.Fatal(err)
		}
	}
	logins := func() (told []string) {
		for _, command := range c.sim.Commands() {
			if rest, ok := strings.CutPrefix(command, "AT+QICSGP=1,"); ok {
				told = append(told, rest)
			}
		}
		return told
	}
	const tried, former = `1,"wrong.lab","gw","s3cret",2`, `3,"iot.lab","","",0`
	c.confirmTime(3 * time.Second)
	write("wrong.lab", "gw")
	c.ended(transaction.Reverted, 1)
	c.back(t)
	until(t, c.agent, "/11/1/1", lwm2m.String("iot.lab"))
	if got := logins(); !slices.Equal(got, []string{tried, former}) {
		t.Fatalf("the modem was told %q", got)
	}
	c.confirmTime(time.Hour)
	write("wrong.lab", "gw")
	eventually(t, "the modem is told", func() bool { return len(logins()) == 3 })
	c.stop()
	c.start()
	eventually(t, "the modem is told the former one", func() bool { return len(logins()) == 4 }) // the session may go on without a word
	until(t, c.agent, "/11/1/1", lwm2m.String("iot.lab"))
	if got := logins(); !slices.Equal(got[2:], []string{tried, former}) {
		t.Fatalf("after a cut the modem was told %q", got[2:])
	}
	write("second.lab", "gw")
	c.ended(transaction.Kept, 3)
	until(t, c.agent, "/11/1/5", lwm2m.String("gw"))
	until(t, c.agent, "/11/1/24", lwm2m.Integer(1))
}
