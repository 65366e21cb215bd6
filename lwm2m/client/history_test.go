package client

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func paths(texts ...string) []lwm2m.Path {
	list := make([]lwm2m.Path, len(texts))
	for i, s := range texts {
		list[i] = lwm2m.MustPath(s)
	}
	return list
}

// content lists what a history has, oldest first.
func (h *history) content() string {
	var b strings.Builder
	for _, e := range h.all() {
		b.WriteString(e.wall(noon).UTC().Format("05.000") + " " + e.of.key() + " " + string(e.pack) + "\n")
	}
	return b.String()
}

func wantContent(t *testing.T, h *history, want string) {
	t.Helper()
	if got := h.content(); got != want {
		t.Fatalf("it has\n%swant\n%s", got, want)
	}
}

// reloaded returns the history as the next process finds it.
func reloaded(t *testing.T, store Store, quota int) *history {
	t.Helper()
	h := newHistory(quota)
	if err := h.load(store, 101); err != nil {
		t.Fatal(err)
	}
	return h
}

// unsaved reports whether the Store is not up to date.
func (h *history) unsaved() bool {
	return len(h.freed) > 0 || slices.ContainsFunc(h.chunks, func(c *chunk) bool { return c.changed })
}

func (h *history) mustSave(t *testing.T, store Store) {
	t.Helper()
	if err := h.save(store, 101, noon); err != nil {
		t.Fatal(err)
	}
	if h.unsaved() {
		t.Fatal("it is not saved")
	}
}

func TestHistoryRecord(t *testing.T) {
	h, store := newHistory(0), &memory{}
	h.add(paths("/3303/0/5700"), noon, []byte("a"), 0)
	h.add(paths("/3/0/9", "/3303"), noon.Add(1500*time.Millisecond), []byte("b"), 0)
	h.add(paths("/3303/0/5700"), noon.Add(2*time.Second), []byte("c"), 0)
	h.mustSave(t, store)
	const all = "00.000 /3303/0/5700 a\n01.500 /3/0/9 /3303 b\n02.000 /3303/0/5700 c\n"
	wantContent(t, h, all)
	h = reloaded(t, store, 0)
	wantContent(t, h, all)
	saves := store.saves
	h.mustSave(t, store)
	if store.saves != saves {
		t.Errorf("%d records were written again for nothing", store.saves-saves)
	}
	h.delivered(h.all()[0])
	h.add(paths("/3303/0/5700"), noon.Add(3*time.Second), []byte("d"), 0)
	h.mustSave(t, store)
	wantContent(t, reloaded(t, store, 0), "01.500 /3/0/9 /3303 b\n02.000 /3303/0/5700 c\n03.000 /3303/0/5700 d\n")
	for h.count() > 0 {
		h.delivered(h.all()[0])
	}
	h.mustSave(t, store)
	if len(store.records) != 0 {
		t.Errorf("store has %q", store.records)
	}
}

// TestHistoryLoadsLess shows that a smaller quota and a damaged record cost what they must
// and nothing else.
func TestHistoryLoadsLess(t *testing.T) {
	h, store := newHistory(0), &memory{}
	for i := range 3 {
		h.add(paths("/3303/0/5700"), noon, []byte{byte('a' + i)}, 0)
	}
	h.mustSave(t, store)
	wantContent(t, reloaded(t, store, 60), "00.000 /3303/0/5700 b\n00.000 /3303/0/5700 c\n")

	key := historyKey(101, 0)
	store.records[key] = store.records[key][:len(store.records[key])-1]
	h = newHistory(0)
	if err := h.load(store, 101); !errors.Is(err, errHistoryRecord) {
		t.Errorf("a damaged record gives %v", err)
	}
	wantContent(t, h, "00.000 /3303/0/5700 a\n00.000 /3303/0/5700 b\n")
}

func TestHistoryTooLarge(t *testing.T) {
	h := newHistory(0)
	if e := h.add(paths("/19"), noon, make([]byte, maxEntry), 0); e != nil || h.dropped != 1 || h.count() != 0 {
		t.Errorf("entry %v, %d dropped, %d stored", e, h.dropped, h.count())
	}
}

// failing is a Store that writes only some records.
type failing struct {
	memory

	allow func() bool
}

func (f *failing) Save(key string, record []byte) error {
	if !f.allow() {
		return errNoRoute
	}
	return f.memory.Save(key, record)
}

// TestHistoryCutAnywhere shows that whatever is added and delivered, and after whichever
// write the power fails, nothing that was saved and not delivered is lost.
func TestHistoryCutAnywhere(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		budget := random.IntN(40)
		store := &failing{allow: func() bool { budget--; return budget >= 0 }}
		h := newHistory(0)
		safe := make(map[uint64]bool) // saved and not delivered
		for range 200 {
			switch size := random.IntN(chunkSize); {
			case h.count() > 0 && random.IntN(3) == 0:
				list := h.all()
				e := list[random.IntN(len(list))].of.entries[0]
				h.delivered(e)
				delete(safe, e.sequence)
			default:
				h.add(paths("/3303/0/5700", "/3303/1/5700", "/3303/2/5700")[:1+random.IntN(3)], noon, make([]byte, size), 0)
			}
			if random.IntN(5) == 0 && h.save(store, 101, noon) == nil {
				for _, e := range h.all() {
					safe[e.sequence] = true
				}
			}
		}
		alive := make(map[uint64]bool)
		for _, e := range h.all() {
			alive[e.sequence] = true // the rest was dropped for the quota
		}
		found := make(map[uint64]bool)
		last := reloaded(t, &store.memory, 0).all()
		for _, e := range last {
			found[e.sequence] = true
		}
		for n := range safe {
			if alive[n] && !found[n] {
				t.Fatalf("entry %d of %d is lost", n, len(safe))
			}
		}
		if len(found) != len(last) {
			t.Fatal("an entry came back twice")
		}
	}
}

// TestHistoryMerges shows that a history of many chunks with one entry each finds room.
func TestHistoryMerges(t *testing.T) {
	h, store := newHistory(0), &memory{}
	for i := range 3 * maxChunks {
		h.add(paths("/3303/0/5700"), noon.Add(time.Duration(i)*time.Millisecond), []byte("stays"), 0)
		h.delivered(h.add(paths("/3303/1/5700"), noon, make([]byte, chunkSize-100), 0))
	}
	h.mustSave(t, store)
	if n := reloaded(t, store, 0).count(); n != 3*maxChunks || len(h.chunks) > maxChunks {
		t.Errorf("%d are left in %d chunks", n, len(h.chunks))
	}
}

func FuzzParseHistory(f *testing.F) {
	h, store := newHistory(0), &memory{}
	h.add(paths("/3303/0/5700"), noon, []byte("a"), 0)
	h.add(paths("/3/0/9", "/3303"), noon, []byte("b"), 0)
	if err := h.save(store, 101, noon); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(store.records[historyKey(101, 0)]))
	f.Fuzz(func(t *testing.T, record []byte) {
		store := &memory{records: map[string]string{historyKey(101, 7): string(record)}}
		h := newHistory(1000)
		if err := h.load(store, 101); err != nil && !errors.Is(err, errHistoryRecord) {
			t.Fatal(err)
		}
		h.add(paths("/3"), noon, []byte("new"), 1)
		h.mustSave(t, store)
		before := h.content()
		wantContent(t, reloaded(t, store, 1000), before)
	})
}
