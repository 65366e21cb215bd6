//go:build interop

package bind

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"lwm2m-agent/agent/health"
	"lwm2m-agent/modem"
	"lwm2m-agent/modem/at/attest"
	"lwm2m-agent/modem/mm"
	"lwm2m-agent/test/modemmanager"
)

// hastened is a modem of the real ModemManager that a healer looks after, in a time that passes when the test wants.
type hastened struct {
	*modemmanager.ModemManager
	healer *Healer
	health *health.Tracker
	lines  chan string         // of the healer's log
	pauses chan chan time.Time // for which it waits
	heard  int                 // of the modem's commands
	cuts   atomic.Int32        // of its power

	mu    sync.Mutex
	now   time.Time
	state modem.State
}

// Write takes a line of the log.
func (h *hastened) Write(line []byte) (int, error) {
	h.lines <- string(line)
	return len(line), nil
}

// Now is the healer's.
func (h *hastened) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

// after has a pause begin. One within an attempt is over at once.
func (h *hastened) after(d time.Duration) <-chan time.Time {
	h.mu.Lock()
	h.now = h.now.Add(d)
	h.mu.Unlock()
	over := make(chan time.Time, 1)
	if d <= powerTime {
		over <- h.Now()
	} else {
		h.pauses <- over
	}
	return over
}

// hasten has a healer look after a modem on USB, which is registered.
func hasten(t *testing.T) *hastened {
	t.Helper()
	h := &hastened{ModemManager: modemmanager.StartUSB(t), lines: make(chan string, 100), pauses: make(chan chan time.Time, 100), now: time.Now()}
	h.health = health.NewTracker(h.Now)
	master, receiver, err := attest.OpenPTY() // which is silent
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	h.PlugUSB(t, receiver)
	h.Enable(t)
	found := false
	m := mm.New(mm.Config{
		Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Dial: func(context.Context) (*dbus.Conn, error) { return dbus.Connect(h.Bus) },
		Changed: func(s modem.State, _ modem.Part) {
			if found = found || s.Network.Registration.Registered(); found { // it has the time to find its network
				h.healer.Take(s)
			}
			h.mu.Lock()
			defer h.mu.Unlock()
			h.state = s
		},
	})
	h.healer = NewHealer(m, "wwan", slog.New(slog.NewTextHandler(h, nil)), h.health, h.Now, func() float64 { return 0 })
	h.healer.after = h.after
	h.healer.Power = func(_ context.Context, on bool) error { // without it the modem is gone, and then what was wrong with it
		if on {
			h.PlugUSB(t, receiver) //nolint:contextcheck // it has the test's
			h.heard = 0
			return nil
		}
		h.cuts.Add(1)
		h.Unplug(t) //nolint:contextcheck // it has the test's
		return nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	for _, run := range []func(context.Context) error{m.Run, h.healer.Run} {
		wait.Go(func() {
			if err := run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() {
		cancel()
		wait.Wait()
	})
	h.await(t, "a network", home)
	h.told()
	return h
}

func home(s *modem.State) bool { return s.Network.Registration == modem.Home }

// await waits until the modem is as it should be, and the healer knows.
func (h *hastened) await(t *testing.T, what string, is func(*modem.State) bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; <-time.After(10 * time.Millisecond) {
		h.mu.Lock()
		now := h.state
		h.mu.Unlock()
		if is(&now) && len(h.healer.states) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("waited for: %s; the modem is %+v", what, now)
		}
	}
}

// next lets pauses pass until the healer says something.
func (h *hastened) next(t *testing.T) (line string) {
	t.Helper()
	limit := time.After(time.Minute)
	for {
		select {
		case line := <-h.lines:
			return line
		case over := <-h.pauses:
			over <- h.Now()
		case <-limit:
			t.Fatal("the healer does nothing")
		}
	}
}

// told returns what the modem was told since the last time.
func (h *hastened) told() []string {
	all := h.Modem.Commands()
	since := all[min(h.heard, len(all)):]
	h.heard = len(all)
	return since
}

// goes expects a stage, how it ends, and that the modem was told something for it.
func (h *hastened) goes(t *testing.T, stage, why, outcome, command string) {
	t.Helper()
	line := h.next(t)
	if !strings.Contains(line, `stage="`+stage+`" why="`+why+`"`) || strings.Contains(line, "error=") != (outcome != "") || !strings.Contains(line, outcome) {
		t.Fatalf("%s; want %s for %s: %q", line, stage, why, outcome)
	}
	if told := h.told(); command != "" && !slices.Contains(told, command) {
		t.Errorf("%s: the modem was not told %s, but %q", stage, command, told)
	}
}

// mended expects that nothing is left to do, and how often the power was cut.
func (h *hastened) mended(t *testing.T, cuts int32) {
	t.Helper()
	line := h.next(t)
	if n, troubles := h.cuts.Load(), h.health.Troubles(); !strings.Contains(line, "nothing is left to mend") || n != cuts || len(troubles) > 0 {
		t.Errorf("%s; the power was cut %d times; %v", line, n, troubles)
	}
}

// noLowPower is what ModemManager says of a modem that it cannot switch into low power, and only disables and enables: one that it tells by AT.
const noLowPower = "power transition is not supported"

// TestHealsThroughModemManager has the real ModemManager go through each stage, down to the modem, whose power line helps at last.
func TestHealsThroughModemManager(t *testing.T) {
	t.Parallel()
	h := hasten(t)
	bearer := h.Connect(t, "iot.lab")
	h.await(t, "a connection", func(s *modem.State) bool { return len(s.Bearers) == 1 && s.Bearers[0].Active })
	h.Modem.Handle("ATD*99***", func(string) string { return "NO CARRIER" })
	h.Disconnect(t, bearer)
	const gone = "the connection is gone"
	h.goes(t, "reconnect the bearer", gone, "No carrier", "ATD*99***1#")
	h.goes(t, "flight mode off and on", gone, noLowPower, "AT+CEREG=0")
	h.await(t, "a network", home)
	h.goes(t, "reset by command", gone, "operation not supported", "") // it has none for EC25
	h.goes(t, "power off and on", gone, "", "")
	h.Enable(t)
	h.Connect(t, "iot.lab") // as whoever makes the connection does
	h.await(t, "a connection", func(s *modem.State) bool { return len(s.Bearers) == 1 && s.Bearers[0].Active })
	h.mended(t, 1)
}

// TestHealsNoCellThroughModemManager does so without a cell, which costs neither a reset nor power.
func TestHealsNoCellThroughModemManager(t *testing.T) {
	t.Parallel()
	h := hasten(t)
	h.Modem.Set("AT+COPS=0", "+CME ERROR: 30") // 3GPP TS 27.007, clause 9.2.2.1: no network service
	h.Registers(t, 2, "", "")
	h.await(t, "no cell", func(s *modem.State) bool { return s.Network.Registration == modem.Searching })
	const lost = "no cell"
	h.goes(t, "register again", lost, "No network service", "AT+COPS=0")
	h.goes(t, "flight mode off and on", lost, noLowPower, "AT+CEREG=0")
	h.goes(t, "register again", lost, "No network service", "AT+COPS=0")
	h.goes(t, "register again", lost, "No network service", "AT+COPS=0") // flight mode is for once in an hour
	h.Registers(t, 1, "26201", "Lab LTE")
	h.await(t, "a network", home)
	h.mended(t, 0)
}
