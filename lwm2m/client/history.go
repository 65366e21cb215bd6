package client

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"lwm2m-agent/lwm2m"
)

// Bounds of what is stored for a server, in bytes. A chunk is what is written to the
// Store at once; one that is full is not written again.
const (
	defaultQuota = 256 << 10
	maxQuota     = (maxChunks - 2) / 2 * chunkSize // then chunks of which each two hold more than one suffice
	maxEntry     = 48 << 10
	chunkSize    = 8 << 10
	maxChunks    = 256
)

// history holds the notifications that a server could not get (Notification Storing
// When Disabled or Offline, /1/x/6): of what was observed, in order. Beyond its quota the
// oldest are dropped. It does no I/O.
type history struct {
	quota   int
	size    int // bytes of all entries
	next    uint64
	dropped uint64
	series  map[string]*series
	chunks  []*chunk // oldest first
	freed   []uint8  // slots whose records are to be removed
}

// series are the stored notifications of one observed target.
type series struct {
	paths    []lwm2m.Path
	entries  []*entry // oldest first
	inFlight bool     // the first are on their way to the server
	inBlocks bool     // likewise, or would be
}

// entry is a stored notification.
type entry struct {
	sequence uint64
	of       *series
	in       *chunk
	at       time.Time // when it would have been sent; of this process, with the monotonic clock
	pack     []byte    // what it tells, in SenML CBOR without times
	gone     bool

	unfetched int // how often the server began to fetch it in blocks and did not end
}

// chunk is a run of entries that is one record of the Store.
type chunk struct {
	slot    uint8
	entries []*entry // with those that have gone
	live    int      // that have not
	size    int
	changed bool // since it was saved
}

func newHistory(quota int) *history {
	if quota <= 0 {
		quota = defaultQuota
	}
	return &history{quota: min(quota, maxQuota), series: make(map[string]*series)}
}

// size of an entry with all that belongs to it, in bytes of a record.
func (e *entry) size() int { return len(e.of.key()) + len(e.pack) + 16 }

// key names a series, and is how a record tells its paths: "/3303/0/5700 /3/0/9".
func (s *series) key() string { return seriesKey(s.paths) }

func seriesKey(paths []lwm2m.Path) string {
	texts := make([]string, len(paths))
	for i, p := range paths {
		texts[i] = p.String()
	}
	return strings.Join(texts, " ")
}

// count is how many notifications are stored.
func (h *history) count() int {
	n := 0
	for _, c := range h.chunks {
		n += c.live
	}
	return n
}

// add stores a notification of the paths. Of one series at most limit are kept, 0: as
// many as the quota allows. It returns the entry, nil if it is too large.
func (h *history) add(paths []lwm2m.Path, at time.Time, pack []byte, limit int) *entry {
	e := &entry{sequence: h.next, of: &series{paths: paths}, at: at, pack: pack}
	size := e.size()
	if size > maxEntry {
		h.dropped++
		return nil
	}
	h.next++
	h.fit(h.quota - size)
	c := h.open(size)
	c.changed = true
	h.enter(c, e)
	for limit > 0 && len(e.of.entries) > limit {
		h.drop(e.of.entries[0])
	}
	return e
}

// enter puts an entry into a chunk and behind the others of its series.
func (h *history) enter(c *chunk, e *entry) {
	if known := h.series[e.of.key()]; known != nil {
		e.of = known
	} else {
		h.series[e.of.key()] = e.of
	}
	e.of.entries = append(e.of.entries, e)
	e.in = c
	c.entries, c.live, c.size = append(c.entries, e), c.live+1, c.size+e.size()
	h.size += e.size()
}

// open returns a chunk with room for an entry.
func (h *history) open(size int) *chunk {
	if n := len(h.chunks); n > 0 {
		if last := h.chunks[n-1]; last.size+size <= chunkSize {
			return last
		}
	}
	if len(h.chunks) == maxChunks {
		h.merge()
	}
	c := &chunk{slot: h.freeSlot()}
	h.chunks = append(h.chunks, c)
	return c
}

func (h *history) freeSlot() uint8 {
	var used [maxChunks]bool
	for _, c := range h.chunks {
		used[c.slot] = true
	}
	slot := uint8(slices.Index(used[:], false)) //nolint:gosec // one is free: open has made sure
	h.freed = slices.DeleteFunc(h.freed, func(other uint8) bool { return other == slot })
	return slot
}

// merge moves what is left of the emptiest chunk into the last one, which is saved
// before anything else takes its slot.
func (h *history) merge() {
	last := h.chunks[len(h.chunks)-1]
	emptiest := slices.MinFunc(h.chunks[:len(h.chunks)-1], func(a, b *chunk) int { return a.live - b.live })
	for _, e := range emptiest.entries {
		if !e.gone {
			e.in = last
			last.entries, last.live, last.size = append(last.entries, e), last.live+1, last.size+e.size()
		}
	}
	last.changed = true
	h.free(emptiest)
}

// free gives up a chunk whose entries have gone elsewhere.
func (h *history) free(c *chunk) {
	h.chunks = slices.DeleteFunc(h.chunks, func(other *chunk) bool { return other == c })
	h.freed = append(h.freed, c.slot)
}

// oldest returns the entry that was stored first. There must be one.
func (h *history) oldest() *entry {
	var first *entry
	for _, s := range h.series {
		if e := s.entries[0]; first == nil || e.sequence < first.sequence {
			first = e
		}
	}
	return first
}

// drop gives up the oldest entry of its series. The record that has it stays as it is:
// after a restart it is dropped again.
func (h *history) drop(e *entry) {
	changed := e.in.changed
	h.remove(e)
	e.in.changed = changed
}

// fit drops the oldest entries until what is left has at most a size.
func (h *history) fit(size int) {
	for h.size > size {
		h.drop(h.oldest())
		h.dropped++
	}
}

// delivered removes what a server has got: an entry and those of its series before it.
func (h *history) delivered(last *entry) {
	if last == nil {
		return
	}
	for s := last.of; len(s.entries) > 0 && s.entries[0].sequence <= last.sequence; {
		h.remove(s.entries[0])
	}
}

// discard drops what is stored of the paths.
func (h *history) discard(paths []lwm2m.Path) {
	if s := h.series[seriesKey(paths)]; s != nil {
		h.delivered(s.entries[len(s.entries)-1])
	}
}

// remove takes out the oldest entry of its series.
func (h *history) remove(e *entry) {
	s, c := e.of, e.in
	e.gone, s.entries = true, s.entries[1:]
	h.size -= e.size()
	if len(s.entries) == 0 {
		delete(h.series, s.key())
	}
	c.live, c.changed = c.live-1, true
	if c.live == 0 {
		h.free(c)
	}
}

// all returns the entries that wait, oldest first.
func (h *history) all() []*entry {
	var list []*entry
	for _, c := range h.chunks {
		for _, e := range c.entries {
			if !e.gone && !e.of.inFlight {
				list = append(list, e)
			}
		}
	}
	slices.SortFunc(list, compareAge)
	return list
}

// fetched reports whether the server is fetching blocks of a stored notification.
func (h *history) fetched() bool {
	for _, s := range h.series {
		if s.inFlight && s.inBlocks {
			return true
		}
	}
	return false
}

func compareAge(a, b *entry) int { return cmp.Compare(a.sequence, b.sequence) }

// ordered returns the series, that with the oldest entry first.
func (h *history) ordered() []*series {
	list := make([]*series, 0, len(h.series))
	for _, s := range h.series {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b *series) int { return compareAge(a.entries[0], b.entries[0]) })
	return list
}
