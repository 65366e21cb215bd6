package agent

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/server"
)

// shows are what a simulated modem answers for each setting that a server has written here.
var shows = map[string]string{
	"AT+CPSMS":            `1,,,"00111000","00001111"`,
	"AT+CEDRXS":           `4,"1001"`,
	"AT+CGDCONT":          `1,"IP","fleet.lab"`,
	`AT+QCFG="nwscanseq"`: "030201",
}

// fleetLogin is the login of these, as the command has it that a BG95 keeps it by.
const fleetLogin = `1,"fleet.lab","gateway","s3cret",2`

// TestWrittenSettingsSurvive: what a server writes into objects 10, 11 and 13 reaches the modem, and is there again when the modem, which
// forgets all of it, or the agent, or both have restarted. It is told once each time, and nothing is told that the modem has.
func TestWrittenSettingsSurvive(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	var log lockedBuffer
	l.log = slog.New(slog.NewTextHandler(&log, nil))
	sim, m := plugIn(t)
	settings := sim.Remember(func(apn, login string) bool {
		return apn == "iot.lab" || apn == "fleet.lab" && login == fleetLogin
	})
	cfg := l.config()
	cfg.Modems = []config.Modem{m}
	a, stop := l.run(t, cfg)
	l.next(t, server.Registered)
	until(t, a, "/10/0/4", lwm2m.Integer(6*3600))
	until(t, a, "/11/1/1", lwm2m.String("iot.lab"))
	until(t, a, "/13/0/0/0", lwm2m.Integer(0))
	writeSettings(t, l)
	want := func(what string) {
		t.Helper()
		for name, want := range shows {
			eventually(t, what+": "+name+" shows "+want, func() bool { return settings.Shows(name) == want })
		}
		eventually(t, what+": the login is there, and the connection with it", func() bool { return settings.Login("1") == fleetLogin && settings.Active("1") })
		until(t, a, "/10/0/4", lwm2m.Integer(86400))
		until(t, a, "/11/1/3", lwm2m.Boolean(true))
		until(t, a, "/11/1/1", lwm2m.String("fleet.lab"))
	}
	want("written")
	eventually(t, "the connection is made with it, when the answer is out; a restart before brings the former profile back", func() bool {
		return bytes.Contains(log.bytes(), []byte("connected with a new profile"))
	})

	restart := func() {
		t.Helper()
		if err := settings.Restart(); err != nil {
			t.Fatal(err)
		}
	}
	told := func(also ...string) (n int) {
		for _, prefix := range append(also, "AT+CPSMS=", "AT+CEDRXS=", `AT+QCFG="nwscanseq",`, "AT+CGATT=1") {
			n += sent(sim, prefix)
		}
		return n
	}
	before := told("AT+QICSGP=")
	restart()
	want("the modem has restarted")
	eventually(t, "the connection is made anew", func() bool { return told("AT+QICSGP=")-before >= 5 })
	if n := told("AT+QICSGP=") - before; n != 5 {
		t.Errorf("%d commands for 5 settings: %q", n, sim.Commands())
	}
	stop()
	before = told()
	a, stop = l.run(t, cfg)
	l.back(t)
	want("the agent has restarted")
	until(t, a, "/11/1/5", lwm2m.String("gateway"))
	if told() != before {
		t.Errorf("what the modem has was told again: %q", sim.Commands())
	}
	stop()
	restart()
	a, _ = l.run(t, cfg)
	l.back(t)
	want("both have restarted")
	saving := lwm2m.MustPath("/10/0/13")
	if err := l.client(t).Replace(t.Context(), saving, lwm2m.FormatText, []lwm2m.Node{{Path: saving, Value: lwm2m.Unsigned(0)}}); err != nil {
		t.Fatal(err)
	}
	restart()
	eventually(t, "what a server has switched off stays off", func() bool {
		return settings.Shows("AT+CEDRXS") == "" && strings.HasPrefix(settings.Shows("AT+CPSMS"), "0,")
	})
	until(t, a, "/13/0/6", lwm2m.String("26202,26201")) // which the SIM keeps
}

