package agent

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lwm2m-agent/agent/bind"
	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/control"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/client"
	"lwm2m-agent/lwm2m/server"
	"lwm2m-agent/lwm2m/wire/link"
	"lwm2m-agent/modem"
	"lwm2m-agent/modem/at/attest"
)

// plugIn makes a simulated BG95 at a pseudo-terminal, and a [[modem]] for it.
func plugIn(t *testing.T) (*attest.Modem, config.Modem) {
	t.Helper()
	return plugInModule(t, "bg95")
}

// plugInModule is plugIn of one of the modules that there are transcripts of.
func plugInModule(t *testing.T, name string) (*attest.Modem, config.Modem) {
	t.Helper()
	m, path, unplug, err := attest.PlugIn("../modem/at/testdata/module/" + name + ".at")
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(unplug)
	return m, config.Modem{Name: "wwan", Driver: config.ModemAT, Port: path, Speed: 115200}
}

func TestModemInObject4(t *testing.T) {
	l := newLab(t)
	sim, m := plugIn(t)
	cfg := l.config()
	cfg.Modems = []config.Modem{m}
	a, _ := l.run(t, cfg)
	until(t, a, "/4/0/8", lwm2m.Integer(0x1A2D003))
	until(t, a, "/4/0/9", lwm2m.Integer(1))
	until(t, a, "/4/0/10", lwm2m.Integer(262))
	until(t, a, "/4/0/11", lwm2m.Integer(2))
	until(t, a, "/4/0/12", lwm2m.Integer(0x1A2B))
	until(t, a, "/4/0/7/0", lwm2m.String("iot.lab"))
	until(t, a, "/10308/0/1", lwm2m.String("8949020000123456789"))
	until(t, a, "/10308/0/3", lwm2m.String("4915112345678"))
	until(t, a, "/10308/0/7", lwm2m.Integer(2))
	for path, want := range map[string]string{"/16/0/0/4": "867730050000017", "/16/0/0/5": "Quectel", "/16/0/0/6": "BG95-M3", "/16/0/0/7": "BG95M3LAR02A04"} {
		until(t, a, path, lwm2m.String(want))
	}
	until(t, a, "/10241/0/5907/0", lwm2m.String(a.hostIdentities().DeviceID))
	until(t, a, "/3/0/22/0", lwm2m.Objlnk(10241, 0))
	until(t, a, "/27/0/0", lwm2m.Value{}) // it is no modem for 5G
	shown := (&backend{a}).Status().Modems
	if want := "ready: Quectel BG95-M3 BG95M3LAR02A04, SIM ready, home, LTE-M, 26201, -97 dBm, connected: iot.lab"; len(shown) != 1 || shown[0].Words != want || *shown[0].Signal != -97 {
		t.Errorf("status has %+v, want %q", shown, want)
	}

	if err := sim.Say(`+CEREG: 3,"1A2B","01A2D003",8,0,7`); err != nil {
		t.Fatal(err)
	}
	if tr := a.await(t, health.NetworkRefuses, true); tr.On != "wwan" || !strings.Contains(tr.Detail, "EMM cause 7") {
		t.Errorf("%+v", tr)
	}
	until(t, a, "/4/0/8", lwm2m.Value{})
}

