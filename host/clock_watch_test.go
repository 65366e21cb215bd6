package host

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// TestWatchClockEnds: it needs no rights, and ends with its context. That it hears of
// a clock that is set is tested on the emulated board.
func TestWatchClockEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- WatchClock(ctx, func() {}) }()
	select {
	case err := <-done:
		t.Fatalf("ended by itself: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestSinceBoot(t *testing.T) {
	boot, err := ReadBoot(Root())
	if err != nil {
		t.Skip(err)
	}
	if since := SinceBoot(); since < boot.Uptime-time.Second || since > boot.Uptime+time.Minute {
		t.Errorf("%v since boot, /proc/uptime says %v", since, boot.Uptime)
	}
	ClockSynchronized(t.Context()) // either way is right
}

// TestSynchronized: what timedated says, where the kernel may not be asked.
func TestSynchronized(t *testing.T) {
	for _, c := range []struct {
		answer []any
		want   bool
		ok     bool
	}{
		{[]any{dbus.MakeVariant(true)}, true, true},
		{[]any{dbus.MakeVariant(false)}, false, true},
		{[]any{dbus.MakeVariant("yes")}, false, false},
		{busErr("org.freedesktop.DBus.Error.ServiceUnknown"), false, false},
	} {
		b := &bus{answers: map[string][]any{"org.freedesktop.DBus.Properties.Get": c.answer}}
		got, err := (&systemd{dial: b.dial}).synchronized(t.Context())
		if got != c.want || (err == nil) != c.ok || !slices.ContainsFunc(b.calls, func(call string) bool { return strings.Contains(call, "NTPSynchronized") }) {
			t.Errorf("%v: %v, %v; asked %q", c.answer, got, err, b.calls)
		}
	}
}
