package client

import (
	"hash/fnv"
	"log/slog"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
)

// returnTime is how long an observation of an earlier process waits for its path, which may
// be that of a sensor that has not given a value yet.
const returnTime = time.Minute

// checksum of a notification's payload, never 0.
func checksum(payload []byte) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(payload) // does not fail
	return max(h.Sum64(), 1)
}

// observedChanged has the record of the session follow the observations. A few are saved
// at once, before the server has its answer.
func (a *account) observedChanged(atOnce bool) {
	switch {
	case !a.keeping.live:
	case atOnce && len(a.observations.byToken) <= saveAtOnce:
		a.saveSession()
	default:
		a.keeping.saveAt = a.now().Add(saveQuiet)
	}
}

// saveObservations returns what is kept of the observations. At the end of the process
// that is also what the server knows of what they are about.
func (a *account) saveObservations(last bool) ([]savedObservation, error) {
	list := make([]savedObservation, 0, len(a.observations.byToken))
	for o := range a.observations.all() {
		request, err := o.request.Append(nil)
		if err != nil {
			return nil, err
		}
		s := savedObservation{request: request, format: o.format, began: o.began, sent: o.sent, confirmed: o.confirmed}
		if last && !o.news && o.inFlight.IsZero() {
			if m, err := a.content(&o.target, o.format, &a.scratch); err == nil {
				s.known = checksum(m.Payload)
			}
			for p, t := range o.tracks {
				if s.tracks == nil {
					s.tracks = make(map[lwm2m.Path]track)
				}
				s.tracks[p] = *t
			}
		}
		list = append(list, s)
	}
	return list, nil
}

// restoreObservations begins the observations of an earlier process, before its session goes on: what
// cannot be told is stored. Unless that process ended in order, what the server knows is not certain:
// it is told how things are.
func (a *account) restoreObservations(r *resumption) {
	a.version, a.storeAt = r.saved.version, a.now().Add(storeAfter)
	for i := range r.saved.observations {
		if err := a.restoreObservation(&r.saved.observations[i], r.edge.clean); err != nil {
			a.log.Warn("an observation of an earlier run is lost", slog.Any("err", err))
		}
	}
	a.showCounts()
	a.scratch.trim()
}

func (a *account) restoreObservation(s *savedObservation, clean bool) error {
	m, err := coap.Parse(s.request)
	if err != nil {
		return err
	}
	r, err := parse(a.tree, m)
	if err != nil {
		return err
	}
	r.exchange = &coap.Exchange{Request: m}
	own, err := a.ownAttributes(&r)
	if err != nil {
		return err
	}
	now := a.now()
	then := func(t time.Time) time.Time { return now.Add(-max(now.Sub(t), 0)) } // by this process's clock
	o := &observation{
		target: r.target(), format: s.format, request: m, own: own, deep: a.version.Less(lwm2m.Version12),
		began: then(s.began), sent: then(s.sent), confirmed: then(s.confirmed), returns: now.Add(returnTime),
	}
	o.outcome = func(err error) { a.inbox.put(notified{o, err}) }
	o.target.each(a.sub.Add)
	a.observations.add(o)
	a.observations.tell(o, a.newsOf(o, s, clean, now))
	return nil
}

// newsOf gives a restored observation what it is judged by, and says whether there is
// something to tell.
func (a *account) newsOf(o *observation, s *savedObservation, clean bool, now time.Time) bool {
	m, err := a.content(&o.target, o.format, &a.scratch)
	if err != nil {
		o.govern(a.attributes, a.settings.attributes(), nil)
		o.stale = true // what it holds is known, and told, when the path comes back
		return false
	}
	o.govern(a.attributes, a.settings.attributes(), a.scratch.nodes)
	if !clean || s.known == 0 {
		o.evaluation.seen(a.scratch.nodes, now)
		return true
	}
	for p, t := range o.tracks {
		if was, ok := s.tracks[p]; ok {
			t.last, t.reported = was.last, was.reported
		}
	}
	o.known = s.known
	news := checksum(m.Payload) != s.known
	if len(o.tracks) > 0 {
		return o.evaluate(a.scratch.nodes, now)
	}
	o.evaluation.seen(a.scratch.nodes, now)
	return news
}

// alreadyKnown reports whether a notification tells just what the server knew when the
// agent ended. It is asked once: the first value of a sensor after the start is a change.
func (o *observation) alreadyKnown(payload []byte, now time.Time) bool {
	known := o.known
	o.known = 0
	if known == 0 || checksum(payload) != known {
		return false
	}
	due, ok := o.periods.due(o.sent, false)
	return !ok || due.After(now)
}
