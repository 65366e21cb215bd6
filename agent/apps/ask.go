package apps

import (
	"context"

	"lwm2m-agent/lwm2m"
)

// maxPending bounds the requests of one application that wait for an answer.
const maxPending = 64

// question is a request that waits for its answer.
type question struct {
	stream *Stream
	answer chan error // holds one
}

// ask sends a request to the program and waits for its answer. Errors: what the
// program refuses with, and 5.03 if it is not there or does not answer before ctx
// ends; it is then told to abort.
func (a *App) ask(ctx context.Context, r Request) (*approved, error) {
	q, err := a.send(ctx, &r)
	if err != nil {
		return nil, err
	}
	select {
	case err = <-q.answer:
	case <-ctx.Done():
		if a.forget(r.ID) {
			q.stream.put(r.abort())
			return nil, lwm2m.Errorf(lwm2m.ServiceUnavailable, "application %s has not answered in time to the %s of %s", a.name, r.Op, r.Path)
		}
		err = <-q.answer // it was given at the last moment
	}
	if err != nil {
		return nil, err
	}
	return &approved{q.stream, r}, nil
}

// send numbers a request and puts it into the stream.
func (a *App) send(ctx context.Context, r *Request) (*question, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.stream == nil:
		return nil, lwm2m.Errorf(lwm2m.ServiceUnavailable, "application %s is away: %s of %s needs its program, which reads no requests now", a.name, r.Op, r.Path)
	case len(a.pending) >= maxPending:
		return nil, lwm2m.Errorf(lwm2m.ServiceUnavailable, "application %s is busy: %d requests wait for its answer", a.name, len(a.pending))
	}
	r.ID = a.cfg.number()
	r.Deadline, _ = ctx.Deadline()
	q := &question{stream: a.stream, answer: make(chan error, 1)}
	a.pending[r.ID] = q
	a.stream.put(*r)
	return q, nil
}

// forget reports whether a request still waited for its answer; it waits no
// longer.
func (a *App) forget(id uint64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, waiting := a.pending[id]
	delete(a.pending, id)
	return waiting
}

// Answer gives the program's answer to a request: nil for ok, or a refusal. The
// error is a 4.04 if the request does not wait for one.
func (a *App) Answer(id uint64, refusal error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	q := a.pending[id]
	if q == nil {
		return lwm2m.Errorf(lwm2m.NotFound, "no request %d of application %s waits for an answer: it was answered, its deadline has passed, or it was taken back; what was done for it is to be undone", id, a.name)
	}
	delete(a.pending, id)
	q.answer <- refusal
	return nil
}

// drop refuses the requests that wait for an answer from a stream; mu is held.
func (a *App) drop(s *Stream, why string) {
	for id, q := range a.pending {
		if q.stream == s {
			delete(a.pending, id)
			q.answer <- lwm2m.Errorf(lwm2m.ServiceUnavailable, "application %s: %s", a.name, why)
		}
	}
}
