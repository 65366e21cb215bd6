package at

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/modem"
	"lwm2m-agent/modem/at/attest"
)

// card gives a modem a SIM with room for preferred operators, and what it is told of their order.
func card(sim *attest.Modem, size int, operators ...string) {
	var mu sync.Mutex
	list := make(map[string]string)
	for i, o := range operators {
		list[fmt.Sprint(i+1)] = o
	}
	sim.Handle("AT+CPOL", func(rest string) string {
		mu.Lock()
		defer mu.Unlock()
		f := strings.Split(strings.TrimPrefix(rest, "="), ",")
		switch {
		case rest == "=?":
			return fmt.Sprintf("+CPOL: (1-%d),(0-2)\nOK", size)
		case rest == "?":
			var out strings.Builder
			for _, i := range slices.Sorted(maps.Keys(list)) {
				fmt.Fprintf(&out, "+CPOL: %s,2,\"%s\",1,0,1,1\n", i, list[i])
			}
			return out.String() + "OK"
		case len(f) == 1:
			delete(list, f[0])
		case len(f) == 7:
			list[f[0]] = strings.Trim(f[2], `"`)
		case len(f) == 3 || len(f) == 6:
			return "+CME ERROR: 50"
		}
		return "OK"
	})
	sequence := "00"
	sim.Handle(`AT+QCFG="nwscanseq"`, func(rest string) string {
		mu.Lock()
		defer mu.Unlock()
		if to, ok := strings.CutSuffix(rest, ",1"); ok {
			sequence = to[1:]
			return "OK"
		}
		return `+QCFG: "nwscanseq",` + sequence + "\nOK"
	})
}

func TestSelection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, "bg95", nil)
		if s, _ := d.look(); len(s.Selection.Choices) != 0 || s.Selection.MaxOperators != 0 {
			t.Errorf("a module that refuses: %+v", s.Selection)
		}
		card(d.sim, 3, "26201", "310410")
		_ = d.sim.Say("RDY")
		want := func(what string, order []modem.Technology, operators ...string) {
			t.Helper()
			s, p := d.look()
			if got := s.Selection; !slices.Equal(got.Order, order) || !slices.Equal(got.Operators, operators) || got.MaxOperators != 3 || p&modem.PartSelection == 0 ||
				!slices.Equal(got.Choices, []modem.Technology{modem.GSM, modem.LTEM, modem.NBIoT}) || got.Most != 3 {
				t.Errorf("%s: %+v, %b", what, got, p)
			}
		}
		want("found", nil, "26201", "310410")
		if err := d.SetOrder(t.Context(), []modem.Technology{modem.NBIoT, modem.LTEM}); err != nil {
			t.Error(err)
		}
		want("an order", []modem.Technology{modem.NBIoT, modem.LTEM, modem.GSM}, "26201", "310410")
		if err := d.SetOperators(t.Context(), []string{"26202"}); err != nil {
			t.Error(err)
		}
		want("fewer operators", []modem.Technology{modem.NBIoT, modem.LTEM, modem.GSM}, "26202")
		if err := d.SetOperators(t.Context(), []string{"26202", "26201", "310410"}); err != nil {
			t.Error(err)
		}
		want("more operators", []modem.Technology{modem.NBIoT, modem.LTEM, modem.GSM}, "26202", "26201", "310410")
		if err := d.SetOrder(t.Context(), nil); err != nil {
			t.Error(err)
		}
		want("its own order", nil, "26202", "26201", "310410")
		if err := d.SetOperators(t.Context(), []string{`2620"`}); err == nil {
			t.Error("a quote is taken")
		}
		// It is kept by the module and by the card, and read again when the modem is back.
		d.look()
		d.unplug(nil)
		time.Sleep(modem.MaxPause)
		want("back", nil, "26202", "26201", "310410")
	})
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, "telit", nil)
		if err := d.SetOrder(t.Context(), []modem.Technology{modem.LTE}); err == nil || !strings.Contains(err.Error(), "knows no command") {
			t.Error(err)
		}
	})
}
