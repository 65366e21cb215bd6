package coap

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// Errors that end a connection over a byte stream.
var (
	// ErrGone says that the peer has closed the connection, without a word.
	ErrGone = errors.New("connection closed by the peer")
	// ErrReleased says that the peer asked for the end of the connection (Release).
	ErrReleased = errors.New("connection released by the peer")
	// ErrAborted says that the peer gave the connection up (Abort), or that it broke the
	// rules of RFC 8323.
	ErrAborted = errors.New("connection aborted")
)

// NewStream is [New] over a byte stream, such as TCP or TLS (RFC 8323): messages are framed,
// capabilities are exchanged first, nothing is acknowledged, repeated or remembered, and
// requests and responses are matched by their tokens. What differs for the caller:
//
//   - [Message.Type] of what is received is NON. What is sent is neither; a CON
//     notification is followed by a Ping, whose Pong is the outcome that [Conn.Notify] tells.
//   - A body goes in one message when the peer takes messages of its size.
//   - Params.NStart, MaxRetransmit and BlockSize mean nothing. A peer that has sent
//     nothing for [Params.MaxTransmitSpan] after a request is pinged, and given up ([ErrTimeout])
//     after [Params.MaxTransmitWait]; one that lives has [Params.ResponseWait] to answer.
//   - Run ends when the peer closes, releases or aborts the connection.
//   - Options.Trace sees a message as the datagram that it would have been: a NON.
//
// nc is closed gracefully by Close: what waits to be sent has a moment to go out.
func NewStream(nc net.Conn, h Handler, o Options) *Conn {
	c := newConn(nc, h, o, new(sync.WaitGroup))
	s := &byteStream{conn: c, in: bufio.NewReader(nc), settled: make(chan struct{})}
	s.peer = capabilities{maxMessage: baseMessage}
	s.out = outlet{nc: nc, running: c.timers, limit: c.options.Limits.MaxUnsent, patience: c.Params().MaxTransmitWait()}
	s.out.failed = s.fail
	c.stream = s
	return c
}

// byteStream is what a Conn has beside, over a byte stream.
type byteStream struct {
	conn    *Conn
	in      *bufio.Reader
	out     outlet
	settled chan struct{} // closed when the peer has told its capabilities

	// guarded by Conn.mu
	deadline // of the peer's capabilities, or of its close after a Release
	peer     capabilities
	heard    bool    // the first CSM
	released bool    // by the peer: no new requests
	failure  error   // why the connection is over
	pings    []Token // of the Pings that have no Pong yet
}

// capabilities are what a peer has told with CSM (RFC 8323 section 5.3).
type capabilities struct {
	maxMessage uint32 // bytes of the largest message that it takes
	blockwise  bool
}

// Sizes of messages on a stream.
const (
	baseMessage = 1152  // Max-Message-Size of who has not told any (RFC 8323 section 5.3.1)
	firstInbox  = 2048  // bytes; it grows with what comes
	largeInbox  = 16384 // it is not kept longer than needed
)

// errTooLarge is for a message beyond what was told with Max-Message-Size.
var errTooLarge = fmt.Errorf("%w: larger than Max-Message-Size", ErrMalformed)

// fail ends the connection because of err.
func (s *byteStream) fail(err error) {
	s.conn.mu.Lock()
	if s.failure == nil {
		s.failure = err
	}
	s.conn.mu.Unlock()
	_ = s.conn.nc.SetReadDeadline(time.Unix(1, 0)) // wakes up the reader
}

// expire ends a connection whose peer does not tell its capabilities, or does not close what
// it has released.
func (s *byteStream) expire(time.Time) func() {
	err := fmt.Errorf("%w (no CSM came)", ErrTimeout)
	if s.released {
		err = ErrReleased
	}
	return func() { s.fail(err) }
}

