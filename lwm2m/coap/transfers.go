package coap

import (
	"encoding/binary"
	"time"
)

// way tells uploads and downloads apart.
type way byte

const (
	upward   way = 'u'
	download way = 'd'
)

// transferKey returns what requests for blocks of one body have in common, beside the
// peer: the method and the cache key without what belongs to a single message. The token
// is no part of it (RFC 7959 sections 2.4 and 2.5).
func transferKey(way way, m *Message) []byte {
	b := []byte{byte(way), byte(m.Code)}
	for _, o := range m.options {
		switch id := OptionID(o.ID); {
		case id.noCacheKey():
		case id == Block1, id == Block2, id == Observe, id == ETag, id == URIHost, id == URIPort:
		default:
			b = binary.BigEndian.AppendUint16(b, uint16(id))
			b = binary.BigEndian.AppendUint16(b, uint16(len(o.Value))) //nolint:gosec // of a datagram
			b = append(b, o.Value...)
		}
	}
	return b
}

// held is what is kept between the peer's requests for the blocks of one body. Guarded
// by Conn.mu.
type held struct {
	deadline
	conn  *Conn
	owner transferOwner
	key   string
	used  time.Time
	bytes int
	worth worth
	over  bool
}

// worth says what is given up before what.
type worth int

const (
	askedAgain worth = iota // the peer can ask for it again
	toldOnce                // what an Abandoner waits for to be fetched
	sentOnce                // the peer sends it: no notification ends an upload
)

// transferOwner is an upload or a representation.
type transferOwner interface {
	// abandoned is called without Conn.mu when the transfer ends unfinished.
	abandoned(err error)
}

// expire gives up a transfer that the peer does not go on with.
func (h *held) expire(time.Time) func() {
	h.conn.transfers.forget(h)
	return func() { h.owner.abandoned(ErrTimeout) }
}

// transfers are those that the peer began, bounded in count, bytes and time. There are
// so few that they are searched one by one. Guarded by Conn.mu.
type transfers struct {
	all   []*held
	bytes int
}

func (t *transfers) count() int { return len(t.all) }

// find returns the owner of a key, or nil.
func (t *transfers) find(key []byte) transferOwner {
	for _, h := range t.all {
		if h.key == string(key) {
			return h.owner
		}
	}
	return nil
}

// add keeps h in place of what has its key, and of others if there are too many. It returns what to call without the lock.
func (t *transfers) add(h *held) (gone []func()) {
	for _, other := range t.all {
		if other.key == h.key {
			t.forget(other)
			gone = append(gone, func() { other.owner.abandoned(ErrBlock) })
			break
		}
	}
	t.all = append(t.all, h)
	t.bytes += h.bytes
	t.touch(h)
	return append(gone, t.shrink(h)...)
}

// grow notes that h holds n bytes more.
func (t *transfers) grow(h *held, n int) (gone []func()) {
	if h.over {
		return nil // it was given up meanwhile
	}
	h.bytes += n
	t.bytes += n
	t.touch(h)
	return t.shrink(h)
}

// shrink gives up others, or h, until the limits are kept.
func (t *transfers) shrink(h *held) (gone []func()) {
	limits := h.conn.options.Limits
	for len(t.all) > 1 && (len(t.all) > limits.MaxTransfers || t.bytes > limits.MaxTransferBytes) {
		v := t.victim(h)
		t.forget(v)
		gone = append(gone, func() { v.owner.abandoned(ErrQueueFull) })
		if v == h {
			break // all is as it was before
		}
	}
	return gone
}

// victim returns what is given up for h, of which there is another one: of what is of least worth, what was not used for the longest time.
func (t *transfers) victim(h *held) *held {
	var v *held
	for _, other := range t.all {
		switch {
		case other == h:
		case v == nil, v.worth > other.worth:
			v = other
		case v.worth == other.worth && other.used.Before(v.used):
			v = other
		}
	}
	if v.worth > h.worth {
		return h
	}
	return v
}

// touch notes that h was used, and until when it is kept.
func (t *transfers) touch(h *held) {
	if h.over {
		return
	}
	h.used = time.Now()
	c := h.conn
	timeout := c.options.Limits.TransferTimeout
	if timeout <= 0 {
		timeout = c.params.Load().ExchangeLifetime()
	}
	c.alarm.set(&h.deadline, h, h.used.Add(timeout))
}

// forget takes h out.
func (t *transfers) forget(h *held) {
	if h.over {
		return
	}
	h.over = true
	h.conn.alarm.clear(&h.deadline)
	for i, other := range t.all {
		if other == h {
			t.all = append(t.all[:i], t.all[i+1:]...)
			t.bytes -= h.bytes
			return
		}
	}
}

// dropAll gives up everything and returns what to call without the lock.
func (t *transfers) dropAll(err error) (gone []func()) {
	for _, h := range t.all {
		h.over = true
		gone = append(gone, func() { h.owner.abandoned(err) })
	}
	t.all, t.bytes = nil, 0
	return gone
}