// TestModemIsWritten has a server change timers and APN, and refused by the network, finds
// the former one again.
func TestModemIsWritten(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	sim, m := plugIn(t)
	cfg := l.config()
	cfg.Modems = []config.Modem{m}
	a, _ := l.run(t, cfg)
	l.next(t, server.Registered)
	until(t, a, "/10/0/4", lwm2m.Integer(6*3600))
	until(t, a, "/10/0/11/0", lwm2m.Objlnk(11, 1))
	until(t, a, "/11/1/15/0", lwm2m.String("10.45.0.2"))
	sim.Handle("AT+CPSMS=1", func(string) string {
		sim.Set("AT+CPSMS?", `+CPSMS: 1,,,"00111000","00000011"`, "OK")
		return "OK"
	})
	path := lwm2m.MustPath("/10/0/4")
	if err := l.client(t).Replace(t.Context(), path, lwm2m.FormatText, []lwm2m.Node{{Path: path, Value: lwm2m.Integer(86400)}}); err != nil {
		t.Fatal(err)
	}
	until(t, a, "/10/0/4", lwm2m.Integer(86400))
	if !slices.Contains(sim.Commands(), `AT+CPSMS=1,,,"00111000","00000011"`) {
		t.Errorf("sent %q", sim.Commands())
	}

	for _, c := range []string{"AT+CGATT=0", "AT+CGATT=1"} {
		sim.Set(c, "OK")
	}
	sim.Set("AT+CGACT?", "+CGACT: 1,0", "OK")
	sim.Set("AT+CGACT=1,1", "+CME ERROR: 133")
	sim.Set("AT+CGCONTRDP=1", "OK")
	back := make(chan struct{})
	sim.Handle("AT+CGDCONT=1,", func(rest string) string {
		sim.Set("AT+CGDCONT?", "+CGDCONT: 1,"+rest, "OK")
		if strings.Contains(rest, "iot.lab") {
			close(back)
		}
		return "OK"
	})
	path = lwm2m.MustPath("/11/1/1")
	if err := l.client(t).Replace(t.Context(), path, lwm2m.FormatText, []lwm2m.Node{{Path: path, Value: lwm2m.String("wrong.lab")}}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-back:
	case <-time.After(generous):
		t.Fatalf("it does not go back: %q", sim.Commands())
	}
	until(t, a, "/11/1/11/0", lwm2m.Integer(33))
	until(t, a, "/11/1/1", lwm2m.String("iot.lab"))
}

// TestStuckModem has the modem not answer any more: reads, notifications and Updates go on meanwhile, also of the modem's own objects
// and beside a write that waits for it.
func TestStuckModem(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	sim, m := plugIn(t)
	cfg := l.config()
	cfg.Modems = []config.Modem{m}
	a, _ := l.run(t, cfg)
	l.next(t, server.Registered)
	until(t, a, "/10/0/4", lwm2m.Integer(6*3600))
	c := l.client(t)
	relay := lwm2m.MustPath("/3306/0/5850")
	if _, err := c.Observe(t.Context(), relay, lwm2m.FormatSenMLCBOR); err != nil {
		t.Fatal(err)
	}
	sim.Silence(true)
	defer sim.Silence(false)
	asked := len(sim.Commands())
	written := make(chan error, 1)
	go func() {
		timer := lwm2m.MustPath("/10/0/4")
		written <- c.Replace(t.Context(), timer, lwm2m.FormatText, []lwm2m.Node{{Path: timer, Value: lwm2m.Integer(86400)}})
	}()
	wait(t, "the modem is asked", func() bool { return len(sim.Commands()) > asked })
	for _, path := range []string{"/3/0/0", "/4", "/10", "/11", "/3306"} {
		if _, err := c.Read(t.Context(), lwm2m.MustPath(path)); err != nil {
			t.Errorf("read %s: %v", path, err)
		}
	}
	if err := c.Replace(t.Context(), relay, lwm2m.FormatText, []lwm2m.Node{{Path: relay, Value: lwm2m.Boolean(true)}}); err != nil {
		t.Error(err)
	}
	if e := l.next(t, server.Notified); e.Path != relay {
		t.Errorf("notified of %v", e.Path)
	}
	if err := a.client.Update(101); err != nil {
		t.Fatal(err)
	}
	l.next(t, server.Updated)
	select {
	case err := <-written:
		t.Errorf("all that was to be while the write waited; it has ended: %v", err)
	default:
	}
	sim.Silence(false)
	if err := <-written; err == nil {
		t.Error("a write that the modem has not answered was taken")
	}
}

