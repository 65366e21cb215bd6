package agent

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/control"
	"lwm2m-agent/agent/metrics"
)

// maxScrapers bounds the connections of those who ask for metrics.
const maxScrapers = 8

// serveMetrics serves metrics where the configuration at the start says. It calls works when it listens.
func (a *Agent) serveMetrics(ctx context.Context, works func()) error {
	l, remove, err := listenLocally(ctx, a.opts.Config.Metrics.Listen)
	if err != nil {
		return fmt.Errorf("serve metrics: %w; set another address in [metrics]", err)
	}
	defer remove()
	works()
	return metrics.Serve(ctx, control.Bounded(l, maxScrapers), a.snapshot)
}

// listenLocally listens where only this machine reaches. A unix socket is for members of the group
// that may read, and remove removes it.
func listenLocally(ctx context.Context, at config.Local) (l net.Listener, remove func(), err error) {
	if at.Network == "unix" {
		return control.Listen(ctx, at.Address)
	}
	l, err = (&net.ListenConfig{}).Listen(ctx, at.Network, at.Address)
	return l, func() {}, err
}

// snapshot is what metrics tell.
func (a *Agent) snapshot() metrics.Snapshot {
	b := &backend{a}
	s := metrics.Snapshot{Status: b.Status(), Troubles: control.Troubles(b), Process: processNow()}
	for _, c := range a.board.Counts() {
		s.Channels = append(s.Channels, metrics.Channel{Sensor: c.Sensor, Name: c.Channel, Readings: c.Readings, Failures: c.Failures})
	}
	return s
}

func processNow() metrics.Process {
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	p := metrics.Process{Goroutines: runtime.NumGoroutine(), HeapBytes: memory.HeapAlloc}
	// The second number of /proc/self/statm is resident pages (proc(5)).
	if text, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := strings.Fields(string(text)); len(fields) > 1 {
			pages, _ := strconv.ParseUint(fields[1], 10, 64)
			p.ResidentBytes = pages * uint64(os.Getpagesize()) //nolint:gosec // positive
		}
	}
	return p
}
