//go:build interop

package interop

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/modem/at/attest"
	"lwm2m-agent/test/gateway"
	"lwm2m-agent/test/leshan"
	"lwm2m-agent/test/workspace"
)

// wired is a gateway whose modem is a simulated one that answers AT commands at a pseudo-terminal, and what Leshan sees of it.
type wired struct {
	peer
	*gateway.Agent
	port     string // where modems are plugged in, by a name that stays
	pull     func() // unplugs the one that is
	sim      *attest.Modem
	settings *attest.Settings
	messages *attest.Messages
	seen     int64 // the last event at Leshan before what is done now
}

// module is a simulated one of those that there are transcripts of.
func module(t *testing.T, name string) *attest.Modem {
	t.Helper()
	m, err := attest.Open(filepath.Join(workspace.Root(t), "modem/at/testdata/module", name+".at"))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// newWired has a modem for 5G plugged in, and a BG95 ready, with a receiver for satellites, a storage for messages and a network that knows one
// APN.
func newWired(t *testing.T) *wired {
	t.Helper()
	w := &wired{port: filepath.Join(t.TempDir(), "wwan"), sim: module(t, "bg95")}
	w.sim.Set("AT+CEDRXS?", append(kindsOfCell("0011", "0001", "0101", "0010"), "OK")...)
	w.settings = w.sim.Remember(func(apn, _ string) bool { return apn == "iot.lab" })
	w.messages = w.sim.Keep(5)
	for _, c := range []string{"AT+QGPS=1", "AT+QGPSEND"} {
		w.sim.Set(c, "OK")
	}
	w.sim.Handle("AT+QGPSLOC=2", func(string) string {
		now := time.Now().UTC()
		return "+QGPSLOC: " + now.Format("150405.000") + ",47.28523,8.56527,1.0,499.6,3,77.52,36.0,19.4," + now.Format("020106") + ",08\nOK"
	})
	w.plug(t, module(t, "rg500"))
	t.Cleanup(func() { w.pull() })
	models := leshan.Models(t, 1, 3, 4, 6, 7, 10, 11, 13, 16, 27, 10241, 10308)
	w.peer = peer{leshan.Start(t, leshan.Options{Models: models, Descriptions: ownDescriptions(t)}), "gw-at", true}
	return w
}

// kindsOfCell are the lines of AT+CEDRXS? with a cycle for each kind of cell that object 10 has a resource of: GSM, UMTS, LTE, NB-IoT (3GPP TS 27.007,
// clause 7.40: <AcT-type> 2 to 5). A BG95 has no UMTS, others no GSM.
func kindsOfCell(cycles ...string) []string {
	lines := make([]string, 0, len(cycles)+1)
	for i, cycle := range cycles {
		lines = append(lines, fmt.Sprintf(`+CEDRXS: %d,"%s"`, i+2, cycle))
	}
	return lines
}

// toml is its configuration with more of the server's section.
func (w *wired) toml(more string) string {
	account := server(w.CoAP, false, "sms_number = \"+491511234567\"\n"+more)
	return fmt.Sprintf(`endpoint = %q

[device]
manufacturer = "Example"
model        = "GW"

[[modem]]
name   = "wwan"
driver = "at"
port   = %q
signal = "1s"

[location]
source   = "modem"
interval = "1s"
`, w.endpoint, w.port) + strings.ReplaceAll(account, `"5m"`, `"1h"`)
}

// plug has a modem answer at the port.
func (w *wired) plug(t *testing.T, m *attest.Modem) {
	t.Helper()
	path, unplug, err := m.PlugIn()
	if err != nil {
		t.Fatal(err)
	}
	w.pull = func() {
		_ = os.Remove(w.port)
		unplug()
		w.pull = func() {}
	}
	if err := os.Symlink(path, w.port); err != nil {
		t.Fatal(err)
	}
}

// say has the modem say something.
func (w *wired) say(t *testing.T, line string) {
	t.Helper()
	if err := w.sim.Say(line); err != nil {
		t.Fatal(err)
	}
}

// told waits until Leshan, which observes it, is told something of an instance since before.
func (w *wired) told(t *testing.T, what, path string, is func(leshan.Content) bool) {
	t.Helper()
	e := w.Await(t, w.seen, patience, what+" as a notification of "+path, func(e leshan.Event) bool {
		return e.Type == "notification" && e.Endpoint == w.endpoint && e.Path == path && is(e.Content)
	})
	t.Logf("%s: %v", what, e.Content)
}

// trouble waits until Leshan is told of something that is wrong, in these words.
func (w *wired) trouble(t *testing.T, code, words string) {
	t.Helper()
	w.told(t, words, "/26244/0", func(c leshan.Content) bool {
		for path, value := range c {
			if place, ok := strings.CutPrefix(path, "/26244/0/3/"); ok && c["/26244/0/1/"+place] == code && strings.Contains(value, words) {
				return true
			}
		}
		return false
	})
}

func has(path, value string) func(leshan.Content) bool {
	return func(c leshan.Content) bool { return c[path] == value }
}

// TestLeshanModemAT: Leshan reads what a modem says that answers AT commands at a serial port, and is told what becomes of it: its signal,
// other networks, none and why, its connection, its SIM, another modem in its place. What Leshan writes is in the modem, also after that has restarted.
// Then the agent, that sleeps in queue mode and has no other way than the modem's own sockets, is woken by a message.
func TestLeshanModemAT(t *testing.T) {
	t.Parallel()
	w := newWired(t)
	w.Agent = gateway.Start(t, w.toml(""))
	w.AwaitRegistered(t, w.endpoint, patience)
	w.checkOther(t)
	awaitModem(t, w.Agent, "home", "home, LTE-M, 26201", "-97 dBm", "connected: iot.lab")
	w.AwaitStatus(t, "a position", func(gateway.Status) bool { return w.Read(t, w.endpoint, "/6/0/0", lwm2m.FormatText).Code == "2.05" })
	w.checkWhole(t)
	for _, path := range []string{"/11/1", "/10308/0"} {
		must(t, "2.05", w.Observe(t, w.endpoint, path, lwm2m.FormatSenMLCBOR))
	}
	w.checkNetworks(t)
	w.checkConnection(t)
	w.checkCard(t)
	w.checkWritten(t)
	w.checkWoken(t)
}

// checkWhole compares each object with what the modem says.
func (w *wired) checkWhole(t *testing.T) {
	t.Helper()
	must(t, "2.04", w.Execute(t, w.endpoint, "/7/0/6", ""))
	if err := w.messages.Receive(hello); err != nil {
		t.Fatal(err)
	}
	w.AwaitStatus(t, "a message is counted", func(gateway.Status) bool {
		return w.Read(t, w.endpoint, "/7/0/1", lwm2m.FormatText).Content["/7/0/1"] == "1"
	})
	for instance, want := range map[string]leshan.Content{
		"/4/0":     {"/7/0": "iot.lab", "/8": "27447299", "/9": "1", "/10": "262", "/11": "2", "/12": "6699"},
		"/6/0":     {"/0": "47.28523", "/1": "8.56527", "/2": "499.6", "/3": "19.0", "/4": "004e0024", "/6": "10.0"},
		"/7/0":     {"/0": "0", "/1": "1", "/8": "0"},
		"/10/0":    {"/4": "21600", "/5": "6", "/7": "01", "/8": "05", "/9": "02", "/10": "03", "/11/0": "11:1", "/12": "3", "/13": "3"},
		"/13/0":    {"/0/0": "0", "/6": "", "/7": "false"},
		"/10308/0": {"/1": "8949020000123456789", "/2": "262011234567890", "/3": "4915112345678", "/7": "2", "/8": "32"},
		"/10241/0": {"/5905/0": "Example", "/5906/0": "GW", "/5907/0": w.endpoint},
		"/16/0": {
			"/0/0": w.endpoint, "/0/1": "Example", "/0/2": "GW", "/0/3": "(devel)",
			"/0/4": "867730050000017", "/0/5": "Quectel", "/0/6": "BG95-M3", "/0/7": "BG95M3LAR02A04",
		},
		"/11/1": {
			"/0": "context 1", "/1": "iot.lab", "/3": "true", "/4": "3", "/10/0": "0", "/13": "3832", "/14": "4618",
			"/15/0": "10.45.0.2", "/15/1": "2001:db8::2", "/18/0": "10.45.0.1", "/18/1": "fe80::1",
			"/19/0": "10.45.0.53", "/20/0": "10.45.0.54", "/20/1": "2001:db8::53", "/24": "3",
		},
	} {
		got := make(leshan.Content)
		for path, value := range must(t, "2.05", w.Read(t, w.endpoint, instance, lwm2m.FormatTLV)).Content {
			got[strings.TrimPrefix(path, instance)] = value
		}
		maps.DeleteFunc(got, func(path, _ string) bool { return varies(instance + path) })
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", instance, d)
		}
	}
}

