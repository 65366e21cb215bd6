package server

import (
	"crypto/rand"
	"slices"
	"strconv"
	"strings"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/wire"
	"lwm2m-agent/lwm2m/wire/link"
)

// maxLifetime keeps lifetimes within what a time.Duration holds.
const maxLifetime = 100 * 365 * 24 * time.Hour

// Registration is what a client said when it registered, and since.
type Registration struct {
	ID         string // the last segment of its location, /rd/ID
	Endpoint   string
	Address    string // where its last Register or Update came from
	Secure     bool   // over DTLS or TLS
	Stream     bool   // over TCP or TLS
	Identity   string // of the pre-shared key, over DTLS
	Version    lwm2m.Version
	Lifetime   time.Duration // 0: never ends
	Binding    string
	Queue      bool // queue mode
	SMS        string
	Formats    []lwm2m.Format // announced beside those that its version demands
	Root       string         // alternate path, "" or "/lwm2m"
	Objects    []link.Link    // the object list, without the link to the root
	Profiles   []string       // Profile IDs, in the last Register
	Registered time.Time
	Updated    time.Time
}

// register answers POST /rd (Core, section 6.2.1).
func (s *Server) register(x *coap.Exchange, who peer) (*coap.Message, error) {
	now := time.Now()
	reg := Registration{
		ID: rand.Text(), Address: remoteOf(x.Conn().RemoteAddr()), Secure: who.identity != "", Identity: who.identity, Stream: who.stream,
		Version: lwm2m.Version10, Binding: "U", Lifetime: s.cfg.Lifetime, Registered: now, Updated: now,
	}
	if err := reg.apply(x.Request); err != nil {
		return nil, err
	}
	if reg.Endpoint == "" {
		reg.Endpoint = who.identity
	}
	switch {
	case reg.Endpoint == "":
		return nil, lwm2m.Errorf(lwm2m.BadRequest, "the endpoint name (ep) is missing")
	case len(reg.Objects) == 0 && len(reg.Profiles) == 0:
		return nil, lwm2m.Errorf(lwm2m.BadRequest, "the object list is missing")
	case reg.Version.Major != 1 || lwm2m.Version12.Less(reg.Version):
		return nil, lwm2m.Errorf(lwm2m.PreconditionFailed, "LwM2M %s is not supported", reg.Version)
	}
	if !s.allows(who, reg.Endpoint) {
		return nil, lwm2m.Errorf(lwm2m.Forbidden, "identity %q may not register as %q", who.identity, reg.Endpoint)
	}
	if err := s.profiles.complete(&reg); err != nil {
		return nil, err
	}
	if err := s.enter(reg, x.Conn()); err != nil {
		return nil, err
	}
	m := &coap.Message{Code: coap.Created}
	m.AddOption(coap.LocationPath, []byte("rd"))
	m.AddOption(coap.LocationPath, []byte(reg.ID))
	return m, nil
}

// enter makes a registration the one of its endpoint.
func (s *Server) enter(reg Registration, conn *coap.Conn) error {
	s.mu.Lock()
	c := s.clients[reg.Endpoint]
	if c == nil {
		if len(s.clients) >= s.cfg.MaxClients {
			s.mu.Unlock()
			return lwm2m.Errorf(lwm2m.ServiceUnavailable, "%d clients are registered already", s.cfg.MaxClients)
		}
		c = &Client{server: s, apart: reg.Secure || reg.Stream, wake: make(chan struct{})}
		s.clients[reg.Endpoint] = c
	}
	delete(s.locations, c.Registration().ID)
	s.locations[reg.ID] = c
	s.mu.Unlock()
	c.registered(reg, conn)
	s.events.send(Event{Kind: Registered, Endpoint: reg.Endpoint, Registration: reg})
	return nil
}

// update answers POST /rd/ID (Core, section 6.2.2).
func (s *Server) update(x *coap.Exchange, id string) (*coap.Message, error) {
	c, err := s.located(id)
	if err != nil {
		return nil, err
	}
	reg := c.Registration()
	if err := reg.apply(x.Request); err != nil {
		return nil, err
	}
	reg.Updated, reg.Address = time.Now(), remoteOf(x.Conn().RemoteAddr())
	c.updated(reg, x.Conn())
	s.events.send(Event{Kind: Updated, Endpoint: reg.Endpoint, Registration: reg})
	return &coap.Message{Code: coap.Changed}, nil
}

