package mm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godbus/dbus/v5"

	"lwm2m-agent/modem"
	"lwm2m-agent/modem/mm/mmtest"
)

// desk is a Modem with a ModemManager behind it, in the time of a synctest bubble.
type desk struct {
	*Modem
	*mmtest.Bus
	end func() // of Run

	mu       sync.Mutex
	state    modem.State
	parts    modem.Part // changed since the last look
	told     int        // changes
	messages []modem.Message
	log      bytes.Buffer
}

func newDesk(t *testing.T, objects map[dbus.ObjectPath]mmtest.Object, change func(*Config)) *desk {
	t.Helper()
	d := &desk{Bus: mmtest.New(objects)}
	cfg := Config{
		Log: slog.New(slog.NewTextHandler(&d.log, nil)), Now: time.Now, Dial: d.Dial,
		Changed: func(s modem.State, p modem.Part) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.state, d.parts = s, d.parts|p
			d.told++
		},
		Received: func(m modem.Message) bool {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.messages = append(d.messages, m)
			return m.Data != nil
		},
	}
	if change != nil {
		change(&cfg)
	}
	d.Modem = New(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	wait.Go(func() {
		if err := d.Modem.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	d.end = func() {
		cancel()
		wait.Wait()
		d.Hang()
	}
	t.Cleanup(d.end)
	synctest.Wait()
	return d
}

// look returns what is known, and what has changed since the last look.
func (d *desk) look() (modem.State, modem.Part) {
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.parts
	d.parts = 0
	return d.state, p
}

// in runs a test in a bubble with a registered modem.
func in(t *testing.T, change func(*Config), f func(*testing.T, *desk)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newDesk(t, mmtest.Registered(), change)) })
}

func shown[T any](p *T) string {
	if p == nil {
		return "-"
	}
	return fmt.Sprint(*p)
}

func TestRead(t *testing.T) {
	in(t, nil, func(t *testing.T, d *desk) {
		t.Helper()
		s, p := d.look()
		if s.Presence != modem.Ready || p&(modem.PartIdentity|modem.PartSIM|modem.PartNetwork|modem.PartSignal|modem.PartBearers) != p&^modem.PartPresence {
			t.Errorf("%v, %b", s.Presence, p)
		}
		if s.Identity != (modem.Identity{Manufacturer: "Quectel", Model: "BG95-M3", Revision: "BG95M3LAR02A04", IMEI: "867730050000017"}) {
			t.Errorf("%+v", s.Identity)
		}
		if s.SIM != (modem.SIM{State: modem.SIMReady, ICCID: "89490200001234567890", IMSI: "262011234567890", MSISDN: "4915112345678"}) {
			t.Errorf("%+v", s.SIM)
		}
		n := s.Network
		if n.Registration != modem.Home || n.Technology != modem.LTE || n.Operator != "Lab LTE" || n.MCC != "262" || n.MNC != "01" || *n.Area != 0x1a2b || *n.Cell != 0x1a2d003 || n.Time.IsZero() {
			t.Errorf("%+v", n)
		}
		if got := shown(s.Signal.RSSI) + shown(s.Signal.RSRP) + shown(s.Signal.RSRQ) + shown(s.Signal.SNR); got != "-70-97-114.5" {
			t.Errorf("signal %s", got)
		}
		want := modem.Bearer{
			CID: 1, APN: "iot.lab", Type: modem.IPv4, Active: true, Since: time.Now(), Addresses: []netip.Addr{netip.MustParseAddr("10.45.0.2")},
			Gateways: []netip.Addr{netip.MustParseAddr("10.45.0.1")}, DNS: []netip.Addr{netip.MustParseAddr("10.45.0.53")},
			Traffic: &modem.Traffic{Sent: 1000, Received: 2000},
		}
		if len(s.Bearers) != 1 || fmt.Sprintf("%+v %+v", s.Bearers[0], *s.Bearers[0].Traffic) != fmt.Sprintf("%+v %+v", withTraffic(want, s.Bearers[0].Traffic), *want.Traffic) {
			t.Errorf("%+v", s.Bearers)
		}
	})
}

