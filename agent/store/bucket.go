package store

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
)

// Bucket is a set of records by key in a Store. It satisfies the small storage
// interfaces of those who keep records.
type Bucket struct {
	store *Store
	name  Name
}

// Bucket returns a bucket, which is made with its first record.
func (s *Store) Bucket(n Name) *Bucket { return &Bucket{s, n} }

// Load returns the record of a key, nil if there is none. The error is nil.
func (b *Bucket) Load(key string) ([]byte, error) {
	b.store.mu.RLock()
	defer b.store.mu.RUnlock()
	return bytes.Clone(b.store.records[b.name][key]), nil
}

// Save replaces the record of a key (at most 255 bytes; the record at most 64 kB);
// nil removes it. It returns when the record is on disk; if it fails, the former
// record is still there. A record that is the same as before costs no write.
// Errors: ErrTooLarge, ErrFull, ErrClosed, the disk's.
func (b *Bucket) Save(key string, record []byte) error {
	return b.store.Update(func(tx *Tx) error { return tx.Save(b.name, key, record) })
}

// SaveAll is Save for several records, all of them or none.
func (b *Bucket) SaveAll(records map[string][]byte) error {
	return b.store.Update(func(tx *Tx) error {
		for key, record := range records {
			if err := tx.Save(b.name, key, record); err != nil {
				return err
			}
		}
		return nil
	})
}

// Keys returns the keys of all records, in no order.
func (b *Bucket) Keys() []string {
	b.store.mu.RLock()
	defer b.store.mu.RUnlock()
	return slices.Collect(maps.Keys(b.store.records[b.name]))
}

// List returns all records of the bucket by key.
func (b *Bucket) List() (map[string][]byte, error) {
	b.store.mu.RLock()
	defer b.store.mu.RUnlock()
	list := make(map[string][]byte, len(b.store.records[b.name]))
	for key, record := range b.store.records[b.name] {
		list[key] = bytes.Clone(record)
	}
	return list, nil
}

// Update changes several records, of any buckets, at once: all of it is on disk
// when Update returns nil, and nothing of it otherwise. An error of change is
// returned as it is. change must not call the Store.
func (s *Store) Update(change func(*Tx) error) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.closed {
		return ErrClosed
	}
	tx := &Tx{before: s.records, change: make(records)}
	if err := change(tx); err != nil {
		return err
	}
	tx.dropSame()
	if len(tx.change) == 0 {
		return nil
	}
	after := tx.after()
	if err := after.fits(); err != nil {
		return err
	}
	if err := s.ahead(); err != nil {
		return err
	}
	if err := s.write(func() error { return s.db.write(tx.change, tx.before, after) }); err != nil {
		return err
	}
	s.mu.Lock()
	s.records = after
	s.mu.Unlock()
	return nil
}

// Tx is a change in progress.
type Tx struct {
	before records // which nobody changes
	change records // a nil record is a removal
}

// Load returns the record of a key as the change has left it, nil if there is
// none. The caller must not alter it.
func (tx *Tx) Load(n Name, key string) []byte {
	if record, changed := tx.change[n][key]; changed {
		return record
	}
	return tx.before[n][key]
}

// Save replaces a record; nil removes it. Errors: ErrTooLarge.
func (tx *Tx) Save(n Name, key string, record []byte) error {
	if key == "" || len(key) > maxKey || len(record) > maxRecord {
		return fmt.Errorf("record %.40q of %d bytes in bucket %s: %w", key, len(record), n, ErrTooLarge)
	}
	tx.change.ensure(n)[key] = bytes.Clone(record)
	return nil
}

// dropSame takes out of a change what is as it was.
func (tx *Tx) dropSame() {
	for n, bucket := range tx.change {
		for key, record := range bucket {
			if old := tx.before[n][key]; (old == nil) == (record == nil) && bytes.Equal(old, record) {
				delete(bucket, key)
			}
		}
		if len(bucket) == 0 {
			delete(tx.change, n)
		}
	}
}

// after returns all records as they are with the change.
func (tx *Tx) after() records {
	r := tx.before.clone()
	for n, bucket := range tx.change {
		for key, record := range bucket {
			r.set(n, key, record)
		}
		r.ensure(n)
	}
	return r
}
