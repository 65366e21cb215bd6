package mm

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"lwm2m-agent/modem"
	"lwm2m-agent/modem/mm/mmtest"
)

// byProfileOne has the bearer go by a profile in the modem, which has an APN.
func byProfileOne(d *desk, apn string) (modem.State, modem.Part) {
	d.Set(mmtest.ModemPath, ifaceProfiles, map[string]any{"Profiles": []map[string]dbus.Variant{
		mmtest.Dict(map[string]any{"profile-id": int32(1), "apn": apn, "ip-type": uint32(4)}),
	}})
	d.Set(mmtest.BearerPath, ifaceBearer, map[string]any{"Properties": mmtest.Dict(map[string]any{"profile-id": int32(1)}), "Connected": true})
	return d.look()
}

// TestProfile: the APN of a bearer is its own, which nobody changes here, or that of a profile in the modem, which is asked for when it
// may be another one, and only then.
func TestProfile(t *testing.T) {
	in(t, nil, func(t *testing.T, d *desk) {
		t.Helper()
		d.look()
		for _, p := range []modem.Profile{{APN: "other", Type: modem.IPv4}, {APN: "iot.lab", Type: modem.IPv6}, {APN: "iot.lab", Type: modem.IPv4, Login: &modem.Login{}}} {
			calls := len(d.Calls())
			if err, before := d.SetProfile(t.Context(), 1, p), d.CheckProfile(1, p); !errors.Is(err, ErrOwnAPN) || !errors.Is(before, ErrOwnAPN) || len(d.Calls()) > calls {
				t.Errorf("an APN of its own: %v, before %v", err, before)
			}
		}
		if err := d.SetProfile(t.Context(), 1, modem.Profile{APN: "iot.lab", Type: modem.IPv4}); err != nil {
			t.Errorf("the same APN: %v", err)
		}
		lists := func() (n int) {
			for _, c := range d.Calls() {
				if strings.HasPrefix(c, "Modem.Modem3gpp.ProfileManager.List") {
					n++
				}
			}
			return n
		}
		if n := lists(); n != 0 {
			t.Errorf("asked %d times for nobody", n)
		}
		s, p := byProfileOne(d, "by.profile")
		if len(s.Bearers) != 1 || s.Bearers[0].CID != 1 || s.Bearers[0].APN != "by.profile" || s.Bearers[0].Type != modem.IPv4v6 || p&modem.PartBearers == 0 {
			t.Errorf("%+v, %b", s.Bearers, p)
		}
		d.Set(mmtest.ModemPath, ifaceModem, map[string]any{"AccessTechnologies": uint32(1 << 5)})
		d.look()
		if n := lists(); n != 1 {
			t.Errorf("asked %d times", n)
		}
		d.Set(mmtest.ModemPath, ifaceProfiles, map[string]any{"Profiles": []map[string]dbus.Variant{mmtest.Dict(map[string]any{"profile-id": int32(1), "apn": "updated"})}})
		d.Emit(mmtest.ModemPath, ifaceProfiles, "Updated")
		if s, _ := d.look(); s.Bearers[0].APN != "updated" || s.Bearers[0].CID != 1 || lists() != 2 {
			t.Errorf("%+v, asked %d times", s.Bearers, lists())
		}
		failed := 0
		d.Handle(ifaceProfiles+".List", func(dbus.ObjectPath, []any) error {
			failed++
			return dbus.Error{Name: errorName + "Core.Failed"}
		})
		d.Emit(mmtest.ModemPath, ifaceProfiles, "Updated")
		if s, _ := d.look(); len(s.Bearers) != 1 || s.Bearers[0].APN != "" || !strings.Contains(d.log.String(), "the APN of a connection is not known") {
			t.Errorf("not listed: %+v: %s", s.Bearers, d.log.String())
		}
		time.Sleep(time.Hour)
		d.look()
		if failed < 50 || failed > 70 || strings.Count(d.log.String(), "the APN of a connection is not known") != 1 {
			t.Errorf("asked %d times in an hour: %s", failed, d.log.String())
		}
		d.Handle(ifaceProfiles+".List", func(dbus.ObjectPath, []any) error { return nil })
		time.Sleep(modem.MaxPause)
		d.look()
		before := lists()
		time.Sleep(time.Hour)
		if s, _ := d.look(); s.Bearers[0].APN != "updated" || lists() != before {
			t.Errorf("listed again: %+v, asked %d more times", s.Bearers, lists()-before)
		}
	})
}

