package mm

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/godbus/dbus/v5"

	"lwm2m-agent/modem"
	"lwm2m-agent/modem/mm/mmtest"
)

// TestPIN gives the PIN once, and never tells it.
func TestPIN(t *testing.T) {
	in(t, func(c *Config) { c.PIN = modem.NewPIN("4711", nil, nil) }, func(t *testing.T, d *desk) {
		t.Helper()
		d.Handle(ifaceSIM+".SendPin", func(path dbus.ObjectPath, args []any) error {
			if path != mmtest.SIMPath || args[0] != "4711" {
				t.Errorf("%s: %v", path, args)
			}
			return dbus.Error{Name: errorName + "MobileEquipment.IncorrectPassword", Body: []any{"wrong"}}
		})
		for range 3 {
			d.Set(mmtest.ModemPath, ifaceModem, map[string]any{"State": int32(2), "UnlockRequired": uint32(2)})
			if s, _ := d.look(); s.SIM.State != modem.SIMPIN || !s.SIM.PINRefused {
				t.Errorf("%+v", s.SIM)
			}
			d.Remove(mmtest.ModemPath)
			d.Add(mmtest.ModemPath, mmtest.Registered()[mmtest.ModemPath])
			synctest.Wait()
		}
		given := strings.Count(d.log.String(), "does not take the PIN")
		if given != 1 || strings.Contains(d.log.String(), "4711") {
			t.Errorf("given %d times: %s", given, d.log.String())
		}
	})
}

// TestPINUnasked: a PIN that has not come as far as the card is not in doubt, and not given with each change either: when the modem comes anew, as after a
// restart of ModemManager.
func TestPINUnasked(t *testing.T) {
	for _, name := range []string{errorName + "Core.Unauthorized", errorName + "Core.WrongState", "org.freedesktop.DBus.Error.AccessDenied", "org.freedesktop.DBus.Error.UnknownObject"} {
		var kept []string
		in(t, func(c *Config) { c.PIN = modem.NewPIN("4711", nil, func(refused []string) { kept = refused }) }, func(t *testing.T, d *desk) {
			t.Helper()
			given := 0
			d.Handle(ifaceSIM+".SendPin", func(dbus.ObjectPath, []any) error {
				given++
				return dbus.Error{Name: name}
			})
			locked := mmtest.Registered()[mmtest.ModemPath]
			locked[ifaceModem]["State"], locked[ifaceModem]["UnlockRequired"] = int32(2), uint32(2)
			for life := 1; life <= 2; life++ {
				d.Remove(mmtest.ModemPath)
				synctest.Wait()
				d.Add(mmtest.ModemPath, locked)
				for left := range uint32(5) {
					synctest.Wait()
					d.Set(mmtest.ModemPath, ifaceModem, map[string]any{"UnlockRetries": map[uint32]uint32{4: left}})
				}
				if s, _ := d.look(); given != life || s.SIM.PINDoubted || s.SIM.PINRefused || len(kept) > 0 {
					t.Errorf("%s: given %d times, %+v, kept %q", name, given, s.SIM, kept)
				}
			}
		})
	}
}

// TestPINInDoubt: a card that was given the PIN in an earlier life, which ended meanwhile, is given it again only when ModemManager says that it has all its
// tries. Of this life that says nothing: it may be of before the PIN.
func TestPINInDoubt(t *testing.T) {
	const card = "89490200001234567891"
	for name, c := range map[string]struct {
		earlier bool
		left    uint32
		given   int
	}{
		"all tries": {true, 3, 1},
		"one less":  {true, 2, 0},
		"this life": {false, 3, 1},
	} {
		var kept []string
		keep := func(refused []string) { kept = refused }
		if c.earlier {
			if _, err := modem.NewPIN("4711", nil, keep).Give(card, func(modem.Secret) (modem.Verdict, error) { return modem.PINInDoubt, nil }); err != nil {
				t.Fatal(err)
			}
		}
		in(t, func(cfg *Config) { cfg.PIN = modem.NewPIN("4711", kept, keep) }, func(t *testing.T, d *desk) {
			t.Helper()
			given := 0
			d.Handle(ifaceSIM+".SendPin", func(dbus.ObjectPath, []any) error {
				given++
				return dbus.Error{Name: errorName + "Core.Failed"}
			})
			d.Remove(mmtest.ModemPath)
			synctest.Wait()
			d.Set(mmtest.SIMPath, ifaceSIM, map[string]any{"SimIdentifier": card})
			locked := mmtest.Registered()[mmtest.ModemPath]
			locked[ifaceModem]["State"], locked[ifaceModem]["UnlockRequired"] = int32(2), uint32(2)
			locked[ifaceModem]["UnlockRetries"] = map[uint32]uint32{2: c.left}
			d.Add(mmtest.ModemPath, locked)
			if s, _ := d.look(); s.SIM.State != modem.SIMPIN || !s.SIM.PINDoubted || s.SIM.PINRefused {
				t.Errorf("%s: %+v", name, s.SIM)
			}
			d.Set(mmtest.ModemPath, ifaceModem, map[string]any{"UnlockRetries": map[uint32]uint32{2: c.left, 4: 10}})
			synctest.Wait()
			if given != c.given {
				t.Errorf("%s: given %d times, want %d", name, given, c.given)
			}
		})
	}
}
