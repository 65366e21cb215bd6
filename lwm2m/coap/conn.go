package coap

import (
	"context"
	"errors"
	"net"
	"time"
)

// Errors of exchanges. They are wrapped with the method and path of the request.
var (
	// ErrTimeout says that nobody acknowledged within MAX_RETRANSMIT
	// retransmissions, or that the response did not come in time.
	ErrTimeout = errors.New("no answer")
	// ErrReset says that the peer answered with RST.
	ErrReset = errors.New("reset by peer")
	// ErrClosed says that the connection was closed or its transport failed.
	ErrClosed = errors.New("connection closed")
	// ErrQueueFull says that [Limits.MaxQueued] messages wait already.
	ErrQueueFull = errors.New("too many messages wait for the peer")
	// ErrBodyTooLarge says that a response is longer than [Limits.MaxBody].
	ErrBodyTooLarge = errors.New("body too large")
	// ErrBlock says that the peer broke the rules of RFC 7959.
	ErrBlock = errors.New("block-wise transfer failed")
	// ErrAnswered says that an exchange was answered before, or too late.
	ErrAnswered = errors.New("exchange is over")
	// ErrTooLong says that an option or a message is too long to be sent.
	ErrTooLong = errors.New("message too long")
	// ErrChanged says that a representation changed while it was fetched.
	ErrChanged = errors.New("representation changed")
)

// Handler answers requests. It is called on the reader's goroutine and must not
// block: it either answers at once ([Exchange.Respond]) or hands the exchange to
// somebody who will.
type Handler func(x *Exchange)

// Direction says which way a datagram went.
type Direction bool

// Directions, seen from this end.
const (
	Received Direction = false
	Sent     Direction = true
)

// Options of a [Conn]. The zero value is ready for use.
type Options struct {
	Params Params
	Limits Limits

	// Upload, when not nil, is asked about each request body that comes in more
	// than one block, with its first block, on the reader's goroutine. A [Sink]
	// takes the blocks as they come, without limit of size; nil lets the body be
	// assembled up to [Limits.MaxBody] and handed to the Handler.
	Upload func(first *Message) Sink

	// Critical lists critical options that the Handler understands, beside
	// Uri-Host, Uri-Port, Uri-Path, Uri-Query and Accept. Others are refused
	// with 4.02 (RFC 7252 section 5.4.1).
	Critical []OptionID

	// Trace, when not nil, sees each datagram as it is sent and received; [Parse]
	// decodes it. It must neither keep nor change it, nor block, nor call the Conn.
	Trace func(d Direction, datagram []byte)
}

// Counters counts what happened on a connection since it was made.
type Counters struct {
	ReceivedBytes, SentBytes         uint64 // of CoAP messages
	ReceivedDatagrams, SentDatagrams uint64
	Retransmissions                  uint64 // sent
	Duplicates                       uint64 // received
	Malformed                        uint64 // received, ignored or rejected
	Oversize                         uint64 // received, larger than Limits.MaxDatagram
	TransportErrors                  uint64 // such as ICMP unreachable; treated as loss
}

// Conn exchanges messages with one peer. All methods may be called from any
// goroutine.
type Conn struct{}

// New makes a connection over nc, which must keep message boundaries: a connected
// UDP socket, a DTLS connection. Nothing is received before [Conn.Run]. A nil
// handler rejects requests with RST.
func New(nc net.Conn, h Handler, o Options) *Conn {
	return &Conn{}
}

// Run receives until ctx ends, [Conn.Close] is called or the transport fails. It is
// called once. When it returns, all exchanges have ended with [ErrClosed] and no
// goroutine or timer of the Conn is left; nc is still open unless Close was called.
// It returns nil after Close, ctx's error, or that of the transport.
func (c *Conn) Run(ctx context.Context) error { return nil }

// Close ends all exchanges with [ErrClosed] and closes the transport. It does not
// wait for Run. It may be called from a Handler and more than once.
func (c *Conn) Close() error { return nil }

// Done is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} { return nil }

// LocalAddr is the transport's.
func (c *Conn) LocalAddr() net.Addr { return nil }

// RemoteAddr is the transport's.
func (c *Conn) RemoteAddr() net.Addr { return nil }

// Params returns the transmission parameters in use.
func (c *Conn) Params() Params { return Params{} }

// SetParams changes the transmission parameters of what is sent from now on.
func (c *Conn) SetParams(p Params) {}

// Counters returns the present counts.
func (c *Conn) Counters() Counters { return Counters{} }

// LastReceived is the time of the last well-formed message of the peer, the zero
// time if there was none.
func (c *Conn) LastReceived() time.Time { return time.Time{} }

// Do sends a request and returns the response, whatever its code. Bodies of either
// direction go block-wise when they are long. The response belongs to the caller.
// It waits as long as ctx and the [Params] allow. The error wraps [ErrTimeout],
// [ErrReset], [ErrClosed], [ErrQueueFull], [ErrBlock], [ErrBodyTooLarge],
// [ErrTooLong] or ctx's error.
func (c *Conn) Do(ctx context.Context, req *Message) (*Message, error) { return nil, nil }

// Ping asks for a sign of life (RFC 7252 section 4.3). Errors are those of Do.
func (c *Conn) Ping(ctx context.Context) error { return nil }

// Notify sends a notification: m is one more response to the observation that the
// GET or FETCH request observe began. Of observe the token is used, and code and
// options (Uri-Path, Uri-Query, Accept …) if m is longer than a block: the peer asks
// for the other blocks by them. m.Type selects CON or NON. An Observe option is
// added unless m has one or is an error.
//
// A CON waits its turn (NSTART) and is retransmitted. done, if not nil, is called
// once with its outcome: nil when acknowledged, [ErrReset] when the peer cancelled the
// observation, [ErrTimeout] or [ErrClosed]. For a NON, done is called with ErrReset if the
// peer cancels within NON_LIFETIME and not at all otherwise. It is called on the
// reader's goroutine, on a timer's or inside Close, and must not block.
// When Notify returns an error, done is not called.
func (c *Conn) Notify(observe, m *Message, done func(error)) error { return nil }

// NextObserve returns the next sequence number for notifications (RFC 7641 section
// 4.4), for the response that begins an observation. Numbers follow the clock, so
// that they also rise over a restart.
func (c *Conn) NextObserve() uint32 { return 0 }

// Parse decodes a datagram. The message borrows it. The error wraps [ErrMalformed].
func Parse(datagram []byte) (*Message, error) { return nil, nil }

// ErrMalformed says that a datagram is not a CoAP message.
var ErrMalformed = errors.New("malformed message")
