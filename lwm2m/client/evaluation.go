package client

import (
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// evaluation is when an observation is held against its attributes: not before epmin and
// not after epmax since the last time (Core, table of notification attributes). Values
// come as changes, so without epmin each one is looked at at once; with epmax also those are
// that change without telling, such as a clock.
type evaluation struct {
	periods   periods // epmin and epmax
	at        time.Time
	waiting   bool         // something has changed since
	unlimited bool         // among it what has no limits: that is news
	last      []lwm2m.Node // what was seen, if there is an epmax
}

// due returns when to evaluate, zero: not before something changes.
func (e *evaluation) due() time.Time {
	at := time.Time{}
	if e.periods.max > 0 {
		at = e.at.Add(e.periods.max)
	}
	if e.waiting {
		at = earliest(at, e.at.Add(e.periods.min))
	}
	return at
}

// postpones reports whether a change of now waits for the next evaluation.
func (e *evaluation) postpones(now time.Time) bool {
	return e.periods.min > 0 && now.After(e.at) && now.Before(e.at.Add(e.periods.min))
}

// evaluate looks at what the observed path holds now and reports whether it has to be told.
func (o *observation) evaluate(nodes []lwm2m.Node, now time.Time) bool {
	e := &o.evaluation
	news := e.unlimited || e.periods.max > 0 && len(nodes) != len(e.last)
	for i := range nodes {
		switch t := o.tracks[nodes[i].Path]; {
		case t != nil:
			to, _ := magnitude(nodes[i].Value)
			news = t.limits.notable(t.last, to, t.reported) || news
			t.last = to
		case e.periods.max > 0 && i < len(e.last):
			news = e.last[i] != nodes[i] || news
		}
	}
	e.seen(nodes, now)
	return news
}

// seen notes an evaluation.
func (e *evaluation) seen(nodes []lwm2m.Node, now time.Time) {
	e.at, e.waiting, e.unlimited = now, false, false
	if e.periods.max > 0 {
		e.last = append(e.last[:0], nodes...)
	}
}

// changed takes a change in and reports whether it has to be told.
func (o *observation) changed(c *model.Change, now time.Time) bool {
	e := &o.evaluation
	if e.postpones(now) {
		e.waiting = true
		e.unlimited = e.unlimited || o.tracks[c.Path] == nil || c.Kind != model.Valued
		return false
	}
	e.at = now
	return o.notable(c)
}

// next returns the observation whose notification is due, nil if there is none, after all
// evaluations that are due before it. It stays in the queue.
func (a *account) next(now time.Time) *observation {
	for {
		o := a.observations.first(now)
		if o == nil {
			return nil
		}
		if passed(o.evaluation.due(), now) {
			a.evaluate(o, now)
			continue
		}
		a.observations.schedule(o) // an evaluation may have come before it was due
		if o.index >= 0 && !o.due.After(now) {
			return o
		}
	}
}

func (a *account) evaluate(o *observation, now time.Time) {
	nodes, err := a.nodes(&o.target, a.scratch.nodes[:0])
	a.scratch.nodes = nodes
	news := err != nil // its end is to be told
	if news {
		o.evaluation.seen(nil, now)
	} else {
		news = o.evaluate(nodes, now)
	}
	a.observations.tell(o, o.news || news)
}
