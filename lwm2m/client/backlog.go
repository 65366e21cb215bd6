package client

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/wire"
)

// storeAfter is how long notifications wait for the answer to an Update, or to a
// confirmable notification before them, until they are stored: an answer that comes at
// once makes it needless.
const storeAfter = 5 * time.Second

// Bounds of one message of stored notifications, in bytes, of the confirmable ones that wait
// for their turn, and of how often one in blocks is told that the server does not fetch.
const (
	maxReplay    = 1000 // one datagram
	maxDeposit   = 8 << 10
	maxReplays   = 8
	maxUnfetched = 3
)

// saveHistoryAfter is how much of what is stored a power cut may cost.
const saveHistoryAfter = time.Minute

// A Send of what is stored that could not be sent is tried again after retrySend, and then after
// twice the time …
const (
	retrySend     = time.Second
	retrySendMost = time.Minute // at most
)

// goneRetry is how often a path that has gone is looked at while the server cannot be
// told.
const goneRetry = time.Minute

// replayed says what became of stored notifications that were sent as notifications.
type replayed struct {
	observation *observation
	last        *entry
	err         error
}

// storesFrom returns when notifications that are due are stored since they cannot be sent;
// false if they are not stored at all: while they can be sent, and for a server that does
// not want them (/1/x/6).
func (a *account) storesFrom() (time.Time, bool) {
	if !a.settings.storing {
		return time.Time{}, false
	}
	switch a.state {
	case Waiting, Connecting, Registering, Disabling, Disabled:
		return latest(a.since, a.storeAt), true
	case Updating:
		return a.sentAt.Add(storeAfter), true
	case Registered, Asleep, Deregistering, Stopped, stateCount:
	}
	return time.Time{}, false
}

// storeDue returns when the next notification is to be stored; zero: none.
func (a *account) storeDue() time.Time {
	from, ok := a.storesFrom()
	due, some := a.observations.nextDue()
	switch {
	case !ok || !some:
		return time.Time{}
	case due.Before(from):
		return from
	}
	return due
}

// storeNotifications stores those that are due.
func (a *account) storeNotifications(now time.Time) {
	if from, ok := a.storesFrom(); !ok || from.After(now) {
		return
	}
	a.tellDue(now, a.store)
}

// store keeps what an observation has to tell now.
func (a *account) store(o *observation, now time.Time) {
	var err error
	if a.scratch.nodes, err = a.nodes(&o.target, a.scratch.nodes[:0]); err != nil {
		a.observations.postpone(o, now.Add(goneRetry)) // its end will be told
		return
	}
	if o.stale {
		o.govern(a.attributes, a.settings.attributes(), a.scratch.nodes)
	}
	a.unconfirmed(o) // it comes first
	o.known = 0      // the server will know another value
	a.keep(o, a.scratch.nodes, now)
	o.reported(a.scratch.nodes, now, false)
	a.observations.tell(o, false)
}

// keep enters a notification of a moment in the history and returns it, nil if it is not
// stored.
func (a *account) keep(o *observation, nodes []lwm2m.Node, at time.Time) *entry {
	nodes, limit := a.storable(o, nodes)
	if len(nodes) == 0 {
		return nil
	}
	pack, err := wire.Append(nil, lwm2m.FormatSenMLCBOR, lwm2m.Path{}, nodes)
	if err != nil {
		a.log.Error("notification not stored", slog.String("path", o.target.String()), slog.Any("err", err))
		return nil
	}
	before := a.history.dropped
	e := a.history.add(o.target.list(), at, pack, limit)
	if a.history.dropped > before && a.mention("dropped") {
		a.log.Warn("stored notifications exceed their bounds: the oldest are dropped", slog.Int("stored", a.history.count()))
	}
	a.undelivered = true
	a.historySaveAt = earliest(a.historySaveAt, a.now().Add(saveHistoryAfter))
	return e
}