// TestModemIsSteered has a server say which radio and operators the modem prefers. The module keeps that:
// it is there when the agent is started again.
func TestModemIsSteered(t *testing.T) {
	l := newLab(t)
	sim, m := plugIn(t)
	var mu sync.Mutex
	sequence, operator := "00", "26201"
	sim.Handle(`AT+QCFG="nwscanseq"`, func(rest string) string {
		mu.Lock()
		defer mu.Unlock()
		if to, ok := strings.CutSuffix(rest, ",1"); ok {
			sequence = to[1:]
			return "OK"
		}
		return `+QCFG: "nwscanseq",` + sequence + "\nOK"
	})
	sim.Handle("AT+CPOL", func(rest string) string {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case rest == "=?":
			return "+CPOL: (1-8),(0-2)\nOK"
		case rest == "?":
			return `+CPOL: 1,2,"` + operator + "\",1,0,1,1\nOK"
		case strings.HasPrefix(rest, "=1,2,"):
			operator = strings.Split(rest, `"`)[1]
		}
		return "OK"
	})
	cfg := l.config()
	cfg.Modems = []config.Modem{m}
	a, stop := l.run(t, cfg)
	l.next(t, server.Registered)
	until(t, a, "/13/0/6", lwm2m.String("26201"))
	until(t, a, "/13/0/0/0", lwm2m.Integer(0))
	write := func(path string, nodes ...lwm2m.Node) error {
		return l.client(t).Replace(t.Context(), lwm2m.MustPath(path), lwm2m.FormatSenMLCBOR, nodes)
	}
	bearer := func(i uint16, n int64) lwm2m.Node {
		return lwm2m.Node{Path: lwm2m.NewPath(13, 0, 0, i), Value: lwm2m.Integer(n)}
	}
	if err := write("/13/0/0", bearer(0, 14), bearer(1, 4)); err != nil {
		t.Fatal(err)
	}
	if err := write("/13/0/6", lwm2m.Node{Path: lwm2m.MustPath("/13/0/6"), Value: lwm2m.String("26202")}); err != nil {
		t.Fatal(err)
	}
	if err := write("/13/0/0", bearer(0, 16)); lwm2m.CodeOf(err) != lwm2m.BadRequest {
		t.Errorf("5G: %v", err)
	}
	until(t, a, "/13/0/0/2", lwm2m.Integer(2)) // what was not named comes last
	stop()
	a, _ = l.run(t, cfg)
	until(t, a, "/13/0/6", lwm2m.String("26202"))
	until(t, a, "/13/0/0/0", lwm2m.Integer(14))
	until(t, a, "/13/0/0/1", lwm2m.Integer(4))
	until(t, a, "/13/0/0/2", lwm2m.Integer(2))
}

// TestSleepingAgentIsWoken has short messages come to an agent in queue mode that sleeps: one from its
// server wakes it, and nothing else does.
func TestSleepingAgentIsWoken(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	sim, m := plugIn(t)
	kept := sim.Keep(5)
	cfg := l.config()
	cfg.Modems = []config.Modem{m}
	cfg.Servers[0].QueueMode, cfg.Servers[0].Awake, cfg.Servers[0].SMSNumber = true, time.Second, "+491511234567"
	a, _ := l.run(t, cfg)
	l.next(t, server.Registered)
	eventually(t, "Updates tell the number and the objects of the modem", func() bool {
		c, _ := l.Client("gw")
		r := c.Registration()
		return r.SMS == "4915112345678" && slices.ContainsFunc(r.Objects, func(o link.Link) bool { return o.Target == "/11/1" })
	})
	asleep := func() {
		t.Helper()
		eventually(t, "the account sleeps", func() bool { return a.client.Status()[0].State == client.Asleep })
	}
	asleep()
	for len(l.events) > 0 {
		<-l.events
	}
	const head, content = "0791947106004034040C91", "000462118281750040" + "0A50021234B13101300138" // NON, POST /1/0/8
	const text = head + "945111325476" + "000062118281750040" + "05E8329BFD06"
	for _, pdu := range []string{text, head + "945111325475" + content} { // a text, a stranger
		if err := kept.Receive(pdu); err != nil {
			t.Fatal(err)
		}
	}
	counted := func(want bind.Messages) {
		t.Helper()
		eventually(t, fmt.Sprintf("%+v are counted", want), func() bool { return a.modems.Messages() == want })
	}
	counted(bind.Messages{Received: 2, Ignored: 1})
	if s := a.client.Status()[0]; s.State != client.Asleep {
		t.Errorf("a stranger has woken it: %v", s.State)
	}
	if err := kept.Receive(head + "945111325476" + content); err != nil {
		t.Fatal(err)
	}
	l.next(t, server.Updated)
	counted(bind.Messages{Received: 3, Woken: 1, Ignored: 1})
	asleep()
	if s := (&backend{a}).Status().SMS; s == nil || *s != (control.SMS{Received: 3, Woken: 1, Ignored: 1}) {
		t.Errorf("status has %+v", s)
	}
	eventually(t, "triggers are deleted", func() bool { return slices.Equal(kept.Kept(), []string{text}) })
}

