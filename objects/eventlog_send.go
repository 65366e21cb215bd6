package objects

import (
	"bytes"
	"context"
	"maps"
	"sync"
	"time"

	"lwm2m-agent/lwm2m"
)

// logFeed is what one server has not been sent of a log yet (LogDataIncremental).
type logFeed struct {
	window   window
	interval time.Duration
	due      time.Time // not before
	sending  bool
}

// want makes a server's feed, or changes its interval; the lock must be held.
func (c *Collection) want(server uint16, seconds uint64) {
	interval := time.Duration(seconds) * time.Second //nolint:gosec // at most maxInterval
	f := c.feeds[server]
	if f == nil {
		c.feeds[server] = &logFeed{interval: interval, due: time.Now().Add(interval)}
		return
	}
	f.due = f.due.Add(interval - f.interval)
	f.interval = interval
}

// state returns what the next start must know.
func (c *Collection) state() LogState {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := LogState{Stopped: c.stopped, Intervals: make(map[uint16]uint64)}
	for server, f := range c.feeds {
		s.Intervals[server] = uint64(f.interval / time.Second) //nolint:gosec // not negative
	}
	return s
}

// parcel is the content of one Send.
type parcel struct {
	server uint16
	feed   *logFeed
	data   []byte
	end    uint64 // position behind the last byte
}

// take returns what is due, and how long it is to what is due next; 0 if nothing
// waits.
func (c *Collection) take(now time.Time) (due []parcel, next time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for server, f := range c.feeds {
		wait := f.due.Sub(now)
		switch {
		case f.sending || len(f.window.text) == 0:
		case wait > 0:
			next = sooner(next, wait)
		default:
			f.sending = true
			due = append(due, parcel{server, f, bytes.Clone(f.window.text), f.window.end()})
		}
	}
	return due, next
}

// sooner returns the shorter of two times, of which 0 is none.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// retryTime is the least time between a Send that failed and the next one: the
// server may be away or have muted Send.
const retryTime = time.Minute

// sent takes in how a Send ended. What a server has taken is dropped; lines that
// came meanwhile stay.
func (c *Collection) sent(p parcel, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.feed.sending = false
	if err != nil {
		p.feed.due = time.Now().Add(max(p.feed.interval, retryTime))
		return
	}
	p.feed.due = time.Now().Add(p.feed.interval)
	p.feed.window.drop(p.end)
}

// Run publishes LogStatus and sends LogDataIncremental to the servers that have
// set an interval, until the context ends, which gives nil. It wakes up when
// something is logged or due, and never otherwise.
func (l *EventLog) Run(ctx context.Context) error {
	var sending sync.WaitGroup
	defer sending.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.wake:
		case <-timer.C:
		}
		if err := l.publish(); err != nil {
			return err
		}
		timer.Stop()
		if next := l.dispatch(ctx, &sending); next > 0 {
			timer.Reset(next)
		}
	}
}

// dispatch starts the Sends that are due and returns when to call it again; 0
// says not before the next signal.
func (l *EventLog) dispatch(ctx context.Context, sending *sync.WaitGroup) time.Duration {
	l.mu.Lock()
	logs := maps.Clone(l.logs)
	l.mu.Unlock()
	soonest := time.Duration(0)
	for iid, c := range logs {
		due, next := c.take(time.Now())
		soonest = sooner(soonest, next)
		for _, p := range due {
			sending.Go(func() {
				at := lwm2m.NewPath(objectEventLog, iid, ridLogDataIncremental)
				err := l.hooks.Send(ctx, p.server, []lwm2m.Node{{Path: at, Value: lwm2m.Opaque(p.data)}})
				c.sent(p, err)
				l.signal()
			})
		}
	}
	return soonest
}