// readStream receives until the connection is over.
func (c *Conn) readStream() error {
	s := c.stream
	c.begin()
	in := &inbox{}
	for {
		if cap(in.buf) > largeInbox {
			in.buf = nil
		}
		n, size, err := s.next(in, c.options.Limits.MaxMessage)
		var taken bool
		if err == nil {
			taken, err = c.receiveFrame(in, n, size)
		}
		switch {
		case errors.Is(err, ErrMalformed):
			c.counters.malformed.Add(1)
			c.abort(err)
			return fmt.Errorf("%w: %w from %v", ErrAborted, err, c.nc.RemoteAddr())
		case err != nil:
			return c.over(err)
		case taken:
			in = &inbox{}
		}
	}
}

// over returns why the connection is over, given the error of the reader.
func (c *Conn) over(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch s := c.stream; {
	case s.failure != nil:
		err = s.failure
	case s.released:
		err = ErrReleased
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = ErrGone
	}
	return fmt.Errorf("receive from %v: %w", c.nc.RemoteAddr(), err)
}

// next reads a frame (RFC 8323 section 3.2) into in.buf, in the form of a NON datagram of n
// bytes. size is that of the frame.
func (s *byteStream) next(in *inbox, limit int) (n, size int, err error) {
	first, err := s.in.ReadByte()
	if err != nil {
		return 0, 0, err
	}
	if first&15 > maxToken {
		return 0, 0, fmt.Errorf("%w: token length %d", ErrMalformed, first&15)
	}
	var extended [4]byte
	width, base := extension(first >> 4)
	if _, err := io.ReadFull(s.in, extended[4-width:]); err != nil {
		return 0, 0, err
	}
	rest := base + uint64(binary.BigEndian.Uint32(extended[:])) + uint64(first&15)
	if rest+uint64(width)+2 > uint64(limit) { //nolint:gosec // a limit, positive
		return 0, 0, errTooLarge
	}
	n = headerLen + int(rest) //nolint:gosec // limited
	in.buf = slices.Grow(in.buf[:0], max(n, firstInbox))[:n]
	in.buf[0] = version<<6 | byte(NON)<<4 | first&15
	in.buf[2], in.buf[3] = 0, 0
	code, err := s.in.ReadByte()
	if err != nil {
		return 0, 0, err
	}
	in.buf[1] = code
	_, err = io.ReadFull(s.in, in.buf[headerLen:])
	return n, n - headerLen + width + 2, err
}

// extension returns the width of the extended length, and what is added to it.
func extension(nibble byte) (width int, base uint64) {
	switch nibble {
	case 13:
		return 1, extended8
	case 14:
		return 2, extended16
	case 15:
		return 4, extended32
	}
	return 0, uint64(nibble)
}

// The least lengths that need 8, 16 and 32 bits more.
const (
	extended8  = 13
	extended16 = 269
	extended32 = 65805
)

// appendFrame encodes a datagram as a frame after dst: the same without type and message ID.
func appendFrame(dst, datagram []byte) []byte {
	token := datagram[0] & 15
	switch n := len(datagram) - headerLen - int(token); {
	case n < extended8:
		dst = append(dst, byte(n)<<4|token) //nolint:gosec // less than 13
	case n < extended16:
		dst = append(dst, 13<<4|token, byte(n-extended8))
	case n < extended32:
		dst = append(dst, 14<<4|token)
		dst = binary.BigEndian.AppendUint16(dst, uint16(n-extended16))
	default:
		dst = append(dst, 15<<4|token)
		dst = binary.BigEndian.AppendUint32(dst, uint32(n-extended32)) //nolint:gosec // of a message in memory
	}
	dst = append(dst, datagram[1])
	return append(dst, datagram[headerLen:]...)
}

