package mm

import (
	"slices"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"

	"lwm2m-agent/modem"
	"lwm2m-agent/modem/mm/mmtest"
)

func TestSelection(t *testing.T) {
	in(t, nil, func(t *testing.T, d *desk) {
		t.Helper()
		s, _ := d.look()
		if s.Selection.Choices != nil || s.Selection.Order != nil {
			t.Errorf("without modes: %+v", s.Selection)
		}
		d.Set(mmtest.ModemPath, ifaceModem, map[string]any{
			"SupportedModes": []mode{{1 << 3, 0}, {1<<1 | 1<<3, 1 << 3}, {1<<1 | 1<<3, 0}, {1<<1 | 1<<2 | 1<<3, 1 << 3}, {1<<1 | 1<<2 | 1<<3, 1 << 2}, {1<<1 | 1<<2 | 1<<3, 0}},
			"CurrentModes":   mode{1<<1 | 1<<2 | 1<<3, 1 << 2},
		})
		s, p := d.look()
		if got := s.Selection; !slices.Equal(got.Choices, []modem.Technology{modem.UMTS, modem.LTE}) || !slices.Equal(got.Order, []modem.Technology{modem.UMTS}) || got.Most != 1 || p != modem.PartSelection {
			t.Errorf("%+v, %b", got, p)
		}
		before := len(d.Calls())
		for _, order := range [][]modem.Technology{{modem.LTE}, nil} {
			if err := d.SetOrder(t.Context(), order); err != nil {
				t.Error(err)
			}
		}
		if got := d.Calls()[before:]; !slices.Equal(got, []string{"Modem.SetCurrentModes[[14 8]]", "Modem.SetCurrentModes[[14 0]]"}) {
			t.Errorf("%q", got)
		}
		if err := d.SetOrder(t.Context(), []modem.Technology{modem.NR}); err == nil || !strings.Contains(err.Error(), "no such mode") {
			t.Error(err)
		}
	})
}

// TestOperators: the operators that the user of the SIM prefers, and a SIM that keeps no technologies with them.
func TestOperators(t *testing.T) {
	in(t, nil, func(t *testing.T, d *desk) {
		t.Helper()
		if s, _ := d.look(); s.Selection.MaxOperators != 0 {
			t.Errorf("before ModemManager 1.18: %+v", s.Selection)
		}
		d.Set(mmtest.SIMPath, ifaceSIM, map[string]any{"PreferredNetworks": []operator{{"26202", 1 << 14}, {"310410", 0}, {"26202", 1 << 1}, {"", 0}}})
		if s, p := d.look(); !slices.Equal(s.Selection.Operators, []string{"26202", "310410"}) || s.Selection.MaxOperators < 8 || p != modem.PartSelection {
			t.Errorf("%+v, %b", s.Selection, p)
		}
		d.Set(mmtest.ModemPath, ifaceModem, map[string]any{"CurrentCapabilities": uint32(1<<2 | 1<<3)})
		d.look()
		before := len(d.Calls())
		if err := d.SetOperators(t.Context(), []string{"26203"}); err != nil {
			t.Error(err)
		}
		d.Handle(ifaceSIM+".SetPreferredNetworks", func(_ dbus.ObjectPath, args []any) error {
			if list, _ := args[0].([][]any); list[0][1] != uint32(0) {
				return dbus.Error{Name: errorName + "Core.Unsupported", Body: []any{"Access technology unsupported by modem or SIM"}}
			}
			return nil
		})
		if err := d.SetOperators(t.Context(), []string{"26203"}); err != nil {
			t.Error(err)
		}
		if got := d.Calls()[before:]; !slices.Equal(got, []string{"Sim.SetPreferredNetworks[[[26203 16418]]]", "Sim.SetPreferredNetworks[[[26203 0]]]"}) {
			t.Errorf("%q", got)
		}
		d.Handle(ifaceSIM+".SetPreferredNetworks", func(dbus.ObjectPath, []any) error {
			return dbus.Error{Name: errorName + "Core.TooMany", Body: []any{"Too many networks; SIM capacity 8"}}
		})
		if err := d.SetOperators(t.Context(), []string{"26203"}); err == nil || !strings.Contains(err.Error(), "SIM capacity 8") {
			t.Error(err)
		}
	})
}
