package client

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/dtls"
)

// connection is what an account has with its server at a time. Its goroutine reads the socket,
// answers plain reads itself, starts what changes something, and hands the rest to
// the account.
type connection struct {
	account   *account
	server    Server // that was dialled
	nc        net.Conn
	conn      *coap.Conn
	transport string
	cid       string

	continues bool                      // what the server knows
	orderBook atomic.Pointer[orderBook] // of requests that must not run twice; nil: they are not noted

	few atomic.Uint64 // ask for more record numbers when so many are left; 0: not, or done

	// open holds the version of the registration while requests are answered.
	open atomic.Pointer[lwm2m.Version]

	requestTime time.Duration // how long a change may take
	scratch     scratch       // of the reader
	inflow      *inflow       // likewise: the last one
}

// scratch is memory that is used again for each answer; it belongs to one goroutine.
type scratch struct {
	nodes   []lwm2m.Node
	payload []byte
	message coap.Message
}

// trim gives back what one long answer took.
func (s *scratch) trim() {
	if cap(s.nodes) > maxSpare || cap(s.payload) > 16*maxSpare {
		*s = scratch{}
	}
}

// secured is a connection that can tell what its handshake negotiated.
type secured interface{ Parameters() dtls.Parameters }

// The transports without security.
const (
	transportUDP = "UDP"
	transportTCP = "TCP"
)

func newConnection(a *account, to *Server, nc net.Conn) *connection {
	c := &connection{account: a, server: *to, nc: nc, transport: transportUDP, requestTime: a.params.RequestTime}
	if s, ok := nc.(secured); ok {
		c.transport = "DTLS " + a.mode().String()
		c.cid = hex.EncodeToString(s.Parameters().RemoteCID)
	}
	if c.binding() == overTCP {
		c.transport = transportTCP
		if _, ok := nc.(*tls.Conn); ok {
			c.transport = "TLS " + a.mode().String()
		}
	}
	c.continues = c.binding() != overTCP && a.continues(nc)
	o := coap.Options{Params: a.params.CoAP, Limits: a.params.Limits, Upload: c.upload}
	if a.client.config.Store != nil {
		a.numbers(&o, c.continues)
	}
	around, trace := headersAround(c.nc), a.client.traced(a.ssid, to, nc)
	o.Trace = func(d coap.Direction, datagram []byte) {
		a.view.traffic.note(d, datagram, around, a.now())
		trace(d, datagram)
	}
	c.conn = newConn(to, c.sender(), c.handle, o)
	return c
}

// newConn makes the message layer over what was dialled.
func newConn(to *Server, nc net.Conn, h coap.Handler, o coap.Options) *coap.Conn {
	if transportOf(to.URI) == overTCP {
		return coap.NewStream(nc, h, o)
	}
	return coap.New(nc, h, o)
}

// binding returns the letter of the transport.
func (c *connection) binding() string { return transportOf(c.server.URI) }

// family returns that of the server's address, 4 or 6, 0 if it has none.
func (c *connection) family() int {
	if ip, ok := ipOf(c.conn.RemoteAddr()); ok {
		return familyOf(ip)
	}
	return 0
}

// ipOf returns the IP address of an address of UDP or TCP.
func ipOf(a net.Addr) (netip.Addr, bool) {
	switch a := a.(type) {
	case *net.UDPAddr:
		return a.AddrPort().Addr().Unmap(), true
	case *net.TCPAddr:
		return a.AddrPort().Addr().Unmap(), true
	}
	return netip.Addr{}, false
}

// WireSize returns the bytes on the wire of a CoAP message of a size, with the headers of IP and
// UDP or TCP, and of DTLS. The direction is left out: it makes no difference but for Connection IDs.
func WireSize(nc net.Conn, message int) int { return headersAround(nc).sent + message }

// HandshakeSize is WireSize for a datagram, or piece of a stream, of a handshake; see Server.OnHandshake.
func HandshakeSize(remote net.Addr, size int) int { return networkHeaders(remote).sent + size }

// headersAround returns the sizes of what stands around a message.
func headersAround(nc net.Conn) headers {
	h := networkHeaders(nc.RemoteAddr())
	s, ok := nc.(interface {
		secured
		Overhead() int
	})
	if !ok {
		return h
	}
	h.sent += s.Overhead()
	h.received += s.Overhead()
	p := s.Parameters()
	if len(p.RemoteCID) > 0 {
		h.received -= len(p.RemoteCID) + 1 // the content type moves inside (RFC 9146, section 4)
	}
	if len(p.LocalCID) > 0 {
		h.received += len(p.LocalCID) + 1
	}
	return h
}

