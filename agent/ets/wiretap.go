package ets

import (
	"context"
	"slices"
	"sync"
	"time"

	"lwm2m-agent/lwm2m/coap"
)

// message is a CoAP message as the server saw it.
type message struct {
	coap *coap.Message
	sent bool // by the server
	at   time.Time
}

// wiretap keeps all messages of a server.
type wiretap struct {
	mu    sync.Mutex
	log   []message
	grown chan struct{} // closed and made anew with each message

	refused chan error // handshakes that failed, as far as there is room
}

func newWiretap() *wiretap { return &wiretap{grown: make(chan struct{}), refused: make(chan error, 1)} }

// refuse is server.Config.Refused.
func (w *wiretap) refuse(err error) {
	select {
	case w.refused <- err:
	default:
	}
}

// note is server.Config.Trace.
func (w *wiretap) note(d coap.Direction, datagram []byte) {
	m, err := coap.Parse(slices.Clone(datagram))
	if err != nil {
		return // the message layer refuses it
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, message{m, d == coap.Sent, time.Now()})
	close(w.grown)
	w.grown = make(chan struct{})
}

// from returns the messages from a position on, and what is closed when there are more.
func (w *wiretap) from(position int) ([]message, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log[min(position, len(w.log)):], w.grown
}

// length returns the position of the next message.
func (w *wiretap) length() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.log)
}

// find waits for the first message from a position on that is looked for. It returns the
// position after it, and false if none came before ctx ended.
func (w *wiretap) find(ctx context.Context, position int, wanted func(*message) bool) (message, int, bool) {
	for {
		log, grown := w.from(position)
		for i := range log {
			if wanted(&log[i]) {
				return log[i], position + i + 1, true
			}
		}
		position += len(log)
		select {
		case <-grown:
		case <-ctx.Done():
			return message{}, position, false
		}
	}
}
