package dtls

import (
	"errors"
	"net"
	"time"
)

// Conn is an established session over a datagram socket: a net.Conn on which each
// Write sends, and each Read returns, one record of application data. Deadlines
// and addresses are those of the socket. One Read may run beside one Write.
//
// After an error other than that of an alert the Conn stays usable: a datagram
// that could not be sent or received is like a lost one.
type Conn struct {
	conn net.Conn
}

var _ net.Conn = (*Conn)(nil)

// Parameters is what the handshake negotiated. None of it is secret.
type Parameters struct {
	Suite                Suite
	Resumed              bool   // by the abbreviated handshake of this Conn
	Restored             bool   // by [Restore]: there was no handshake
	ExtendedMasterSecret bool   // RFC 7627
	LocalCID, RemoteCID  []byte // on the server's records and on ours; nil without RFC 9146
}

// Read returns the payload of the next record. Records that are not authentic, not
// new or not application data never surface.
//
// The error is io.EOF after the server's close_notify, an [*Error] after its fatal
// alert, io.ErrShortBuffer if p is shorter than the payload, which is then lost,
// and otherwise that of the socket, except for errors that an ICMP message can cause.
func (c *Conn) Read(p []byte) (int, error) { return 0, errors.ErrUnsupported }

// Write sends p, at most 16384 bytes, as one record. It does not retransmit.
func (c *Conn) Write(p []byte) (int, error) { return 0, errors.ErrUnsupported }

// Close sends close_notify, which nobody acknowledges, unless the session has
// ended or its reserved record numbers are used up, and closes the socket.
//
// To keep the session for [Restore], call Session(0) before Close: nothing more is
// sent then.
func (c *Conn) Close() error { return c.conn.Close() }

// Session returns what [Restore] or [Config.Resume] needs, reserving the next
// count record numbers for this Conn: Write fails with [ErrReserved] once they are
// used up, until Session is called again. So a Session that is on disk before the
// Conn sends on can be restored whenever the process ends, and no record number is
// ever used twice. With a count of zero the Conn has sent its last record.
//
// It fails with [ErrSessionEnded] after a fatal alert, which ends a session for
// good (RFC 5246, section 7.2.2).
func (c *Conn) Session(count uint64) (*Session, error) { return nil, errors.ErrUnsupported }

// Remaining returns how many records the Conn may still send before Write fails
// with [ErrReserved] or, if Session was never called, with [ErrExhausted].
func (c *Conn) Remaining() uint64 { return 0 }

// Parameters returns what was negotiated.
func (c *Conn) Parameters() Parameters { return Parameters{} }

// Overhead returns the size in bytes that a record adds to its payload.
func (c *Conn) Overhead() int { return 0 }

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
