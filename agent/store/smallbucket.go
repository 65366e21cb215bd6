package store

import (
	"maps"
	"slices"
	"strings"
)

// SmallBucket is the small records whose keys have one prefix, as a bucket: for those
// that are written often.
type SmallBucket struct {
	store  *Store
	prefix string
}

// SmallBucket returns the small records under a prefix such as "client/".
func (s *Store) SmallBucket(prefix string) *SmallBucket { return &SmallBucket{s, prefix} }

// Load returns the record of a key, nil if there is none. The error is nil.
func (b *SmallBucket) Load(key string) ([]byte, error) { return b.store.Small(b.prefix + key), nil }

// Keys returns the keys of all records, in no order.
func (b *SmallBucket) Keys() []string {
	b.store.mu.RLock()
	defer b.store.mu.RUnlock()
	found := make(map[string]bool)
	for _, m := range []map[string][]byte{b.store.small, b.store.deferred} { // the second is newer
		for key, record := range m {
			if own, ok := strings.CutPrefix(key, b.prefix); ok {
				found[own] = record != nil
			}
		}
	}
	maps.DeleteFunc(found, func(_ string, there bool) bool { return !there })
	return slices.Collect(maps.Keys(found))
}

// Save is Store.SetSmall.
func (b *SmallBucket) Save(key string, record []byte) error {
	return b.store.SetSmall(b.prefix+key, record)
}

// Defer is Store.DeferSmall.
func (b *SmallBucket) Defer(key string, record []byte) error {
	return b.store.DeferSmall(b.prefix+key, record)
}

// Note is Store.NoteSmall.
func (b *SmallBucket) Note(key string, record []byte) error {
	return b.store.NoteSmall(b.prefix+key, record)
}
