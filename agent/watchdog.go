package agent

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// feedWatchdog tells systemd, as often as it asks for (WatchdogSec), that the agent works.
// Without a supervisor that watches it does nothing.
func (a *Agent) feedWatchdog(ctx context.Context) error {
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return fmt.Errorf("read the watchdog's time: %w", err)
	}
	if limit == 0 {
		<-ctx.Done()
		return nil
	}
	return a.watch(ctx, limit, func() { _, _ = daemon.SdNotify(false, daemon.SdNotifyWatchdog) })
}

// watch feeds twice in each limit, as long as the loops that matter go round: those of the
// server accounts, and that of what follows an answer (Reboot).
func (a *Agent) watch(ctx context.Context, limit time.Duration, feed func()) error {
	ticker := time.NewTicker(limit / 2)
	defer ticker.Stop()
	for {
		err := a.alive(ctx, limit/2)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			a.log.Error("a loop of the agent hangs: the watchdog is not fed", slog.Any("error", err))
		default:
			feed()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// alive returns an error that names what does not go round within a time.
func (a *Agent) alive(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if err := a.client.Alive(ctx); err != nil {
		return err
	}
	done := make(chan struct{})
	select {
	case a.deferred <- func(context.Context) { close(done) }:
	case <-ctx.Done():
		return fmt.Errorf("deferred work: %w", context.Cause(ctx))
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("deferred work: %w", context.Cause(ctx))
	}
}
