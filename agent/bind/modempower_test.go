package bind

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lwm2m-agent/agent/store"
)

// outlet is what modems have their power from, and what was done to it: "a on", "a off".
type outlet struct {
	log bytes.Buffer

	mu    sync.Mutex
	done  []string
	fails int // so often
}

func (o *outlet) set(_ context.Context, actuator string, on bool) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fails > 0 {
		o.fails--
		return errors.New("the bus hangs")
	}
	o.done = append(o.done, actuator+map[bool]string{true: " on", false: " off"}[on])
	return nil
}

// start is what a start of the agent makes of the outlet, which it then looks after until stop.
func (o *outlet) start(t *testing.T, st *store.Store) (p *ModemPower, stop func()) {
	t.Helper()
	p = NewModemPower(st, slog.New(slog.NewTextHandler(&o.log, nil)), o.set)
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- p.Run(ctx, []string{"a", "b"}) }()
	synctest.Wait()
	return p, func() {
		cancel()
		if err := <-over; err != nil {
			t.Error(err)
		}
	}
}

// toFail is how often it still fails.
func (o *outlet) toFail() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.fails
}

func (o *outlet) expect(t *testing.T, when string, want ...string) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if !slices.Equal(o.done, want) {
		t.Errorf("%s: %q, want %q", when, o.done, want)
	}
	o.done = nil
}

// TestModemPowerIsGivenBack kills the agent while the power is off, again and again: the next start switches it on, and leaves alone what has power.
func TestModemPowerIsGivenBack(t *testing.T) {
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	synctest.Test(t, func(t *testing.T) {
		var o outlet
		p, stop := o.start(t, st)
		o.expect(t, "at first")
		for _, on := range []bool{false, true, false} {
			if err := p.Switch(t.Context(), "a", on); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Hour) // which is for whoever has switched it off
		o.expect(t, "in between", "a off", "a on", "a off")
		stop()

		o.fails = 1
		_, stop = o.start(t, st)
		stop()
		o.expect(t, "a start that could not") // the note stays
		_, stop = o.start(t, st)
		stop()
		o.expect(t, "the next start", "a on")
		_, stop = o.start(t, st)
		stop()
		o.expect(t, "and the one after")
	})
}

// TestModemPowerCannotBeSwitchedOn has the actuator fail while it is to be switched on: it is tried again, at most once a minute, and the log says so once.
func TestModemPowerCannotBeSwitchedOn(t *testing.T) {
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	synctest.Test(t, func(t *testing.T) {
		var o outlet
		p, stop := o.start(t, st)
		defer stop()
		if err := p.Switch(t.Context(), "b", false); err != nil {
			t.Fatal(err)
		}
		o.fails = 60
		if err := p.Switch(t.Context(), "b", true); err == nil {
			t.Error("it was switched on")
		}
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		if n := 60 - o.toFail(); n < 30 || n > 40 {
			t.Errorf("tried %d times in half an hour", n)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		o.expect(t, "in the end", "b off", "b on")
		if n := strings.Count(o.log.String(), "cannot be switched on"); n != 1 || strings.Count(o.log.String(), "which is on again") != 1 {
			t.Errorf("told %d times: %s", n, &o.log)
		}
	})
}

// TestModemPowerAtTheEnd ends the agent in order while the power is off.
func TestModemPowerAtTheEnd(t *testing.T) {
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	synctest.Test(t, func(t *testing.T) {
		var o outlet
		p, stop := o.start(t, st)
		if err := p.Switch(t.Context(), "a", false); err != nil {
			t.Fatal(err)
		}
		p.GiveBack(t.Context())
		stop()
		o.expect(t, "at the end", "a off", "a on")
		_, stop = o.start(t, st)
		stop()
		o.expect(t, "the next start")
	})
}

// TestOwedIsKept: what a modem is to be told as it is off the network outlives the agent, until it was told.
func TestOwedIsKept(t *testing.T) {
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	m := &Modems{Store: st, Log: slog.New(slog.DiscardHandler)}
	for _, want := range [][]string{{"+CFUN=1", "+CGATT=1"}, {"+CGATT=1"}, nil} {
		_, keep := m.owedOf("wwan")
		keep(want)
		if owed, _ := m.owedOf("wwan"); !slices.Equal(owed, want) {
			t.Errorf("%q, want %q", owed, want)
		}
	}
}