// session returns the security context, to be continued on another connection or, if it has ended, to shorten the
// next handshake, nil if neither is possible.
func (c *connection) session() *dtls.Session {
	k, ok := c.nc.(interface {
		Session(count uint64) (*dtls.Session, error)
	})
	if !ok {
		return nil
	}
	s, err := k.Session(0)
	if err != nil {
		return nil // a fatal alert ended it for good (RFC 5246, section 7.2.2)
	}
	return s
}

// moved reports whether the system would send from another address now. Without a way
// to the server there is no other address.
func (c *connection) moved(ctx context.Context) bool {
	local, ok := ipOf(c.conn.LocalAddr())
	if !ok {
		return false
	}
	d, ok := c.account.client.config.Dialer.(localizer)
	if !ok {
		d = DefaultDialer{}
	}
	addr, err := d.Local(ctx, c.server, c.conn.RemoteAddr().String())
	if err != nil {
		return false
	}
	present, ok := ipOf(addr)
	return ok && present != local
}

// lost reports whether what is sent to the connection does not arrive until something has been sent from it; see DefaultDialer.
func (c *connection) lost() bool {
	local, _ := ipOf(c.conn.LocalAddr())
	return local == netip.IPv6Unspecified()
}

// localizer is a Dialer that knows from where it would send.
type localizer interface {
	Local(ctx context.Context, to Server, remote string) (net.Addr, error)
}

// run reads until the connection ends and tells the account.
func (c *connection) run(ctx context.Context) {
	err := c.conn.Run(ctx)
	c.account.inbox.put(connectionEnded{c, err})
}

// errBootstrapping refuses requests of servers while a bootstrap server writes (Core, section 6.1.1).
var errBootstrapping = lwm2m.Errorf(lwm2m.ServiceUnavailable, "the bootstrap server is at work")

// handle takes a request in, on the reader's goroutine.
func (c *connection) handle(x *coap.Exchange) {
	a := c.account
	r, err := parse(a.tree, x.Request)
	if err != nil {
		a.refuse(x, err)
		return
	}
	r.exchange, r.connection = x, c
	if a.client.bootstrap.busy.Load() {
		a.refuse(x, errBootstrapping)
		return
	}
	version := c.open.Load()
	if version == nil || !r.op.immediate() && !r.op.changes() {
		a.inbox.put(r)
		return
	}
	a.serve(&r, *version, &c.scratch)
}

// serve carries out what needs nothing of the account's own state. Any goroutine of
// the account may call it, with its own scratch.
func (a *account) serve(r *request, v lwm2m.Version, s *scratch) {
	if err := r.knows(v); err != nil {
		a.refuse(r.exchange, err)
		return
	}
	if r.op.changes() {
		a.begin(r)
		return
	}
	m, err := a.read(r, v, s)
	if err != nil {
		a.refuse(r.exchange, err)
		return
	}
	a.respond(r.exchange, m)
	s.trim()
}

// respond sends an answer. That it cannot be sent any more is of no consequence: the
// server asks again or has gone.
func (a *account) respond(x *coap.Exchange, m *coap.Message) {
	if err := x.Respond(m); err != nil {
		a.log.Debug("answer not sent", slog.Any("err", err))
	}
}

// maxReason bounds the diagnostic payload of a refusal, in bytes.
const maxReason = 120

// refuse answers with an error.
func (a *account) refuse(x *coap.Exchange, err error) { a.respond(x, a.refusal(x, err)) }

// refusal is the answer with the code of an error, and its reason as diagnostic payload
// (RFC 7252, section 5.5.2). It is the one place where errors become codes.
func (a *account) refusal(x *coap.Exchange, err error) *coap.Message {
	code := lwm2m.CodeOf(err)
	if a.log.Enabled(a.ctx, slog.LevelDebug) {
		a.log.Debug("request refused", slog.String("token", x.Request.Token.String()), slog.String("method", x.Request.Code.String()), slog.String("path", x.Request.Path()), slog.Any("err", err))
	}
	return &coap.Message{Code: coap.Code(code), Payload: reason(err)}
}