// varies reports whether a value is the affair of this machine's network, of the moment, or of the traffic.
func varies(path string) bool {
	for _, begin := range []string{"/4/0/0", "/4/0/1/", "/4/0/2", "/4/0/3", "/4/0/4/", "/4/0/5/", "/6/0/5", "/7/0/2", "/7/0/3", "/7/0/4", "/7/0/5", "/10241/0/5908", "/11/1/9/"} {
		if path == begin || strings.HasSuffix(begin, "/") && strings.HasPrefix(path, begin) || begin == "/10241/0/5908" && strings.HasPrefix(path, begin) {
			return true
		}
	}
	return false
}

// network has the modem say that it is registered otherwise, as "+CEREG: <stat>,…".
func (w *wired) network(t *testing.T, operator, says string) {
	t.Helper()
	w.seen = w.Now(t)
	w.sim.Set("AT+CEREG?", "+CEREG: 4,"+says, "OK")
	w.sim.Set("AT+COPS?", `+COPS: 0,2,"`+operator+`",8`, "OK")
	w.say(t, "+CEREG: "+says)
}

const home = `1,"1A2B","01A2D003",8,,,"00000011","00100110"`

// checkNetworks has the signal fall, another network, and none that takes the modem.
func (w *wired) checkNetworks(t *testing.T) {
	t.Helper()
	w.seen = w.Now(t)
	w.sim.Set("AT+QCSQ", `+QCSQ: "eMTC",-90,-121,20,-19`, "OK")
	w.told(t, "a weak signal", "/4/0", has("/4/0/11", "-16"))
	w.told(t, "a weak signal", "/10308/0", has("/10308/0/7", "-16"))
	awaitModem(t, w.Agent, "a weak signal", "-121 dBm")

	w.network(t, "310410", `5,"1A2C","01A2D004",8`)
	w.told(t, "roaming", "/4/0", func(c leshan.Content) bool {
		return c["/4/0/10"] == "310" && c["/4/0/9"] == "410" && c["/4/0/8"] == "27447300" && c["/4/0/12"] == "6700"
	})
	awaitModem(t, w.Agent, "roaming", "roaming, LTE-M, 310410")

	w.network(t, "310410", `3,"1A2C","01A2D004",8,0,15`)
	w.trouble(t, "network-refuses", "no suitable cells in tracking area (EMM cause 15)")
	w.told(t, "no cell", "/4/0", has("/4/0/8", ""))
	w.network(t, "26201", home)
	w.told(t, "home again", "/4/0", has("/4/0/10", "262"))
	w.checkCoverage(t)
}

