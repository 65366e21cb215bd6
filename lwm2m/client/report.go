package client

import (
	"errors"
	"log/slog"
	"slices"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
)

// maxReports bounds the notifications that are sent before the account looks at what
// else there is to do.
const maxReports = 256

// retryNotification is how long a notification waits that the connection did not take.
const retryNotification = time.Second

// observe answers an Observe and begins the observation (Core, section 6.4.1).
func (a *account) observe(r *request) {
	a.endObservation(r.exchange.Request.Token) // the same token begins anew
	t := r.target()
	t.each(a.sub.Add) // before the value is read, so that no change is missed
	o, m, err := a.newObservation(r)
	if err != nil {
		a.unwatch(&t)
		a.refuse(r.exchange, err)
		return
	}
	if o != nil {
		a.observations.add(o)
		a.undelivered = true
		m.SetObserve(a.connection.conn.NextObserve())
		a.observedChanged(true)
		o.sent = a.now() // the disk may have taken its time
		a.observations.schedule(o)
	} else {
		a.unwatch(&t)
	}
	a.showCounts()
	a.respond(r.exchange, m)
	a.scratch.trim()
}

// newObservation reads what is observed, for the answer. The observation is nil if
// there are too many: the server then gets a plain answer (RFC 7641, section 4.1).
func (a *account) newObservation(r *request) (*observation, *coap.Message, error) {
	if err := r.knows(a.version); err != nil {
		return nil, nil, err
	}
	m, err := a.read(r, a.version, &a.scratch)
	if err != nil {
		return nil, nil, err
	}
	own, err := a.ownAttributes(r)
	if err != nil {
		return nil, nil, err
	}
	t := r.target()
	if a.observations.paths+t.size() > maxObservations {
		if a.mention("declined") {
			a.log.Warn("observations are declined: there are too many", slog.String("path", t.String()))
		}
		return nil, m, nil
	}
	format, _ := m.ContentFormat()
	now := a.now()
	o := &observation{
		target: t, format: lwm2m.Format(format), request: r.exchange.Request.Clone(),
		own: own, deep: a.version.Less(lwm2m.Version12), began: now, sent: now, confirmed: now,
	}
	o.outcome = func(err error) { a.inbox.put(notified{o, err}) }
	o.govern(a.attributes, a.settings.attributes(), a.scratch.nodes)
	o.evaluation.seen(a.scratch.nodes, now)
	return o, m, nil
}

// ownAttributes returns the attributes that come with an Observe, from 1.2 on.
func (a *account) ownAttributes(r *request) (as model.Attributes, err error) {
	queries := r.exchange.Request.Queries()
	if len(queries) == 0 || a.version.Less(lwm2m.Version12) {
		return as, nil
	}
	if err = as.Apply(queries); err != nil {
		return as, err
	}
	level := max(r.path.Level(), lwm2m.LevelObject) // to several paths applies what applies to every level
	return as, as.Validate(level, shapeAt(a.tree, r.path).Type)
}

// cancelObservation ends an observation, drops what is stored for it, if nothing else observes
// the same, and answers like a Read.
func (a *account) cancelObservation(r *request) {
	if o := a.observations.byToken[r.exchange.Request.Token]; o != nil {
		a.endObservation(r.exchange.Request.Token)
		if a.observations.observes(o.target.list()) {
			a.undelivered = true
		} else {
			a.history.discard(o.target.list())
		}
		a.showCounts()
	}
	a.serve(r, a.version, &a.scratch)
}

func (a *account) endObservation(token coap.Token) {
	if o := a.observations.byToken[token]; o != nil {
		a.observations.remove(token)
		a.unwatch(&o.target)
		a.observedChanged(false)
		a.showCounts()
	}
}

// unwatch stops watching the paths of a target that nothing observes any more.
func (a *account) unwatch(t *target) {
	t.each(func(p lwm2m.Path) {
		if len(a.observations.byPath[p]) == 0 {
			a.sub.Drop(p)
		}
	})
}

// endObservations ends all: they do not outlive their registration (Core, section
// 6.4.1).
func (a *account) endObservations() {
	a.observations = newObservations(a.settings.storing)
	a.observations.other = true
	a.sub.Watch()
	a.showCounts()
}

// report sends the notifications that are due.
func (a *account) report(now time.Time) {
	a.tellDue(now, a.notify)
}

// tellDue has those observations tell whose notification is due.
func (a *account) tellDue(now time.Time, tell func(*observation, time.Time)) {
	told := 0
	for ; told < maxReports; told++ {
		o := a.next(now)
		if o == nil {
			break
		}
		tell(o, now)
	}
	if told > 0 {
		a.showCounts()
		a.scratch.trim()
	}
}

