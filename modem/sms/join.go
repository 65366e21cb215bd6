package sms

import (
	"slices"

	"lwm2m-agent/modem"
)

// The bounds of what waits for its other parts: messages, and parts of each. What is for the
// agent fits into one part, and who sends more may never send the last.
const (
	maxJoined = 8
	maxParts  = 8
)

// Joiner joins the parts of messages. Its zero value is ready for use.
type Joiner struct {
	waiting []*joined // the oldest first
}

type joined struct {
	from      string
	reference uint16
	parts     [][]byte // nil: it has not come
	missing   int
	places    []int
}

// Add takes a part and where the modem keeps it, if it does. It returns the message that the
// part completes and where all of it is kept, false if it completes none. Of messages that wait
// for parts the oldest gives way to a new one. What has too many parts is never complete.
func (j *Joiner) Add(p *Part, places ...int) (modem.Message, []int, bool) {
	m := modem.Message{Time: p.Time, From: p.From, Data: slices.Clone(p.Data)}
	if p.Total == 1 {
		return m, places, true
	}
	if p.Total > maxParts {
		return modem.Message{}, nil, false
	}
	i := slices.IndexFunc(j.waiting, func(w *joined) bool {
		return w.from == p.From && w.reference == p.Reference && len(w.parts) == int(p.Total)
	})
	if i < 0 {
		if len(j.waiting) == maxJoined {
			j.waiting = slices.Delete(j.waiting, 0, 1)
		}
		i = len(j.waiting)
		j.waiting = append(j.waiting, &joined{from: p.From, reference: p.Reference, parts: make([][]byte, p.Total), missing: int(p.Total)})
	}
	w := j.waiting[i]
	if part := &w.parts[p.Number-1]; *part == nil {
		*part = append([]byte{}, p.Data...)
		w.missing--
		w.places = append(w.places, places...)
	}
	if w.missing > 0 {
		return modem.Message{}, nil, false
	}
	j.waiting = slices.Delete(j.waiting, i, i+1)
	m.Data = slices.Concat(w.parts...)
	return m, w.places, true
}
