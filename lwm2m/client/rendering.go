package client

import (
	"slices"
	"sync"
	"sync/atomic"

	"lwm2m-agent/lwm2m"
)

// maxRenderings bounds the payloads that are kept for others, in bytes.
const maxRenderings = 64 << 10

// renderings are payloads of notifications, kept for who has to tell the same: one change that
// many observe, of one server or of several, is encoded once for each format. Any goroutine may
// use it.
type renderings struct {
	accounts atomic.Int32 // that may share

	mu   sync.Mutex
	last map[rendering]rendered
	size int // of all payloads, in bytes
}

type rendering struct {
	path   lwm2m.Path
	format lwm2m.Format
}

// rendered is a payload and what it says.
type rendered struct {
	nodes   []lwm2m.Node
	payload []byte
}

// find returns the payload that says what the nodes are, nil if nobody has kept it. It must
// not be altered.
func (r *renderings) find(key rendering, nodes []lwm2m.Node) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	if last, ok := r.last[key]; ok && slices.Equal(last.nodes, nodes) {
		return last.payload
	}
	return nil
}

// keep keeps a copy of a payload in place of the last one.
func (r *renderings) keep(key rendering, nodes []lwm2m.Node, payload []byte) {
	if len(payload) > maxRenderings {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.size += len(payload) - len(r.last[key].payload)
	if r.last == nil || r.size > maxRenderings {
		r.last, r.size = make(map[rendering]rendered), len(payload)
	}
	r.last[key] = rendered{slices.Clone(nodes), slices.Clone(payload)}
}
