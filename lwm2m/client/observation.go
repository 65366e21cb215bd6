package client

import (
	"container/heap"
	"iter"
	"maps"
	"slices"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
)

// maxObservations bounds the paths that one server can observe at a time.
const maxObservations = 16384

// observation is what the server observes: a path, or several together.
type observation struct {
	target     target
	format     lwm2m.Format
	request    *coap.Message    // the Observe, whose token and options notifications answer
	deep       bool             // limits that are attached below what is observed count: until 1.2 (Core 1.2.1, section 6.4.2)
	own        model.Attributes // given with the Observe itself (Core 1.2, section 6.4.1)
	periods    periods          // pmin and pmax
	evaluation evaluation
	confirm    bool                  // every notification is confirmable
	tracks     map[lwm2m.Path]*track // of the resources with limits; nil: there are none

	began     time.Time
	sent      time.Time    // the last notification
	confirmed time.Time    // the last one that was confirmable
	news      bool         // there is something to tell
	inFlight  time.Time    // since then a confirmable notification is on its way and the next waits; zero: none is
	awaited   []lwm2m.Node // what it tells, if it is to be stored when nobody confirms it
	stored    *entry       // it, stored since more came before it was confirmed
	stale     bool         // tracks do not fit what the path holds
	outcome   func(error)
	known     uint64    // checksum of what an earlier process told last; 0: not to be asked any more
	returns   time.Time // of an earlier process: the path may be missing until then; zero: it may not

	due   time.Time
	index int // in the queue, -1: not due at all
}

// track is what limits of one resource are judged by.
type track struct {
	limits         limits
	last, reported float64
}

// observations are all of one server. It does no I/O.
type observations struct {
	byToken map[coap.Token]*observation
	byPath  map[lwm2m.Path][]*observation
	queue   dueQueue
	storing bool // what cannot be sent is stored
	waiting int  // observations that have something to tell
	paths   int  // of all
	other   bool // they, or their attributes, have changed
}

func newObservations(storing bool) *observations {
	return &observations{storing: storing, byToken: make(map[coap.Token]*observation), byPath: make(map[lwm2m.Path][]*observation)}
}

// add enters an observation, in place of that with the same token.
func (s *observations) add(o *observation) {
	s.remove(o.request.Token)
	o.index = -1
	s.byToken[o.request.Token] = o
	o.target.each(func(p lwm2m.Path) { s.byPath[p] = append(s.byPath[p], o) })
	s.paths += o.target.size()
	s.other = true
	s.schedule(o)
}

// remove ends an observation.
func (s *observations) remove(token coap.Token) {
	o, ok := s.byToken[token]
	if !ok {
		return
	}
	delete(s.byToken, token)
	s.paths -= o.target.size()
	s.other = true
	if o.news {
		s.waiting--
	}
	if o.index >= 0 {
		heap.Remove(&s.queue, o.index)
	}
	o.target.each(func(p lwm2m.Path) {
		rest := slices.DeleteFunc(s.byPath[p], func(other *observation) bool { return other == o })
		if s.byPath[p] = rest; len(rest) == 0 {
			delete(s.byPath, p)
		}
	})
}

// has reports whether o has not ended.
func (s *observations) has(o *observation) bool { return s.byToken[o.request.Token] == o }

// observes reports whether just these paths are observed together.
func (s *observations) observes(paths []lwm2m.Path) bool {
	return slices.ContainsFunc(s.byPath[paths[0]], func(o *observation) bool { return slices.Equal(o.target.list(), paths) })
}

// schedule puts an observation where it belongs in the queue.
func (s *observations) schedule(o *observation) {
	at, ok := o.periods.due(o.sent, o.news)
	if !o.inFlight.IsZero() {
		at, ok = latest(at, o.inFlight.Add(storeAfter)), ok && s.storing
	}
	if look := o.evaluation.due(); !look.IsZero() && (!ok || look.Before(at)) {
		at, ok = look, true
	}
	switch {
	case !ok && o.index >= 0:
		heap.Remove(&s.queue, o.index)
	case !ok:
	case o.index < 0:
		o.due = at
		heap.Push(&s.queue, o)
	case !o.due.Equal(at):
		o.due = at
		heap.Fix(&s.queue, o.index)
	}
}

// setStoring notes whether what cannot be sent is stored.
func (s *observations) setStoring(storing bool) {
	if storing == s.storing {
		return
	}
	s.storing = storing
	for _, o := range s.byToken {
		s.schedule(o)
	}
}

// nextDue returns when the first notification is due.
func (s *observations) nextDue() (time.Time, bool) {
	if len(s.queue) == 0 {
		return time.Time{}, false
	}
	return s.queue[0].due, true
}

// first returns the observation for which something is due, nil if there is none.
func (s *observations) first(now time.Time) *observation {
	if len(s.queue) == 0 || s.queue[0].due.After(now) {
		return nil
	}
	return s.queue[0]
}

// tell sets or clears that an observation has something to tell, and schedules it.
func (s *observations) tell(o *observation, news bool) {
	if news != o.news {
		o.news = news
		if news {
			s.waiting++
		} else {
			s.waiting--
		}
	}
	s.schedule(o)
}