// TestProfileInUse: ModemManager takes a profile that a bearer is connected by only once that is down.
func TestProfileInUse(t *testing.T) {
	in(t, nil, func(t *testing.T, d *desk) {
		t.Helper()
		byProfileOne(d, "by.profile")
		before := len(d.Calls())
		down := false
		d.Handle(ifaceBearer+".Disconnect", func(dbus.ObjectPath, []any) error { down = true; return nil })
		d.Handle(ifaceProfiles+".Set", func(dbus.ObjectPath, []any) error {
			if down {
				return nil
			}
			return dbus.Error{Name: errorName + "Core.Connected", Body: []any{"Cannot use profile 1: found an already connected bearer"}}
		})
		if err := d.SetProfile(t.Context(), 1, modem.Profile{APN: "other"}); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := d.Reconnect(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
		}
		calls := d.Calls()[before:]
		got := make([]string, 0, len(calls))
		for _, c := range calls {
			got = append(got, strings.SplitN(c, "[", 2)[0])
		}
		const profiles = "Modem.Modem3gpp.ProfileManager."
		if want := []string{"Bearer.Disconnect", profiles + "Set", profiles + "List", "Bearer.Connect", "Bearer.Disconnect", "Bearer.Connect"}; !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

// TestProfileOfBearer: a bearer whose number another one has is still made by its profile in the modem.
func TestProfileOfBearer(t *testing.T) {
	in(t, nil, func(t *testing.T, d *desk) {
		t.Helper()
		byProfileOne(d, "by.profile")
		d.Set(mmtest.BearerPath, ifaceBearer, map[string]any{"Properties": mmtest.Dict(map[string]any{"apn": "old"}), "ProfileId": int32(-1), "Connected": false})
		d.Add(root+"/Bearer/4", mmtest.Object{ifaceBearer: {"Connected": true, "ProfileId": int32(1), "Properties": mmtest.Dict(map[string]any{"profile-id": int32(1)})}})
		d.Set(mmtest.ModemPath, ifaceModem, map[string]any{"Bearers": []dbus.ObjectPath{mmtest.BearerPath, root + "/Bearer/4"}})
		s, _ := d.look()
		if len(s.Bearers) != 2 || s.Bearers[1].CID != 2 || s.Bearers[1].APN != "by.profile" {
			t.Fatalf("%+v", s.Bearers)
		}
		if err := d.SetProfile(t.Context(), 2, modem.Profile{APN: "third"}); err != nil {
			t.Error(err)
		}
		if c := d.Calls(); !strings.Contains(c[len(c)-1], "profile-id:1") {
			t.Errorf("%q", c)
		}
	})
}

// TestProfileWithoutBearer: a profile in the modem can be read while nobody has made a bearer, and is told from one that there is not.
func TestProfileWithoutBearer(t *testing.T) {
	in(t, nil, func(t *testing.T, d *desk) {
		t.Helper()
		byProfileOne(d, "by.profile")
		d.Set(mmtest.ModemPath, ifaceModem, map[string]any{"Bearers": []dbus.ObjectPath{}})
		if s, _ := d.look(); len(s.Bearers) > 0 {
			t.Fatalf("%+v", s.Bearers)
		}
		if p, err := d.Profile(t.Context(), 1); err != nil || p != (modem.Profile{APN: "by.profile", Type: modem.IPv4v6}) {
			t.Errorf("%+v, %v", p, err)
		}
		if _, err := d.Profile(t.Context(), 2); err == nil {
			t.Error("there is a second one")
		}
		d.Handle(ifaceProfiles+".List", func(dbus.ObjectPath, []any) error { return dbus.Error{Name: errorName + "Core.Failed"} })
		if _, err := d.Profile(t.Context(), 1); err == nil {
			t.Error("not listed: no error")
		}
	})
}

// TestProfileRefused: where ModemManager speaks AT, a profile keeps no login; none is set before the modem is enabled.
func TestProfileRefused(t *testing.T) {
	in(t, nil, func(t *testing.T, d *desk) {
		t.Helper()
		byProfileOne(d, "by.profile")
		p := modem.Profile{APN: "other", Login: &modem.Login{Authentication: modem.PAP, User: "u", Password: "hunter2"}}
		for _, c := range []struct {
			port string
			want error
		}{{"ttyUSB2", ErrNoLogin}, {"cdc-wdm0", nil}} {
			d.Set(mmtest.ModemPath, ifaceModem, map[string]any{"PrimaryPort": c.port})
			d.look()
			if err := d.SetProfile(t.Context(), 1, modem.Profile{APN: "other", Login: &modem.Login{Authentication: modem.AuthenticationNone}}); err != nil {
				t.Errorf("%s: to take a login back: %v", c.port, err)
			}
			for _, kind := range []modem.Authentication{modem.PAP, modem.AuthenticationNone} {
				p.Login.Authentication = kind
				if before, err := d.CheckProfile(1, p), d.SetProfile(t.Context(), 1, p); !errors.Is(before, c.want) || !errors.Is(err, c.want) {
					t.Errorf("%s: %v, before %v", c.port, err, before)
				}
			}
		}
		d.Set(mmtest.ModemPath, ifaceModem, map[string]any{"State": int32(3)})
		d.look()
		if err := d.SetProfile(t.Context(), 1, modem.Profile{APN: "other"}); !errors.Is(err, ErrNotEnabled) {
			t.Errorf("disabled: %v", err)
		}
	})
}

// TestNotCounted: a bearer whose bytes nobody counts has none, which is not 0; one that says no type is of IPv4.
func TestNotCounted(t *testing.T) {
	in(t, nil, func(t *testing.T, d *desk) {
		t.Helper()
		d.Set(mmtest.BearerPath, ifaceBearer, map[string]any{
			"Stats":      mmtest.Dict(map[string]any{"rx-bytes": uint64(0), "tx-bytes": uint64(0), "duration": uint32(30)}),
			"Properties": mmtest.Dict(map[string]any{"apn": "iot.lab"}),
		})
		if s, _ := d.look(); len(s.Bearers) != 1 || s.Bearers[0].Traffic != nil || s.Bearers[0].Type != modem.IPv4 {
			t.Errorf("%+v", s.Bearers)
		}
	})
}
