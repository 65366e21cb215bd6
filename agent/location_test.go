package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/server"
	"lwm2m-agent/modem/at/attest"
)

// instant is what a receiver says of one: a position in degrees and minutes, and the second.
func instant(lat, lon string, second int) string {
	var out strings.Builder
	for _, body := range []string{
		fmt.Sprintf("GPRMC,1200%02d.00,A,%s,N,%s,E,19.438,90.0,281126,,,A", second, lat, lon),
		fmt.Sprintf("GPGGA,1200%02d.00,%s,N,%s,E,1,08,1.00,499.5,M,48.0,M,,", second, lat, lon),
	} {
		var sum byte
		for i := range len(body) {
			sum ^= body[i]
		}
		fmt.Fprintf(&out, "$%s*%02X\r\n", body, sum)
	}
	return out.String()
}

// TestLocationOfReceiver: a receiver at a serial port is where the device is, for the server,
// in object 3336 and in a geofence; what is wrong with it is told, and the last fix outlives
// the agent.
func TestLocationOfReceiver(t *testing.T) {
	master, path, err := attest.OpenPTY()
	if err != nil {
		t.Skip(err)
	}
	defer master.Close()
	hold, err := os.OpenFile(path, os.O_RDWR, 0) // else what is said before the agent listens is lost
	if err != nil {
		t.Fatal(err)
	}
	defer hold.Close()
	say := func(text string) {
		t.Helper()
		if _, err := master.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	l := newLab(t)
	cfg := l.config()
	cfg.Location = &config.Location{Source: config.LocationNMEA, Device: path, Baud: config.DefaultBaud, Smart: true}
	cfg.Geofences = []config.Geofence{{Name: "yard", Latitude: 47.5, Longitude: 8.5, Radius: 1000, Hysteresis: 25, Instance: 4}}
	a, stop := l.run(t, cfg)
	l.next(t, server.Registered)
	say(instant("4730.0", "00830.0", 0) + instant("4730.0", "00830.0", 1))
	until(t, a, "/3200/4/5500", lwm2m.Boolean(true))
	for path, want := range map[string]lwm2m.Value{
		"/6/0/0": lwm2m.Float(47.5), "/6/0/1": lwm2m.Float(8.5), "/6/0/2": lwm2m.Float(499.5), "/6/0/3": lwm2m.Float(19),
		"/6/0/4": lwm2m.Opaque([]byte{0, 90, 0, 36}), "/3336/0/6051": lwm2m.Float(47.5), "/3336/0/6052": lwm2m.Float(8.5), "/3336/0/6053": lwm2m.Float(19),
		"/3336/0/5705": lwm2m.Float(90), "/3336/0/5750": lwm2m.String("location"), "/3200/4/5750": lwm2m.String("yard"),
	} {
		if got := l.read(t, path); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	if v := l.read(t, "/6/0/6").Float(); v < 9.999 || v > 10.001 {
		t.Errorf("speed %v", v)
	}
	say(instant("4745.0", "00830.0", 2))
	until(t, a, "/3200/4/5500", lwm2m.Boolean(false))
	until(t, a, "/6/0/5", lwm2m.Time(time.Date(2026, 11, 28, 12, 0, 2, 0, time.UTC)))

	say(strings.Repeat("\xaa", 2048))
	if tr := a.await(t, health.ReceiverFailing, true); tr.On != path || !strings.Contains(tr.Detail, "baud") || !strings.Contains(tr.Detail, "the last fix is of 2026-11-28T12:00:02Z") {
		t.Errorf("%+v", tr)
	}
	if s := (&backend{a}).Status().Location; s == nil || s.State != "failing" || s.Radius != 19 || s.Where != path {
		t.Errorf("%+v", s)
	}
	say("\r\n" + instant("4730.0", "00830.0", 3))
	until(t, a, "/6/0/0", lwm2m.Float(47.5))
	a.await(t, health.ReceiverFailing, false)
	if s := (&backend{a}).Status().Location; s.State != "fix" || !strings.HasSuffix(s.Words, " old, within 19 m") {
		t.Errorf("%+v", s)
	}
	stop()

	cfg.Location = &config.Location{Source: config.LocationNMEA, Device: filepath.Join(t.TempDir(), "ttyS9"), Baud: config.DefaultBaud}
	b, _ := l.run(t, cfg)
	if tr := b.await(t, health.ReceiverFailing, true); !strings.Contains(tr.Detail, "no such port") {
		t.Errorf("%+v", tr)
	}
	readings, err := b.Tree().Readings(model.FromLocal(), lwm2m.MustPath("/6/0/1"))
	if err != nil || len(readings) != 1 || readings[0].Value != lwm2m.Float(8.5) || readings[0].Quality != model.Stale {
		t.Errorf("%+v, %v", readings, err)
	}
	until(t, b, "/6/0/5", lwm2m.Time(time.Date(2026, 11, 28, 12, 0, 3, 0, time.UTC)))
}

// TestLocationOfModem: the module's own receiver, by AT commands.
func TestLocationOfModem(t *testing.T) {
	l := newLab(t)
	sim, m := plugIn(t)
	sim.Set("AT+QGPS=1", "OK")
	sim.Set("AT+QGPSLOC=2", "+QGPSLOC: 120000.000,47.5,8.5,1.0,499.5,3,90.0,36.0,19.4,281126,08", "OK")
	cfg := l.config()
	cfg.Modems = []config.Modem{m}
	cfg.Location = &config.Location{Source: config.LocationModem, Device: m.Name, Placed: true, Latitude: 1}
	a, stop := l.run(t, cfg)
	until(t, a, "/6/0/5", lwm2m.Time(time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)))
	for path, want := range map[string]lwm2m.Value{
		"/6/0/0": lwm2m.Float(47.5), "/6/0/1": lwm2m.Float(8.5), "/6/0/2": lwm2m.Float(499.5), "/6/0/3": lwm2m.Float(19),
		"/6/0/4": lwm2m.Opaque([]byte{0, 90, 0, 36}), "/6/0/6": lwm2m.Float(10),
	} {
		if got := a.Tree().Value(lwm2m.MustPath(path)); got != want {
			t.Errorf("%s is %v, want %v", path, got, want)
		}
	}
	stop()
	if !slices.Contains(sim.Commands(), "AT+QGPSEND") {
		t.Errorf("the receiver is left on; sent %q", sim.Commands())
	}
}

// TestCheckLocation: what check says of receivers.
func TestCheckLocation(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "track.nmea")
	if err := os.WriteFile(log, []byte(instant("4730.0", "00830.0", 0)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		location config.Location
		ok       bool
		want     string
	}{
		{config.Location{Source: config.LocationNMEA, Device: log}, true, "47.50000, 8.50000, 500 m high, within 19 m"},
		{config.Location{Source: config.LocationNMEA, Device: filepath.Join(dir, "ttyS9"), Baud: 9600}, false, "there is no such port"},
		{config.Location{Source: config.LocationGPSD, Address: filepath.Join(dir, "gpsd.sock")}, false, "connect with gpsd"},
	} {
		rows := checkLocation(t.Context(), &config.Config{Location: &c.location})
		if len(rows) != 1 || rows[0].OK != c.ok || !strings.Contains(rows[0].Detail, c.want) {
			t.Errorf("%+v, want %q", rows, c.want)
		}
	}
	for _, none := range []*config.Location{nil, {Source: config.LocationFixed}, {Source: config.LocationModem}} {
		if rows := checkLocation(t.Context(), &config.Config{Location: none}); rows != nil {
			t.Errorf("%+v: %+v", none, rows)
		}
	}
}