// unconfirmed stores a confirmable notification that nobody has confirmed, if it is not
// stored already, and reports whether it is.
func (a *account) unconfirmed(o *observation) bool {
	if o.stored == nil && o.awaited != nil {
		o.stored = a.keep(o, o.awaited, o.inFlight)
	}
	return o.stored != nil
}

// storable returns what is stored of a notification and how many of its kind, 0: as many
// as fit. Once the server has attached hqmax to anything, only that is stored which has it
// (Core, table of notification attributes).
func (a *account) storable(o *observation, nodes []lwm2m.Node) ([]lwm2m.Node, int) {
	if _, own := o.own.Get(model.HQmax); !own && !a.attributes.has(model.HQmax) {
		return nodes, 0
	}
	limit := 0
	nodes = slices.DeleteFunc(slices.Clone(nodes), func(n lwm2m.Node) bool {
		as := o.attributes(a.attributes, n.Path, a.settings.attributes())
		most, _ := as.Get(model.HQmax)
		limit = max(limit, int(min(most, maxQuota)))
		return most <= 0
	})
	return nodes, limit
}

// mustFollow reports whether what an observation has to tell comes behind what is stored
// of it or on its way.
func (a *account) mustFollow(o *observation) bool {
	return !o.inFlight.IsZero() || len(a.history.series) > 0 && a.history.series[seriesKey(o.target.list())] != nil
}

// deliver sends what is stored, as notifications or, where nothing observes it any more,
// by Send.
func (a *account) deliver() {
	if passed(a.depositAt, a.now()) {
		a.depositAt, a.undelivered = time.Time{}, true
	}
	if !a.undelivered || a.state != Registered {
		return
	}
	a.undelivered = false
	var unobserved []*series
	for _, s := range a.history.ordered() {
		if s.inFlight {
			continue
		}
		switch o := a.observer(s); {
		case o == nil:
			unobserved = append(unobserved, s)
		case o.inFlight.IsZero() && a.replaying < maxReplays && (!s.inBlocks || !a.history.fetched()):
			a.replay(o, s)
		}
	}
	if len(unobserved) > 0 {
		a.deposit(unobserved)
	}
}

// observer returns an observation by which a series can be told, nil if there is none. A
// format without times tells no more than what is observed.
func (a *account) observer(s *series) *observation {
	for at := s.paths[0]; ; at = at.Parent() {
		for _, o := range a.observations.byPath[at] {
			if timed(o.format) && o.target.covers(s.paths) || slices.Equal(o.target.list(), s.paths) {
				return o
			}
		}
		if at.IsRoot() {
			return nil
		}
	}
}

// covers reports whether the paths lie in the target.
func (t *target) covers(paths []lwm2m.Path) bool {
	for _, p := range paths {
		inside := false
		t.each(func(q lwm2m.Path) { inside = inside || q.Contains(p) })
		if !inside {
			return false
		}
	}
	return true
}

// timed reports whether a format tells times.
func timed(f lwm2m.Format) bool {
	return f == lwm2m.FormatSenMLCBOR || f == lwm2m.FormatSenMLJSON || f == lwm2m.FormatOMAJSON
}

