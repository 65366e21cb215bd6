package agent

import (
	"slices"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/control"
	"lwm2m-agent/lwm2m/client"
	"lwm2m-agent/lwm2m/server"
	"lwm2m-agent/modem/at/attest"
)

// newReleaseLab is a lab whose agent sleeps in queue mode and is reached over the sockets of a BC660 alone, which is told
// when nothing more is to be exchanged. released receives, each time, how the accounts stand then.
func newReleaseLab(t *testing.T, answer string) (l *lab, cfg *config.Config, sim *attest.Modem, released chan []client.State, watch func(*Agent)) {
	t.Helper()
	l, cfg, sim, _ = newModuleLab(t, "bc660", "bc660")
	cfg.Modems[0].Release = true
	s := &cfg.Servers[0]
	s.Bearer, s.QueueMode, s.Awake = config.BearerEthernet, true, time.Second
	released = make(chan []client.State, 100)
	return l, cfg, sim, released, func(a *Agent) {
		sim.Handle("AT+CNMPSD", func(rest string) string {
			if rest == "" {
				accounts := a.client.Status()
				states := make([]client.State, 0, len(accounts))
				for _, s := range accounts {
					states = append(states, s.State)
				}
				released <- states
				return answer
			}
			return "OK"
		})
	}
}

func within[T any](t *testing.T, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(generous):
		t.Fatalf("%s: it does not come", what)
	}
	return v
}

// TestRadioIsReleased tells the modem each time that the client falls asleep, and at no other time.
func TestRadioIsReleased(t *testing.T) {
	t.Parallel()
	l, cfg, sim, released, watch := newReleaseLab(t, "OK")
	a, _ := l.run(t, cfg, watch)
	l.next(t, server.Registered)
	for i := range 3 {
		if states := within(t, "release", released); !slices.Equal(states, []client.State{client.Asleep}) {
			t.Errorf("%d: released while the account is %v", i, states)
		}
		if err := a.client.Update(101); err != nil {
			t.Fatal(err)
		}
		if e := l.next(t, server.Registered, server.Updated); e.Kind != server.Updated {
			t.Errorf("%d: woken up after a release: %v", i, e.Kind)
		}
		if n := sent(sim, "AT+CNMPSD") - 1; n != i+1 { // but for the question whether it can be
			t.Errorf("%d: told %d times while awake", i, n)
		}
	}
	within(t, "release", released)
	awaitModem(t, a, "released 4 times", func(m control.Modem) bool { return m.Released == 4 && strings.HasSuffix(m.Words, ", released 4 times") })
}

// awaitModem waits until status has the only modem as wanted.
func awaitModem(t *testing.T, a *Agent, what string, ok func(control.Modem) bool) {
	t.Helper()
	for end := time.Now().Add(generous); time.Now().Before(end); {
		if ok((&backend{a}).Status().Modems[0]) {
			return
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-t.Context().Done():
		}
	}
	t.Fatalf("not %s: %+v", what, (&backend{a}).Status().Modems)
}

// TestRadioOfTwoServers tells the modem when both sleep.
func TestRadioOfTwoServers(t *testing.T) {
	t.Parallel()
	l, cfg, _, released, watch := newReleaseLab(t, "OK")
	other := newLab(t)
	second := other.config().Servers[0]
	second.ShortServerID, second.Fingerprint = 102, "2"
	second.Modem, second.Bearer, second.QueueMode, second.Awake = cfg.Modems[0].Name, config.BearerEthernet, true, 4*time.Second
	cfg.Servers = append(cfg.Servers, second)
	a, _ := l.run(t, cfg, watch)
	l.next(t, server.Registered)
	other.next(t, server.Registered)
	asleep := []client.State{client.Asleep, client.Asleep}
	for i := range 2 {
		if states := within(t, "release", released); !slices.Equal(states, asleep) {
			t.Errorf("%d: released while the accounts are %v", i, states)
		}
		if err := a.client.Update(102); err != nil {
			t.Fatal(err)
		}
		other.next(t, server.Updated)
	}
}

// TestRadioIsNotReleased: a modem that refuses is not told again, and status says so; check says it of a modem without the command, telling it nothing.
func TestRadioIsNotReleased(t *testing.T) {
	t.Parallel()
	l, cfg, sim, released, watch := newReleaseLab(t, "+CME ERROR: 4")
	a, stop := l.run(t, cfg, watch)
	l.next(t, server.Registered)
	within(t, "release", released)
	awaitModem(t, a, "refused", func(m control.Modem) bool {
		return strings.Contains(m.Words, "without release (AT+CNMPSD is refused)") && m.Released == 0
	})
	asleep := func(s client.AccountStatus) bool { return s.State == client.Asleep }
	for range 2 {
		if err := a.client.Update(101); err != nil {
			t.Fatal(err)
		}
		l.next(t, server.Updated)
		await(t, a, "asleep", asleep)
	}
	if n := sent(sim, "AT+CNMPSD") - 1; n != 1 {
		t.Errorf("told %d times", n)
	}

	stop()
	before := len(sim.Commands())
	sim.Handle("AT+CNMPSD", func(string) string { return "ERROR" })
	if row := checkModem(t.Context(), &cfg.Modems[0], "gw"); !strings.Contains(row.Detail, "perhaps without release") || slices.Contains(sim.Commands()[before:], "AT+CNMPSD") {
		t.Errorf("check: %+v after %q", row, sim.Commands()[before:])
	}
}
