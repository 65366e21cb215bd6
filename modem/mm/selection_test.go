package mm

import (
	"errors"
	"slices"
	"strings"
	"testing"

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
		if err := d.SetOperators(t.Context(), nil); !errors.Is(err, ErrNoOperators) {
			t.Error(err)
		}
	})
}
