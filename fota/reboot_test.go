package fota

import (
	"context"
	"errors"
	"strings"
	"testing"
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
		if want := `slot "B" is empty: no system to go back to`; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
		b.is(Resting, Initial)
		if b.machine.primary != "A" {
			t.Errorf("slot %s boots next", b.machine.primary)
		}
	})
}
