package health

import "sync"

// maxPending bounds the changes that wait for one slow subscriber.
const maxPending = 2 * maxTroubles

// Change is a trouble that was set (anew, or with another detail) or cleared.
type Change struct {
	Trouble Trouble
	Set     bool
}

// Subscription delivers changes to one goroutine.
type Subscription struct {
	tracker *Tracker
	wake    chan struct{}

	mu      sync.Mutex
	pending []Change
}

// Subscribe returns a subscription to all changes from now on. Close it when
// done.
func (t *Tracker) Subscribe() *Subscription {
	s := &Subscription{tracker: t, wake: make(chan struct{}, 1)}
	t.mu.Lock()
	t.subs[s] = struct{}{}
	t.mu.Unlock()
	return s
}

// Close ends the subscription.
func (s *Subscription) Close() {
	s.tracker.mu.Lock()
	delete(s.tracker.subs, s)
	s.tracker.mu.Unlock()
}

// Wake returns a channel that receives when there is something to Take.
func (s *Subscription) Wake() <-chan struct{} { return s.wake }

// Take returns the changes since the last call, in order. A subscriber that
// does not keep up misses the oldest.
func (s *Subscription) Take() []Change {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.pending
	s.pending = nil
	return taken
}

// tell hands a change to all subscribers; the tracker's lock must be held.
func (t *Tracker) tell(c Change) {
	for s := range t.subs {
		s.mu.Lock()
		if len(s.pending) >= maxPending {
			s.pending = s.pending[1:]
		}
		s.pending = append(s.pending, c)
		s.mu.Unlock()
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}