// receiveFrame takes the first n bytes of in.buf, which came in a frame of the given size.
// An error that wraps ErrMalformed is the peer's. It tells whether the inbox was taken.
func (c *Conn) receiveFrame(in *inbox, n, size int) (taken bool, err error) {
	b, m, now := in.buf[:n], &in.msg, time.Now()
	c.counters.receivedDatagrams.Add(1)
	c.counters.receivedBytes.Add(uint64(size)) //nolint:gosec // a length
	code := Code(b[1])
	if code == Empty {
		c.received.Store(max(int64(now.Sub(c.began)), 1))
		return false, nil // RFC 8323 section 3.4: a sign of life
	}
	if c.options.Trace != nil {
		c.options.Trace(Received, b)
	}
	if err := m.parse(b); err != nil {
		return false, err
	}
	c.received.Store(max(int64(now.Sub(c.began)), 1))
	c.mu.Lock()
	heard := c.stream.heard
	c.mu.Unlock()
	switch {
	case !heard && code != csm:
		return false, fmt.Errorf("%w: %v came before a CSM", ErrMalformed, code)
	case code.isSignal():
		err = c.signal(m, now)
	case code.IsResponse():
		c.separate(m, now)
	case code.IsRequest():
		taken = c.request(in, now)
	}
	return taken, err
}

// outlet writes frames in order without making anybody wait for the peer: what it does not
// take yet is kept. A goroutine runs only while something is.
type outlet struct {
	nc       net.Conn
	running  *sync.WaitGroup
	limit    int           // bytes that may wait
	patience time.Duration // with a peer that takes nothing
	failed   func(error)   // is told, once, that no more can be written

	mu      sync.Mutex
	waiting []byte
	spare   []byte // memory for the next ones
	busy    bool   // a goroutine writes
	broken  bool
	closing bool      // close nc when nothing waits
	until   time.Time // nothing is written later; zero: the peer may take its time
}

// Of the writing goroutine.
const (
	portion   = 16384       // bytes for which the peer has patience
	farewell  = time.Second // for what waits when the connection is closed
	keptSpare = 2 * portion // more memory is not kept
)

// put appends the frame of a datagram and returns its size.
func (o *outlet) put(datagram []byte) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.broken || o.closing {
		return 0
	}
	before := len(o.waiting)
	o.waiting = appendFrame(o.waiting, datagram)
	size := len(o.waiting) - before
	if before > 0 && len(o.waiting) > o.limit {
		o.broken, o.waiting = true, nil
		o.running.Go(func() { o.failed(fmt.Errorf("%w: the peer does not read", ErrTimeout)) })
		return 0
	}
	if !o.busy {
		o.busy = true
		o.running.Go(o.flush)
	}
	return size
}

// flush writes until nothing waits.
func (o *outlet) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.waiting) > 0 {
		b := o.waiting
		o.waiting, o.spare = o.spare[:0], nil
		o.mu.Unlock()
		err := o.write(b)
		o.mu.Lock()
		if err != nil && !o.broken {
			o.broken = true
			o.mu.Unlock()
			o.failed(err)
			o.mu.Lock()
		}
		if o.broken {
			o.waiting = nil
		}
		if cap(b) <= keptSpare {
			o.spare = b
		}
	}
	o.busy = false
	if o.closing {
		_ = o.nc.Close() // everything is out, or nobody wants it
	}
}

// write writes b, as long as the peer goes on taking some.
func (o *outlet) write(b []byte) error {
	for len(b) > 0 {
		o.mu.Lock()
		deadline := o.until
		if deadline.IsZero() {
			deadline = time.Now().Add(o.patience)
		}
		_ = o.nc.SetWriteDeadline(deadline) // without one the write waits longer
		o.mu.Unlock()
		n, err := o.nc.Write(b[:min(len(b), portion)])
		if err != nil {
			return fmt.Errorf("send: %w", err)
		}
		b = b[n:]
	}
	_ = o.nc.SetWriteDeadline(time.Time{}) // no timer is left
	return nil
}

// hurry has what waits written within a moment or not at all.
func (o *outlet) hurry() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bound()
}

// bound begins the moment that what waits has, once. The caller holds mu.
func (o *outlet) bound() {
	if o.until.IsZero() {
		o.until = time.Now().Add(farewell)
	}
	if o.busy {
		_ = o.nc.SetWriteDeadline(o.until) // of what is on its way
	}
}

// close closes the connection once everything is out, in a moment at the latest.
func (o *outlet) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.busy {
		o.closing = true
		return o.nc.Close()
	}
	o.closing = true
	o.bound()
	_ = o.nc.SetReadDeadline(time.Unix(1, 0)) // nothing is received any more
	return nil
}
