package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"sync/atomic"
)

// Counter is a number that only grows and outlives the process. A power cut
// costs at most what was added in the last Options.FlushAfter.
type Counter struct {
	store   *Store
	key     string
	value   atomic.Uint64
	changed atomic.Bool // since it was written
}

// Counter returns the counter of that name (at most 247 bytes).
func (s *Store) Counter(name string) *Counter {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counters[name]
	if c == nil {
		c = &Counter{store: s, key: "counter/" + name}
		if b := s.small[c.key]; len(b) == 8 {
			c.value.Store(binary.LittleEndian.Uint64(b))
		}
		s.counters[name] = c
	}
	return c
}

// Value returns the count.
func (c *Counter) Value() uint64 { return c.value.Load() }

// Add adds n and returns the new count.
func (c *Counter) Add(n uint64) uint64 {
	v := c.value.Add(n)
	if c.changed.CompareAndSwap(false, true) {
		c.store.soil()
	}
	return v
}

// soil wakes Run.
func (s *Store) soil() {
	select {
	case s.dirty <- struct{}{}:
	default:
	}
}

// Small returns a small record, nil if there is none.
func (s *Store) Small(key string) []byte {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if record, there := s.deferred[key]; there {
		return bytes.Clone(record)
	}
	return bytes.Clone(s.small[key])
}

// DeferSmall is SetSmall for what changes often: it returns at once. The newest record is
// written after Options.FlushAfter, before a record of a Bucket that is saved meanwhile, and
// in one append with a small record: no Bucket has what was saved later, while it is not
// there. The error is ErrTooLarge or ErrFull.
func (s *Store) DeferSmall(key string, record []byte) error {
	if key == "" || len(key) > 255 || len(record) > maxSmallValue {
		return fmt.Errorf("small record %.40q of %d bytes: %w", key, len(record), ErrTooLarge)
	}
	s.mu.Lock()
	_, there := s.small[key]
	_, waits := s.deferred[key]
	if !there && !waits && len(s.small)+len(s.deferred) >= maxSmallRecords {
		s.mu.Unlock()
		return fmt.Errorf("small record %.40q: %w: there are %d", key, ErrFull, maxSmallRecords)
	}
	if s.deferred == nil {
		s.deferred = make(map[string][]byte)
	}
	s.deferred[key] = bytes.Clone(record)
	s.mu.Unlock()
	s.soil()
	return nil
}

// SetSmall replaces a small record (key at most 255 bytes, record at most 1 kB)
// and returns when it is on disk: an append of a few bytes, not a commit. nil
// removes it. If it fails, the former record is still there.
func (s *Store) SetSmall(key string, record []byte) error { return s.setSmall(key, record, true) }

// NoteSmall is SetSmall that does not wait for the disk: the record outlives the process at
// once, and a power cut only if anything else was saved after it, of any kind, or after
// Options.FlushAfter. So nothing can be there that was saved later, and it not.
func (s *Store) NoteSmall(key string, record []byte) error { return s.setSmall(key, record, false) }

func (s *Store) setSmall(key string, record []byte, force bool) error {
	if key == "" || len(key) > 255 || len(record) > maxSmallValue {
		return fmt.Errorf("small record %.40q of %d bytes: %w", key, len(record), ErrTooLarge)
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	if !s.roomFor(key) {
		return fmt.Errorf("small record %.40q: %w: there are %d", key, ErrFull, maxSmallRecords)
	}
	if !force {
		s.soil()
	}
	s.mu.Lock()
	delete(s.deferred, key) // it is older
	s.mu.Unlock()
	return s.flush(map[string][]byte{key: record}, force)
}

func (s *Store) roomFor(key string) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, there := s.small[key]
	return there || len(s.small) < maxSmallRecords
}

// Flush puts counters and noted records on disk.
func (s *Store) Flush() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.closed {
		return nil
	}
	return s.flush(nil, true)
}

// flush writes small records, and the counters that have changed since they were
// written; writing must be held.
func (s *Store) flush(change map[string][]byte, force bool) error {
	if s.closed {
		return ErrClosed
	}
	change, counters := s.gather(change)
	if len(change) == 0 {
		s.written(change)
		return s.forceNoted(force)
	}
	after := func() map[string][]byte { return changed(s.small, change) }
	if err := s.write(func() error { return s.log.write(change, after, force) }); err != nil {
		for _, c := range counters {
			c.changed.Store(true)
		}
		s.soil()
		return err
	}
	s.written(change)
	return nil
}

// changed returns the records as they are after a change.
func changed(small, change map[string][]byte) map[string][]byte {
	after := maps.Clone(small)
	enter(after, change)
	return after
}

func enter(small, change map[string][]byte) {
	for key, value := range change {
		if value == nil {
			delete(small, key)
		} else {
			small[key] = value
		}
	}
}

// forceNoted waits until noted records are on disk, if it is to.
func (s *Store) forceNoted(force bool) error {
	if !force || s.log.unforced == 0 {
		return nil
	}
	return s.done(s.log.write(nil, func() map[string][]byte { return s.small }, true))
}

// ahead puts on disk, before anything else is written, what was deferred and noted; writing
// must be held.
func (s *Store) ahead() error {
	s.mu.RLock()
	deferred := len(s.deferred)
	s.mu.RUnlock()
	if deferred > 0 {
		return s.flush(nil, true)
	}
	return s.forceNoted(true)
}

// written enters what is on disk now. What was deferred and is there is done.
func (s *Store) written(change map[string][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	enter(s.small, change)
	for key, record := range s.deferred {
		if onDisk, there := s.small[key]; there == (record != nil) && bytes.Equal(onDisk, record) {
			delete(s.deferred, key)
		}
	}
}

// gather adds what was deferred and the changed counters to a change, and drops from it what
// is as it was.
func (s *Store) gather(change map[string][]byte) (all map[string][]byte, counters []*Counter) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all = make(map[string][]byte)
	put := func(key string, value []byte) {
		if old, there := s.small[key]; there != (value != nil) || !bytes.Equal(old, value) {
			all[key] = value
		}
	}
	for key, value := range s.deferred {
		if _, newer := change[key]; !newer {
			put(key, value)
		}
	}
	for key, value := range change {
		put(key, bytes.Clone(value))
	}
	for _, c := range s.counters {
		if c.changed.CompareAndSwap(true, false) {
			counters = append(counters, c)
			put(c.key, binary.LittleEndian.AppendUint64(nil, c.value.Load()))
		}
	}
	return all, counters
}
