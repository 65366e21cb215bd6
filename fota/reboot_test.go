package fota

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestRebootFails: the reason is what the operating system says, once.
func TestRebootFails(t *testing.T) {
	change := func(c *Config) {
		c.Reboot = func(context.Context) error { return errors.New("reboot: no init system answers") }
	}
	simulate(t, change, func(b *bench) {
		b.push(good)
		b.must(b.u.Update(b.Context()))
		b.is(Resting, UpdateFailed)
		if got, want := b.u.Status().Reason, "reboot: no init system answers"; got != want {
			t.Errorf("the reason is %q, want %q", got, want)
		}
	})
}

// emptied is a back end whose other slot holds no system.
type emptied struct{ Backend }

func (e emptied) Slots(ctx context.Context) (Slots, error) {
	s, err := e.Backend.Slots(ctx)
	for i := range s.All {
		s.All[i].Empty = s.All[i].Name != s.Booted
	}
	return s, err
}

// TestRollbackToNothing: a slot that holds no system is not booted.
func TestRollbackToNothing(t *testing.T) {
	simulate(t, func(c *Config) { c.Backend = emptied{c.Backend} }, func(b *bench) {
		err := b.u.Rollback(b.Context())
		if want := `slot "B" holds no whole system to go back to`; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
		b.is(Resting, Initial)
		if b.machine.primary != "A" {
			t.Errorf("slot %s boots next", b.machine.primary)
		}
	})
}

// goneBack is a machine whose local user goes back to slot B, up to where no system of it does anything any more. It returns how often it was
// rebooted or cut.
func goneBack(b *bench) (boots int) {
	_ = b.u.Rollback(b.Context()) // it may be cut
	synctest.Wait()
	for b.isOff() && boots < 20 {
		boots++
		b.end()
		b.boot(nil)
		time.Sleep(time.Hour)
		synctest.Wait()
	}
	return boots
}

// TestRollback goes to the other slot, and leaves it to the local user to come back.
func TestRollback(t *testing.T) {
	simulate(t, nil, func(b *bench) {
		if boots := goneBack(b); boots != 1 || b.machine.booted != "B" || b.machine.primary != "B" || b.machine.bad["A"] {
			t.Errorf("slot %s runs after %d boots, %s is next, A is bad: %v", b.machine.booted, boots, b.machine.primary, b.machine.bad["A"])
		}
		b.is(Resting, UpdateFailed)
		if got, want := b.u.Status().Reason, "rolled back by a local user"; got != want {
			t.Errorf("the reason is %q, want %q", got, want)
		}
	})
}

// TestRollbackThatIsCut goes to the other slot, wherever the power is cut. Where its system does not boot the machine is back where it was after
// the attempts that the boot loader gives it, once, and stays there.
func TestRollbackThatIsCut(t *testing.T) {
	for _, c := range []struct{ content, runs, why string }{
		{"gateway 0 good!", "B", "rolled back by a local user"},
		{"gateway 0 dead!", "A", `slot "B" did not stay up`},
	} {
		steps := 0
		for at := 0; at <= steps; at++ {
			for _, after := range []bool{false, true} {
				simulate(t, nil, func(b *bench) {
					m := b.machine
					m.slots["B"] = c.content
					m.trail, m.steps = nil, 0
					if at > 0 {
						m.cuts = []cut{{at, after}}
					}
					boots := goneBack(b)
					if at == 0 {
						steps = m.steps
					}
					if at == 1 && !after { // nobody was told that it would be done
						b.is(Resting, Initial)
						return
					}
					if boots > 2 || boots == 0 || m.booted != c.runs || m.primary != c.runs || !m.good[c.runs] {
						m.fatalf("slot %s runs after %d boots; %s is next", m.booted, boots, m.primary)
					}
					if s := b.u.Status(); s.Phase != Resting || s.Result != UpdateFailed || !strings.Contains(s.Reason, c.why) {
						m.fatalf("it is %s with result %d (%s)", s.Phase, s.Result, s.Reason)
					}
					if tried := slices.Contains(m.trail, "B does not boot"); tried != (c.runs == "A") {
						m.fatalf("the other system was tried in vain: %v", tried)
					}
				})
			}
		}
		if steps < 8 {
			t.Errorf("%d steps", steps)
		}
	}
}

// TestRollbackGoesOnAfterARestart of the agent before the machine has rebooted.
func TestRollbackGoesOnAfterARestart(t *testing.T) {
	simulate(t, func(c *Config) { c.Reboot = func(context.Context) error { return nil } }, func(b *bench) {
		b.must(b.u.Rollback(b.Context()))
		b.is(Reverting, Initial)
		b.end()
		b.start(nil)
		if !b.isOff() || b.machine.primary != "B" {
			t.Errorf("it is called off; slot %s is next", b.machine.primary)
		}
	})
}
