package handshake

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"lwm2m-agent/lwm2m/dtls/internal/datagram"
	"lwm2m-agent/lwm2m/dtls/internal/record"
)

// Timing bounds a handshake in time and size.
type Timing struct {
	Initial  time.Duration // first retransmission time-out, doubled on each loss
	Max      time.Duration // bound of the doubling
	Deadline time.Time     // of the whole handshake
	MTU      int           // largest datagram to send, in bytes
}

// Link carries flights of handshake messages over datagrams: it sends ours again
// until the peer answers and puts the peer's back in order.
type Link struct {
	Sealer record.Sealer
	Opener record.Opener
	Inbox  Inbox

	conn     net.Conn
	timing   Timing
	flight   Flight        // what we sent last
	lost     int           // how often it was sent again because of silence
	timeout  time.Duration // current retransmission time-out
	deadline time.Time     // when it ends; zero before the first flight
	prompted time.Time     // from when on the peer's repetition of its flight makes us repeat ours
	trouble  error         // the last thing that went wrong without ending the handshake
	buf      []byte
	pending  []byte // records of the last datagram still to be opened, in buf
}

// AlertError is the error of a peer that ended the handshake.
type AlertError struct{ Description uint8 }

// Error names the alert by its number.
func (e *AlertError) Error() string { return fmt.Sprintf("peer sent alert %d", e.Description) }

// SilenceError is the error of a peer that did not answer in time.
type SilenceError struct {
	Cause   error // of the context, or os.ErrDeadlineExceeded
	Trouble error // the last thing that went wrong without ending the handshake, or nil
}

// Error tells both.
func (e *SilenceError) Error() string {
	return fmt.Sprintf("no answer: %v (last trouble: %v)", e.Cause, e.Trouble)
}

// NewLink returns a link over conn to a peer that begins with one of the given
// messages.
func NewLink(conn net.Conn, timing Timing, hellos ...Type) *Link {
	return &Link{
		Inbox:   NewInbox(hellos...),
		conn:    conn,
		timing:  timing,
		timeout: timing.Initial,
		buf:     make([]byte, record.MaxSize),
	}
}

// Send transmits a flight, replacing the previous one.
func (l *Link) Send(flight ...Message) error {
	if l.lost == 0 { // keep a backed-off time-out until a flight went through at once (RFC 6347, section 4.2.4.1)
		l.timeout = l.timing.Initial
	}
	l.flight, l.lost = flight, 0
	return l.transmit()
}

// Forget makes the last flight one that is not sent again by time-out, as a
// HelloVerifyRequest is (RFC 6347, section 4.2.1).
func (l *Link) Forget() { l.flight = nil }

func (l *Link) transmit() error {
	now := time.Now()
	l.deadline = now.Add(l.timeout)
	// A flight that comes again at once was doubled by the network.
	l.prompted = now.Add(l.timing.Initial / 2)
	mtu := l.timing.MTU
	if l.lost > 1 {
		mtu = min(mtu, smallMTU)
	}
	trouble, err := l.flight.Send(l.conn, &l.Sealer, mtu)
	if trouble != nil {
		l.trouble = trouble
	}
	return err
}

// Receive returns the peer's next message, repeating our flight until it comes. The
// error is a *AlertError, a *SilenceError, that of a record that cannot be made, or that
// of the socket.
func (l *Link) Receive(ctx context.Context) (Message, error) {
	for {
		if m, ok := l.Inbox.Pop(); ok {
			return m, nil
		}
		if len(l.pending) > 0 { // one at a time: a message may bring the keys of the next record
			if err := l.record(); err != nil {
				return Message{}, err
			}
			continue
		}
		if err := l.read(ctx); err != nil {
			return Message{}, err
		}
	}
}

// read waits for a datagram.
func (l *Link) read(ctx context.Context) error {
	deadline := l.timing.Deadline
	if !l.deadline.IsZero() && l.deadline.Before(deadline) {
		deadline = l.deadline
	}
	if err := l.conn.SetReadDeadline(deadline); err != nil {
		return fmt.Errorf("set read deadline: %w", err)
	}
	if ctx.Err() != nil { // after setting the deadline, which the end of ctx may have set before
		return &SilenceError{context.Cause(ctx), l.trouble}
	}
	n, err := l.conn.Read(l.buf)
	switch {
	case err == nil:
		l.pending = l.buf[:n]
		return nil
	case ctx.Err() != nil:
		return &SilenceError{context.Cause(ctx), l.trouble}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return l.expired()
	case datagram.IsLoss(err): // the peer may be starting
		l.trouble = err
		return nil
	}
	return err
}

// expired handles the end of a wait.
func (l *Link) expired() error {
	if !time.Now().Before(l.timing.Deadline) {
		return &SilenceError{os.ErrDeadlineExceeded, l.trouble}
	}
	l.lost++
	l.timeout = min(2*l.timeout, l.timing.Max)
	l.Inbox.Reset()
	return l.transmit()
}

// record takes one record off the last datagram. Whatever does not fit is dropped
// (RFC 6347, section 4.1.2.7).
func (l *Link) record() error {
	r, rest, trouble := l.Opener.Open(l.pending)
	l.pending = rest
	if trouble != nil {
		l.trouble = trouble
	}
	switch r.Type {
	case record.Handshake:
		repeated, trouble := l.Inbox.Push(r.Epoch, r.Payload)
		if trouble != nil {
			l.trouble = trouble
		}
		if repeated && len(l.flight) > 0 && !time.Now().Before(l.prompted) {
			return l.transmit() // RFC 6347, section 4.2.4: in WAITING, the peer's flight again means ours was lost
		}
	case record.Alert:
		if description, ends := ParseAlert(r.Payload); ends {
			return &AlertError{description}
		}
	case record.ChangeCipherSpec: // says nothing that the epoch of the next record does not
	case record.ApplicationData, record.ConnectionID: // cannot come before the handshake's end
	}
	return nil
}

// ParseAlert returns the description of an alert and whether it ends the
// connection: a fatal one or close_notify (RFC 5246, section 7.2).
func ParseAlert(payload []byte) (description uint8, ends bool) {
	const fatal, closeNotify = 2, 0
	if len(payload) != 2 {
		return 0, false
	}
	return payload[1], payload[0] == fatal || payload[1] == closeNotify
}

// SendAlert tells the peer, once and unacknowledged, that we give up.
func (l *Link) SendAlert(epoch uint16, description uint8) {
	const fatal = 2
	b, err := l.Sealer.Append(nil, epoch, record.Alert, []byte{fatal, description})
	if err != nil {
		return
	}
	if err := datagram.Write(l.conn, b); err != nil {
		l.trouble = err
	}
}

// Rest returns the records of the last datagram that were not opened yet: they belong to
// the connection that follows.
func (l *Link) Rest() []byte { return l.pending }
