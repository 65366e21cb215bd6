package mm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/godbus/dbus/v5"

	"lwm2m-agent/gnss"
	"lwm2m-agent/modem/mm/mmtest"
)

// withReceiver is a modem that has a receiver, as far as capabilities say.
func withReceiver(t *testing.T, capabilities uint32, f func(*testing.T, *desk)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		objects := mmtest.Registered()
		objects[mmtest.ModemPath][ifaceLocation]["Capabilities"] = capabilities
		d := newDesk(t, objects, nil)
		d.Handle(ifaceLocation+".Setup", func(_ dbus.ObjectPath, args []any) error {
			go d.Set(mmtest.ModemPath, ifaceLocation, map[string]any{"Enabled": args[0], "SignalsLocation": args[1]})
			return nil
		})
		f(t, d)
	})
}

func places(values map[uint32]any) map[string]any {
	out := make(map[uint32]dbus.Variant, len(values))
	for source, v := range values {
		out[source] = dbus.MakeVariant(v)
	}
	return map[string]any{"Location": out}
}

const cell = "262,01,0000,01A2D003,001A2B"

// TestLocate: the receiver is on while it is followed, and what ModemManager tells of it is a
// fix or none; the cell is none.
func TestLocate(t *testing.T) {
	withReceiver(t, location3GPP|locationRaw|locationNMEA, func(t *testing.T, d *desk) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		reports, over := make(chan string, 8), make(chan error, 1)
		go func() {
			over <- d.Locate(ctx, func(r gnss.Report) {
				if r.Fix == nil {
					reports <- r.Why.Error()
					return
				}
				reports <- fmt.Sprintf("%.5f %.5f %s", r.Fix.Latitude, r.Fix.Longitude, shown(r.Fix.Altitude))
			})
		}()
		synctest.Wait()
		for _, c := range []struct {
			values map[uint32]any
			want   string
		}{
			{map[uint32]any{location3GPP: cell}, ""},
			{map[uint32]any{location3GPP: cell, locationNMEA: "$GPRMC,,V,,,,,,,,,,N*53\r\n"}, gnss.ErrNoFix.Error()},
			{map[uint32]any{locationNMEA: "$GPGGA,092725.00,4717.11399,N,00833.91590,E,1,08,1.01,499.6,M,48.0,M,,*5B\r\n$GPGSV,1,1,00*79\r\n"}, "47.28523 8.56527 499.6"},
			{map[uint32]any{locationRaw: mmtest.Dict(map[string]any{"utc-time": "092725.00", "latitude": 47.5, "longitude": 8.5})}, "47.50000 8.50000 -"},
			{map[uint32]any{locationRaw: mmtest.Dict(map[string]any{"latitude": 47.5, "longitude": 8.5, "altitude": 500.0}), locationNMEA: "nothing"}, "47.50000 8.50000 500"},
			{map[uint32]any{locationRaw: mmtest.Dict(map[string]any{"latitude": 97.5, "longitude": 8.5})}, ""},
			{map[uint32]any{locationRaw: mmtest.Dict(map[string]any{"latitude": "north"})}, ""},
		} {
			d.Set(mmtest.ModemPath, ifaceLocation, places(c.values))
			synctest.Wait()
			got := ""
			select {
			case got = <-reports:
			default:
			}
			if got != c.want {
				t.Errorf("%v: %q, want %q", c.values, got, c.want)
			}
		}
		cancel()
		if err := <-over; err != nil {
			t.Error(err)
		}
		var setups []string
		for _, c := range d.Calls() {
			if strings.HasPrefix(c, "Modem.Location.Setup") {
				setups = append(setups, c)
			}
		}
		if want := []string{"Modem.Location.Setup[1 true]", "Modem.Location.Setup[7 true]", "Modem.Location.Setup[1 true]"}; !slices.Equal(setups, want) {
			t.Errorf("%q, want %q", setups, want)
		}
	})
}

// TestLocateNot: no receiver, no permission, no modem any more.
func TestLocateNot(t *testing.T) {
	withReceiver(t, location3GPP, func(t *testing.T, d *desk) {
		t.Helper()
		if err := d.Locate(t.Context(), nil); !errors.Is(err, errNoReceiver) {
			t.Error(err)
		}
	})
	withReceiver(t, locationRaw, func(t *testing.T, d *desk) {
		t.Helper()
		d.Handle(ifaceLocation+".Setup", func(dbus.ObjectPath, []any) error {
			return dbus.Error{Name: errorName + "Core.Unauthorized", Body: []any{"not allowed"}}
		})
		if err := d.Locate(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "polkit") {
			t.Error(err)
		}
	})
	withReceiver(t, locationRaw, func(t *testing.T, d *desk) {
		t.Helper()
		over := make(chan error, 1)
		go func() { over <- d.Locate(t.Context(), nil) }()
		synctest.Wait()
		d.Remove(mmtest.ModemPath)
		if err := <-over; !errors.Is(err, ErrAbsent) {
			t.Error(err)
		}
		if err := d.Locate(t.Context(), nil); !errors.Is(err, ErrAbsent) {
			t.Error(err)
		}
	})
}
