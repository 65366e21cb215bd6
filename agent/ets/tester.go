package ets

import (
	"context"
	"fmt"
	"strings"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/server"
	"lwm2m-agent/lwm2m/wire"
	"lwm2m-agent/lwm2m/wire/link"
)

// tester is a server as a procedure uses it: it sends what a step says and looks at what
// comes.
type tester struct {
	t      *trial
	id     uint16 // Short Server ID
	server *server.Server
	tap    *wiretap
	seen   int // position of the wiretap up to which the client's requests were looked at
}

// client returns the registered client.
func (s *tester) client() *server.Client {
	c, ok := s.server.Client(endpoint)
	if !ok {
		s.t.failf("the client is not registered")
	}
	return c
}

// incoming is a request of the client.
type incoming struct {
	s *tester
	message
	next int // position of the wiretap behind it
}

// awaits waits for the client's next request with a method to a path that begins so.
func (s *tester) awaits(within time.Duration, method coap.Code, path string) *incoming {
	m, ok := s.comes(within, method, path)
	if !ok {
		s.t.must(s.t.over())
		if _, err := s.t.sandbox.current(); err != nil {
			s.t.failf("the device has ended: %v", err)
		}
		s.t.failf("expected %s %s within %s, got nothing", method, path, within)
	}
	return m
}

// comes is awaits, but may wait in vain.
func (s *tester) comes(within time.Duration, method coap.Code, path string) (*incoming, bool) {
	ctx, cancel := context.WithTimeout(s.t.ctx, within)
	defer cancel()
	m, next, ok := s.tap.find(ctx, s.seen, func(m *message) bool {
		return !m.sent && m.coap.Code == method && strings.HasPrefix(m.coap.Path(), path)
	})
	if ok {
		s.seen = next
	}
	return &incoming{s, m, next}, ok
}

// refused waits for a handshake that fails.
func (s *tester) refused() error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case err := <-s.tap.refused:
		return err
	case <-timer.C:
	case <-s.t.ctx.Done():
		s.t.must(s.t.over())
	}
	s.t.failf("expected a handshake that fails within %s, and none did", patience)
	return nil
}

// register waits for a Register and its success (int-101).
func (s *tester) register() *incoming {
	r := s.awaits(patience, coap.POST, "/rd")
	if r.coap.Path() != "/rd" {
		s.t.failf("expected a Register (POST /rd), got POST %s", r.coap.Path())
	}
	r.answered(coap.Created)
	return r
}

// update waits for an Update and its success (int-102).
func (s *tester) update(within time.Duration) *incoming {
	u := s.awaits(within, coap.POST, "/rd/")
	u.answered(coap.Changed)
	return u
}

// answered waits for the server's answer to a request and checks its code.
func (r *incoming) answered(want coap.Code) *coap.Message {
	ctx, cancel := context.WithTimeout(r.s.t.ctx, patience)
	defer cancel()
	m, _, ok := r.s.tap.find(ctx, r.next, func(m *message) bool { return m.sent && m.coap.Token == r.coap.Token && m.coap.Code.IsResponse() })
	switch {
	case !ok:
		r.s.t.failf("%s %s: expected %s from the server, got no answer", r.coap.Code, r.coap.Path(), lwm2m.Code(want))
	case m.coap.Code != want:
		r.s.t.failf("%s %s: expected %s from the server, got %s: %s", r.coap.Code, r.coap.Path(), lwm2m.Code(want), lwm2m.Code(m.coap.Code), m.coap.Payload)
	}
	return m.coap
}

// query checks a parameter of a Register or Update.
func (r *incoming) query(name, want string) *incoming {
	if got, ok := r.coap.Query(name); !ok || got != want {
		r.s.t.failf("%s %s: expected the parameter %s=%s, got %q", r.coap.Code, r.coap.Path(), name, want, r.coap.Queries())
	}
	return r
}

// bare checks that an Update has neither parameters nor an object list.
func (r *incoming) bare() {
	if q := r.coap.Queries(); len(q) > 0 || len(r.coap.Payload) > 0 {
		r.s.t.failf("%s %s: expected no parameter, got %q and %d bytes", r.coap.Code, r.coap.Path(), q, len(r.coap.Payload))
	}
}