// deregister answers DELETE /rd/ID (Core, section 6.2.3).
func (s *Server) deregister(_ *coap.Exchange, id string) (*coap.Message, error) {
	c, err := s.located(id)
	if err != nil {
		return nil, err
	}
	s.remove(c, id, Deregistered)
	return &coap.Message{Code: coap.Deleted}, nil
}

func (s *Server) located(id string) (*Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.locations[id]; ok {
		return c, nil
	}
	return nil, lwm2m.Errorf(lwm2m.NotFound, "there is no registration %.40q", id)
}

// remove ends a registration, if it is still the client's.
func (s *Server) remove(c *Client, id string, why EventKind) {
	s.mu.Lock()
	if s.locations[id] != c {
		s.mu.Unlock()
		return
	}
	reg := c.Registration()
	delete(s.locations, id)
	delete(s.clients, reg.Endpoint)
	s.mu.Unlock()
	c.ended()
	s.events.send(Event{Kind: why, Endpoint: reg.Endpoint, Registration: reg})
}

// apply enters the parameters of a Register or Update.
func (r *Registration) apply(m *coap.Message) error {
	for _, q := range m.Queries() {
		name, value, _ := strings.Cut(q, "=")
		if err := r.parameter(name, value); err != nil {
			return err
		}
	}
	if len(m.Payload) == 0 {
		return nil
	}
	links, err := link.Parse(m.Payload)
	if err != nil {
		return err
	}
	root, ok := link.Root(links)
	if ok {
		r.Root = strings.TrimSuffix(root.Target, "/")
		if r.Formats, err = root.Formats(); err != nil {
			return err
		}
	}
	r.Objects = slices.DeleteFunc(links, func(l link.Link) bool { return ok && l.Target == root.Target })
	return nil
}

func (r *Registration) parameter(name, value string) error {
	switch name {
	case "ep":
		r.Endpoint = value
	case "lt":
		seconds, err := strconv.ParseUint(value, 10, 32)
		if err != nil {
			return lwm2m.Errorf(lwm2m.BadRequest, "lifetime %.20q is no number of seconds", value)
		}
		r.Lifetime = min(time.Duration(seconds)*time.Second, maxLifetime)
	case "lwm2m":
		v, err := lwm2m.ParseVersion(value)
		if err != nil {
			return lwm2m.Errorf(lwm2m.BadRequest, "%w", err)
		}
		r.Version = v
	case "b":
		r.Binding = value
		if r.Version == lwm2m.Version10 {
			r.Queue = strings.Contains(value, "Q")
		}
	case "Q":
		r.Queue = true
	case "sms":
		r.SMS = value
	case "pid":
		r.Profiles = strings.Split(strings.Trim(value, `"`), ",")
	}
	return nil
}

// receive answers POST /dp, a Send (Core, section 6.4.6).
func (s *Server) receive(x *coap.Exchange) (*coap.Message, error) {
	c := s.clientOn(x.Conn())
	if c == nil {
		return nil, lwm2m.Errorf(lwm2m.NotFound, "the sender is not registered")
	}
	nodes, err := s.decode(x.Request, lwm2m.Path{})
	if err != nil {
		return nil, err
	}
	wire.ResolveTimes(nodes, time.Now())
	c.heard()
	s.events.send(Event{Kind: Sent, Endpoint: c.Registration().Endpoint, Nodes: nodes})
	return &coap.Message{Code: coap.Changed}, nil
}

func (s *Server) clientOn(conn *coap.Conn) *Client {
	for _, c := range s.Clients() {
		if c.connection() == conn {
			return c
		}
	}
	return nil
}

func (s *Server) decode(m *coap.Message, base lwm2m.Path) ([]lwm2m.Node, error) {
	format, ok := m.ContentFormat()
	if !ok {
		format = uint16(lwm2m.FormatText)
	}
	return wire.Decode(lwm2m.Format(format), m.Payload, base, s.cfg.Shapes)
}