// notification returns what an observation has to tell, encoded once for all that
// observe the same in the same format.
func (a *account) notification(o *observation) (*coap.Message, error) {
	r, s := &a.client.renderings, &a.scratch
	if o.target.composite() || r.accounts.Load() < 2 && len(a.observations.byPath[o.target.base]) < 2 {
		return a.content(&o.target, o.format, s)
	}
	var err error
	if s.nodes, err = a.nodes(&o.target, s.nodes[:0]); err != nil {
		return nil, err
	}
	key := rendering{o.target.base, o.format}
	if payload := r.find(key, s.nodes); payload != nil {
		return s.say(o.format, payload), nil
	}
	m, err := s.encode(&o.target, o.format)
	if err == nil {
		r.keep(key, s.nodes, m.Payload)
	}
	return m, err
}

// notify sends one notification. It is confirmable at least every ConfirmEvery, so
// that a server that has gone is noticed (RFC 7641, section 4.5).
func (a *account) notify(o *observation, now time.Time) {
	if a.mustFollow(o) {
		a.store(o, now)
		return
	}
	m, err := a.notification(o)
	if err != nil {
		if now.Before(o.returns) {
			a.observations.postpone(o, o.returns)
			return
		}
		a.notifyEnd(o, err)
		return
	}
	o.returns = time.Time{}
	if o.alreadyKnown(m.Payload, now) {
		o.evaluation.seen(a.scratch.nodes, now)
		a.observations.tell(o, false)
		return
	}
	if o.stale {
		o.govern(a.attributes, a.settings.attributes(), a.scratch.nodes)
	}
	m.Type = coap.NON
	if o.confirm || a.unheard && !a.askAt.IsZero() || now.Sub(o.confirmed) >= a.params.ConfirmEvery {
		a.askAt = time.Time{}
		m.Type, o.inFlight = coap.CON, now
		if a.observations.storing {
			o.awaited = slices.Clone(a.scratch.nodes)
		}
	}
	if err := a.connection.conn.Notify(o.request, m, o.outcome); err != nil {
		o.landed()
		a.log.Debug("notification not sent", slog.String("path", o.target.String()), slog.Any("err", err))
		a.observations.postpone(o, now.Add(retryNotification))
		return
	}
	if a.log.Enabled(a.ctx, slog.LevelDebug) {
		a.log.Debug("notification sent", slog.String("token", o.request.Token.String()), slog.String("path", o.target.String()))
	}
	a.spokeAt = now
	o.reported(a.scratch.nodes, now, m.Type == coap.CON)
	a.observations.tell(o, false)
}

// notifyEnd sends the last notification of an observation whose path has gone (RFC
// 7641, section 4.2).
func (a *account) notifyEnd(o *observation, cause error) {
	m := &coap.Message{Type: coap.NON, Code: coap.Code(lwm2m.CodeOf(cause)), Payload: reason(cause)}
	if err := a.connection.conn.Notify(o.request, m, nil); err != nil {
		a.log.Debug("end of observation not told", slog.String("path", o.target.String()), slog.Any("err", err))
	}
	a.endObservation(o.request.Token)
}

// notified takes in what became of a notification.
func (a *account) notified(n notified) {
	o := n.observation
	if !a.observations.has(o) {
		return
	}
	switch {
	case errors.Is(n.err, coap.ErrReset):
		a.endObservation(o.request.Token)
		return
	case n.err != nil:
		stored := a.unconfirmed(o)
		o.landed()
		a.observations.tell(o, o.news || !stored)
		if errors.Is(n.err, coap.ErrTimeout) {
			a.trouble(n.err)
			a.unanswered()
		}
		return
	}
	a.history.delivered(o.stored)
	o.landed()
	a.observations.schedule(o)
}

// endVanished makes observations tell that their path has gone, if it has.
func (a *account) endVanished() {
	for o := range a.observations.all() {
		if !o.target.composite() && !a.exists(o.target.base) {
			a.observations.tell(o, true)
		}
	}
}

func (a *account) exists(p lwm2m.Path) bool {
	if p.Level() >= lwm2m.LevelResource {
		_, err := a.tree.Read(model.FromAgent(), p, nil)
		return err == nil
	}
	return len(a.tree.Entries(p, p.Level())) > 0
}

// regovern gives observations the attributes that hold for them now.
func (a *account) regovern(list []*observation) {
	for _, o := range list {
		var err error
		if a.scratch.nodes, err = a.nodes(&o.target, a.scratch.nodes[:0]); err != nil {
			continue // its end will be told
		}
		o.govern(a.attributes, a.settings.attributes(), a.scratch.nodes)
		a.observations.other = true
		a.observations.schedule(o)
	}
}