// changed takes a change in for all observations that cover its path.
func (s *observations) changed(c *model.Change, now time.Time) {
	for p := c.Path; ; p = p.Parent() {
		for _, o := range s.byPath[p] {
			switch news := o.changed(c, now); {
			case news && (!o.news || !o.returns.IsZero()):
				o.returns = time.Time{}
				s.tell(o, true)
			case o.evaluation.waiting:
				s.schedule(o)
			}
		}
		if p.IsRoot() {
			return
		}
	}
}

// postpone lets an observation with something to tell wait until a time.
func (s *observations) postpone(o *observation, until time.Time) {
	s.tell(o, true)
	o.due = until
	heap.Fix(&s.queue, o.index)
}

// all yields the observations in no order. Meanwhile none may be added or removed.
func (s *observations) all() iter.Seq[*observation] { return maps.Values(s.byToken) }

// around returns the observations for which attributes at p matter: of p, of what
// contains it and, if below is set, of what lies below it.
func (s *observations) around(p lwm2m.Path, below bool) []*observation {
	found := make(map[*observation]struct{}) // one of several paths may be met more than once
	for at := p; ; at = at.Parent() {
		for _, o := range s.byPath[at] {
			found[o] = struct{}{}
		}
		if at.IsRoot() {
			break
		}
	}
	if below {
		for at, list := range s.byPath {
			if p.Contains(at) {
				for _, o := range list {
					found[o] = struct{}{}
				}
			}
		}
	}
	return slices.Collect(maps.Keys(found))
}

// notable takes a change in and reports whether it has to be told.
func (o *observation) notable(c *model.Change) bool {
	if o.tracks == nil {
		return true
	}
	t := o.tracks[c.Path]
	to, ok := magnitude(c.Value)
	if t == nil || c.Kind != model.Valued || !ok {
		o.stale = true
		return true
	}
	from := t.last
	t.last = to
	return t.limits.notable(from, to, t.reported)
}

// reported notes what a notification tells and when it was sent.
func (o *observation) reported(nodes []lwm2m.Node, now time.Time, confirmable bool) {
	o.sent = now
	o.evaluation.seen(nodes, now)
	if confirmable {
		o.confirmed = now
	}
	if len(o.tracks) == 0 {
		return
	}
	for i := range nodes {
		if t := o.tracks[nodes[i].Path]; t != nil {
			t.reported, _ = magnitude(nodes[i].Value)
			t.last = t.reported
		}
	}
}

// landed notes that nothing is on its way any more.
func (o *observation) landed() { o.inFlight, o.awaited, o.stored = time.Time{}, nil, nil }

// govern gives the observation the attributes that hold for it. nodes is what its
// path holds now.
func (o *observation) govern(t *attributeTable, account *model.Attributes, nodes []lwm2m.Node) {
	o.periods, o.evaluation.periods, o.confirm, o.stale = periods{}, periods{}, false, false
	o.target.each(func(p lwm2m.Path) {
		as := o.attributes(t, p, account)
		con, _ := as.Get(model.Con)
		o.periods = o.periods.with(newPeriods(&as, model.Pmin, model.Pmax))
		o.evaluation.periods = o.evaluation.periods.with(newPeriods(&as, model.EPmin, model.EPmax))
		o.confirm = o.confirm || con == 1
	})
	old := o.tracks
	o.tracks = nil
	if len(t.at) == 0 && o.own.IsZero() {
		return
	}
	for _, n := range nodes {
		number, ok := magnitude(n.Value)
		as := o.attributes(t, n.Path, account)
		con, _ := as.Get(model.Con)
		o.confirm = o.confirm || con == 1
		if !o.deep {
			as = o.attributes(t, o.target.covering(n.Path), account)
		}
		l := newLimits(&as)
		if !ok || l.isZero() {
			continue
		}
		if o.tracks == nil {
			o.tracks = make(map[lwm2m.Path]*track)
		}
		o.tracks[n.Path] = &track{limits: l, last: number, reported: number}
		if was := old[n.Path]; was != nil {
			o.tracks[n.Path].reported = was.reported
		}
	}
}

// attributes returns those that hold for the observation at a path: its own first. What a
// composite observation has of its own replaces all of that kind that is attached (Core
// 1.2, section 6.4.4).
func (o *observation) attributes(t *attributeTable, p lwm2m.Path, account *model.Attributes) model.Attributes {
	as, attached := o.own, t.effective(p, account)
	if o.target.composite() && !o.own.IsZero() {
		for _, replaced := range [...]model.Attribute{model.Pmin, model.Pmax, model.EPmin, model.EPmax, model.Con} {
			attached.Unset(replaced)
		}
		attached.Inherit(account)
	}
	as.Inherit(&attached)
	return as
}

// dueQueue is a heap of observations by due.
type dueQueue []*observation

func (q dueQueue) Len() int           { return len(q) }
func (q dueQueue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }

func (q dueQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push implements heap.Interface.
func (q *dueQueue) Push(x any) {
	o := x.(*observation) //nolint:forcetypeassert // heap.Push is given nothing else
	o.index = len(*q)
	*q = append(*q, o)
}

// Pop implements heap.Interface.
func (q *dueQueue) Pop() any {
	last := len(*q) - 1
	o := (*q)[last]
	(*q)[last], *q = nil, (*q)[:last]
	o.index = -1
	return o
}
