package bind

import (
	"context"
	"fmt"

	"lwm2m-agent/agent/store"
	"lwm2m-agent/lwm2m"
)

// Kept is an object whose whole content is in the state directory.
type Kept struct {
	Store *store.Store
	Key   string // of the record in the bucket of values
}

// Save is an objects.Save.
func (k Kept) Save(ctx context.Context, nodes []lwm2m.Node) error {
	record, err := encodeNodes(nodes)
	if err == nil {
		err = saveAll(ctx, k.Store, store.Values, map[string][]byte{k.Key: record})
	}
	if err != nil {
		return fmt.Errorf("keep %s: %w", k.Key, err)
	}
	return nil
}

// Load returns what was saved, nil if nothing was.
func (k Kept) Load() ([]lwm2m.Node, error) {
	record, err := k.Store.Bucket(store.Values).Load(k.Key)
	if err != nil || record == nil {
		return nil, err
	}
	nodes, err := decodeNodes(record)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", k.Key, err)
	}
	return nodes, nil
}
