//go:build interop

package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/modem/at/attest"
	"lwm2m-agent/test/gateway"
	"lwm2m-agent/test/leshan"
	"lwm2m-agent/test/modemmanager"
	"lwm2m-agent/test/workspace"
)

// hello is a short message (3GPP TS 23.040, clause 9.2.2.1): "hello" from +491511234567, by way of +491760000443.
const hello = "0791947106004034040C9194511132547600006211828175004005E8329BFD06"

// trigger is one of octets from the same number: a NON that executes /1/0/8.
const trigger = "0791947106004034040C91945111325476000462118281750040" + "0A50021234B13101300138"

// TestLeshanModemManager: Leshan reads what the real ModemManager knows of a simulated modem, and is told what becomes of it: other
// networks, none, 5G, a connection, messages; the modem and ModemManager go and come back. Last, an agent that speaks to its modem itself.
func TestLeshanModemManager(t *testing.T) {
	t.Parallel()
	rig := modemmanager.Start(t)
	s := peer{leshan.Start(t, leshan.Options{Models: leshan.Models(t, 1, 3, 4, 7, 10, 11, 13, 16, 27, 10241, 10308), Descriptions: descriptions(t, "26244.xml")}), "gw-mm", true}
	a := gateway.StartIn(t, fmt.Sprintf("endpoint = %q\n[[modem]]\nname = \"wwan\"\ndriver = \"modemmanager\"\nsignal = \"1s\"\n", s.endpoint)+server(s.CoAP, false, "sms_number = \"+491511234567\""),
		"DBUS_SYSTEM_BUS_ADDRESS="+rig.Bus)
	s.AwaitRegistered(t, s.endpoint, patience)
	awaitTrouble(t, a, "modem-missing", "it has none at all")

	rig.Plug(t)
	rig.Enable(t)
	awaitModem(t, a, "home", "SIM ready", "home, LTE, Lab LTE 26201", "-97 dBm")
	s.wantCell(t, "262", "1", "27447299", "6699")
	s.whole(t, "/10/0", leshan.Values{"/12": "0", "/13": "0"})
	s.whole(t, "/10308/0", leshan.Values{"/1": "89490200001234567890", "/2": "262011234567890", "/3": "4915112345678"})
	s.whole(t, "/10241/0", leshan.Values{"/5905/0": "*", "/5906/0": "*", "/5907/0": s.endpoint, "/5908/0": "*"})
	s.whole(t, "/13/0", leshan.Values{"/0/0": "0", "/6": "26207", "/7": "false"}) // ModemManager has no modes for this modem
	s.whole(t, "/16/0", leshan.Values{
		"/0/0": s.endpoint, "/0/1": "*", "/0/2": "*", "/0/3": "*", "/0/4": "867730050000017", "/0/5": "Quectel", "/0/6": "BG95-M3", "/0/7": "BG95M3LAR02A04",
	})
	must(t, "4.04", s.Read(t, s.endpoint, "/27/0", lwm2m.FormatTLV)) // until it was seen in 5G
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
	s.whole(t, "/11/1", leshan.Values{"/0": "context 1", "/1": "iot.lab", "/3": "true", "/4": "3", "/9/0": "*", "/10/0": "0", "/24": "1"}) // pppd has the address
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
	rig.As5G()
	rig.Inhibit(t, false)
	rig.Enable(t)
	awaitModem(t, a, "the modem is back", "RG500Q-EA", "home, LTE")
	s.wantCell(t, "262", "1", "27447299", "6699")
	s.check5G(t, a, rig)
	rig.Stop(t)
	awaitTrouble(t, a, "modem-missing", "does not run")
	rig.Restart(t)
	awaitTrouble(t, a, "modem-missing", "it has none at all")
	a.Stop(t)
	peer{s.Server, "gw-at", true}.checkAT(t)
}

// descriptions are files that describe objects of this project.
func descriptions(t *testing.T, names ...string) [][]byte {
	t.Helper()
	out := make([][]byte, len(names))
	for i, name := range names {
		text, err := os.ReadFile(filepath.Join(workspace.Root(t), "objects/registry/xml", name))
		if err != nil {
			t.Fatal(err)
		}
		out[i] = text
	}
	return out
}

// check5G has the modem go to 5G with a connection, and back.
func (s peer) check5G(t *testing.T, a *gateway.Agent, rig *modemmanager.ModemManager) {
	t.Helper()
	rig.Connect(t, "iot.lab")
	rig.Uses5G(t, true)
	awaitModem(t, a, "5G", "home, 5G NR", "connected: iot.lab")
	s.whole(t, "/27/0", leshan.Values{"/0": "2", "/4": "iot.lab", "/7": "1", "/17": "26201"})
	s.watch(t, "/27/0/0")
	after := s.Now(t)
	rig.Uses5G(t, false)
	s.told(t, after, "/27/0/0", leshan.Values{"": "1"})
}

// checkAT reads and writes, with a modem that the agent speaks to itself, what ModemManager has no interface for.
func (s peer) checkAT(t *testing.T) {
	t.Helper()
	sim, port, unplug, err := attest.PlugIn(filepath.Join(workspace.Root(t), "modem/at/testdata/module/bg95.at"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(unplug)
	a := gateway.Start(t, fmt.Sprintf("endpoint = %q\n[[modem]]\nname = \"wwan\"\ndriver = \"at\"\nport = %q\n", s.endpoint, port)+server(s.CoAP, false, ""))
	s.AwaitRegistered(t, s.endpoint, patience)
	awaitModem(t, a, "connected", "home, LTE-M", "connected: iot.lab")
	s.whole(t, "/10/0", leshan.Values{"/4": "21600", "/5": "6", "/8": "05", "/11/0": "11:1", "/12": "3", "/13": "3"})
	s.whole(t, "/11/1", leshan.Values{
		"/0": "context 1", "/1": "iot.lab", "/3": "true", "/4": "3", "/9/0": "*", "/10/0": "0", "/13": "3832", "/14": "4618", "/15/0": "10.45.0.2", "/15/1": "2001:db8::2",
		"/18/0": "10.45.0.1", "/18/1": "fe80::1", "/19/0": "10.45.0.53", "/20/0": "10.45.0.54", "/20/1": "2001:db8::53", "/24": "3",
	})
	s.whole(t, "/10308/0", leshan.Values{"/1": "8949020000123456789", "/2": "262011234567890", "/3": "4915112345678", "/7": "2", "/8": "32"})
	s.want(t, "/4/0/11", "2")
	sim.Handle("AT+CPSMS=1", func(string) string {
		sim.Set("AT+CPSMS?", `+CPSMS: 1,,,"00111000","00000011"`, "OK")
		return "OK"
	})
	must(t, "2.04", s.Replace(t, s.endpoint, "/10/0/4", lwm2m.FormatText, leshan.Values{"": "86400"}))
	if !slices.Contains(sim.Commands(), `AT+CPSMS=1,,,"00111000","00000011"`) {
		t.Errorf("the modem was told %q", sim.Commands())
	}
	s.want(t, "/10/0/4", "86400")
	s.watch(t, "/26244/0/1")
	after := s.Now(t)
	if err := sim.Say(`+CEREG: 3,"1A2B","01A2D003",8,0,7`); err != nil { // with a cause of EMM (3GPP TS 27.007, clause 10.1.22)
		t.Fatal(err)
	}
	s.want(t, "/26244/0/3"+s.toldTrouble(t, after, "network-refuses", true), "packet services not allowed for this SIM (EMM cause 7)")
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
