package client

import (
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// periods are the effective pmin and pmax of an observation, or epmin and epmax; zero:
// none.
type periods struct{ min, max time.Duration }

// newPeriods takes the periods from attributes. A pmax that is shorter than pmin is
// ignored (Core, table of notification attributes).
func newPeriods(as *model.Attributes, shortest, longest model.Attribute) periods {
	var p periods
	p.min, _ = as.Seconds(shortest)
	p.max, _ = as.Seconds(longest)
	if p.max < p.min {
		p.max = 0
	}
	return p
}

// with returns the periods that meet both: of the paths that are observed together,
// each waits its pmin and none longer than its pmax. Where that cannot be, pmax is
// ignored as above.
func (p periods) with(other periods) periods {
	p.min = max(p.min, other.min)
	if p.max == 0 || other.max > 0 && other.max < p.max {
		p.max = other.max
	}
	if p.max < p.min {
		p.max = 0
	}
	return p
}

// due says when to notify, if the last notification was sent at the given time and
// there has been something to tell since or not. A time in the past means now; false
// means not before something happens.
func (p periods) due(sent time.Time, news bool) (time.Time, bool) {
	switch {
	case news:
		return sent.Add(p.min), true
	case p.max > 0:
		return sent.Add(p.max), true
	}
	return time.Time{}, false
}

// limits are the effective gt, lt, st and edge of one resource or resource instance.
type limits struct {
	gt, lt, st, edge             float64
	hasGT, hasLT, hasST, hasEdge bool
}

func newLimits(as *model.Attributes) limits {
	var l limits
	l.gt, l.hasGT = as.Get(model.GT)
	l.lt, l.hasLT = as.Get(model.LT)
	l.st, l.hasST = as.Get(model.ST)
	l.edge, l.hasEdge = as.Get(model.Edge)
	return l
}

func (l limits) isZero() bool { return !l.hasGT && !l.hasLT && !l.hasST && !l.hasEdge }

// notable reports whether a change from one value to another has to be told, if
// reported is the value of the last notification: it crosses gt or lt in either
// direction, has gone st or more from the reported one, or is a Boolean's rise (edge 1)
// or fall (edge 0) (Core, section 7.3.2). Without limits every change has.
func (l limits) notable(from, to, reported float64) bool {
	if l.isZero() {
		return true
	}
	return l.hasGT && (from > l.gt) != (to > l.gt) ||
		l.hasLT && (from < l.lt) != (to < l.lt) ||
		l.hasST && distance(to, reported) >= l.st ||
		l.hasEdge && (to > from && l.edge == 1 || to < from && l.edge == 0)
}

// magnitude returns the number that limits are held against: 0 or 1 for a Boolean. It is
// false for a value of a type that has none.
func magnitude(v lwm2m.Value) (float64, bool) {
	if v.Type() != lwm2m.TypeBoolean {
		return v.Number()
	}
	if v.Bool() {
		return 1, true
	}
	return 0, true
}

func distance(a, b float64) float64 {
	if a < b {
		return b - a
	}
	return a - b
}
