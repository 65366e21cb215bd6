package bind

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godbus/dbus/v5"

	"lwm2m-agent/agent/health"
	"lwm2m-agent/modem"
	"lwm2m-agent/modem/mm"
	"lwm2m-agent/modem/mm/mmtest"
)

// ward is a modem of ModemManager that a healer looks after, in the time of a bubble.
type ward struct {
	*mmtest.Bus
	health *health.Tracker
	log    bytes.Buffer
	end    func()
}

const (
	modemIface   = "org.freedesktop.ModemManager1.Modem"
	networkIface = modemIface + ".Modem3gpp"
	bearerIface  = "org.freedesktop.ModemManager1.Bearer"
)

func newWard(t *testing.T) *ward {
	t.Helper()
	w := &ward{Bus: mmtest.New(mmtest.Registered()), health: health.NewTracker(time.Now)}
	log := slog.New(slog.NewTextHandler(&w.log, nil))
	var h *Healer
	m := mm.New(mm.Config{Log: log, Now: time.Now, Dial: w.Dial, Changed: func(s modem.State, _ modem.Part) { h.Take(s) }})
	h = NewHealer(m, "wwan", log, w.health, time.Now, func() float64 { return 0.5 })
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	for _, run := range []func(context.Context) error{m.Run, h.Run} {
		wait.Go(func() {
			if err := run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	w.end = func() {
		cancel()
		wait.Wait()
		w.Hang()
	}
	t.Cleanup(w.end)
	synctest.Wait()
	return w
}

func (w *ward) set(path dbus.ObjectPath, iface string, values map[string]any) {
	w.Set(path, iface, values)
	synctest.Wait()
}

// done counts what was called.
func (w *ward) done() map[string]int {
	out := make(map[string]int)
	for _, c := range w.Calls() {
		out[c]++
	}
	return out
}

func (w *ward) trouble() string {
	for _, tr := range w.health.Troubles() {
		if tr.Code == health.LinkLost {
			return tr.Detail
		}
	}
	return ""
}

// TestDayWithoutCell leaves a modem without a cell for a day, and for a second one without its
// connection: what is done stays within the budgets of package heal, and never is a reset for a
// lost cell.
func TestDayWithoutCell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWard(t)
		var asked []time.Time
		w.Handle(networkIface+".Register", func(dbus.ObjectPath, []any) error {
			asked = append(asked, time.Now())
			return nil
		})
		w.set(mmtest.ModemPath, networkIface, map[string]any{"RegistrationState": uint32(2)})
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		got := w.done()
		if n := got["Modem.Modem3gpp.Register[]"]; n < 5 || n > 24 {
			t.Errorf("registered %d times: %v", n, got)
		}
		for i := range asked {
			if i >= 4 && asked[i].Sub(asked[i-4]) < time.Hour {
				t.Errorf("registered 5 times from %v to %v", asked[i-4], asked[i])
			}
		}
		off, low, on := got["Modem.Enable[false]"], got["Modem.SetPowerState[2]"], got["Modem.Enable[true]"]
		if off < 3 || off > 8 || low != off || on != off {
			t.Errorf("radio off %d and %d times, on %d times", off, low, on)
		}
		if got["Modem.Reset[]"] != 0 || got["Bearer.Connect[]"] != 0 {
			t.Errorf("for a lost cell: %v", got)
		}
		if text := w.trouble(); !strings.Contains(text, "no cell; done: ") || !strings.Contains(w.log.String(), `why="no cell"`) {
			t.Errorf("told: %q", text)
		}
		w.set(mmtest.ModemPath, networkIface, map[string]any{"RegistrationState": uint32(1)})
		if text := w.trouble(); text != "" || !strings.Contains(w.log.String(), "nothing is left to mend") {
			t.Errorf("it is back: %q", text)
		}
		w.set(mmtest.BearerPath, bearerIface, map[string]any{"Connected": false})
		before := w.done()
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		got = w.done()
		for call, most := range map[string]int{"Bearer.Connect[]": 24, "Modem.Enable[true]": 8, "Modem.Reset[]": 3} {
			if n := got[call] - before[call]; n < 1 || n > most {
				t.Errorf("without a connection: %s %d times, want 1 to %d", call, n, most)
			}
		}
	})
}

