package dtlstest

import (
	"io"
	"net"
	"sync"

	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/lwm2m/dtls/internal/handshake"
	"lwm2m-agent/lwm2m/dtls/internal/record"
)

// Conn is the server's end of a session: a net.Conn of datagrams, one record per
// Read and Write. One Read may run beside one Write.
type Conn struct {
	net.Conn

	identity string
	suite    dtls.Suite
	resumed  bool
	localCID []byte
	mtu      int
	last     handshake.Flight

	mu     sync.Mutex
	sealer record.Sealer // guarded by mu
	sealed []byte        // guarded by mu

	opener  record.Opener
	buf     []byte
	pending []byte
}

// follower is a socket whose peer can move.
type follower interface {
	// Follow sends to the source of the datagram that was read last from now on.
	Follow()
}

func newConn(conn net.Conn, s *server) *Conn {
	c := &Conn{
		Conn: conn, identity: s.identity, suite: s.hello.suite, resumed: s.resumed, localCID: s.localCID,
		mtu: s.cfg.MTU, last: s.last, sealer: s.link.Sealer, opener: s.link.Opener,
	}
	c.opener.Seal()
	c.buf, c.pending = make([]byte, record.MaxSize), s.link.Rest()
	return c
}

// Identity returns the client's PSK identity, empty after a resumption.
func (c *Conn) Identity() string { return c.identity }

// Suite returns the cipher suite.
func (c *Conn) Suite() dtls.Suite { return c.suite }

// Resumed reports whether the handshake was abbreviated.
func (c *Conn) Resumed() bool { return c.resumed }

// CID returns the connection ID on the client's records.
func (c *Conn) CID() []byte { return c.localCID }

// Read returns the payload of the next record of application data. It follows the
// client to the address of an authentic record, and ends with io.EOF or a
// [dtls.Error] on an alert.
func (c *Conn) Read(p []byte) (int, error) {
	for {
		if len(c.pending) == 0 {
			n, err := c.Conn.Read(c.buf)
			if err != nil {
				return 0, err
			}
			c.pending = c.buf[:n]
		}
		r, rest, err := c.opener.Open(c.pending)
		c.pending = rest
		if err != nil {
			continue
		}
		if f, ok := c.Conn.(follower); ok {
			f.Follow()
		}
		switch r.Type {
		case record.ApplicationData:
			return copy(p, r.Payload), nil
		case record.Handshake:
			if handshake.IsFinished(r.Payload) {
				c.mu.Lock()
				_, _ = c.last.Send(c.Conn, &c.sealer, c.mtu)
				c.mu.Unlock()
			}
		case record.ChangeCipherSpec, record.ConnectionID:
		case record.Alert:
			if d, ends := handshake.ParseAlert(r.Payload); ends && d == uint8(dtls.AlertCloseNotify) {
				return 0, io.EOF
			} else if ends {
				return 0, &dtls.Error{Alert: dtls.Alert(d), Remote: true}
			}
		}
	}
}

// Write sends p as one record.
func (c *Conn) Write(p []byte) (int, error) {
	if err := c.WriteRecord(uint8(record.ApplicationData), p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// WriteRecord sends a record of any content type, authentic whatever it holds.
func (c *Conn) WriteRecord(typ uint8, p []byte) (err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sealed, err = c.sealer.Append(c.sealed[:0], 1, record.Type(typ), p); err != nil {
		return err
	}
	_, err = c.Conn.Write(c.sealed)
	return err
}

// Alert sends a fatal alert.
func (c *Conn) Alert(a dtls.Alert) error {
	return c.WriteRecord(uint8(record.Alert), []byte{2, byte(a)})
}

// Close sends close_notify and closes the socket below.
func (c *Conn) Close() error {
	_ = c.WriteRecord(uint8(record.Alert), []byte{1, byte(dtls.AlertCloseNotify)})
	return c.Conn.Close()
}
