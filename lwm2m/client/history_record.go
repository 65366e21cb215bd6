package client

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"lwm2m-agent/lwm2m"
)

// What a record of a chunk begins with.
const historyVersion = 1

var errHistoryRecord = errors.New("not a record of stored notifications")

func historyKey(ssid uint16, slot uint8) string { return fmt.Sprintf("history/%d/%d", ssid, slot) }

// record returns what the Store keeps of a chunk: a version, then of each entry the
// sequence number, the time in ms since 1970, the paths and the values, the last two with
// their lengths before them. Numbers are varints.
func (c *chunk) record(now time.Time) []byte {
	b := []byte{historyVersion}
	for _, e := range c.entries {
		if e.gone {
			continue
		}
		key := e.of.key()
		b = binary.AppendUvarint(b, e.sequence)
		b = binary.AppendVarint(b, e.wall(now).UnixMilli())
		b = append(binary.AppendUvarint(b, uint64(len(key))), key...)
		b = append(binary.AppendUvarint(b, uint64(len(e.pack))), e.pack...)
	}
	return b
}

// wall returns an entry's time by the clock of now: a clock that was set meanwhile is
// right now and was not then.
func (e *entry) wall(now time.Time) time.Time { return now.Add(-now.Sub(e.at)).Round(0) }

// recordReader reads the fields of a record; after the first error they are zero.
type recordReader struct {
	rest []byte
	bad  bool
}

func (r *recordReader) number() uint64 {
	v, n := binary.Uvarint(r.rest)
	if !r.skip(n) {
		return 0
	}
	return v
}

func (r *recordReader) signed() int64 {
	v, n := binary.Varint(r.rest)
	if !r.skip(n) {
		return 0
	}
	return v
}

// skip goes n bytes on, if that is possible.
func (r *recordReader) skip(n int) bool {
	if n <= 0 || r.bad {
		r.bad = true
		return false
	}
	r.rest = r.rest[n:]
	return true
}

func (r *recordReader) bytes() []byte {
	n := r.number()
	if r.bad || n > uint64(len(r.rest)) {
		r.bad = true
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

// parseHistory reads the record of a chunk, and of a damaged one all up to the damage.
func parseHistory(record []byte) ([]*entry, error) {
	if len(record) == 0 || record[0] != historyVersion {
		return nil, errHistoryRecord
	}
	var list []*entry
	r := recordReader{rest: record[1:]}
	for len(r.rest) > 0 {
		e := &entry{sequence: r.number(), at: time.UnixMilli(r.signed()), of: &series{}}
		paths := r.bytes()
		e.pack = r.bytes()
		if r.bad || e.sequence > math.MaxInt64 {
			return list, errHistoryRecord
		}
		for text := range strings.FieldsSeq(string(paths)) {
			p, err := lwm2m.ParsePath(text)
			if err != nil {
				return list, fmt.Errorf("%w: %w", errHistoryRecord, err)
			}
			e.of.paths = append(e.of.paths, p)
		}
		if len(e.of.paths) == 0 {
			return list, errHistoryRecord
		}
		list = append(list, e)
	}
	return list, nil
}

// load fills a new history with what the Store has. Of what cannot be read the error
// tells; the rest is there.
func (h *history) load(store Store, ssid uint16) error {
	var problems []error
	var list []*entry
	for slot := range maxChunks {
		record, err := store.Load(historyKey(ssid, uint8(slot)))
		problems = append(problems, err)
		if len(record) == 0 {
			continue
		}
		entries, err := parseHistory(record)
		problems = append(problems, err)
		c := &chunk{slot: uint8(slot), changed: err != nil}
		for _, e := range entries {
			e.in = c
		}
		list = append(list, entries...)
		h.chunks = append(h.chunks, c)
	}
	slices.SortStableFunc(list, compareAge)
	list = slices.CompactFunc(list, func(a, b *entry) bool { return a.sequence == b.sequence }) // a cut left one in two chunks
	for _, e := range list {
		h.next = e.sequence + 1
		h.enter(e.in, e)
	}
	h.tidy()
	return errors.Join(problems...)
}

// tidy brings what was loaded in order and within the bounds.
func (h *history) tidy() {
	for _, c := range slices.Clone(h.chunks) {
		if c.live == 0 {
			h.free(c)
		}
	}
	slices.SortFunc(h.chunks, func(a, b *chunk) int { return compareAge(a.entries[0], b.entries[0]) })
	h.fit(h.quota)
}

// save brings the Store up to date. What fails is tried again the next time.
func (h *history) save(store Store, ssid uint16, now time.Time) error {
	var problems []error
	for _, c := range h.chunks { // before those whose entries have moved into them are removed
		if !c.changed {
			continue
		}
		err := store.Save(historyKey(ssid, c.slot), c.record(now))
		problems = append(problems, err)
		c.changed = err != nil
	}
	h.freed = slices.DeleteFunc(h.freed, func(slot uint8) bool {
		err := store.Save(historyKey(ssid, slot), nil)
		problems = append(problems, err)
		return err == nil
	})
	return errors.Join(problems...)
}
