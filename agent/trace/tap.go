package trace

import (
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"lwm2m-agent/lwm2m/coap"
)

// Link is what a message goes over.
type Link struct {
	ShortServerID uint16 // 0: of the bootstrap server
	Local, Remote net.Addr
	Stream        bool // TCP or TLS, else UDP or DTLS
}

// Tap shows messages to those who listen. While nobody does, a message costs one
// atomic load. The zero value is ready; all methods may be called from any goroutine.
type Tap struct {
	open      atomic.Int32 // how many listen
	mu        sync.Mutex
	listeners []*Listener
}

// Note takes a message as the agent sends or receives it; now gives its time. It does
// not keep the datagram, and waits for nobody.
func (t *Tap) Note(over *Link, d coap.Direction, datagram []byte, now func() time.Time) {
	if t.open.Load() == 0 {
		return
	}
	n := note{at: now(), over: over, sent: d == coap.Sent, datagram: slices.Clone(datagram)}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range t.listeners {
		l.put(n)
	}
}

// Listen returns a listener that hears the messages from now on.
func (t *Tap) Listen(d *Decoder) *Listener {
	l := &Listener{tap: t, decoder: d, wake: make(chan struct{}, 1)}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.listeners = append(t.listeners, l)
	t.open.Add(1)
	return l
}

// note is a message that waits to be decoded.
type note struct {
	at       time.Time
	over     *Link
	sent     bool
	datagram []byte
	lost     uint64 // so many before it found no room
}

// Bounds of what waits for one listener.
const (
	mostNotes = 1024
	mostBytes = 1 << 20
)

// Listener hears messages. What it does not take in time is left out and counted.
type Listener struct {
	tap     *Tap
	decoder *Decoder
	wake    chan struct{}

	mu    sync.Mutex
	notes []note
	bytes int
	lost  uint64
}

func (l *Listener) put(n note) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.notes) == mostNotes || l.bytes+len(n.datagram) > mostBytes {
		l.lost++
		return
	}
	n.lost, l.lost = l.lost, 0
	l.notes = append(l.notes, n)
	l.bytes += len(n.datagram)
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Wake receives when there is something to Take.
func (l *Listener) Wake() <-chan struct{} { return l.wake }

// Take returns what was heard since the last call. One goroutine calls it.
func (l *Listener) Take() []Message {
	l.mu.Lock()
	notes := l.notes
	l.notes, l.bytes = nil, 0
	l.mu.Unlock()
	out := make([]Message, len(notes))
	for i := range notes {
		out[i] = l.decoder.decode(&notes[i])
	}
	return out
}

// Close ends listening.
func (l *Listener) Close() {
	l.tap.mu.Lock()
	defer l.tap.mu.Unlock()
	if i := slices.Index(l.tap.listeners, l); i >= 0 {
		l.tap.listeners = slices.Delete(l.tap.listeners, i, i+1)
		l.tap.open.Add(-1)
	}
}
