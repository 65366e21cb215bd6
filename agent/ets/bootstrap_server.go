package ets

import (
	"context"
	"strconv"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/server"
	"lwm2m-agent/lwm2m/wire"
	"lwm2m-agent/lwm2m/wire/link"
)

// bootstrapping is what a procedure of the bootstrap interface asks for before it begins, beside
// its conditions: configuration C.13, the bootstrap account in instance 1 of object 0.
type bootstrapping struct {
	known bool // the device has accounts of the servers, too
	pack  bool // the bootstrap server has a Bootstrap-Pack
}

// bootstrapServer is the bootstrap server of a procedure.
type bootstrapServer struct {
	*tester
	sessions chan *server.Bootstrapping
	pack     []lwm2m.Node
}

// addBootstrapServer adds the bootstrap server and its account, and takes the accounts of the
// servers away, unless they are known.
func (t *trial) addBootstrapServer(ctx context.Context, c conditions) {
	tap := newWiretap()
	bs := &bootstrapServer{tester: &tester{t: t, tap: tap}, sessions: make(chan *server.Bootstrapping, 1)}
	plan := &server.Bootstrap{Script: func(ctx context.Context, b *server.Bootstrapping) error {
		select {
		case bs.sessions <- b: // the procedure goes on with it
		case <-ctx.Done():
		}
		return nil
	}}
	cfg := t.sandbox.setup.Config
	if c.bootstrap.pack {
		bs.pack = t.account(0)
		plan.Pack = func(*server.Bootstrapping) ([]lwm2m.Node, error) { return bs.pack, nil }
	}
	s, account, err := t.sandbox.startServer(ctx, server.Config{Shapes: t.lab.Shapes, Trace: tap.note, Bootstrap: plan}, 0, &conditions{server: c.server}, endpoint)
	t.must(err)
	bs.server, account.Version, account.Instance = s, t.version, 1
	cfg.Bootstrap = &config.Bootstrap{Account: account}
	if !c.bootstrap.known {
		cfg.Servers = nil
	}
	t.bootstrap = bs
}

// account returns the account of a server as a bootstrap server writes it, as instances with the
// server's number.
func (t *trial) account(i uint16) []lwm2m.Node {
	s := &t.accounts[i]
	security, srv := lwm2m.NewPath(0, 2*i), lwm2m.NewPath(1, i) // instance 1 of object 0 is the bootstrap server's
	mode := int64(0)
	if s.Security == config.SecurityX509 {
		mode = 2
	}
	identity := []byte(s.Identity)
	if mode == 2 {
		identity = s.Public
	}
	nodes := []lwm2m.Node{
		{Path: security.Child(0), Value: lwm2m.String(s.URI.String())},
		{Path: security.Child(1), Value: lwm2m.Boolean(false)},
		{Path: security.Child(2), Value: lwm2m.Integer(mode)},
		{Path: security.Child(3), Value: lwm2m.Opaque(identity)},
		{Path: security.Child(4), Value: lwm2m.Opaque(s.ServerKey)},
		{Path: security.Child(5), Value: lwm2m.Opaque(s.Key.Reveal())},
		{Path: security.Child(10), Value: lwm2m.Unsigned(uint64(s.ShortServerID))},
	}
	if mode == 2 {
		nodes = append(
			nodes, lwm2m.Node{Path: security.Child(14), Value: lwm2m.String(s.SNI)},
			lwm2m.Node{Path: security.Child(15), Value: lwm2m.Integer(int64(s.CertificateUsage))},
		)
	}
	return append(
		nodes, lwm2m.Node{Path: srv.Child(0), Value: lwm2m.Integer(int64(s.ShortServerID))},
		lwm2m.Node{Path: srv.Child(1), Value: lwm2m.Integer(int64(s.Lifetime / time.Second))},
		lwm2m.Node{Path: srv.Child(6), Value: lwm2m.Boolean(false)}, lwm2m.Node{Path: srv.Child(7), Value: lwm2m.String("U")},
	)
}

// bootstrapSession is a bootstrap from the client's request on.
type bootstrapSession struct {
	*bootstrapServer
	client *server.Bootstrapping
}

// requested waits for a Bootstrap-Request and its success.
func (s *bootstrapServer) requested() *bootstrapSession {
	r := s.awaits(patience, coap.POST, "/bs")
	r.query("ep", endpoint)
	if s.t.atLeast(lwm2m.Version11) {
		r.query("pct", strconv.Itoa(int(lwm2m.FormatSenMLCBOR)))
	}
	r.answered(coap.Changed)
	select {
	case b := <-s.sessions:
		return &bootstrapSession{s, b}
	case <-time.After(patience):
		s.t.failf("Bootstrap-Request: the bootstrap server does not go on")
		return nil
	}
}

// untouched checks that the bootstrap server was not asked.
func (s *bootstrapServer) untouched() {
	if log, _ := s.tap.from(0); len(log) > 0 {
		s.t.failf("expected no request to the bootstrap server, got %s %s", log[0].coap.Code, log[0].coap.Path())
	}
}

// do sends a request and returns the answer.
func (s *bootstrapSession) do(m *coap.Message) *answer {
	a := &answer{s: s.tester, what: "bootstrap server: " + m.Code.String() + " " + m.Path()}
	var err error
	if a.coap, err = s.client.Do(s.t.ctx, m); err != nil {
		s.t.must(s.t.over())
		a.failf("%v", err)
	}
	return a
}

// format is that of what the bootstrap server writes.
func (s *bootstrapSession) format() lwm2m.Format {
	if s.client.Prefers {
		return s.client.Format
	}
	return lwm2m.FormatTLV
}

// write is a Bootstrap-Write of nodes, instance by instance, which must succeed.
func (s *bootstrapSession) write(nodes []lwm2m.Node) {
	for len(nodes) > 0 {
		at := nodes[0].Path.At(lwm2m.LevelInstance)
		n := 1
		for n < len(nodes) && at.Contains(nodes[n].Path) {
			n++
		}
		m := request(coap.PUT, at.String())
		m.SetContentFormat(uint16(s.format()))
		var err error
		m.Payload, err = wire.Append(nil, s.format(), at, nodes[:n])
		s.t.must(err)
		s.do(m).is(coap.Changed)
		nodes = nodes[n:]
	}
}

// delete is a Bootstrap-Delete, which must succeed.
func (s *bootstrapSession) delete(path string) { s.do(request(coap.DELETE, path)).is(coap.Deleted) }

// discover is a Bootstrap-Discover; it must succeed.
func (s *bootstrapSession) discover(path string) *links {
	m := request(coap.GET, path)
	m.SetAccept(uint16(lwm2m.FormatLink))
	a := s.do(m).is(coap.Content).in(lwm2m.FormatLink)
	list, err := link.Parse(a.coap.Payload)
	if err != nil {
		a.failf("%v", err)
	}
	return &links{a, list}
}

// read is a Bootstrap-Read.
func (s *bootstrapSession) read(path string) *answer {
	m := request(coap.GET, path)
	m.SetAccept(uint16(s.format()))
	return s.do(m)
}

// finish is a Bootstrap-Finish.
func (s *bootstrapSession) finish() *answer { return s.do(request(coap.POST, "/bs")) }