// eventually waits for what nothing tells of.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(generous); !is(); <-time.After(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited for: %s", what)
		}
	}
}

func TestCheckModem(t *testing.T) {
	sim, m := plugIn(t)
	row := checkModem(t.Context(), &m, "gw")
	if !row.OK || row.Detail != "Quectel BG95-M3 BG95M3LAR02A04, SIM ready, home, LTE-M, 26201, -97 dBm" {
		t.Errorf("%+v", row)
	}
	if slices.ContainsFunc(sim.Commands(), func(c string) bool { return strings.HasPrefix(c, "AT+CPIN=") || strings.HasPrefix(c, "AT+CFUN=") }) {
		t.Errorf("it has changed something: %q", sim.Commands())
	}
	if row := checkModem(t.Context(), &m, "urn:imei:867730050000017"); !row.OK || !strings.Contains(row.Detail, ". The endpoint name has the IMEI: a carrier's own client") {
		t.Errorf("%+v", row)
	}
	for _, tt := range []struct {
		answer []string
		want   string
	}{
		{[]string{"+CPIN: SIM PIN", "OK"}, "SIM wants its PIN, home, LTE-M, 26201, -97 dBm. If it wants its PIN, set `pin` in `[[modem]]`"},
		{[]string{"+CPIN: SIM PUK", "OK"}, "SIM wants its PUK, home, LTE-M, 26201, -97 dBm. If it wants its PIN"},
		{[]string{"+CME ERROR: 12"}, "only the operator's PUK in a telephone helps"},
		{[]string{"+CME ERROR: 10"}, "Insert the card"},
	} {
		sim.Set("AT+CPIN?", tt.answer...)
		if row := checkModem(t.Context(), &m, "gw"); row.OK || !strings.Contains(row.Detail, tt.want) {
			t.Errorf("%s: %+v", tt.answer, row)
		}
	}
	sim.Set("AT+CPIN?", "+CPIN: READY", "OK")
	sim.Set("AT+CGACT?", "+CGACT: 1,0", "OK")
	for report, want := range map[string]string{
		`+CEER: "ESM",27,"Missing or unknown APN"`: `the APN "iot.lab": missing or unknown APN (SM cause 27). The text has the network's cause.`,
		"+CEER: Regular deactivation":              "",
	} {
		sim.Set("AT+CEER", report, "OK")
		if row := checkModem(t.Context(), &m, "gw"); row.OK != (want == "") || !strings.Contains(row.Detail, want) {
			t.Errorf("%s: %+v", report, row)
		}
	}
	m.Port = "/dev/ttyNONE7"
	if row := checkModem(t.Context(), &m, "gw"); row.OK || !strings.Contains(row.Detail, "plugged in and switched on. See whether the modem has power") {
		t.Errorf("%+v", row)
	}
}

// TestCheckAtAWrongSpeed: bytes that are no text are told as what comes at a wrong speed, with the one that is set.
func TestCheckAtAWrongSpeed(t *testing.T) {
	t.Parallel()
	sim, m := plugIn(t)
	sim.Mangle(func(string) string { return "\x00\xf8\x80\x1c\xe0" })
	if row := checkModem(t.Context(), &m, "gw"); row.OK || !strings.Contains(row.Detail, "what comes is no text, as at a wrong speed, or while the port is dialled (speed is 115200)") {
		t.Errorf("%+v", row)
	}
}

