package fota

import (
	"context"
	"errors"
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
