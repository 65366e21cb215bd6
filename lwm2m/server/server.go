package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
)

// Config configures a Server. The zero value of a field is its default.
type Config struct {
	Log    *slog.Logger
	Shapes lwm2m.Shapes // of the resources that clients may have; without it TLV is opaque
	Keys   *Keys        // who may connect over DTLS; nil: nobody
	Params coap.Params
	Now    func() time.Time // judges who is awake, and certificates; time.Now

	// Certificates lets clients with certificates connect over DTLS and TLS; nil: none.
	Certificates *Certificates

	// AwakeTime is how long a client in queue mode is taken to listen after its
	// last message; 93 s (Transport, section 6.5).
	AwakeTime time.Duration
	// Grace is how long a registration outlives its lifetime, for an Update that
	// is on its way; 30 s.
	Grace time.Duration
	// Lifetime is that of a registration that names none; 86,400 s (Core,
	// section 6.2.1).
	Lifetime time.Duration
	// MaxClients bounds the registrations; 10,000.
	MaxClients int

	// Refused, when not nil, is told why a DTLS handshake failed.
	Refused func(error)

	// Bootstrap, when not nil, makes it a bootstrap server, too.
	Bootstrap *Bootstrap

	// Trace, when not nil, sees each CoAP message as it is sent and received, before
	// encryption; see coap.Options.
	Trace func(d coap.Direction, datagram []byte)
}

// Server keeps the registrations of clients. All methods may be called from any
// goroutine.
type Server struct {
	cfg       Config
	events    broadcaster
	followers sync.WaitGroup // the goroutines that take notifications, or bootstrap
	profiles  profiles

	mu        sync.Mutex
	clients   map[string]*Client // by endpoint
	locations map[string]*Client // by registration ID
}

// New returns a server that listens nowhere yet.
func New(cfg Config) *Server {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Keys == nil {
		cfg.Keys = &Keys{}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	setDefault(&cfg.AwakeTime, 93*time.Second)
	setDefault(&cfg.Grace, 30*time.Second)
	setDefault(&cfg.Lifetime, 24*time.Hour)
	setDefault(&cfg.MaxClients, 10_000)
	return &Server{cfg: cfg, clients: make(map[string]*Client), locations: make(map[string]*Client)}
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Serve answers clients on a UDP socket (coap) until ctx ends, and closes it.
func (s *Server) Serve(ctx context.Context, pc coap.PacketConn) error {
	l := coap.Listen(pc, func(x *coap.Exchange) { s.handle(ctx, x, peer{}) }, coap.ListenOptions{
		Conn:     coap.Options{Params: s.cfg.Params, Trace: s.cfg.Trace},
		MaxConns: s.cfg.MaxClients,
	})
	err := l.Run(ctx)
	_ = l.Close() // it is only read from
	s.drop(func(c *Client) bool { return !c.apart })
	if errors.Is(err, ctx.Err()) {
		return nil
	}
	return fmt.Errorf("serve coap on %s: %w", l.Addr(), err)
}

// Wait returns when nothing of the server runs any more; call it when Serve,
// ServeSecure, ServeStream and ServeTLS have returned.
func (s *Server) Wait() { s.followers.Wait() }

// drop forgets clients whose transport has gone with its listener.
func (s *Server) drop(gone func(*Client) bool) {
	for _, c := range s.Clients() {
		if gone(c) {
			s.remove(c, c.Registration().ID, Expired)
		}
	}
}

// Clients returns the registered clients in no particular order.
func (s *Server) Clients() []*Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*Client, 0, len(s.clients))
	for _, c := range s.clients {
		out = append(out, c)
	}
	return out
}

// Client returns the registered client with the given endpoint name.
func (s *Server) Client(endpoint string) (*Client, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.clients[endpoint]
	return c, ok
}

// Forget drops the registration of an endpoint, as a server does that lost its memory:
// the client is not told.
func (s *Server) Forget(endpoint string) {
	if c, ok := s.Client(endpoint); ok {
		s.remove(c, c.Registration().ID, Expired)
	}
}

// handle answers one request of a peer.
func (s *Server) handle(ctx context.Context, x *coap.Exchange, who peer) {
	segments := x.Request.PathSegments()
	var m *coap.Message
	var err error
	switch {
	case len(segments) == 1 && segments[0] == "rd" && x.Request.Code == coap.POST:
		m, err = s.register(x, who)
	case len(segments) == 2 && segments[0] == "rd" && x.Request.Code == coap.POST:
		m, err = s.update(x, segments[1])
	case len(segments) == 2 && segments[0] == "rd" && x.Request.Code == coap.DELETE:
		m, err = s.deregister(x, segments[1])
	case len(segments) == 1 && segments[0] == "dp" && x.Request.Code == coap.POST:
		m, err = s.receive(x)
	case len(segments) == 1 && segments[0] == "bs" && x.Request.Code == coap.POST:
		s.bootstrap(ctx, x, who)
		return
	case len(segments) == 1 && segments[0] == "bspack" && x.Request.Code == coap.GET:
		m, err = s.pack(x, who)
	default:
		err = lwm2m.Errorf(lwm2m.NotFound, "%s %s is no request to an LwM2M server", x.Request.Code, x.Request.Path())
	}
	s.answer(x, m, err)
}

// answer answers a request, with the code of the error if there is one.
func (s *Server) answer(x *coap.Exchange, m *coap.Message, err error) {
	if err != nil {
		s.cfg.Log.Debug("request refused", slog.String("from", x.Conn().RemoteAddr().String()), slog.Any("error", err))
		m = &coap.Message{Code: coap.Code(lwm2m.CodeOf(err)), Payload: []byte(err.Error())}
	}
	if err := x.Respond(m); err != nil {
		s.cfg.Log.Debug("answer not sent", slog.String("to", x.Conn().RemoteAddr().String()), slog.Any("error", err))
	}
}

// remoteOf is the address of a peer for people.
func remoteOf(a net.Addr) string {
	if a == nil {
		return ""
	}
	return a.String()
}
