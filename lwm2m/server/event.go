package server

import (
	"sync"
	"time"

	"lwm2m-agent/lwm2m"
)

// EventKind is what happened.
type EventKind string

// The kinds of events.
const (
	Registered   EventKind = "registered"
	Updated      EventKind = "updated"
	Deregistered EventKind = "deregistered"
	Expired      EventKind = "expired"
	Notified     EventKind = "notified"
	Sent         EventKind = "sent"
	Bootstrapped EventKind = "bootstrapped" // or not, with Err; a pack was asked for
)

// Event is something that a client did, or failed to do.
type Event struct {
	Time         time.Time
	Kind         EventKind
	Endpoint     string
	Registration Registration // for the first four kinds
	Path         lwm2m.Path   // for Notified
	Nodes        []lwm2m.Node // for Notified and Sent
	Err          error        // for Notified: the client's refusal or a payload that cannot be read; for Bootstrapped
}

// broadcaster hands events to subscribers that keep up.
type broadcaster struct {
	mu   sync.Mutex
	subs map[chan Event]struct{}
}

// Events returns a channel of what happens from now on, and the function that
// ends it. Who does not take events before the buffer is full loses the newest.
func (s *Server) Events(buffer int) (<-chan Event, func()) {
	ch := make(chan Event, buffer)
	b := &s.events
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.subs == nil {
		b.subs = make(map[chan Event]struct{})
	}
	b.subs[ch] = struct{}{}
	return ch, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.subs, ch)
	}
}

func (b *broadcaster) send(e Event) {
	e.Time = time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	for ch := range b.subs {
		select {
		case ch <- e:
		default:
		}
	}
}