// checkCoverage has the modem go over to NB-IoT, where it tells the level of coverage enhancement, and back: a BG95 tells it of no LTE-M.
func (w *wired) checkCoverage(t *testing.T) {
	t.Helper()
	w.seen = w.Now(t)
	w.sim.Set("AT+QCSQ", `+QCSQ: "NBIoT",-95,-121,60,-19`, "OK")
	w.sim.Set(`AT+QENG="servingcell"`, `+QENG: "servingcell","NOCONN","NBIoT","FDD",262,01,1A2D003,193,6300,20,3,3,1A2B,-121,-19,-95,-8,4`, "OK")
	w.sim.Set(`AT+QCFG="celevel"`, `+QCFG: "celevel",2`, "OK")
	w.told(t, "coverage level 2", "/4/0", has("/4/0/13", "3"))
	w.told(t, "coverage level 2", "/10308/0", func(c leshan.Content) bool { return c["/10308/0/9"] == "2" && c["/10308/0/8"] == "4" })
	w.want(t, "/4/0/13", "3")
	w.want(t, "/10308/0/9", "2")
	w.want(t, "/10308/0/8", "4")
	w.seen = w.Now(t)
	w.sim.Set("AT+QCSQ", `+QCSQ: "eMTC",-90,-121,20,-19`, "OK")
	w.told(t, "no coverage level", "/4/0", func(c leshan.Content) bool { return c["/4/0/13"] == "" && c["/4/0/11"] == "-16" })
}

