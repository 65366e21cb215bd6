package client

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/wire"
	"lwm2m-agent/lwm2m/wire/link"
)

// request takes in a request of the bootstrap server.
func (b *bootstrapper) request(x *coap.Exchange) {
	if x.Conn() != b.conn {
		return // its connection is over
	}
	switch b.state {
	case BootstrapRequesting:
		b.held = append(b.held, x)
		return
	case BootstrapOpen:
		b.heard()
	case BootstrapDone:
		if isFinish(x.Request) { // it did not get the answer
			b.respond(x, &coap.Message{Code: coap.Changed})
			return
		}
	case BootstrapIdle, BootstrapWaiting, BootstrapConnecting, BootstrapPacking, BootstrapStopped, bootstrapStateCount:
	}
	if b.state != BootstrapOpen {
		b.refuse(x, lwm2m.Errorf(lwm2m.ServiceUnavailable, "no bootstrap is open"))
		return
	}
	finish := isFinish(x.Request) // once it is answered the request is the message layer's again
	m, err := b.answer(x.Request)
	if err != nil {
		b.refuse(x, err)
		return
	}
	b.respond(x, m)
	if finish {
		b.on(bootFinished)
	}
}

func isFinish(m *coap.Message) bool {
	return m.Code == coap.POST && slices.Equal(m.PathSegments(), []string{"bs"})
}

// respond sends an answer. That it cannot be sent any more is of no consequence.
func (b *bootstrapper) respond(x *coap.Exchange, m *coap.Message) {
	if err := x.Respond(m); err != nil {
		b.log.Debug("answer not sent", slog.Any("err", err))
	}
}

func (b *bootstrapper) refuse(x *coap.Exchange, err error) {
	b.log.Debug("request refused", slog.String("method", x.Request.Code.String()), slog.String("path", x.Request.Path()), slog.Any("err", err))
	b.respond(x, &coap.Message{Code: coap.Code(lwm2m.CodeOf(err)), Payload: reason(err)})
}

// answer carries out a request of the bootstrap interface (Transport, table of bootstrap
// operations). It sees and changes what is staged.
func (b *bootstrapper) answer(m *coap.Message) (*coap.Message, error) {
	if isFinish(m) {
		return &coap.Message{Code: coap.Changed}, b.finish(b.stage)
	}
	r, err := parseOptions(m)
	if err != nil {
		return nil, err
	}
	switch m.Code { //nolint:exhaustive // an open registry
	case coap.PUT:
		return b.write(&r, m)
	case coap.DELETE:
		return &coap.Message{Code: coap.Deleted}, b.stage.Delete(r.path)
	case coap.GET:
		if r.accepts && r.accept == lwm2m.FormatLink {
			return b.discover(&r)
		}
		return b.read(&r)
	}
	return nil, lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s is not for bootstrap servers", m.Code)
}

// write carries out a Bootstrap-Write (Core, section 6.1.7.5).
func (b *bootstrapper) write(r *request, m *coap.Message) (*coap.Message, error) {
	if _, queries := m.Option(coap.URIQuery); queries || r.path.IsRoot() {
		return nil, lwm2m.Errorf(lwm2m.BadRequest, "write an object, an instance or a resource")
	}
	tree := b.client.config.Tree
	format, err := r.payloadFormat(shapeAt(tree, r.path))
	if err != nil {
		return nil, err
	}
	nodes, err := wire.Decode(format, m.Payload, r.path, model.Shapes(tree))
	if err != nil {
		return nil, err
	}
	return &coap.Message{Code: coap.Changed}, b.stage.Write(r.path, nodes)
}

// read carries out a Bootstrap-Read, of object 1 or 2 or an instance of them (Core,
// section 6.1.7.4).
func (b *bootstrapper) read(r *request) (*coap.Message, error) {
	l := r.path.Level()
	if l != lwm2m.LevelObject && l != lwm2m.LevelInstance || r.path.Object() != objectServer && r.path.Object() != objectAccess {
		return nil, lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s cannot be read: read object 1 or 2, or an instance of them", r.path)
	}
	format, err := r.answerFormat(b.params.Version, lwm2m.Shape{})
	if err != nil {
		return nil, err
	}
	nodes, err := b.stage.Read(r.path)
	if err != nil {
		return nil, err
	}
	m := &coap.Message{Code: coap.Content}
	if m.Payload, err = wire.Append(nil, format, r.path, nodes); err != nil {
		return nil, err
	}
	m.SetContentFormat(uint16(format))
	return m, nil
}

// discover carries out a Bootstrap-Discover (Core, section 6.1.7.3): the version of the
// enabler, objects and instances, and whose the accounts are.
func (b *bootstrapper) discover(r *request) (*coap.Message, error) {
	if r.path.Level() > lwm2m.LevelObject {
		return nil, lwm2m.Errorf(lwm2m.BadRequest, "discover an object or everything")
	}
	entries := b.stage.Entries(r.path)
	if len(entries) == 0 {
		return nil, lwm2m.Errorf(lwm2m.NotFound, "there is no %s", r.path)
	}
	v := b.params.Version
	links := []link.Link{link.To("", lwm2m.Path{}, link.Token("lwm2m", v.String()))}
	for _, e := range entries {
		switch e.Path.Level() {
		case lwm2m.LevelObject:
			if announced(v, e.Path.Object(), e.Version) {
				links = append(links, link.To("", e.Path, versionAttr(e.Version)))
			} else {
				links = append(links, link.To("", e.Path))
			}
		case lwm2m.LevelInstance:
			links = append(links, link.To("", e.Path, b.accountAttrs(e.Path)...))
		case lwm2m.LevelRoot, lwm2m.LevelResource, lwm2m.LevelResourceInstance:
		}
	}
	m := &coap.Message{Code: coap.Content, Payload: link.Append(nil, links)}
	m.SetContentFormat(uint16(lwm2m.FormatLink))
	return m, nil
}

