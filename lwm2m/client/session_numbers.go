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

// reservation is of the numbers after those that an earlier process may have used in a session.
type reservation struct {
	found edge // on disk, before
	edge  edge // on disk now
}

// first returns the first record number of the reservation; there are minBlock.
func (r *reservation) first() uint64 { return r.edge.next - minBlock }

// Reserve puts on disk, for all sessions of an earlier process at once, that their next numbers are used: without that
// nothing can be sent. Run does so before anything else; who has called Reserve before, on another goroutine, has had the
// disk work beside the rest of the start. The accounts must be in the tree.
func (c *Client) Reserve() { c.reserving.Do(c.reserveAll) }

func (c *Client) reserveAll() {
	if c.config.Store == nil {
		return
	}
	journal, reserved := c.config.journal(), make(map[uint16]*reservation)
	var last uint16
	for _, s := range readAccounts(c.config.Tree) {
		ssid := s.server.ShortServerID
		e, _, err := loadEdge(journal, ssid)
		if err != nil || e == nil {
			continue // the account says what is wrong
		}
		r := &reservation{found: *e, edge: *e}
		r.edge.next, r.edge.point, r.edge.clean = e.next+leap()+minBlock, e.point.Ahead(minBlock), false
		reserved[ssid], last = r, ssid
	}
	for ssid, r := range reserved {
		if ssid == last {
			continue
		}
		if err := journal.Defer(edgeKey(ssid), r.edge.record()); err != nil {
			return // the accounts try it themselves, and say what is wrong
		}
	}
	if r := reserved[last]; r == nil || journal.Save(edgeKey(last), r.edge.record()) != nil { // with those before it
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reserved = reserved
}

// takeReservation returns the numbers that are reserved for an account's session, once; nil: there are none.
func (c *Client) takeReservation(ssid uint16) *reservation {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.reserved[ssid]
	delete(c.reserved, ssid)
	return r
}

// reserveFirst makes a connection that carries on with a session able to send, which may be one of an earlier process.
func (a *account) reserveFirst(r *resumption) error {
	switch {
	case r != nil && r.reserved != nil:
		a.keeping.edge, a.keeping.block, a.keeping.spent = r.reserved.edge, minBlock, a.now()
		a.allowReserved()
		return nil
	case a.keeping.live:
		return a.reserve()
	}
	if s, secure := a.connection.nc.(rationed); secure {
		s.Allow(allNumbers) // nobody else has the session
	}
	return nil
}

// reserve puts on disk that the next numbers are used, and lets the connection use them. What fails is tried again later.
func (a *account) reserve() error {
	k := &a.keeping
	if err := a.reserveBlock(); err != nil {
		k.retryIn = min(max(2*k.retryIn, retrySave), retrySaveMost)
		k.retryAt = a.now().Add(k.retryIn)
		return err
	}
	k.retryAt, k.retryIn = time.Time{}, 0
	a.allowReserved()
	return nil
}

func (a *account) reserveBlock() error {
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
		return fmt.Errorf("reserve numbers: %w", err)
	}
	k.edge, k.noted, k.spent = e, e.contact, now
	return nil
}

// allowReserved lets the connection use the numbers that are reserved.
func (a *account) allowReserved() {
	if s, secure := a.connection.nc.(rationed); secure {
		s.Allow(a.keeping.edge.next)
		a.connection.few.Store(uint64(a.keeping.block) / 2)
	}
}

// retryDue returns when what could not be noted is tried again; zero: never.
func (a *account) retryDue() time.Time {
	if !a.keeping.live || a.connection == nil {
		return time.Time{}
	}
	return a.keeping.retryAt
}

// reserveIfDue reserves more numbers when half of the last ones are used, or it has failed before.
func (a *account) reserveIfDue(now time.Time) {
	k := &a.keeping
	if !k.live || a.connection == nil {
		return
	}
	left, records := k.edge.point.MessageID-a.connection.conn.Point().MessageID, uint64(allNumbers)
	if s, secure := a.connection.nc.(rationed); secure {
		records = s.Remaining()
	}
	out := records <= lastNumber
	if now.Before(k.retryAt) && !out {
		return
	}
	if half := k.block / 2; k.retryAt.IsZero() && left > half && left <= k.block && records > uint64(half) {
		return
	}
	err := a.reserve()
	switch {
	case err == nil:
		delete(a.warned, "numbers")
	case a.mention("numbers"):
		a.log.Error("the session will not outlive this run", slog.Any("err", err))
	}
	switch {
	case err != nil && out:
		a.on(lost)
	case err != nil:
		a.connection.few.Store(lastNumber) // heard of before nothing can be sent any more
	}
}

// lastNumber is how many record numbers are left when a session ends of which no more can be reserved.
const lastNumber = 1

// allowAll takes the limit off a session that is not on disk.
func (a *account) allowAll() {
	if a.connection == nil {
		return
	}
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
