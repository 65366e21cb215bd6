package agent

import (
	"context"
	"log/slog"

	"lwm2m-agent/host"
)

func (a *Agent) publishWLAN() {
	if err := a.wlan.Publish(); err != nil {
		a.log.Warn("wireless interfaces not read", slog.Any("error", err))
	}
}

func (a *Agent) watchWLAN(ctx context.Context) error { return host.WatchWLAN(ctx, a.publishWLAN) }
