package model

import (
	"slices"
	"sync"
	"time"

	"lwm2m-agent/lwm2m"
)

// Change is one thing that happened in the tree.
type Change struct {
	Kind    ChangeKind
	Path    lwm2m.Path
	Value   lwm2m.Value // for Valued
	Time    time.Time   // of the value
	Quality Quality
}

// ChangeKind is what happened at a path.
type ChangeKind uint8

// The kinds of change.
const (
	Valued  ChangeKind = iota // a resource or resource instance has another value or quality
	Created                   // an object, object instance or resource has appeared
	Deleted                   // an object, object instance, resource or resource instance has gone
)

// maxPending bounds the changes that wait for one slow subscriber.
const maxPending = 4096

// Subscription delivers changes to one goroutine. Objects and object instances
// that come and go are always told; values only below watched paths, so that a
// subscriber that watches nothing is not woken by a sensor. So is a change of
// what access control says.
type Subscription struct {
	tree *Tree
	wake chan struct{}

	mu        sync.Mutex
	watched   map[lwm2m.Path]struct{}
	pending   []Change
	structure bool
	access    bool
	lost      bool
}

// Pending is what a subscription took up since the last Take.
type Pending struct {
	Changes   []Change // in order
	Structure bool     // an object or an object instance came or went
	Access    bool     // the tree's Access is another one
	Lost      bool     // there were too many: read again what matters
}

// Subscribe returns a new subscription that watches nothing. Close it when done.
func (t *Tree) Subscribe() *Subscription {
	s := &Subscription{tree: t, wake: make(chan struct{}, 1)}
	t.mu.Lock()
	t.subscriptions[s] = struct{}{}
	t.mu.Unlock()
	return s
}

// Close ends the subscription.
func (s *Subscription) Close() {
	s.tree.mu.Lock()
	delete(s.tree.subscriptions, s)
	s.tree.mu.Unlock()
}

// Watch replaces the set of watched paths. A path covers all below it; the root
// covers everything.
func (s *Subscription) Watch(paths ...lwm2m.Path) {
	watched := make(map[lwm2m.Path]struct{}, len(paths))
	for _, p := range paths {
		watched[p] = struct{}{}
	}
	s.mu.Lock()
	s.watched = watched
	s.mu.Unlock()
}

// Add watches one more path.
func (s *Subscription) Add(p lwm2m.Path) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watched == nil {
		s.watched = make(map[lwm2m.Path]struct{})
	}
	s.watched[p] = struct{}{}
}

// Drop stops watching a path.
func (s *Subscription) Drop(p lwm2m.Path) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.watched, p)
}

// Wake returns a channel that receives when there is something to Take.
func (s *Subscription) Wake() <-chan struct{} { return s.wake }

// Take returns what has happened since the last call: each batch and each request
// whole or not at all. The slice of buf is used again if it is large enough.
func (s *Subscription) Take(buf []Change) Pending {
	s.tree.mu.RLock() // who publishes has the lock from the first change to the last
	defer s.tree.mu.RUnlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	p := Pending{Changes: append(buf[:0], s.pending...), Structure: s.structure, Access: s.access, Lost: s.lost}
	s.pending, s.structure, s.access, s.lost = s.pending[:0], false, false, false
	select {
	case <-s.wake: // for what is taken now
	default:
	}
	return p
}

// structure tells all subscribers that an object or object instance came or
// went; the tree's lock must be held.
func (t *Tree) structure(c Change) {
	for s := range t.subscriptions {
		s.add(c, true)
	}
}

// changed tells those who watch the path; the tree's lock must be held.
func (t *Tree) changed(c Change) {
	for s := range t.subscriptions {
		s.add(c, false)
	}
}

func (s *Subscription) add(c Change, structure bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	watches := s.watches(c.Path)
	if !watches && !structure {
		return
	}
	s.structure = s.structure || structure
	if watches {
		s.append(c)
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// accessChanged tells that the tree's Access is another one.
func (s *Subscription) accessChanged() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.access = true
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *Subscription) watches(p lwm2m.Path) bool {
	if len(s.watched) == 0 {
		return false
	}
	for {
		if _, ok := s.watched[p]; ok {
			return true
		}
		if p.IsRoot() {
			return false
		}
		p = p.Parent()
	}
}

// append keeps the change. A subscriber that does not keep up gets the newest
// value of each path; one that lags even then is told to read again.
func (s *Subscription) append(c Change) {
	if len(s.pending) >= maxPending {
		s.pending = newest(s.pending)
	}
	if len(s.pending) >= maxPending {
		s.lost, s.pending = true, s.pending[:0]
	}
	s.pending = append(s.pending, c)
}

// newest drops all but the last change of each path.
func newest(changes []Change) []Change {
	seen := make(map[lwm2m.Path]struct{}, len(changes))
	slices.Reverse(changes)
	changes = slices.DeleteFunc(changes, func(c Change) bool {
		_, dup := seen[c.Path]
		seen[c.Path] = struct{}{}
		return dup
	})
	slices.Reverse(changes)
	return changes
}