// replay sends the first of a series as a confirmable notification; what is new waits
// behind it.
func (a *account) replay(o *observation, s *series) {
	now := a.now()
	entries, payload, err := a.packed(o, s, now)
	r := replayed{observation: o, last: entries[len(entries)-1]}
	if errors.Is(err, ErrNothing) {
		a.forbidden(r.last)
		return
	}
	if err != nil { // the object has another shape now
		a.log.Error("stored notification not sent", slog.String("path", o.target.String()), slog.Any("err", err))
		a.history.delivered(r.last)
		a.undelivered = true
		return
	}
	m := &coap.Message{Type: coap.CON, Code: coap.Content, Payload: payload}
	m.SetContentFormat(uint16(o.format))
	outcome := func(err error) {
		r.err = err
		a.inbox.put(r)
	}
	if s.inBlocks = len(payload) > a.piece(o); s.inBlocks {
		if a.history.fetched() {
			return // one after the other: several would take each other's place
		}
		b := &inBlocks{Reader: bytes.NewReader(payload), outcome: outcome}
		m.Payload, m.Body, outcome = nil, b, b.answered
	}
	if err := a.connection.conn.Notify(o.request, m, outcome); err != nil {
		a.log.Debug("stored notification not sent", slog.String("path", o.target.String()), slog.Any("err", err))
		return
	}
	a.spokeAt = now
	a.replaying++
	s.inFlight, o.inFlight = true, now
	o.confirmed = now
	a.observations.schedule(o)
}

// packed returns the first entries of a series that an observation can be told in one piece, at
// least one, encoded. The error is ErrNothing if the server may read nothing of them.
func (a *account) packed(o *observation, s *series, now time.Time) ([]*entry, []byte, error) {
	entries := s.entries[:1]
	if timed(o.format) {
		entries = fitting(s.entries, maxReplay)
	}
	for {
		nodes := a.unpack(entries, now)
		if len(nodes) == 0 {
			return entries, nil, ErrNothing
		}
		payload, err := wire.Append(nil, o.format, o.target.base, nodes)
		if err != nil || len(entries) == 1 || len(payload) <= a.piece(o) {
			return entries, payload, err
		}
		entries = entries[:len(entries)/2]
	}
}

// piece is how much of a notification goes in one piece, in bytes.
func (a *account) piece(o *observation) int {
	size := a.connection.conn.Params().BlockSize
	if b, ok := o.request.Block2(); ok {
		size = min(size, b.Size())
	}
	return size
}

// forbidden drops what is stored up to an entry: the server may read nothing of it any
// more.
func (a *account) forbidden(last *entry) {
	a.history.delivered(last)
	a.undelivered = true
	a.historySaveAt = earliest(a.historySaveAt, a.now().Add(saveHistoryAfter))
	a.showCounts()
}

// fitting returns the first entries that make up a message of a size, at least one.
func fitting(entries []*entry, size int) []*entry {
	for i, e := range entries {
		if size -= len(e.pack); size < 0 && i > 0 {
			return entries[:i]
		}
	}
	return entries
}

// unpack returns what entries tell, with times, in path order. What cannot be read any
// more is left out: the object has another definition now, or the server no right.
func (a *account) unpack(entries []*entry, now time.Time) []lwm2m.Node {
	var nodes []lwm2m.Node
	for _, e := range entries {
		more, err := wire.Decode(lwm2m.FormatSenMLCBOR, e.pack, lwm2m.Path{}, a.shapes)
		if err != nil {
			a.log.Error("stored notification lost", slog.String("path", e.of.key()), slog.Any("err", err))
			continue
		}
		at := e.wall(now)
		for i := range more {
			more[i].Time = at
		}
		more = slices.DeleteFunc(more, func(n lwm2m.Node) bool { return !a.mayHear(n.Path) })
		nodes = append(nodes, more...)
	}
	lwm2m.SortNodes(nodes)
	return nodes
}

// replayed takes in what became of stored notifications.
func (a *account) replayed(r replayed) {
	a.replaying--
	a.undelivered = true
	s, o := r.last.of, r.observation
	s.inFlight = false
	if errors.Is(r.err, errUnfetched) && a.connection != nil {
		if r.last.unfetched++; r.last.unfetched == maxUnfetched {
			a.log.Warn("a stored notification is lost: the server does not fetch all of its blocks", slog.String("path", s.key()))
			r.err = nil
		}
	}
	if r.err == nil {
		a.history.delivered(r.last)
		a.historySaveAt = earliest(a.historySaveAt, a.now().Add(saveHistoryAfter))
		a.showCounts()
	}
	if !a.observations.has(o) {
		return
	}
	o.landed()
	switch {
	case errors.Is(r.err, coap.ErrReset):
		a.endObservation(o.request.Token)
	case errors.Is(r.err, coap.ErrTimeout):
		a.observations.schedule(o)
		a.trouble(r.err)
		a.on(updateDue) // finds out whether the server is still there
	case r.err == nil && len(s.entries) == 0 && !timed(o.format) && o.began.After(r.last.at):
		a.observations.tell(o, true) // or the server would take an old value for the present one
	default:
		a.observations.schedule(o)
	}
}