// accountAttrs says whose an instance of object 0 or 1 is.
func (b *bootstrapper) accountAttrs(at lwm2m.Path) []link.Attr {
	var attrs []link.Attr
	ssid := func(rid uint16) {
		if id, err := b.stage.Value(at.Child(rid)).Convert(lwm2m.TypeInteger); err == nil {
			attrs = append(attrs, link.Int("ssid", id.Int()))
		}
	}
	switch at.Object() {
	case objectSecurity:
		if !b.stage.Value(at.Child(securityBootstrap)).Bool() {
			ssid(securityShortID)
		}
		if uri := b.stage.Value(at.Child(securityURI)).Text(); uri != "" {
			attrs = append(attrs, link.Quoted("uri", uri))
		}
	case objectServer:
		ssid(serverShortID)
	}
	return attrs
}

// finish checks what is staged and brings it into force (Core, section 6.1.3.3). What it
// makes to be kept is on disk at once. An error leaves all as it was; 4.06 says that
// the accounts do not fit together.
func (b *bootstrapper) finish(stage *model.Stage) error {
	if err := newStageCheck(stage, b.accountPath(), b.client.config.Dialer).run(); err != nil {
		b.log.Warn("the bootstrap server left accounts that cannot be used", slog.Any("err", err))
		return err
	}
	now, committed := b.now(), time.Now()
	b.written = stampStaged(stage, now)
	ctx, cancel := context.WithTimeoutCause(b.ctx, b.params.RequestTime, errSlow)
	defer cancel()
	together := b.client.config.Together
	if together == nil {
		together = func(ctx context.Context) (context.Context, func() error) { return ctx, func() error { return nil } }
	}
	within, keep := together(ctx)
	written, deleted := stage.Changes()
	b.concerned = b.client.present()
	stayed, err := stage.Commit(within, func(context.Context) error { return keep() })
	if err != nil {
		b.log.Warn("what the bootstrap server wrote was refused", slog.Any("err", err))
		if e, ok := errors.AsType[*lwm2m.Error](err); ok && e.Code>>5 == 4 {
			return lwm2m.Errorf(lwm2m.NotAcceptable, "%s", e.Reason)
		}
		return err
	}
	b.finished, b.inForce = now, committed // the accounts may have registered meanwhile
	b.busy.Store(false)                    // before the bootstrap server knows that it is over
	b.log.Info("bootstrapped", slog.Int("instances_written", written), slog.Int("instances_deleted", deleted-len(stayed)))
	return nil
}

// unpack takes in the answer to a Bootstrap-Pack-Request. Whatever is wrong with it, the
// Bootstrap-Request follows.
func (b *bootstrapper) unpack(r *answered) {
	if r.err != nil {
		b.trouble(r.err)
		b.noPack = true // what fails with it may succeed without
		b.on(bootSilent)
		return
	}
	if err := b.applyPack(r.response); err != nil {
		b.noPack = true
		b.log.Debug("no bootstrap pack", slog.Any("err", err))
		b.on(bootPackless)
		return
	}
	b.on(bootFinished)
}

// applyPack brings a pack into force: in each object that it has, it replaces what is there
// (Core 1.2, section 6.1.7.7).
func (b *bootstrapper) applyPack(m *coap.Message) error {
	if m.Code != coap.Content {
		return newCodeError("Bootstrap-Pack-Request", m)
	}
	f, ok := m.ContentFormat()
	format := lwm2m.Format(f).Canonical()
	if !ok || format != lwm2m.FormatSenMLCBOR && format != lwm2m.FormatSenMLJSON && format != lwm2m.FormatLwM2MCBOR {
		return lwm2m.Errorf(lwm2m.UnsupportedContentFormat, "the pack comes as %s", format)
	}
	tree := b.client.config.Tree
	nodes, err := wire.Decode(format, m.Payload, lwm2m.Path{}, model.Shapes(tree))
	if err != nil {
		return err
	}
	stage := tree.Stage(b.accountPath(), lwm2m.NewPath(3, 0))
	for len(nodes) > 0 {
		if nodes[0].Path.IsRoot() {
			return lwm2m.Errorf(lwm2m.BadRequest, "the pack has a value for the root")
		}
		at := nodes[0].Path.At(lwm2m.LevelObject)
		end := slices.IndexFunc(nodes, func(n lwm2m.Node) bool { return !at.Contains(n.Path) })
		if end < 0 {
			end = len(nodes)
		}
		if err := errors.Join(stage.Delete(at), stage.Write(at, nodes[:end])); err != nil {
			return err
		}
		nodes = nodes[end:]
	}
	b.busy.Store(true)
	defer b.busy.Store(false)
	return b.finish(stage)
}
