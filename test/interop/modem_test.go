//go:build interop

package interop

import (
	"fmt"
	"strings"
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/test/gateway"
	"lwm2m-agent/test/leshan"
	"lwm2m-agent/test/modemmanager"
)

// hello is a short message (3GPP TS 23.040, clause 9.2.2.1): "hello" from +491511234567, by way of +491760000443.
const hello = "0791947106004034040C9194511132547600006211828175004005E8329BFD06"

// trigger is one of octets from the same number: a NON that executes /1/0/8.
const trigger = "0791947106004034040C91945111325476000462118281750040" + "0A50021234B13101300138"

// TestLeshanModemManager: Leshan reads what the real ModemManager knows of a simulated modem, and is told what becomes of it: other
// networks, none, a connection, messages; the modem and ModemManager go and come back.
func TestLeshanModemManager(t *testing.T) {
	t.Parallel()
	rig := modemmanager.Start(t)
	s := peer{leshan.Start(t, leshan.Options{Models: leshan.Models(t, 1, 3, 4, 7, 10, 11, 13, 27, 10241, 10308)}), "gw-mm", true}
	a := gateway.StartIn(t, fmt.Sprintf("endpoint = %q\n[[modem]]\nname = \"wwan\"\ndriver = \"modemmanager\"\nsignal = \"1s\"\n", s.endpoint)+server(s.CoAP, false, "sms_number = \"+491511234567\""),
		"DBUS_SYSTEM_BUS_ADDRESS="+rig.Bus)
	s.AwaitRegistered(t, s.endpoint, patience)
	awaitTrouble(t, a, "modem-missing", "it has none at all")

	rig.Plug(t)
	rig.Enable(t)
	awaitModem(t, a, "home", "SIM ready", "home, LTE, Lab LTE 26201", "-97 dBm")
	s.wantCell(t, "262", "1", "27447299", "6699")
	s.want(t, "/10308/0/2", "262011234567890")
	s.want(t, "/10308/0/3", "4915112345678")
	s.want(t, "/10241/0/5907/0", s.endpoint)
	s.want(t, "/13/0/0/0", "0") // ModemManager has no modes for this modem
	must(t, "4.05", s.Replace(t, s.endpoint, "/13/0/6", lwm2m.FormatText, leshan.Values{"": "26201"}))
	must(t, "2.05", s.Observe(t, s.endpoint, "/4/0/10", lwm2m.FormatText))
	must(t, "2.04", s.Execute(t, s.endpoint, "/7/0/6", ""))

	rig.Hears(-118, -17)
	awaitModem(t, a, "a weak signal", "-118 dBm")
	after := s.Now(t)
	rig.Registers(t, 5, "310410", "Other")
	s.AwaitNotification(t, after, patience, s.endpoint, "/4/0/10", func(c leshan.Content) bool { return c["/4/0/10"] == "310" })
	awaitModem(t, a, "roaming", "roaming, LTE, Other 310410")
	s.wantCell(t, "310", "410", "27447299", "6699")

	bearer := rig.Connect(t, "iot.lab")
	awaitModem(t, a, "a connection", "connected: iot.lab")
	s.want(t, "/11/1/1", "iot.lab")
	s.want(t, "/10/0/11/0", "11:1")
	rig.Disconnect(t, bearer)
	awaitModem(t, a, "no connection", "!connected")

	rig.Receives(t, hello)
	a.AwaitStatus(t, "a message is counted", func(gateway.Status) bool {
		return s.Read(t, s.endpoint, "/7/0/1", lwm2m.FormatText).Content["/7/0/1"] == "1"
	})

	after = s.Now(t)
	rig.Receives(t, trigger)
	s.AwaitType(t, after, patience, "updated", s.endpoint)
	a.AwaitStatus(t, "the trigger is counted", func(g gateway.Status) bool { return g.SMS.Received == 2 && g.SMS.Woken == 1 })
	rig.Keeps(t, 1) // the text, which is not for the agent

	rig.Registers(t, 2, "", "")
	awaitModem(t, a, "no network", "searching")
	a.AwaitStatus(t, "no cell", func(gateway.Status) bool { return s.Read(t, s.endpoint, "/4/0/8", lwm2m.FormatText).Code == "4.04" })
	rig.Registers(t, 1, "26201", "Lab LTE")
	awaitModem(t, a, "home again", "home, LTE")
	rig.Inhibit(t, true)
	awaitTrouble(t, a, "modem-missing", "it has none at all")
	rig.Inhibit(t, false)
	rig.Enable(t)
	awaitModem(t, a, "the modem is back", "home, LTE")
	s.wantCell(t, "262", "1", "27447299", "6699")
	rig.Stop(t)
	awaitTrouble(t, a, "modem-missing", "does not run")
	rig.Restart(t)
	awaitTrouble(t, a, "modem-missing", "it has none at all")
	a.Stop(t)
}

func (s peer) want(t *testing.T, path, value string) {
	t.Helper()
	if c := must(t, "2.05", s.Read(t, s.endpoint, path, lwm2m.FormatText)).Content; c[path] != value {
		t.Errorf("%s is %q, want %q", path, c[path], value)
	}
}

func (s peer) wantCell(t *testing.T, mcc, mnc, cell, area string) {
	t.Helper()
	for path, want := range map[string]string{"/4/0/10": mcc, "/4/0/9": mnc, "/4/0/8": cell, "/4/0/12": area} {
		s.want(t, path, want)
	}
}

// awaitModem waits until status says all of it of the modem; "!" before one: until it does not.
func awaitModem(t *testing.T, a *gateway.Agent, what string, said ...string) {
	t.Helper()
	a.AwaitStatus(t, what, func(s gateway.Status) bool {
		for _, part := range said {
			no := strings.HasPrefix(part, "!")
			if len(s.Modems) != 1 || strings.Contains(s.Modems[0].Words, strings.TrimPrefix(part, "!")) == no {
				return false
			}
		}
		return true
	})
}

func awaitTrouble(t *testing.T, a *gateway.Agent, code, detail string) {
	t.Helper()
	a.AwaitStatus(t, code+": "+detail, func(s gateway.Status) bool { return strings.Contains(trouble(s, code), detail) })
}
