package agent

import (
	"context"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/lwm2m/client"
)

// TestWatchdog shows that the watchdog is fed while all goes round, and not while a loop
// hangs.
func TestWatchdog(t *testing.T) {
	l := newLab(t)
	a, _ := l.run(t, l.config())
	ctx, cancel := context.WithCancel(t.Context())
	fed, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- a.watch(ctx, 20*time.Millisecond, func() {
			select {
			case fed <- struct{}{}:
			case <-ctx.Done():
			}
		})
	}()
	for range 3 {
		select {
		case <-fed:
		case <-time.After(generous):
			t.Fatal("the watchdog is not fed")
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}

	await(t, a, "registered", func(s client.AccountStatus) bool { return s.State == client.Registered }) // and does not wait for the disk
	free := make(chan struct{})
	a.deferred <- func(context.Context) { <-free }
	err := a.alive(t.Context(), 500*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "deferred work") {
		t.Errorf("while deferred work hangs: %v", err)
	}
	close(free)
	if err := a.alive(t.Context(), generous); err != nil {
		t.Errorf("when it goes on: %v", err)
	}
}
