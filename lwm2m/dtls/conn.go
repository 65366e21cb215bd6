package dtls

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"lwm2m-agent/lwm2m/dtls/internal/datagram"
	"lwm2m-agent/lwm2m/dtls/internal/handshake"
	"lwm2m-agent/lwm2m/dtls/internal/record"
)

// Conn is an established session over a datagram socket: a net.Conn on which each
// Write sends, and each Read returns, one record of application data. Deadlines and
// addresses are those of the socket. Its methods may run at the same time.
//
// After an error other than that of an alert the Conn stays usable: a datagram that
// could not be sent or received is like a lost one.
type Conn struct {
	conn              net.Conn
	resumed, restored bool
	mtu               int              // of last
	last              handshake.Flight // our final flight, if the server may still wait for it

	out struct {
		sync.Mutex
		sealer record.Sealer
		buf    []byte
		ended  error // why nothing more is sent
	}
	session Session // but for the record numbers; guarded by out

	in struct {
		sync.Mutex
		opener record.Opener
	}

	reading sync.Mutex
	buf     []byte // a datagram; guarded by reading
	pending []byte // its records that are still to be opened; guarded by reading
	cut     bool   // whether more of it came than buf takes; guarded by reading
	eof     error  // why nothing more is received; guarded by reading
}

var _ net.Conn = (*Conn)(nil)

// Parameters is what the handshake negotiated. None of it is secret.
type Parameters struct {
	Suite                Suite
	Resumed              bool   // by the abbreviated handshake of this Conn
	Restored             bool   // by [Restore]: there was no handshake
	ExtendedMasterSecret bool   // RFC 7627
	LocalCID, RemoteCID  []byte // on the server's records and on ours (RFC 9146); empty if they have none
}

// newConn returns the connection that a handshake made.
func newConn(conn net.Conn, h *handshaker) *Conn {
	c := &Conn{conn: conn, resumed: h.last != nil, mtu: h.cfg.MTU, last: h.last, session: h.session()}
	c.out.sealer, c.in.opener = h.link.Sealer, h.link.Opener
	c.in.opener.Seal()
	c.pending = h.link.Rest()
	return c
}

// Read returns the payload of the next record. Records that are not authentic, not
// new, empty or not application data never surface.
//
// The error is io.EOF after the server's close_notify, an [*Error] after its fatal
// alert, io.ErrShortBuffer if p is shorter than the payload, which is then lost, or
// a datagram is so long that it was cut, so that nobody can tell who sent it, and
// otherwise that of the socket, except for errors that an ICMP message can cause.
func (c *Conn) Read(p []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	for c.eof == nil {
		if len(c.pending) == 0 {
			if err := c.receive(len(p)); err != nil {
				return 0, err
			}
			continue
		}
		r := c.open()
		if r.Type == 0 && c.cut && len(c.pending) == 0 {
			return 0, io.ErrShortBuffer
		}
		switch r.Type {
		case record.ApplicationData:
			switch {
			case len(r.Payload) > len(p):
				return 0, io.ErrShortBuffer
			case len(r.Payload) > 0:
				return copy(p, r.Payload), nil
			}
		case record.Handshake:
			if handshake.IsFinished(r.Payload) {
				c.repeatLast()
			}
		case record.Alert:
			c.eof = c.alerted(r.Payload)
		case record.ChangeCipherSpec, record.ConnectionID: // nothing that belongs into epoch 1
		}
	}
	return 0, c.eof
}

// enoughDatagram is what is read of a datagram at least, in bytes, so that a record with a short payload may have some
// padding (RFC 9146, section 4).
const enoughDatagram = 4096

// receive waits for a datagram, with room for a record with a payload of n bytes. A lost one leaves nothing pending.
func (c *Conn) receive(n int) error {
	c.pending = nil // the first may be in the larger buffer of the handshake
	if size := min(max(record.MaxSize-record.MaxPayload+n+1, enoughDatagram), record.MaxSize+1); len(c.buf) < size {
		c.buf = make([]byte, size)
	}
	got, err := c.conn.Read(c.buf)
	if err != nil {
		if datagram.IsLoss(err) {
			return nil
		}
		return err
	}
	c.pending, c.cut = c.buf[:got], got == len(c.buf)
	return nil
}

// open takes the next record off the datagram. One that is dropped has no type.
func (c *Conn) open() record.Record {
	c.in.Lock()
	defer c.in.Unlock()
	r, rest, err := c.in.opener.Open(c.pending)
	c.pending = rest
	if err != nil {
		return record.Record{}
	}
	return r
}

// alerted returns the error that an alert of the server ends the session with, nil
// for a warning. A close_notify is answered (RFC 5246, section 7.2.1); a fatal alert
// makes the session useless for good (section 7.2.2).
func (c *Conn) alerted(payload []byte) error {
	description, ends := handshake.ParseAlert(payload)
	if !ends {
		return nil
	}
	c.out.Lock()
	defer c.out.Unlock()
	alert := &Error{Alert: Alert(description), Remote: true}
	if alert.Alert == AlertCloseNotify {
		_ = c.closeNotify() // nobody acknowledges it
		c.end(alert)
		return io.EOF
	}
	c.end(alert)
	c.forget()
	return alert
}

// forget wipes the master secret. The caller holds c.out.
func (c *Conn) forget() {
	clear(c.session.MasterSecret)
	c.session.MasterSecret = nil
}

// end makes the reason the error of all later writes. The caller holds c.out.
func (c *Conn) end(reason error) {
	if c.out.ended == nil {
		c.out.ended = reason
	}
	c.session.Ended = true
}

