package agent

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// TestReadiness: systemd is told that the agent is ready when the hardware was tried, or after a time, and not before the
// control socket is there.
func TestReadiness(t *testing.T) {
	closed := make(chan struct{})
	close(closed)
	for name, tt := range map[string]struct {
		local, hardware <-chan struct{}
		after           time.Duration
		want            string
	}{
		"all there":             {closed, closed, 0, "READY=1"},
		"hardware that hangs":   {closed, nil, hardwareTime, "READY=1"},
		"not yet":               {closed, nil, hardwareTime - 2*time.Second, "no message"},
		"no socket for a while": {nil, closed, time.Hour, "no message"},
	} {
		t.Run(name, func(t *testing.T) {
			next := supervised(t)
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), tt.after+time.Second) // before the start counts as over
				defer cancel()
				a := &Agent{log: slog.New(slog.DiscardHandler)}
				if err := a.notifyReady(ctx, tt.local, tt.hardware); err != nil {
					t.Error(err)
				}
			})
			if _, err := daemon.SdNotify(false, "no message"); err != nil {
				t.Fatal(err)
			}
			if got, _ := next(); got != tt.want {
				t.Errorf("told %q, want %q", got, tt.want)
			}
		})
	}
}
