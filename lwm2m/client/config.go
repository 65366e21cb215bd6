package client

import (
	"context"
	"log/slog"
	"net"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/lwm2m/model"
)

// Config is what a Client works with. Endpoint and Tree are required. The
// functions are called from several goroutines, must not block and must not call
// the Client, except where they say so.
type Config struct {
	Endpoint string      // endpoint client name: "urn:dev:os:32473-gw-17"
	Tree     *model.Tree // with objects 0 and 1, which name the servers

	Dialer  Dialer                            // nil: DefaultDialer
	Store   Store                             // nil: nothing outlives the process
	Journal Journal                           // for small records that change often; nil: Store
	Mark    []byte                            // of the place where Store keeps its records: sessions with another one are copies
	Boot    []byte                            // tells one boot of the machine from another: servers then hear of us first; nil: unknown
	Params  func(shortServerID uint16) Params // nil: the defaults for all; asked at each registration; 0: of the bootstrap server

	Log  *slog.Logger     // nil: none
	Now  func() time.Time // wall clock; nil: time.Now
	Rand func() float64   // random numbers in [0,1), for jitter; nil: math/rand/v2

	// OnStatus is told each change of an account's state, errors included. It may
	// call Client.Status.
	OnStatus func(AccountStatus)

	// OnBootstrap is told each change of the bootstrap's state, errors included. It may
	// call Client.BootstrapStatus.
	OnBootstrap func(BootstrapStatus)

	// Together has what is kept because of one change kept at once: what owners save under
	// the context that it returns is on disk, all of it or nothing, when the function that
	// it returns has returned nil. nil: each owner saves for itself.
	Together func(ctx context.Context) (within context.Context, keep func() error)

	// OnAlert is told each DTLS alert, for /1/x/11 (TLS-DTLS Alert Code).
	OnAlert func(shortServerID uint16, alert dtls.Alert)

	// OnObserved is told how often a server wants what it observes to be looked at, whenever
	// that has changed: all of its wishes, in order of their paths; none when it has gone.
	OnObserved func(shortServerID uint16, wishes []Wish)

	// OnForgotten is told that records of removed accounts have been removed from Store and Journal,
	// keys among them: what has been on a disk can be overwritten now. It may block.
	OnForgotten func()

	// Trace sees each CoAP message of an account as sent and received, before
	// encryption. coap.Parse decodes it; it must not be kept.
	Trace func(over *Link, d coap.Direction, datagram []byte)
}

// Link is what a message goes over.
type Link struct {
	ShortServerID uint16 // 0: of the bootstrap server
	Local, Remote net.Addr
	Stream        bool // TCP or TLS, else UDP or DTLS
}

// traced returns what a connection shows its messages to.
func (c *Client) traced(ssid uint16, to *Server, nc net.Conn) func(coap.Direction, []byte) {
	trace := c.config.Trace
	if trace == nil {
		return func(coap.Direction, []byte) {}
	}
	over := &Link{ShortServerID: ssid, Local: nc.LocalAddr(), Remote: nc.RemoteAddr(), Stream: transportOf(to.URI) == overTCP}
	return func(d coap.Direction, datagram []byte) { trace(over, d, datagram) }
}

// Params are the settings of an account that objects 0 and 1 do not have. A zero
// field means its default.
type Params struct {
	Version   lwm2m.Version // the highest to offer; 1.2. A server that refuses it with 4.12 is offered the next lower one
	QueueMode bool          // register with queue mode, as a binding with Q (1.0) in /1/x/7 also says

	// Awake is how long the client stays awake after the last message in queue
	// mode; MAX_TRANSMIT_WAIT of CoAP, 93 s (Transport, section 6.5).
	Awake time.Duration

	// Reachable is how long after the last message requests still reach the client, where
	// its modem saves power afterwards (T3324; 3GPP TS 23.682, clause 4.5.4): in queue mode
	// it is not awake for longer, but for the time after which a request is repeated. Zero:
	// they always do.
	Reachable time.Duration

	// KeepAlive allows Updates that do nothing but keep an address translation (NAT) on the
	// way from forgetting the client, so that the server's requests arrive. They are sent only
	// once an Update went unanswered because of one, in half the silence before it, and
	// never in queue mode or where a Connection ID makes addresses irrelevant.
	KeepAlive bool
	// Network names the network in use: what was learned of its address translation holds for
	// accounts with the same one.
	Network string

	// Gather is how long a notification may wait while the client sleeps in queue mode, so
	// that one wake-up tells what several would have: each is stored with its moment
	// and all are told at the next wake-up, which comes so long after the first at the latest.
	// Within this time an account also brings its Update forward when another one wakes up.
	// Zero: each notification wakes the client up. Notifications that the server wants
	// confirmable (con) do so in any case.
	Gather time.Duration

	// Interface, when not empty, is the network interface to go through.
	Interface string

	// SMS is the telephone number at which the client can be reached by SMS, digits alone, empty
	// if there is none. It is told to servers that may wake the client so.
	SMS string

	// CIDLength is the length in bytes of the DTLS Connection ID that the server
	// shall use towards us; negative: no Connection IDs at all; 0: the server's only.
	CIDLength int

	// DTLSTimeout is how long the first message of a handshake is waited for until it is
	// sent again; 1 s.
	DTLSTimeout time.Duration

	CoAP   coap.Params
	Limits coap.Limits
	Retry  Retry

	// ConfirmEvery is the longest time between two confirmable notifications of an
	// observation that sends any; 24 h, which is also the most (RFC 7641, section 4.5).
	ConfirmEvery time.Duration

	// StoreQuota bounds what is stored for a server that cannot be reached, in bytes of
	// values with their paths; 256 kB, at most 1 MB. A notification of one value takes
	// about 50.
	StoreQuota int

	// RequestTime is how long a write, create, delete or execute may take before it
	// is answered with 5.03; 60 s.
	RequestTime time.Duration
}
