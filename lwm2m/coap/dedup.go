package coap

import (
	"slices"
	"time"
)

// seen is a received message that is remembered (RFC 7252 section 4.5).
type seen struct {
	at    time.Time
	until time.Duration // after at, the message ID may be used for another message
	x     *Exchange     // a request that waits for its answer
	token Token         // of an earlier one
	reply []byte        // the ACK or RST, empty while there is none

	earlier bool // received over a former Conn: the token must be right too
}

// deduplication remembers the last messages of the peer. It is bounded by a ring: the
// oldest is forgotten. It is guarded by Conn.mu.
type deduplication struct {
	ids     []uint16 // beside entries, to be searched quickly
	entries []seen
	size    int
	total   uint64 // messages remembered so far; the next place is total modulo size
}

// find returns the entry of a message whose ID is still in use, or nil.
func (d *deduplication) find(m *Message, now time.Time) *seen {
	for from := 0; ; {
		i := slices.Index(d.ids[from:], m.ID)
		if i < 0 {
			return nil
		}
		from += i
		if e := &d.entries[from]; now.Sub(e.at) < e.until && (!e.earlier || e.token == m.Token) {
			return e
		}
		from++
	}
}

// add remembers a message and returns the key for reply.
func (d *deduplication) add(id uint16, now time.Time, until time.Duration) (serial uint64) {
	serial = d.total
	d.total++
	if len(d.entries) < d.size {
		d.ids = append(d.ids, id)
		d.entries = append(d.entries, seen{at: now, until: until})
		return serial
	}
	i := serial % uint64(d.size) //nolint:gosec // a limit, positive
	d.ids[i] = id
	d.entries[i] = seen{at: now, until: until, reply: d.entries[i].reply[:0]}
	return serial
}

// at returns an entry, or nil if it was forgotten.
func (d *deduplication) at(serial uint64) *seen {
	if serial >= d.total || d.total-serial > uint64(d.size) { //nolint:gosec // a limit, positive
		return nil
	}
	return &d.entries[serial%uint64(d.size)] //nolint:gosec // a limit, positive
}

// reply keeps what the message was answered with.
func (d *deduplication) reply(serial uint64, datagram []byte) {
	if e := d.at(serial); e != nil {
		e.reply = append(e.reply[:0], datagram...)
	}
}