func withTraffic(b modem.Bearer, t *modem.Traffic) modem.Bearer {
	b.Traffic = t
	return b
}

// TestRadioIsGivenBack: an agent that ends while the radio is off has it switched on before it leaves the bus, and the next one where it was killed.
func TestRadioIsGivenBack(t *testing.T) {
	var kept []string
	in(t, func(c *Config) { c.Owe = func(owed []string) { kept = owed } }, func(t *testing.T, d *desk) {
		t.Helper()
		if err := d.SetRadio(t.Context(), false); err != nil || !slices.Equal(kept, []string{"Enable"}) {
			t.Errorf("%v, kept %q", err, kept)
		}
		d.end()
		if calls := d.Calls(); len(kept) > 0 || calls[len(calls)-1] != "Modem.Enable[true]" {
			t.Errorf("kept %q after %q", kept, calls)
		}
	})
	kept = []string{"Enable"}
	in(t, func(c *Config) { c.Owed, c.Owe = kept, func(owed []string) { kept = owed } }, func(t *testing.T, d *desk) {
		t.Helper()
		d.Set(mmtest.ModemPath, ifaceModem, map[string]any{"SignalQuality": []any{uint32(1), true}})
		synctest.Wait()
		if calls := d.Calls(); len(kept) > 0 || strings.Count(strings.Join(calls, " "), "Modem.Enable[true]") != 1 {
			t.Errorf("kept %q after %q", kept, calls)
		}
	})
}

// TestFollowed has ModemManager tell what happens.
func TestFollowed(t *testing.T) {
	const (
		ifModem, if3GPP = ifaceModem, iface3GPP
		at              = mmtest.ModemPath
	)
	in(t, nil, func(t *testing.T, d *desk) {
		t.Helper()
		d.look()
		set := func(path dbus.ObjectPath, iface string, values map[string]any) (modem.State, modem.Part) {
			d.Set(path, iface, values)
			return d.look()
		}
		if s, p := set(at, ifaceSignal, map[string]any{"Lte": mmtest.Dict(map[string]any{"rsrp": -118.0})}); *s.Signal.RSRP != -118 || s.Signal.RSRQ != nil || p != modem.PartSignal {
			t.Errorf("signal: %+v, %b", s.Signal, p)
		}
		if _, p := set(at, ifaceSignal, map[string]any{"Lte": mmtest.Dict(map[string]any{"rsrp": -118.0})}); p != 0 {
			t.Errorf("the same signal: %b", p)
		}
		if s, p := set(at, if3GPP, map[string]any{"RegistrationState": uint32(5), "OperatorCode": "310410"}); s.Network.Registration != modem.Roaming || s.Network.MCC != "310" || s.Network.MNC != "410" || p != modem.PartNetwork {
			t.Errorf("roaming: %+v, %b", s.Network, p)
		}
		if s, _ := set(at, ifModem, map[string]any{"AccessTechnologies": uint32(1<<14 | 1<<17)}); s.Network.Technology != modem.NBIoT {
			t.Errorf("technology: %v", s.Network.Technology)
		}
		if s, _ := set(at, ifModem, map[string]any{"AccessTechnologies": uint32(1<<14 | 1<<15)}); s.Network.Technology != modem.NR || !s.Network.Dual {
			t.Errorf("5G beside LTE: %+v", s.Network)
		}
		reject := mmtest.Dict(map[string]any{"error": uint32(15)})
		if s, _ := set(at, if3GPP, map[string]any{"RegistrationState": uint32(3), "NetworkRejection": reject}); s.Network.Registration != modem.Denied || s.Network.Reject == nil || s.Network.Reject.Code != 15 || s.Network.Cell != nil {
			t.Errorf("refused: %+v", s.Network)
		}
		down := []any{"org.freedesktop.ModemManager1.Error.MobileEquipment.ServiceOptionNotSubscribed", "not subscribed"}
		if s, p := set(mmtest.BearerPath, ifaceBearer, map[string]any{
			"Connected": false, "ConnectionError": struct{ Name, Text string }{down[0].(string), down[1].(string)},
		}); len(s.Bearers) != 1 || s.Bearers[0].Active || s.Bearers[0].Reject == nil || s.Bearers[0].Reject.Code != 33 || s.Bearers[0].Traffic != nil || p != modem.PartBearers {
			t.Errorf("bearer: %+v, %b", s.Bearers, p)
		}
		// Another connection with the same APN is the same to those who look at it.
		d.Add(root+"/Bearer/9", mmtest.Object{ifaceBearer: {"Connected": true, "ProfileId": int32(-1), "Properties": mmtest.Dict(map[string]any{"apn": "iot.lab"})}})
		if s, _ := set(at, ifModem, map[string]any{"Bearers": []dbus.ObjectPath{root + "/Bearer/9"}}); len(s.Bearers) != 1 || s.Bearers[0].CID != 1 || !s.Bearers[0].Active {
			t.Errorf("another bearer: %+v", s.Bearers)
		}
		d.Add(root+"/Bearer/10", mmtest.Object{ifaceBearer: {"Connected": true, "Properties": mmtest.Dict(map[string]any{"apn": "ims"})}})
		if s, _ := set(at, ifModem, map[string]any{"Bearers": []dbus.ObjectPath{root + "/Bearer/10", root + "/Bearer/9"}}); len(s.Bearers) != 2 || s.Bearers[0].APN != "iot.lab" || s.Bearers[1].CID != 2 {
			t.Errorf("two bearers: %+v", s.Bearers)
		}
		if s, p := set(at, ifModem, map[string]any{"State": int32(-1), "StateFailedReason": uint32(2), "Sim": dbus.ObjectPath("/")}); s.SIM.State != modem.SIMMissing || s.SIM.ICCID != "" || p&modem.PartSIM == 0 {
			t.Errorf("no SIM: %+v, %b", s.SIM, p)
		}
		if s, _ := set(at, ifModem, map[string]any{"StateFailedReason": uint32(1)}); s.Presence != modem.Silent || !errors.Is(s.Trouble, errFailed) {
			t.Errorf("failed: %v, %v", s.Presence, s.Trouble)
		}
	})
}