// repeatLast sends our final flight again: the server did not get it
// (RFC 6347, section 4.2.4).
func (c *Conn) repeatLast() {
	c.out.Lock()
	defer c.out.Unlock()
	if c.out.ended != nil {
		return
	}
	_, _ = c.last.Send(c.conn, &c.out.sealer, c.mtu) // a lost datagram is repeated at the server's next prompt
}

// Write sends p, at most 16384 bytes, as one record. It does not retransmit.
//
// The error is [ErrReserved] or [ErrExhausted] if there is no record number left,
// wraps [ErrSessionEnded] after an alert or Close, and is otherwise that of the
// socket.
func (c *Conn) Write(p []byte) (int, error) {
	c.out.Lock()
	defer c.out.Unlock()
	if c.out.ended != nil {
		return 0, fmt.Errorf("dtls: write: %w: %w", ErrSessionEnded, c.out.ended)
	}
	if err := c.send(record.ApplicationData, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// send seals and sends a record. The caller holds c.out.
func (c *Conn) send(typ record.Type, payload []byte) (err error) {
	c.out.buf, err = c.out.sealer.Append(c.out.buf[:0], 1, typ, payload)
	if err != nil {
		return fmt.Errorf("dtls: write: %w", err)
	}
	return datagram.Write(c.conn, c.out.buf)
}

// closeNotify sends that alert. The caller holds c.out.
func (c *Conn) closeNotify() error {
	const warning = 1
	return c.send(record.Alert, []byte{warning, byte(AlertCloseNotify)})
}

// Close sends close_notify, which nobody acknowledges, unless the session has ended
// or its reserved record numbers are used up, closes the socket, and wipes the master secret.
//
// To keep the session for [Restore], call Session(0) before Close: nothing more is
// sent then.
func (c *Conn) Close() error {
	c.out.Lock()
	if c.out.ended == nil {
		_ = c.closeNotify() // fails without a reserved number
	}
	c.end(net.ErrClosed)
	c.forget()
	c.out.Unlock()
	return c.conn.Close()
}

// Session returns what [Restore] or [Config.Resume] needs, reserving the next
// count record numbers for this Conn: Write fails with [ErrReserved] once they are
// used up, until Session is called again. So a Session that is on disk before the
// Conn sends on can be restored whenever the process ends, and no record number is
// ever used twice. With a count of zero the Conn has sent its last record.
//
// It fails with [ErrSessionEnded] after Close, and after a fatal alert, which ends a session for
// good (RFC 5246, section 7.2.2).
func (c *Conn) Session(count uint64) (*Session, error) {
	return c.save(func() uint64 { return c.out.sealer.Reserve(count) })
}

func (c *Conn) save(reserve func() uint64) (*Session, error) {
	c.out.Lock()
	defer c.out.Unlock()
	if c.session.MasterSecret == nil {
		return nil, fmt.Errorf("dtls: save: %w: %w", ErrSessionEnded, c.out.ended)
	}
	s := c.session.clone()
	s.NextSend = reserve()
	c.in.Lock()
	defer c.in.Unlock()
	s.NextReceive = c.in.opener.Received()
	return &s, nil
}

// Ahead returns the session as Session does, with a NextSend that lies count numbers
// ahead, but lets the Conn use no number above those that it could use before: store it,
// then call Allow. So numbers are on disk before the first one is used, whatever the
// instant at which the process ends. A Conn that had no limit is kept to these numbers.
func (c *Conn) Ahead(count uint64) (*Session, error) {
	return c.save(func() uint64 { return c.out.sealer.Ahead(count) })
}

// Allow lets the Conn use the record numbers below a limit: the NextSend of a Session
// that Ahead returned and that is stored.
func (c *Conn) Allow(limit uint64) {
	c.out.Lock()
	defer c.out.Unlock()
	c.out.sealer.Allow(limit)
}

// Received returns one above the highest record number received in epoch 1, as
// Session.NextReceive has it.
func (c *Conn) Received() uint64 {
	c.in.Lock()
	defer c.in.Unlock()
	return c.in.opener.Received()
}

// Remaining returns how many records the Conn may still send before Write fails
// with [ErrReserved] or, if Session was never called, with [ErrExhausted].
func (c *Conn) Remaining() uint64 {
	c.out.Lock()
	defer c.out.Unlock()
	return c.out.sealer.Remaining()
}

// Parameters returns what was negotiated.
func (c *Conn) Parameters() Parameters {
	c.out.Lock()
	defer c.out.Unlock()
	s := &c.session
	return Parameters{
		Suite:                s.Suite,
		Resumed:              c.resumed,
		Restored:             c.restored,
		ExtendedMasterSecret: s.ExtendedMasterSecret,
		LocalCID:             bytes.Clone(s.LocalCID),
		RemoteCID:            bytes.Clone(s.RemoteCID),
	}
}

// Overhead returns the size in bytes that a record adds to its payload.
func (c *Conn) Overhead() int {
	c.out.Lock()
	defer c.out.Unlock()
	return c.out.sealer.Overhead(1)
}

// LocalAddr returns the address of the socket.
func (c *Conn) LocalAddr() net.Addr { return c.conn.LocalAddr() }

// RemoteAddr returns the server's address.
func (c *Conn) RemoteAddr() net.Addr { return c.conn.RemoteAddr() }

// SetDeadline sets both deadlines of the socket.
func (c *Conn) SetDeadline(t time.Time) error { return c.conn.SetDeadline(t) }

// SetReadDeadline sets the socket's read deadline.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.conn.SetReadDeadline(t) }

// SetWriteDeadline sets the socket's write deadline.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.conn.SetWriteDeadline(t) }
