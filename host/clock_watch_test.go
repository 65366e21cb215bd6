package host

import (
	"context"
	"testing"
	"time"
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
	ClockSynchronized() // either way is right
}
