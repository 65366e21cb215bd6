package ets

import (
	"context"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
)

// The times of observations. The numbers of the test specification, such as pmin=5 and
// pmax=15, are parameters: what matters is that they are kept. Of a notification that comes
// early by less than early, and by what the process stood still, the one before was
// delayed; one that comes late by less than late had to wait for a processor.
const (
	early = 500 * time.Millisecond
	late  = 4 * time.Second
)

// watch is an observation.
type watch struct {
	s     *tester
	what  string
	base  string // of the notifications' content
	obs   *coap.Observation
	first *content  // answer to the Observe
	last  time.Time // when the last notification came
}

// observe is an Observe of a path, which must succeed. Queries are attributes.
func (s *tester) observe(path string, f lwm2m.Format, queries ...string) *watch {
	m := request(coap.GET, path, queries...)
	m.SetAccept(uint16(f))
	return s.watch(m, path)
}

// compositeFormat is that of Observe-Composite, both ways.
const compositeFormat = lwm2m.FormatSenMLCBOR

// observeComposite is an Observe-Composite of paths, which must succeed.
func (s *tester) observeComposite(paths ...string) *watch {
	return s.watch(s.list(compositeFormat, paths), "/")
}

func (s *tester) watch(m *coap.Message, base string) *watch {
	w := &watch{s: s, what: "Observe " + m.Path(), base: base}
	ctx, cancel := context.WithTimeout(s.t.ctx, patience)
	defer cancel()
	conn, err := s.client().Conn(ctx)
	s.t.must(err)
	obs, got, err := conn.Observe(ctx, m)
	if err != nil {
		s.t.failf("%s: %v", w.what, err)
	}
	a := &answer{s: s, what: w.what, at: time.Now(), coap: got}
	a.is(coap.Content)
	if obs == nil {
		a.failf("expected the option Observe, got none")
	}
	w.obs, w.last, w.first = obs, a.at, a.content(base)
	return w
}

// next waits for a notification.
func (w *watch) next(within time.Duration) *content {
	ctx, cancel := context.WithTimeout(w.s.t.ctx, within)
	defer cancel()
	m, err := w.obs.Next(ctx)
	if err != nil {
		w.s.t.must(w.s.t.over())
		w.s.t.failf("%s: expected a notification within %s, got none", w.what, within)
	}
	w.last = time.Now()
	a := &answer{s: w.s, what: "Notify " + w.base, at: w.last, coap: m}
	return a.content(w.base)
}

// between waits for the next notification and checks that it does not come earlier than
// pmin and later than pmax after the last one.
func (w *watch) between(pmin, pmax time.Duration) *content {
	before := w.last
	c := w.next(pmax - time.Since(before) + late)
	stood := w.s.t.pulse.stood(before.Add(-time.Second)) // by so much the last one may have been seen too late
	if after := w.last.Sub(before); after < pmin-early-stood {
		w.s.t.failf("%s: expected a notification after %s to %s, got one after %s", w.what, pmin, pmax, after.Round(time.Millisecond))
	}
	return c
}

// changed says that what is observed is another value now. A machine that was so busy that pmax may have passed since the last notification
// has told the former one meanwhile, or is about to: that one is passed over.
func (w *watch) changed(pmax time.Duration) {
	if time.Since(w.last) > pmax/2 {
		w.between(0, pmax)
	}
}

// cancel ends the observation with Observe 1, which must succeed.
func (w *watch) cancel() *content {
	ctx, cancel := context.WithTimeout(w.s.t.ctx, patience)
	defer cancel()
	m, err := w.obs.Cancel(ctx)
	if err != nil {
		w.s.t.failf("%s: %v", w.what, err)
	}
	return (&answer{s: w.s, what: "Cancel Observation " + w.base, coap: m}).content(w.base)
}

// reset ends the observation by answering its next notification with RST.
func (w *watch) reset(within time.Duration) {
	position := w.s.tap.length()
	w.obs.Forget()
	ctx, cancel := context.WithTimeout(w.s.t.ctx, within)
	defer cancel()
	m, position, ok := w.s.tap.find(ctx, position, w.notifies)
	if ok {
		_, _, ok = w.s.tap.find(ctx, position, func(r *message) bool { return r.sent && r.coap.Type == coap.RST && r.coap.ID == m.coap.ID })
	}
	if !ok {
		w.s.t.failf("%s: expected a notification to be reset within %s, got none", w.what, within)
	}
}

// silent checks that no notification comes for a time.
func (w *watch) silent(d time.Duration) {
	position := w.s.tap.length()
	ctx, cancel := context.WithTimeout(w.s.t.ctx, d)
	defer cancel()
	if _, _, ok := w.s.tap.find(ctx, position, w.notifies); ok {
		w.s.t.failf("%s: expected no notification any more, got one", w.what)
	}
}

// notifies reports whether a message is a notification of the observation.
func (w *watch) notifies(m *message) bool {
	return !m.sent && m.coap.Token == w.obs.Token() && m.coap.Code.IsResponse()
}
