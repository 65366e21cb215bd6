package client

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"time"

	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/dtls"
)

// A session uses only numbers of which the disk says that they are used: so many are
// reserved at a time, and more of them where they go fast.
const (
	minBlock  = 1024
	maxBlock  = 16384 // of message IDs there are 65,536
	fastBlock = 10 * time.Second
)

// maxLeap is how far beyond all reserved record numbers a process may begin. The place is
// random, so that two processes with the same record, on disks of which one is an image of
// the other, use different ones; there are 2^48.
const maxLeap = 1 << 32

// allNumbers is more than a session has.
const allNumbers = 1 << 48

// leap returns a random number below maxLeap.
func leap() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // does not fail
	return binary.LittleEndian.Uint64(b[:]) % maxLeap
}

// rationed is a connection whose numbers are reserved.
type rationed interface {
	Ahead(count uint64) (*dtls.Session, error)
	Allow(limit uint64)
	Session(count uint64) (*dtls.Session, error)
	Received() uint64
	Remaining() uint64
}

// numbers adds to the options of a connection where it goes on.
func (a *account) numbers(o *coap.Options, continues bool) {
	start := coap.NewPoint()
	switch {
	case !continues:
	case a.resuming != nil:
		start = a.resuming.edge.point
		o.Earlier = earlier(a.resuming.orders)
	case a.session != nil:
		start = a.suspended
		o.Earlier = a.earlier()
	}
	o.Start = &start
}

// reserveFirst makes a connection that carries on with a session able to send.
func (a *account) reserveFirst() error {
	if a.keeping.live {
		return a.reserve()
	}
	if s, secure := a.connection.nc.(rationed); secure {
		s.Allow(allNumbers) // nobody else has the session
	}
	return nil
}

// reserve puts on disk that the next numbers are used, and lets the connection use them.
func (a *account) reserve() error {
	k, now := &a.keeping, a.now()
	switch {
	case now.Sub(k.spent) >= fastBlock:
		k.block = minBlock
	case k.block < maxBlock:
		k.block *= 2
	}
	e := k.edge
	s, secure := a.connection.nc.(rationed)
	if secure {
		ahead, err := s.Ahead(uint64(k.block))
		if err != nil {
			return fmt.Errorf("reserve record numbers: %w", err)
		}
		e.next, e.received = ahead.NextSend, ahead.NextReceive
	}
	e.point = a.connection.conn.Point().Ahead(k.block) // after the limit: each record uses one at most
	if err := a.client.config.journal().Save(edgeKey(a.ssid), e.record()); err != nil {
		k.retryAt = now.Add(retrySave)
		return fmt.Errorf("reserve numbers: %w", err)
	}
	k.edge, k.spent, k.retryAt = e, now, time.Time{}
	if secure {
		s.Allow(e.next)
		a.connection.few.Store(uint64(k.block) / 2)
	}
	return nil
}

// reserveIfDue reserves more numbers when half of the last ones are used.
func (a *account) reserveIfDue(now time.Time) {
	k := &a.keeping
	if !k.live || a.connection == nil || now.Before(k.retryAt) {
		return
	}
	left, records := k.edge.point.MessageID-a.connection.conn.Point().MessageID, uint64(allNumbers)
	if s, secure := a.connection.nc.(rationed); secure {
		records = s.Remaining()
	}
	if half := k.block / 2; left > half && left <= k.block && records > uint64(half) {
		return
	}
	if err := a.reserve(); err != nil {
		a.log.Error("the session will not outlive this run", slog.Any("err", err))
		if records == 0 {
			a.on(lost)
		}
	}
}

// allowAll takes the limit off a session that is not on disk.
func (a *account) allowAll() {
	if s, secure := a.connection.nc.(rationed); secure {
		s.Allow(allNumbers)
	}
}

// sparing is a connection that asks for more record numbers in time.
type sparing struct {
	net.Conn

	numbers rationed
	of      *connection
}

// Write sends a datagram.
func (s sparing) Write(b []byte) (int, error) {
	n, err := s.Conn.Write(b)
	if few := s.of.few.Load(); few > 0 && s.numbers.Remaining() <= few && s.of.few.CompareAndSwap(few, 0) {
		s.of.account.inbox.put(numbersLow{})
	}
	return n, err
}

// sender is what the message layer sends over.
func (c *connection) sender() net.Conn {
	if s, secure := c.nc.(rationed); secure {
		return sparing{c.nc, s, c}
	}
	return c.nc
}