// checkConnection has the network take the connection back, and refuse an APN that Leshan writes: the former one returns.
func (w *wired) checkConnection(t *testing.T) {
	t.Helper()
	w.seen = w.Now(t)
	if err := w.settings.Lose("1"); err != nil {
		t.Fatal(err)
	}
	w.told(t, "no connection", "/11/1", has("/11/1/3", "false"))
	w.seen = w.Now(t)
	if err := w.settings.Regain("1"); err != nil {
		t.Fatal(err)
	}
	w.told(t, "a connection", "/11/1", has("/11/1/3", "true"))

	w.seen = w.Now(t)
	must(t, "2.04", w.Replace(t, w.endpoint, "/11/1/1", lwm2m.FormatText, leshan.Values{"": "wrong.lab"}))
	w.told(t, "the cause", "/11/1", has("/11/1/11/0", "33"))
	w.told(t, "the former APN", "/11/1", func(c leshan.Content) bool { return c["/11/1/1"] == "iot.lab" && c["/11/1/3"] == "true" })
}

// checkCard takes the SIM out, and puts it back.
func (w *wired) checkCard(t *testing.T) {
	t.Helper()
	w.seen = w.Now(t)
	w.sim.Set("AT+CPIN?", "+CME ERROR: 10")
	w.say(t, "+QSIMSTAT: 1,0")
	w.trouble(t, "sim-missing", "there is no card in BG95-M3")
	w.told(t, "no card", "/10308/0", has("/10308/0/2", ""))
	w.seen = w.Now(t)
	w.sim.Set("AT+CPIN?", "+CPIN: READY", "OK")
	w.say(t, "+QSIMSTAT: 1,1")
	w.told(t, "the card", "/10308/0", has("/10308/0/2", "262011234567890"))
}

// checkWritten has Leshan write into objects 10 and 13, and the modem forget it.
func (w *wired) checkWritten(t *testing.T) {
	t.Helper()
	w.checkCycles(t)
	must(t, "2.04", w.Update(t, w.endpoint, "/10/0", lwm2m.FormatTLV, leshan.Values{"/4": "86400", "/5": "30", "/8": "09"}))
	must(t, "2.04", w.Replace(t, w.endpoint, "/13/0/0", lwm2m.FormatTLV, leshan.Values{"/0": "14", "/1": "4"}))
	must(t, "2.04", w.Replace(t, w.endpoint, "/13/0/6", lwm2m.FormatText, leshan.Values{"": "26202,26201"}))
	w.shows(t, "AT+CPSMS", `1,,,"00111000","00001111"`)
	w.shows(t, "AT+CEDRXS", cycles("0100", "1101", "1001", "1010"))
	w.shows(t, `AT+QCFG="nwscanseq"`, "030201")
	if err := w.settings.Restart(); err != nil {
		t.Fatal(err)
	}
	w.shows(t, "AT+CPSMS", `1,,,"00111000","00001111"`)
	w.shows(t, "AT+CEDRXS", cycles("0100", "1101", "1001", "1010"))
	w.shows(t, `AT+QCFG="nwscanseq"`, "030201")
	w.want(t, "/13/0/6", "26202,26201")
	for path, cycle := range map[string]string{"/10/0/7": "0d", "/10/0/8": "09", "/10/0/9": "0a", "/10/0/10": "04"} {
		w.want(t, path, cycle)
	}
}

// shows waits until the modem has a setting.
func (w *wired) shows(t *testing.T, name, want string) {
	t.Helper()
	w.AwaitStatus(t, name+" shows "+want, func(gateway.Status) bool { return w.settings.Shows(name) == want })
}

// cycles is what AT+CEDRXS? shows.
func cycles(of ...string) string {
	return strings.ReplaceAll(strings.Join(kindsOfCell(of...), "\n"), "+CEDRXS: ", "")
}