// TestNothingToHeal shows when nothing is done.
func TestNothingToHeal(t *testing.T) {
	for name, change := range map[string]func(*ward){
		"all is well": func(*ward) {},
		"refused for good": func(w *ward) {
			w.set(mmtest.ModemPath, networkIface, map[string]any{"RegistrationState": uint32(3), "NetworkRejection": mmtest.Dict(map[string]any{"error": uint32(8)})})
			if text := w.trouble(); !strings.Contains(text, "refused for good") {
				t.Errorf("told: %q", text)
			}
		},
		"no card": func(w *ward) {
			w.set(mmtest.ModemPath, modemIface, map[string]any{"State": int32(-1), "StateFailedReason": uint32(2)})
		},
		"no modem": func(w *ward) {
			w.Remove(mmtest.ModemPath)
			synctest.Wait()
			if text := w.trouble(); !strings.Contains(text, "does not answer") {
				t.Errorf("told: %q", text)
			}
		},
		"it comes back by itself": func(w *ward) {
			w.set(mmtest.BearerPath, bearerIface, map[string]any{"Connected": false})
			time.Sleep(20 * time.Second)
			w.set(mmtest.BearerPath, bearerIface, map[string]any{"Connected": true})
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWard(t)
			change(w)
			before := len(w.Calls())
			time.Sleep(24 * time.Hour)
			synctest.Wait()
			if calls := w.Calls()[before:]; len(calls) > 0 {
				t.Errorf("%s: %q", name, calls)
			}
		})
	}
}

// TestRefusedAndChanged shows that another card is tried where the former one was refused.
func TestRefusedAndChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWard(t)
		w.set(mmtest.ModemPath, networkIface, map[string]any{"RegistrationState": uint32(3), "NetworkRejection": mmtest.Dict(map[string]any{"error": uint32(8)})})
		time.Sleep(time.Hour)
		w.set(mmtest.ModemPath, networkIface, map[string]any{"RegistrationState": uint32(2), "NetworkRejection": mmtest.Dict(nil)})
		time.Sleep(24 * time.Hour)
		if n := w.done()["Modem.Modem3gpp.Register[]"]; n != 0 || !strings.Contains(w.trouble(), "refused for good") {
			t.Errorf("refused, registered %d times: %s", n, w.trouble())
		}
		w.set(mmtest.SIMPath, "org.freedesktop.ModemManager1.Sim", map[string]any{"SimIdentifier": "89490200001234567891"})
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := w.done()["Modem.Modem3gpp.Register[]"]; n != 1 {
			t.Errorf("registered %d times: %s", n, w.trouble())
		}
	})
}

// TestBearersThatVanish: with a modem's restart its bearers go, which does not make it another subscriber; another APN does.
func TestBearersThatVanish(t *testing.T) {
	s := modem.State{Presence: modem.Ready, SIM: modem.SIM{State: modem.SIMReady, ICCID: "8949"}, Bearers: []modem.Bearer{{CID: 1, APN: "iot.lab", Active: true}}}
	first := linkState{}.after(&s)
	s.Bearers = nil
	gone := first.after(&s)
	s.Bearers = []modem.Bearer{{CID: 1, APN: "iot.lab"}}
	again := gone.after(&s)
	if gone.who != first.who || again.who != first.who || gone.fault == 0 {
		t.Errorf("%+v, then %+v, then %+v", first.who, gone, again.who)
	}
	s.Bearers[0].APN = "another"
	if another := again.after(&s); another.who == first.who {
		t.Errorf("with another APN still %+v", another.who)
	}
}