// TestCyclesSurvive: eDRX that a server has switched off stays off, and can be switched on again by the cycle of another kind of cell: then each kind has
// the cycle that a server has written last, when the agent has restarted and when the modem has.
func TestCyclesSurvive(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	sim, m := plugIn(t)
	settings := sim.Remember(nil)
	cfg := l.config()
	cfg.Modems = []config.Modem{m}
	a, stop := l.run(t, cfg)
	l.next(t, server.Registered)
	again := func() {
		t.Helper()
		stop()
		a, stop = l.run(t, cfg)
		l.back(t)
	}
	write := func(path string, v lwm2m.Value) {
		t.Helper()
		p := lwm2m.MustPath(path)
		if err := l.client(t).Replace(t.Context(), p, lwm2m.FormatTLV, []lwm2m.Node{{Path: p, Value: v}}); err != nil {
			t.Fatalf("write %s: %v", path, err)
		}
	}
	shows := func(what, want string) {
		t.Helper()
		eventually(t, what, func() bool { return settings.Shows("AT+CEDRXS") == want })
	}
	until(t, a, "/10/0/8", lwm2m.Opaque([]byte{5}))
	write("/10/0/8", lwm2m.Opaque([]byte{9}))
	shows("another cycle", `4,"1001"`)
	write("/10/0/13", lwm2m.Unsigned(1))
	shows("off", "")
	again()
	until(t, a, "/10/0/12", lwm2m.Unsigned(3)) // the modem has eDRX, though it is off
	until(t, a, "/10/0/8", lwm2m.Value{})
	write("/10/0/9", lwm2m.Opaque([]byte{10}))
	until(t, a, "/10/0/13", lwm2m.Unsigned(3))
	again()
	until(t, a, "/10/0/8", lwm2m.Opaque([]byte{9}))
	if err := settings.Restart(); err != nil {
		t.Fatal(err)
	}
	shows("on in both kinds of cell", "4,\"1001\"\n5,\"1010\"")
}

// writeSettings writes what shows has.
func writeSettings(t *testing.T, l *lab) {
	t.Helper()
	write := func(path string, values map[uint16]lwm2m.Value) {
		t.Helper()
		p := lwm2m.MustPath(path)
		nodes := make([]lwm2m.Node, 0, len(values))
		for rid, v := range values {
			nodes = append(nodes, lwm2m.Node{Path: lwm2m.NewPath(p.Object(), p.Instance(), rid), Value: v})
		}
		if err := l.client(t).Update(t.Context(), p, lwm2m.FormatSenMLCBOR, nodes); err != nil {
			t.Fatalf("write %s: %v", path, err)
		}
	}
	write("/10/0", map[uint16]lwm2m.Value{4: lwm2m.Integer(86400), 5: lwm2m.Integer(30), 8: lwm2m.Opaque([]byte{9})})
	write("/11/1", map[uint16]lwm2m.Value{
		1: lwm2m.String("fleet.lab"), 24: lwm2m.Integer(1), 4: lwm2m.Integer(1), 5: lwm2m.String("gateway"), 6: lwm2m.String("s3cret"),
	})
	bearers := lwm2m.MustPath("/13/0/0")
	order := []lwm2m.Node{{Path: lwm2m.NewPath(13, 0, 0, 0), Value: lwm2m.Integer(14)}, {Path: lwm2m.NewPath(13, 0, 0, 1), Value: lwm2m.Integer(4)}}
	if err := l.client(t).Replace(t.Context(), bearers, lwm2m.FormatSenMLCBOR, order); err != nil {
		t.Fatal(err)
	}
	operators := lwm2m.MustPath("/13/0/6")
	if err := l.client(t).Replace(t.Context(), operators, lwm2m.FormatText, []lwm2m.Node{{Path: operators, Value: lwm2m.String("26202,26201")}}); err != nil {
		t.Fatal(err)
	}
}
