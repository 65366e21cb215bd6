package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/wire"
	"lwm2m-agent/lwm2m/wire/link"
)

// Bootstrap makes a server a bootstrap server (Core, section 6.1). Its functions are called
// from several goroutines.
type Bootstrap struct {
	// Script is run for each Bootstrap-Request, on a goroutine of its own, once the request
	// has been answered with 2.04. It ends the bootstrap with Bootstrapping.Finish; its
	// error is that of the event Bootstrapped. ctx ends with the client's connection.
	Script func(ctx context.Context, b *Bootstrapping) error

	// Refuse, when not nil, is asked first: the error, an *lwm2m.Error, is the answer to the
	// request.
	Refuse func(b *Bootstrapping) error

	// Pack, when not nil, answers a Bootstrap-Pack-Request (Core 1.2, section 6.1.7.7). The
	// error, an *lwm2m.Error, is the answer. nil: 5.01 (Not Implemented).
	Pack func(b *Bootstrapping) ([]lwm2m.Node, error)
}

// Bootstrapping is a client that is being bootstrapped. Its operations return an *lwm2m.Error
// if the client refuses, and one of coap's if it does not answer.
type Bootstrapping struct {
	Endpoint string
	Identity string       // of the pre-shared key, over DTLS
	Format   lwm2m.Format // that the client prefers, if it Prefers one
	Prefers  bool

	server *Server
	conn   *coap.Conn
}

// bootstrapping reads the parameters of a Bootstrap-Request or Bootstrap-Pack-Request.
func (s *Server) bootstrapping(x *coap.Exchange, who peer) (*Bootstrapping, error) {
	if s.cfg.Bootstrap == nil {
		return nil, lwm2m.Errorf(lwm2m.NotFound, "this is no bootstrap server")
	}
	b := &Bootstrapping{Endpoint: who.identity, Identity: who.identity, server: s, conn: x.Conn()}
	if ep, ok := x.Request.Query("ep"); ok {
		b.Endpoint = ep
	}
	if pct, ok := x.Request.Query("pct"); ok {
		n, err := strconv.ParseUint(pct, 10, 16)
		if err != nil || !wire.Supported(lwm2m.Format(n)) {
			return nil, lwm2m.Errorf(lwm2m.UnsupportedContentFormat, "format %.10q is not known", pct)
		}
		b.Format, b.Prefers = lwm2m.Format(n), true
	}
	if b.Endpoint == "" || !s.allows(who, b.Endpoint) {
		return nil, lwm2m.Errorf(lwm2m.BadRequest, "endpoint %q is not known here", b.Endpoint)
	}
	if refuse := s.cfg.Bootstrap.Refuse; refuse != nil {
		return b, refuse(b)
	}
	return b, nil
}

// bootstrap answers POST /bs, and runs the script.
func (s *Server) bootstrap(ctx context.Context, x *coap.Exchange, who peer) {
	b, err := s.bootstrapping(x, who)
	if err != nil {
		s.answer(x, nil, err)
		return
	}
	s.answer(x, &coap.Message{Code: coap.Changed}, nil)
	s.followers.Go(func() {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		s.followers.Go(func() {
			select {
			case <-b.conn.Done():
				cancel()
			case <-ctx.Done():
			}
		})
		err := s.cfg.Bootstrap.Script(ctx, b)
		if err != nil {
			s.cfg.Log.Info("bootstrap failed", slog.String("endpoint", b.Endpoint), slog.Any("error", err))
		}
		s.events.send(Event{Kind: Bootstrapped, Endpoint: b.Endpoint, Err: err})
	})
}