// TestComesAndGoes follows modem, ModemManager and bus through their absence.
func TestComesAndGoes(t *testing.T) {
	in(t, nil, func(t *testing.T, d *desk) {
		t.Helper()
		gone := func(what, why string) {
			t.Helper()
			if s, _ := d.look(); s.Presence != modem.Missing || s.Trouble == nil || !strings.Contains(s.Trouble.Error(), why) || s.SIM != (modem.SIM{}) {
				t.Errorf("%s: %+v", what, s)
			}
			if err := d.Register(t.Context()); !errors.Is(err, ErrAbsent) {
				t.Errorf("%s: %v", what, err)
			}
		}
		back := func(what string) {
			t.Helper()
			if s, _ := d.look(); s.Presence != modem.Ready || s.Trouble != nil || s.SIM.IMSI == "" || len(s.Bearers) != 1 {
				t.Errorf("%s: %+v", what, s)
			}
		}
		all := mmtest.Registered()
		d.Remove(mmtest.ModemPath)
		gone("the modem is pulled out", "none at all")
		again := all[mmtest.ModemPath]
		again[ifaceModem]["State"] = int32(stateInitializing)
		d.Add(root+"/Modem/1", again)
		if s, _ := d.look(); s.Presence != modem.Missing {
			t.Errorf("while it is looked at: %v", s.Presence)
		}
		d.Set(root+"/Modem/1", ifaceModem, map[string]any{"State": int32(8)})
		back("it is put in again")
		d.Bus.Run(false)
		gone("ModemManager ends", "does not run")
		d.Bus.Run(true)
		back("ModemManager runs again")
		d.Hang()
		gone("the bus hangs", "tried again by itself")
		time.Sleep(modem.FirstPause)
		back("the bus is there again")
	})
}

