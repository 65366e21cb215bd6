package host

import (
	"context"
	"fmt"
	"log/slog"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// defaultSettle is how long changes of the network are collected: switching an
// interface on makes dozens at once.
const defaultSettle = 200 * time.Millisecond

// Where changes do not end, as with a route that flaps, they are collected for twice as long each time: whoever is told makes
// connections anew, which would never be done. A time without changes ends that.
const (
	longestSettle = 10 * time.Second
	quietTime     = 30 * time.Second
)

// NetworkWatch tells when links, addresses or routes change. It implements a
// task of the agent.
type NetworkWatch struct {
	Changed func()        // called from Run, once for changes that come together
	Gone    func(Traffic) // called from Run, before Changed, for each interface that goes, with all that went over it; nil: none
	Settle  time.Duration // how long changes are collected after the first one; 200 ms, and longer while they do not end
	Log     *slog.Logger  // nil: none
}

// Run watches until the context ends, which gives nil.
func (w *NetworkWatch) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	events, done := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(done)
		w.collect(ctx, events)
	}()
	const groups = unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR | unix.RTMGRP_IPV4_ROUTE | unix.RTMGRP_IPV6_ROUTE
	err := listen(ctx, unix.NETLINK_ROUTE, groups, func(message []byte) {
		w.tellGone(message)
		if message == nil && w.Log != nil {
			w.Log.Debug("too many changes of the network at once")
		}
		select {
		case events <- struct{}{}:
		default:
		}
	})
	stop()
	<-done
	if err != nil {
		return fmt.Errorf("watch the network: %w", err)
	}
	return nil
}

func (w *NetworkWatch) tellGone(message []byte) {
	messages, err := syscall.ParseNetlinkMessage(message)
	if err != nil || w.Gone == nil {
		return
	}
	for i := range messages {
		if t, ok := goneTraffic(&messages[i]); ok {
			w.Gone(t)
		}
	}
}

// collect calls Changed once for all events that come within Settle after the
// first, or more where they do not end.
func (w *NetworkWatch) collect(ctx context.Context, events <-chan struct{}) {
	shortest := w.Settle
	if shortest == 0 {
		shortest = defaultSettle
	}
	var told time.Time
	for settle := shortest; ; {
		select {
		case <-ctx.Done():
			return
		case <-events:
		}
		if settle *= 2; told.IsZero() || time.Since(told) >= quietTime {
			settle = shortest
		}
		settle = min(settle, max(shortest, longestSettle))
		timer := time.NewTimer(settle)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		select { // what came meanwhile is in the picture that is read now
		case <-events:
		default:
		}
		w.Changed()
		told = time.Now()
	}
}