// pack answers GET /bspack.
func (s *Server) pack(x *coap.Exchange, who peer) (*coap.Message, error) {
	b, err := s.bootstrapping(x, who)
	if err != nil {
		return nil, err
	}
	if s.cfg.Bootstrap.Pack == nil {
		return nil, lwm2m.Errorf(lwm2m.NotImplemented, "there are no bootstrap packs here")
	}
	accept, ok := x.Request.Accept()
	format := lwm2m.Format(accept)
	if !ok {
		format = lwm2m.FormatSenMLCBOR
	}
	if !wire.CanCarry(format, lwm2m.LevelRoot, lwm2m.Shape{}) {
		return nil, lwm2m.Errorf(lwm2m.NotAcceptable, "a pack does not come as %s", format)
	}
	nodes, err := s.cfg.Bootstrap.Pack(b)
	if err != nil {
		return nil, err
	}
	m := &coap.Message{Code: coap.Content}
	if m.Payload, err = wire.Append(nil, format, lwm2m.Path{}, nodes); err != nil {
		return nil, err
	}
	m.SetContentFormat(uint16(format))
	s.events.send(Event{Kind: Bootstrapped, Endpoint: b.Endpoint})
	return m, nil
}

// bootstrapTime bounds one operation.
const bootstrapTime = 2 * time.Minute

// Do sends a request in one's own words and returns the answer, whatever its code.
func (b *Bootstrapping) Do(ctx context.Context, m *coap.Message) (*coap.Message, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, bootstrapTime, errors.New("it takes too long"))
	defer cancel()
	answer, err := b.conn.Do(ctx, m)
	if err != nil {
		return nil, fmt.Errorf("%s %s at %s: %w", m.Code, m.Path(), b.Endpoint, err)
	}
	return answer, nil
}

func (b *Bootstrapping) do(ctx context.Context, m *coap.Message) (*coap.Message, error) {
	answer, err := b.Do(ctx, m)
	if err != nil {
		return nil, err
	}
	return answer, refusal(answer)
}

func bootstrapRequest(method coap.Code, p lwm2m.Path) *coap.Message {
	m := &coap.Message{Code: method}
	m.SetPath(p.String())
	return m
}

// Write writes an object, an object instance or a resource (Core, section 6.1.7.5).
func (b *Bootstrapping) Write(ctx context.Context, p lwm2m.Path, f lwm2m.Format, nodes []lwm2m.Node) error {
	m := bootstrapRequest(coap.PUT, p)
	m.SetContentFormat(uint16(f))
	var err error
	if m.Payload, err = wire.Append(nil, f, p, nodes); err != nil {
		return fmt.Errorf("encode %s as %s: %w", p, f, err)
	}
	_, err = b.do(ctx, m)
	return err
}

// Delete removes an object instance, all of an object, or everything (Core, section 6.1.7.6).
func (b *Bootstrapping) Delete(ctx context.Context, p lwm2m.Path) error {
	_, err := b.do(ctx, bootstrapRequest(coap.DELETE, p))
	return err
}

// Read reads object 1 or 2, or an instance of them (Core, section 6.1.7.4).
func (b *Bootstrapping) Read(ctx context.Context, p lwm2m.Path, f lwm2m.Format) ([]lwm2m.Node, error) {
	m := bootstrapRequest(coap.GET, p)
	m.SetAccept(uint16(f))
	answer, err := b.do(ctx, m)
	if err != nil {
		return nil, err
	}
	return b.server.decode(answer, p)
}

// Discover lists objects and instances, of one object or of all (Core, section 6.1.7.3).
func (b *Bootstrapping) Discover(ctx context.Context, p lwm2m.Path) ([]link.Link, error) {
	m := bootstrapRequest(coap.GET, p)
	m.SetAccept(uint16(lwm2m.FormatLink))
	answer, err := b.do(ctx, m)
	if err != nil {
		return nil, err
	}
	return link.Parse(answer.Payload)
}

// Finish ends the bootstrap (Core, section 6.1.3.3). 4.06 says that what was written does not
// fit together: it can be corrected, and the bootstrap finished again.
func (b *Bootstrapping) Finish(ctx context.Context) error {
	m := &coap.Message{Code: coap.POST}
	m.SetPath("/bs")
	_, err := b.do(ctx, m)
	return err
}