// TestWhich chooses one of two modems.
func TestWhich(t *testing.T) {
	for port, model := range map[string]string{
		"": "BG95-M3", "/dev/ttyUSB*": "BG95-M3", "cdc-wdm0": "BG95-M3", "/dev/cdc-wdm1": "EM7455", "/sys/devices/usb1/1-2": "EM7455", "490154203237518": "EM7455", "/dev/ttyUSB9": "",
	} {
		synctest.Test(t, func(t *testing.T) {
			objects := mmtest.Registered()
			other := mmtest.Registered()[mmtest.ModemPath]
			maps.Copy(other[ifaceModem], map[string]any{"Model": "EM7455", "Device": "/sys/devices/usb1/1-2", "EquipmentIdentifier": "490154203237518", "Ports": []struct {
				Name string
				Type uint32
			}{{"cdc-wdm1", 6}}})
			objects[root+"/Modem/1"] = other
			d := newDesk(t, objects, func(c *Config) { c.Port = port })
			s, _ := d.look()
			if s.Identity.Model != model {
				t.Errorf("%q: %q", port, s.Identity.Model)
			}
			if model == "" && !strings.Contains(s.Trouble.Error(), "EM7455 (cdc-wdm1)") {
				t.Error(s.Trouble)
			}
		})
	}
}

// TestSetUp has ModemManager measure and tell the cell, once, and leaves it as it was.
func TestSetUp(t *testing.T) {
	in(t, func(c *Config) { c.Signal = time.Minute }, func(t *testing.T, d *desk) {
		t.Helper()
		d.look()
		d.Set(mmtest.ModemPath, ifaceSignal, map[string]any{"Rate": uint32(60)})
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		calls := d.Calls()
		slices.Sort(calls)
		if want := []string{"Modem.Location.Setup[1 true]", "Modem.Signal.Setup[60]"}; !slices.Equal(calls, want) {
			t.Errorf("in an idle day: %q, want %q", calls, want)
		}
		told := d.told
		d.Set(mmtest.ModemPath, ifaceModem, map[string]any{"State": int32(3)})
		d.Set(mmtest.ModemPath, ifaceModem, map[string]any{"State": int32(8)})
		synctest.Wait()
		if n := len(d.Calls()); n != 4 || d.told != told+2 {
			t.Errorf("disabled and enabled: %q, told %d times", d.Calls(), d.told-told)
		}
		d.end()
		last := d.Calls()[4:]
		slices.Sort(last)
		if want := []string{"Modem.Location.Setup[0 false]", "Modem.Signal.Setup[0]"}; !slices.Equal(last, want) {
			t.Errorf("at the end: %q, want %q", last, want)
		}
	})
}

// TestSetUpRefused says what polkit wants.
func TestSetUpRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{Bus: mmtest.New(mmtest.Registered())}
		d.Handle(ifaceSignal+".Setup", func(dbus.ObjectPath, []any) error {
			return dbus.Error{Name: errorName + "Core.Unauthorized", Body: []any{"PolicyKit authorization failed"}}
		})
		ctx, cancel := context.WithCancel(t.Context())
		m := New(Config{Signal: time.Minute, Log: slog.New(slog.NewTextHandler(&d.log, nil)), Now: time.Now, Dial: d.Dial, Changed: func(modem.State, modem.Part) {}})
		var wait sync.WaitGroup
		wait.Go(func() { _ = m.Run(ctx) })
		synctest.Wait()
		cancel()
		wait.Wait()
		d.Hang()
		if !strings.Contains(d.log.String(), "a polkit rule has to allow it") {
			t.Error(d.log.String())
		}
	})
}

