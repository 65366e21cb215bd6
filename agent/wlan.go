package agent

import (
	"context"
	"log/slog"

	"lwm2m-agent/host"
)

func (a *Agent) publishWLAN() {
	a.network.Lock()
	defer a.network.Unlock()
	a.showWLAN(new(host.ReadLinks(a.opts.Root)))
}

func (a *Agent) showWLAN(n *host.Network) {
	if err := a.wlan.Publish(n); err != nil {
		a.log.Warn("wireless interfaces not read", slog.Any("error", err))
	}
}

func (a *Agent) watchWLAN(ctx context.Context) error { return host.WatchWLAN(ctx, a.publishWLAN) }
