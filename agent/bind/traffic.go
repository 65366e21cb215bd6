package bind

import (
	"io/fs"
	"sync"

	"lwm2m-agent/host"
)

// traffic is what went over the interfaces that lead out of the machine, in sums that only grow: an interface that is made
// anew, as that of a modem that dials again, begins at 0, and what went over the former one stays.
type traffic struct {
	mu             sync.Mutex
	last           map[int]host.Traffic // by index
	tx, rx         host.Volume
	sent, received uint64
}

// read returns the bytes sent and received. The lock is held meanwhile, so that no interface goes that is read.
func (t *traffic) read(root fs.FS) (sent, received uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, now := range host.ReadTraffic(root) {
		t.add(now)
	}
	return t.sent, t.received
}

// gone takes the last counters of an interface. One that nobody has read is none that anybody knows.
func (t *traffic) gone(now host.Traffic) {
	t.mu.Lock()
	defer t.mu.Unlock()
	last, known := t.last[now.Index]
	if !known {
		return
	}
	now.Outside, now.Tx, now.Rx = last.Outside, atLeast(now.Tx, last.Tx), atLeast(now.Rx, last.Rx)
	t.add(now)
	delete(t.last, now.Index)
}

// atLeast is an interface's last state. Where it is behind the one before, its driver has forgotten: none begins anew as it goes.
func atLeast(now, before host.Volume) host.Volume {
	return host.Volume{Bytes: max(now.Bytes, before.Bytes), Headers: max(now.Headers, before.Headers)}
}

// add adds what came since the last time; the lock must be held. Bytes and packets are not read at the same moment, so
// that the difference can be behind by a header or two.
func (t *traffic) add(now host.Traffic) {
	last := t.last[now.Index]
	if t.last == nil {
		t.last = make(map[int]host.Traffic)
	}
	t.last[now.Index] = now
	if !now.Outside {
		return
	}
	t.tx, t.rx = t.tx.Plus(now.Tx.Since(last.Tx)), t.rx.Plus(now.Rx.Since(last.Rx))
	t.sent, t.received = max(t.sent, t.tx.Payload()), max(t.received, t.rx.Payload())
}