// do sends a request and returns the answer.
func (s *tester) do(m *coap.Message) *answer { return s.doWithin(patience, m) }

// doWithin is do for a request that may take a time of its own.
func (s *tester) doWithin(limit time.Duration, m *coap.Message) *answer {
	what := m.Code.String() + " " + m.Path()
	ctx, cancel := context.WithTimeout(s.t.ctx, limit)
	defer cancel()
	conn, err := s.client().Conn(ctx)
	if err == nil {
		var got *coap.Message
		if got, err = conn.Do(ctx, m); err == nil {
			return &answer{s: s, what: what, coap: got}
		}
	}
	s.t.must(s.t.over())
	s.t.failf("%s: %v", what, err)
	return nil
}

func request(method coap.Code, path string, queries ...string) *coap.Message {
	m := &coap.Message{Code: method}
	m.SetPath(path)
	for _, q := range queries {
		m.AddQuery(q)
	}
	return m
}

// read is a Read: GET, in a format unless the client is to choose.
func (s *tester) read(path string, accept ...lwm2m.Format) *answer {
	m := request(coap.GET, path)
	for _, f := range accept {
		m.SetAccept(uint16(f))
	}
	return s.do(m)
}

// discover is a Discover; it must succeed.
func (s *tester) discover(path string, queries ...string) *links {
	m := request(coap.GET, path, queries...)
	m.SetAccept(uint16(lwm2m.FormatLink))
	a := s.do(m).is(coap.Content).in(lwm2m.FormatLink)
	list, err := link.Parse(a.coap.Payload)
	if err != nil {
		a.failf("%v", err)
	}
	return &links{a, list}
}

// replace is a Write by PUT, partial one by POST.
func (s *tester) replace(path string, f lwm2m.Format, v values) *answer {
	return s.do(s.payload(request(coap.PUT, path), f, v))
}

func (s *tester) partial(path string, f lwm2m.Format, v values) *answer {
	return s.do(s.payload(request(coap.POST, path), f, v))
}

// put is a Write of one value as text, which must succeed.
func (s *tester) put(path, value string) {
	s.replace(path, lwm2m.FormatText, values(path+"="+value)).is(coap.Changed)
}

// create is a Create of an instance of an object.
func (s *tester) create(object string, f lwm2m.Format, v values) *answer {
	return s.do(s.payload(request(coap.POST, object), f, v))
}

// writeComposite is a Write-Composite.
func (s *tester) writeComposite(f lwm2m.Format, v values) *answer {
	return s.do(s.payload(request(coap.IPATCH, "/"), f, v))
}

func (s *tester) payload(m *coap.Message, f lwm2m.Format, v values) *coap.Message {
	nodes, err := v.nodes(s.t.lab.Shapes)
	s.t.must(err)
	base, err := lwm2m.ParsePath(m.Path())
	s.t.must(err)
	m.SetContentFormat(uint16(f))
	m.Payload, err = wire.Append(nil, f, base, nodes)
	s.t.must(err)
	return m
}

// readComposite is a Read-Composite; list and answer have the same format.
func (s *tester) readComposite(f lwm2m.Format, paths ...string) *answer {
	return s.do(s.list(f, paths))
}

func (s *tester) list(f lwm2m.Format, paths []string) *coap.Message {
	m := request(coap.FETCH, "/")
	m.SetContentFormat(uint16(f))
	m.SetAccept(uint16(f))
	list := make([]lwm2m.Path, len(paths))
	for i, p := range paths {
		list[i] = lwm2m.MustPath(p)
	}
	var err error
	m.Payload, err = wire.AppendPaths(nil, f, list)
	s.t.must(err)
	return m
}

// attach is a Write-Attributes, which must succeed.
func (s *tester) attach(path string, attributes ...string) {
	s.do(request(coap.PUT, path, attributes...)).is(coap.Changed)
}

// execute is an Execute, which must succeed.
func (s *tester) execute(path string) { s.do(request(coap.POST, path)).is(coap.Changed) }

// needs ends the procedure if the device does not serve an object.
func (s *tester) needs(oid uint16) {
	at := fmt.Sprintf("/%d", oid)
	for _, l := range s.client().Registration().Objects {
		if l.Target == at || strings.HasPrefix(l.Target, at+"/") {
			return
		}
	}
	s.t.skipf("object %d is not served", oid)
}
