package apps

import "sync"

// maxQueued bounds what waits for a program that does not read its stream:
// every request that may wait for an answer, and its abort.
const maxQueued = 2 * maxPending

// Stream delivers requests to a program, in order. Close it when the program is
// gone.
type Stream struct {
	app  *App
	wake chan struct{}

	mu     sync.Mutex
	queue  []Request
	closed bool // nothing more is queued
}

func newStream(a *App) *Stream { return &Stream{app: a, wake: make(chan struct{}, 1)} }

// Wake receives when there is something to Take.
func (s *Stream) Wake() <-chan struct{} { return s.wake }

// Take returns what has come since the last call. Nothing follows an OpEnd.
func (s *Stream) Take() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.queue
	s.queue = nil
	return taken
}

// Close ends the stream: the program does not read it any more. Without another
// one the application is away.
func (s *Stream) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.app.closed(s)
}

// put queues a request. A program that does not read is cut off.
func (s *Stream) put(r Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if len(s.queue) >= maxQueued {
		r = Request{Op: OpEnd, Message: "the program does not read its requests"}
		s.queue = nil
	}
	s.closed = r.Op == OpEnd
	s.queue = append(s.queue, r)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *Stream) end(why string) { s.put(Request{Op: OpEnd, Message: why}) }