// checkCycles has Leshan write the cycle of eDRX of one kind of cell after the other, each by a command for it alone, and switch eDRX off and on.
func (w *wired) checkCycles(t *testing.T) {
	t.Helper()
	for _, c := range []struct{ path, octet, command, after string }{
		{"/10/0/9", "0a", `AT+CEDRXS=2,5,"1010"`, cycles("0011", "0001", "0101", "1010")},
		{"/10/0/7", "0d", `AT+CEDRXS=2,3,"1101"`, cycles("0011", "1101", "0101", "1010")},
		{"/10/0/10", "04", `AT+CEDRXS=2,2,"0100"`, cycles("0100", "1101", "0101", "1010")},
	} {
		before := len(w.sim.Commands())
		must(t, "2.04", w.Replace(t, w.endpoint, c.path, lwm2m.FormatTLV, leshan.Values{"": c.octet}))
		sent := slices.DeleteFunc(w.sim.Commands()[before:], func(c string) bool { return !strings.HasPrefix(c, "AT+CEDRXS=") })
		if !slices.Equal(sent, []string{c.command}) {
			t.Errorf("for %s: %q, want %s", c.path, sent, c.command)
		}
		w.shows(t, "AT+CEDRXS", c.after)
		w.want(t, c.path, c.octet)
	}
	must(t, "2.04", w.Replace(t, w.endpoint, "/10/0/13", lwm2m.FormatText, leshan.Values{"": "1"}))
	w.shows(t, "AT+CEDRXS", "")
	w.AwaitStatus(t, "eDRX is off", func(gateway.Status) bool {
		return w.Read(t, w.endpoint, "/10/0/13", lwm2m.FormatText).Content["/10/0/13"] == "1"
	})
	w.want(t, "/10/0/12", "3")
	must(t, "2.04", w.Replace(t, w.endpoint, "/10/0/13", lwm2m.FormatText, leshan.Values{"": "3"}))
	w.shows(t, "AT+CEDRXS", cycles("0100", "1101", "0101", "1010"))
}

// checkOther pulls a modem for 5G, and puts the one of this test in its place.
func (w *wired) checkOther(t *testing.T) {
	t.Helper()
	awaitModem(t, w.Agent, "one for 5G", "RG500Q-EA", "home, 5G NR, 46011")
	want := leshan.Content{"/27/0/0": "2", "/27/0/2/0": "78", "/27/0/4": "ctnet", "/27/0/7": "3", "/27/0/17": "46011"}
	if d := cmp.Diff(want, must(t, "2.05", w.Read(t, w.endpoint, "/27/0", lwm2m.FormatTLV)).Content); d != "" {
		t.Errorf("/27/0 (-want +got):\n%s", d)
	}
	for _, path := range []string{"/4/0", "/26244/0"} {
		must(t, "2.05", w.Observe(t, w.endpoint, path, lwm2m.FormatSenMLCBOR))
	}
	w.seen = w.Now(t)
	w.pull()
	w.trouble(t, "modem-missing", "port")
	w.told(t, "no cell", "/4/0", has("/4/0/8", ""))
	w.seen = w.Now(t)
	w.plug(t, w.sim)
	w.told(t, "the other modem", "/4/0", has("/4/0/8", "27447299"))
}

// checkWoken has the agent start again with no other way than the modem's own sockets, and in queue mode.
func (w *wired) checkWoken(t *testing.T) {
	t.Helper()
	w.AwakeTime(t, time.Second)
	stack := w.sim.Connect("quectel", nil)
	t.Cleanup(stack.Close)
	w.Agent.Stop(t)
	w.Configure(t, w.toml("modem = \"wwan\"\nqueue_mode = true\nawake = \"1s\""))
	after := w.Now(t)
	w.Restart(t)
	w.AwaitType(t, after, patience, "sleeping", w.endpoint)
	if stack.Opened() == 0 {
		t.Error("it was registered by another way")
	}
	if r := w.Read(t, w.endpoint, "/4/0", lwm2m.FormatTLV); r.Failure != "ClientSleepingException" {
		t.Errorf("a request to the sleeping agent: %+v", r)
	}
	after = w.Now(t)
	if err := w.messages.Receive(trigger); err != nil {
		t.Fatal(err)
	}
	w.AwaitType(t, after, patience, "awake", w.endpoint)
	whole := must(t, "2.05", w.Read(t, w.endpoint, "/4/0", lwm2m.FormatTLV)).Content
	for path, want := range map[string]string{"/4/0/0": "6", "/4/0/2": "-121", "/4/0/3": "-19", "/4/0/8": "27447299"} {
		if whole[path] != want {
			t.Errorf("%s is %q over the modem, want %s", path, whole[path], want)
		}
	}
	w.AwaitStatus(t, "the trigger is counted", func(g gateway.Status) bool { return g.SMS.Woken == 1 })
	w.Agent.Stop(t)
}
