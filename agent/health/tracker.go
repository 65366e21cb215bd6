package health

import (
	"cmp"
	"slices"
	"sort"
	"sync"
	"time"
)

// maxTroubles bounds what is listed at once. A board with more troubles than
// this has one: the oldest stay, the count goes on.
const maxTroubles = 256

// Trouble is one thing that is wrong now.
type Trouble struct {
	Kind
	On     string // the subject: a server's Short Server ID, a sensor's name; "" if there is only one
	Detail string // why, in words: an error's text
	Since  time.Time
}

// Tracker holds what is wrong now. Its methods may be called from any
// goroutine, and return at once. The zero Tracker is not usable.
type Tracker struct {
	now func() time.Time

	mu       sync.Mutex
	troubles map[key]Trouble
	subs     map[*Subscription]struct{}
}

type key struct {
	code Code
	on   string
}

// NewTracker returns a tracker without troubles; now gives the wall clock.
func NewTracker(now func() time.Time) *Tracker {
	return &Tracker{now: now, troubles: make(map[key]Trouble), subs: make(map[*Subscription]struct{})}
}

// Set says that something is wrong: code with its subject ("" if there is only
// one), and why. Setting it again changes the detail and keeps the time. A code
// that is not in the table is a mistake of the caller and panics.
func (t *Tracker) Set(code Code, on, detail string) {
	kind, ok := kindOf(code)
	if !ok {
		panic("health: no kind of trouble has the code " + string(code))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	k := key{code, on}
	old, there := t.troubles[k]
	if there && old.Detail == detail || !there && len(t.troubles) >= maxTroubles {
		return
	}
	n := Trouble{Kind: kind, On: on, Detail: detail, Since: t.now()}
	if there {
		n.Since = old.Since
	}
	t.troubles[k] = n
	t.tell(Change{Trouble: n, Set: true})
}

// Clear says that a trouble is over; one that is not set is left alone.
func (t *Tracker) Clear(code Code, on string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := key{code, on}
	if old, there := t.troubles[k]; there {
		delete(t.troubles, k)
		t.tell(Change{Trouble: old})
	}
}

// Troubles lists what is wrong now: the gravest first, then the longest.
func (t *Tracker) Troubles() []Trouble {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]Trouble, 0, len(t.troubles))
	for _, n := range t.troubles {
		list = append(list, n)
	}
	sort.SliceStable(list, func(i, j int) bool {
		a, b := &list[i], &list[j]
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), a.Since.Compare(b.Since), cmp.Compare(a.Code, b.Code), cmp.Compare(a.On, b.On)) < 0
	})
	return list
}

// DeviceErrors returns the values of 3/0/11 for what is wrong now: each code
// once, ascending; 0 alone if there is none (registry, object 3).
func (t *Tracker) DeviceErrors() []DeviceError {
	t.mu.Lock()
	defer t.mu.Unlock()
	var codes []DeviceError
	for _, n := range t.troubles {
		if n.Device != DeviceOK && !slices.Contains(codes, n.Device) {
			codes = append(codes, n.Device)
		}
	}
	if len(codes) == 0 {
		return []DeviceError{DeviceOK}
	}
	slices.Sort(codes)
	return codes
}
