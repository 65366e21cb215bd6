package bind

import (
	"context"
	"fmt"
	"maps"
	"sync"

	"lwm2m-agent/agent/store"
)

// together collects records that are to be on disk at once, or not at all.
type together struct {
	mu      sync.Mutex
	records map[store.Name]map[string][]byte
	kept    bool
}

type togetherKey struct{}

// Together has what the keepers of this package save under the context that it returns kept
// by one write of the store: when the function that it returns has returned nil, all
// of it is on disk. Until then nothing is.
func Together(ctx context.Context, s *store.Store) (within context.Context, keep func() error) {
	t := &together{records: make(map[store.Name]map[string][]byte)}
	return context.WithValue(ctx, togetherKey{}, t), func() error {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.kept = true
		return s.Update(func(tx *store.Tx) error {
			for bucket, records := range t.records {
				for key, record := range records {
					if err := tx.Save(bucket, key, record); err != nil {
						return fmt.Errorf("keep %s: %w", key, err)
					}
				}
			}
			return nil
		})
	}
}

// add collects records, unless those that came before are kept already.
func (t *together) add(bucket store.Name, records map[string][]byte) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kept {
		return false
	}
	if t.records[bucket] == nil {
		t.records[bucket] = make(map[string][]byte)
	}
	maps.Copy(t.records[bucket], records)
	return true
}

// saveAll replaces records of a bucket, all of them or none; nil removes one. See Together.
func saveAll(ctx context.Context, s *store.Store, bucket store.Name, records map[string][]byte) error {
	if t, ok := ctx.Value(togetherKey{}).(*together); ok && t.add(bucket, records) {
		return nil
	}
	return s.Bucket(bucket).SaveAll(records)
}