func TestMessages(t *testing.T) {
	in(t, nil, func(t *testing.T, d *desk) {
		t.Helper()
		come := func(path dbus.ObjectPath, received bool) {
			d.Emit(mmtest.ModemPath, ifaceMessaging, "Added", path, received)
			synctest.Wait()
		}
		sms := func(state uint32, text string, data []byte) mmtest.Object {
			return mmtest.Object{ifaceSMS: {"State": state, "Number": "+491700", "Text": text, "Data": data, "Timestamp": "2026-11-28T18:57:00+01"}}
		}
		d.Add(root+"/SMS/1", sms(3, "hello", nil))
		come(root+"/SMS/1", true)
		d.Add(root+"/SMS/2", sms(2, "", nil)) // the first part of a long one
		come(root+"/SMS/2", true)
		if len(d.messages) != 1 {
			t.Fatalf("%+v", d.messages)
		}
		d.Set(root+"/SMS/2", ifaceSMS, map[string]any{"State": uint32(3), "Data": []byte{1, 2}})
		d.Add(root+"/SMS/3", sms(5, "sent", nil))
		come(root+"/SMS/3", false)
		come(root+"/SMS/4", true) // which is gone already
		synctest.Wait()
		if len(d.messages) != 2 || d.messages[0].Data != nil || !bytes.Equal(d.messages[1].Data, []byte{1, 2}) || d.messages[1].From != "+491700" ||
			!d.messages[0].Time.Equal(time.Date(2026, 11, 28, 17, 57, 0, 0, time.UTC)) {
			t.Errorf("%+v", d.messages)
		}
		if calls := d.Calls(); !slices.Contains(calls, "Modem.Messaging.Delete[/org/freedesktop/ModemManager1/SMS/2]") || len(calls) != 2 {
			t.Errorf("%q", calls) // beside the set-up of the location
		}
	})
}

// TestMessagesBefore has messages that were there before anybody listened.
func TestMessagesBefore(t *testing.T) {
	objects := mmtest.Registered()
	sms := func(text string, data []byte) mmtest.Object {
		return mmtest.Object{ifaceSMS: {"State": uint32(3), "Number": "+491700", "Text": text, "Data": data, "Timestamp": "2026-11-28T18:57:00+01"}}
	}
	objects[root+"/SMS/1"], objects[root+"/SMS/2"] = sms("hello", nil), sms("", []byte{1})
	objects[mmtest.ModemPath][ifaceMessaging]["Messages"] = []dbus.ObjectPath{root + "/SMS/1", root + "/SMS/2", root + "/SMS/3"}
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, objects, nil)
		d.Set(mmtest.ModemPath, ifaceModem, map[string]any{"State": int32(8)}) // which gives no reason to look again
		d.look()
		if len(d.messages) != 1 || !bytes.Equal(d.messages[0].Data, []byte{1}) || !d.messages[0].Old {
			t.Errorf("%+v", d.messages)
		}
		if calls := d.Calls(); !slices.Contains(calls, "Modem.Messaging.Delete[/org/freedesktop/ModemManager1/SMS/2]") {
			t.Errorf("%q", calls)
		}
	})
}

// TestControl says what commands become, and how errors are told.
func TestControl(t *testing.T) {
	in(t, nil, func(t *testing.T, d *desk) {
		t.Helper()
		byProfileOne(d, "iot.lab")
		before := len(d.Calls())
		ctx := t.Context()
		login := &modem.Login{Authentication: modem.CHAP, User: "u", Password: "hunter2"}
		for _, err := range []error{
			d.Register(ctx), d.SetRadio(ctx, false), d.SetRadio(ctx, true), d.Reset(ctx), d.Reconnect(ctx, 1),
			d.SetProfile(ctx, 1, modem.Profile{APN: "other", Type: modem.IPv4v6, Login: login}),
		} {
			if err != nil {
				t.Error(err)
			}
		}
		want := []string{
			"Modem.Modem3gpp.Register[]", "Modem.Enable[false]", "Modem.SetPowerState[2]", "Modem.Enable[true]", "Modem.Reset[]", "Bearer.Disconnect[]", "Bearer.Connect[]",
			`Modem.Modem3gpp.ProfileManager.Set[map[allowed-auth:@u 4 apn:"other" ip-type:@u 4 password:"hunter2" profile-id:1 user:"u"]]`,
		}
		if got := d.Calls()[before:]; !slices.Equal(got, want) {
			t.Errorf("%q\nwant %q", got, want)
		}
		if err := d.Reconnect(ctx, 7); err == nil || !strings.Contains(err.Error(), "has none") {
			t.Error(err)
		}
		if err := errors.Join(d.SetPSM(ctx, modem.PSM{}), d.SetEDRX(ctx, modem.EDRX{})); !errors.Is(err, ErrNotOffered) {
			t.Error(err)
		}
		d.Handle(ifaceModem+".Reset", func(dbus.ObjectPath, []any) error {
			return dbus.Error{Name: errorName + "Core.Unsupported", Body: []any{"Cannot reset the modem: operation not supported"}}
		})
		if err := d.Reset(ctx); err == nil || !strings.Contains(err.Error(), "cannot with this modem") {
			t.Error(err)
		}
	})
}

func TestProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := mmtest.New(mmtest.Registered())
		cfg := Config{PIN: modem.NewPIN("4711", nil, nil), Signal: time.Minute, Log: slog.New(slog.DiscardHandler), Now: time.Now, Dial: b.Dial}
		s, err := Probe(t.Context(), cfg)
		b.Hang()
		if err != nil || s.Identity.Model != "BG95-M3" || len(b.Calls()) != 0 {
			t.Errorf("%+v, %v, %q", s, err, b.Calls())
		}
		cfg.Dial = func(context.Context) (*dbus.Conn, error) { return nil, errors.New("no bus") }
		if _, err := Probe(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "no bus") {
			t.Error(err)
		}
	})
}

// TestESIM reads the number of an eSIM, also of one without a profile.
func TestESIM(t *testing.T) {
	in(t, nil, func(t *testing.T, d *desk) {
		t.Helper()
		const eid = "89049032000001000000000000000042"
		d.Set(mmtest.SIMPath, ifaceSIM, map[string]any{"Eid": eid, "SimType": uint32(2), "EsimStatus": uint32(2)})
		if s, p := d.look(); s.SIM.EID != eid || s.SIM.State != modem.SIMReady || p&modem.PartSIM == 0 {
			t.Errorf("%+v, %b", s.SIM, p)
		}
		d.Set(mmtest.ModemPath, ifaceModem, map[string]any{"State": int32(-1), "StateFailedReason": uint32(5)})
		if s, _ := d.look(); s.SIM.EID != eid || s.SIM.State != modem.SIMMissing {
			t.Errorf("without a profile: %+v", s.SIM)
		}
	})
}

// TestListFails: modems that ModemManager does not tell once are found, those that come and those that are there.
func TestListFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, map[dbus.ObjectPath]mmtest.Object{}, nil)
		d.Handle(objectManager+".GetManagedObjects", func(dbus.ObjectPath, []any) error {
			return dbus.Error{Name: "org.freedesktop.DBus.Error.NoReply", Body: []any{"it is busy"}}
		})
		d.Bus.Run(false)
		d.Bus.Run(true)
		if s, _ := d.look(); s.Presence != modem.Missing || !strings.Contains(fmt.Sprint(s.Trouble), "list the modems") {
			t.Fatalf("%+v", s)
		}
		d.Add(mmtest.ModemPath, mmtest.Registered()[mmtest.ModemPath])
		if s, _ := d.look(); s.Presence != modem.Ready {
			t.Errorf("comes: %+v", s)
		}
		d.Bus.Run(false)
		d.Bus.Run(true)
		if s, _ := d.look(); s.Presence != modem.Missing {
			t.Fatalf("%+v", s)
		}
		d.Handle(objectManager+".GetManagedObjects", func(dbus.ObjectPath, []any) error { return nil })
		time.Sleep(modem.MaxPause)
		if s, _ := d.look(); s.Presence != modem.Ready {
			t.Errorf("is there: %+v", s)
		}
	})
}