// TestTimesFollowModem has the network grant and take back power saving: an account that goes
// through the modem is awake for as long as it can be reached.
func TestTimesFollowModem(t *testing.T) {
	l := newLab(t)
	sim, m := plugIn(t)
	cfg := l.config()
	cfg.Modems = []config.Modem{m}
	cfg.Servers[0].Bearer, cfg.Servers[0].QueueMode = config.BearerLTEM, true
	a, _ := l.run(t, cfg)
	l.next(t, server.Registered)
	until(t, a, "/4/0/12", lwm2m.Integer(0x1A2B))
	want := func(what string, reachable time.Duration) {
		t.Helper()
		if p := a.params(101); p.Reachable != reachable || p.KeepAlive || p.CoAP.AckTimeout != 6*time.Second {
			t.Errorf("%s: reachable for %v, want %v; keep-alives %v, ACK_TIMEOUT %v", what, p.Reachable, reachable, p.KeepAlive, p.CoAP.AckTimeout)
		}
	}
	want("T3324 of the transcript", 6*time.Second)
	grant := func(area int, timer string) {
		t.Helper()
		says := fmt.Sprintf(`1,"%04X","01A2D003",8,,,"%s","00100110"`, area, timer)
		sim.Set("AT+CEREG?", "+CEREG: 4,"+says, "OK")
		if err := sim.Say("+CEREG: " + says); err != nil {
			t.Fatal(err)
		}
	}
	grant(0x1A2E, "00000011")
	until(t, a, "/4/0/12", lwm2m.Integer(0x1A2E)) // what the modem said before has been taken in whole
	told := a.radio.Load()
	grant(0x1A2C, "00000011")
	until(t, a, "/4/0/12", lwm2m.Integer(0x1A2C))
	if now := a.radio.Load(); *now != *told {
		t.Errorf("another cell: %+v, was %+v", now, told)
	}
	for i, tt := range []struct {
		timer string
		want  time.Duration
	}{{"00100010", 2 * time.Minute}, {"00000000", 1}, {"11100000", 0}} {
		grant(i+1, tt.timer)
		until(t, a, "/4/0/12", lwm2m.Integer(int64(i+1)))
		want(tt.timer, tt.want)
	}
}

// TestStatisticsOutlive has an agent go on with what object 7 collects.
func TestStatisticsOutlive(t *testing.T) {
	l := newLab(t)
	a, stop := l.run(t, l.config())
	l.next(t, server.Registered)
	period := lwm2m.MustPath("/7/0/8")
	c := l.client(t)
	if err := errors.Join(
		c.Replace(t.Context(), period, lwm2m.FormatText, []lwm2m.Node{{Path: period, Value: lwm2m.Integer(3600)}}),
		c.Execute(t.Context(), lwm2m.MustPath("/7/0/6"), "")); err != nil {
		t.Fatal(err)
	}
	l.read(t, "/3/0/0")
	before := a.objects.statistics.Counted()
	stop()
	a, _ = l.run(t, l.config())
	now := a.objects.statistics.Counted()
	if before.Traffic.Messages == 0 || !now.Running || now.Traffic.Messages < before.Traffic.Messages || now.Max < before.Max || now.Left <= 0 || now.Left > time.Hour {
		t.Errorf("%+v, then %+v", before, now)
	}
	if v := a.Tree().Value(period); v != lwm2m.Integer(3600) {
		t.Errorf("the collection period is %v", v)
	}
}

// TestWordsOfESIM has the number of an eSIM where people look, and no other number of a card.
func TestWordsOfESIM(t *testing.T) {
	s := modem.State{Presence: modem.Ready, SIM: modem.SIM{State: modem.SIMReady, EID: "89049032000001000000000000000042", ICCID: "89490200001234567890", IMSI: "262011234567890"}}
	got := modemStatus("wwan", &s, 0)
	if got.EID != s.SIM.EID || !strings.Contains(got.Words, "eSIM 89049032000001000000000000000042 ready") || strings.Contains(got.Words, s.SIM.ICCID) {
		t.Errorf("%+v", got)
	}
}