// deposit sends the oldest notifications that nothing observes any more by Send, unless the
// server does not want that: then they are kept until it observes again.
func (a *account) deposit(unobserved []*series) {
	if a.sendRefused || a.depositAt.After(a.now()) || a.sending || len(a.sends) > 0 || a.maySend() != nil {
		return
	}
	var entries []*entry
	for _, s := range unobserved {
		entries = append(entries, s.entries...)
	}
	slices.SortFunc(entries, compareAge)
	entries = fitting(entries, maxDeposit)
	d := &dataSend{ctx: a.ctx, stored: slices.Clone(entries), outcome: make(chan error, 1)}
	for _, e := range entries {
		e.of.inFlight = true
	}
	a.sendData(d)
}

// deposited takes in what became of stored notifications that were sent by Send, if it was
// such a one: others were waited for.
func (a *account) deposited(entries []*entry, err error) {
	a.undelivered = true
	if len(entries) == 0 {
		return
	}
	for _, e := range entries {
		e.of.inFlight = false
		if err == nil || errors.Is(err, ErrNothing) {
			a.history.delivered(e)
		}
	}
	a.notDeposited(err)
	a.historySaveAt = earliest(a.historySaveAt, a.now().Add(saveHistoryAfter))
	a.showCounts()
}

// notDeposited has what was not taken by Send wait: until the next registration where the server
// does not want it or cannot take it, and for a while where it may be otherwise then. An Update
// follows where it was not answered.
func (a *account) notDeposited(err error) {
	_, refused := errors.AsType[*lwm2m.Error](err)
	switch {
	case err == nil, errors.Is(err, ErrNothing), errors.Is(err, coap.ErrTimeout), errors.Is(err, coap.ErrClosed):
		a.depositIn = 0
	case refused, errors.Is(err, coap.ErrReset), errors.Is(err, coap.ErrBlock), errors.Is(err, coap.ErrTooLong):
		a.log.Warn("stored notifications wait until the server observes again: it refuses Send", slog.Any("err", err))
		a.sendRefused = true
	default:
		a.depositIn = min(max(2*a.depositIn, retrySend), retrySendMost)
		a.depositAt = a.now().Add(a.depositIn)
		a.log.Debug("stored notifications not sent", slog.Any("err", err), slog.Duration("again_in", a.depositIn))
	}
}

func (a *account) loadHistory() {
	a.history = newHistory(a.params.StoreQuota)
	store := a.client.config.Store
	if store == nil {
		return
	}
	if err := a.history.load(store, a.ssid); err != nil {
		a.log.Error("stored notifications of an earlier run are lost", slog.Any("err", fmt.Errorf("load: %w", err)))
	}
	a.undelivered = a.history.count() > 0
}

// saveHistory writes what has changed. While the store fails it is tried again.
func (a *account) saveHistory(now time.Time) {
	a.historySaveAt = time.Time{}
	store := a.client.config.Store
	if store == nil {
		return
	}
	if err := a.history.save(store, a.ssid, now); err != nil {
		if a.mention("history") {
			a.log.Error("stored notifications would be lost at the next start", slog.Any("err", fmt.Errorf("save: %w", err)))
		}
		a.historySaveAt = now.Add(saveHistoryAfter)
		return
	}
	delete(a.warned, "history")
}
