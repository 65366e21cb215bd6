package client

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/dtls"
)

const (
	contactQuiet  = 10 * time.Minute // the time of an Update is on disk, but not that of each
	retrySave     = time.Second      // a disk that fails is tried again then, and then after twice the time …
	retrySaveMost = 5 * time.Minute  // at most
	askAfter      = 2 * time.Second  // a server that was told nothing is asked whether it knows us
	askRepeats    = 2                // retransmissions meanwhile
)

var errCopied = errors.New("the state directory is a copy of another one, or was restored")

// keeping is what an account knows of its session on disk.
type keeping struct {
	live      bool      // it is there
	edge      edge      // as it is there, but for the contact
	noted     time.Time // the contact as it is there
	block     uint16
	spent     time.Time  // when the last block was reserved
	orderBook *orderBook // nil: there is none yet
	saveAt    time.Time  // bring the record up to date then; zero: it is
	retryAt   time.Time  // no number is reserved before
	retryIn   time.Duration
	unsaved   bool // it could not be saved: tried again when the server is next heard
}

// resumption is a session of an earlier process.
type resumption struct {
	saved  *savedSession
	edge   edge // as that process left it
	orders []*order
	late   bool // it was tried before, and not answered

	reserved *reservation // nil: no numbers are reserved yet
}

// journal is where small records are kept that change often; nil: nowhere.
func (c *Config) journal() Journal {
	if c.Journal != nil || c.Store == nil {
		return c.Journal
	}
	return strictJournal{c.Store}
}

// targetOf is the digest of whom a session is with, at a URI, and of who we are there.
func (a *account) targetOf(uri string) []byte {
	h := sha256.New()
	s := &a.settings.server
	version := a.params.Version
	for _, part := range [][]byte{[]byte(a.client.config.Endpoint), []byte(uri), {byte(s.Mode), version.Major, version.Minor}, s.Identity} {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part)))) //nolint:gosec // a length
		h.Write(part)
	}
	return h.Sum(nil)
}

// loadSession finds the session that an earlier process left, if it can be gone on with.
func (a *account) loadSession() {
	if a.client.config.Store == nil {
		return
	}
	r, err := a.findSession()
	if err != nil {
		a.log.Warn("the session of an earlier run is not gone on with", slog.Any("err", err))
	}
	a.resuming = r
}

func (a *account) findSession() (*resumption, error) {
	reserved := a.client.takeReservation(a.ssid)
	journal := a.client.config.journal()
	record, err := a.client.config.Store.Load(sessionKey(a.ssid))
	if len(record) == 0 || err != nil {
		return nil, err
	}
	saved, err := parseSession(record)
	switch {
	case err != nil:
		return nil, err
	case saved.told.queue != a.queueMode():
		return nil, nil // that is told by a Register
	}
	e, orders, err := loadEdge(journal, a.ssid)
	if err != nil || e == nil {
		return nil, err // without one it was given up
	}
	next := e.next + leap()
	if reserved != nil {
		e, next = &reserved.found, reserved.first() // what is on disk now is ahead
	}
	switch {
	case e.id != saved.id || !bytes.Equal(saved.target, a.targetOf(a.settings.ways("")[0].uri)):
		return nil, nil // a cut between two records, or another server
	case !bytes.Equal(saved.mark, a.client.config.Mark):
		return nil, errCopied
	}
	if saved.dtls != nil {
		saved.dtls.NextSend, saved.dtls.NextReceive = next, e.received
		if next >= allNumbers-maxLeap {
			return nil, nil // the last ones
		}
	}
	return &resumption{saved: saved, edge: *e, orders: orders, reserved: reserved}, nil
}

// loadEdge returns how far the numbers of a session may have been used, with its requests that must not run twice; nil if
// there is no session.
func loadEdge(journal Journal, ssid uint16) (*edge, []*order, error) {
	record, err := journal.Load(edgeKey(ssid))
	if len(record) == 0 || err != nil {
		return nil, nil, err
	}
	e, err := parseEdge(record)
	if err != nil {
		return nil, nil, err
	}
	orders, err := loadOrders(journal, ssid, e.id)
	if err != nil {
		return nil, nil, err // what ran already could run again
	}
	for _, o := range orders {
		e.received = max(e.received, o.received)
	}
	return &e, orders, nil
}

func newSessionID() (id sessionID) {
	_, _ = rand.Read(id[:]) // does not fail
	return id
}

// offer adds to what a dialer is told how it can go on with a session.
func (a *account) offer(to *Server) {
	to.Session = a.sessionAt(to.URI)
	if a.resuming == nil || !bytes.Equal(a.resuming.saved.target, a.targetOf(to.URI)) {
		return
	}
	to.Session = a.resuming.saved.dtls
	to.Local, _ = netip.ParseAddrPort(a.resuming.saved.local)
	to.Remote, _ = netip.ParseAddrPort(a.resuming.saved.remote)
}

// continues reports whether a connection carries on with what the server knows: with a
// session of DTLS or, without security, from the address by which it knows us.
func (a *account) continues(nc net.Conn) bool {
	if s, secure := nc.(secured); secure {
		return s.Parameters().Restored
	}
	return a.resuming != nil && a.resuming.sameAddresses(nc)
}

// sameAddresses reports whether a connection is between the addresses of the session.
func (r *resumption) sameAddresses(nc net.Conn) bool {
	return nc.LocalAddr().String() == r.saved.local && nc.RemoteAddr().String() == r.saved.remote
}

// takeUp makes a new connection the account's, and says what it is good for.
func (a *account) takeUp(c *connection) event {
	r := a.resuming
	a.connection, a.resuming, a.session, a.unheard = c, nil, nil, a.unheard && c.continues
	if !c.continues {
		a.closeOrders()
		a.keeping = keeping{} // on disk may be what was left
		return connected
	}
	if r != nil {
		a.keeping = keeping{live: true, edge: r.edge, noted: r.edge.contact}
		a.keeping.edge.clean = false
	}
	if err := a.reserveFirst(r); err != nil {
		a.log.Error("a session is not gone on with", slog.Any("err", err))
		return moved // dials anew
	}
	if r == nil {
		if l := a.keeping.orderBook; l != nil {
			a.openOrders(l.next())
		}
		return continued
	}
	var serial uint64
	if n := len(r.orders); n > 0 {
		serial = r.orders[n-1].serial + 1
	}
	a.openOrders(serial)
	if r.edge.register {
		return connected
	}
	return a.goOnWith(r)
}

// restartAsked notes that the server has asked for a restart. By the Register that follows it
// sees that there was one (ETS int-241).
func (a *account) restartAsked() {
	if a.keeping.live {
		a.keeping.edge.register = true
		a.noteEdge()
	}
}

// noteEdge puts on disk what has changed beside the numbers. Without a connection, the first numbers of the next one do so.
func (a *account) noteEdge() {
	if a.connection == nil {
		return
	}
	if err := a.reserve(); err != nil {
		a.log.Debug("not saved", slog.Any("err", err))
	}
}

// goOnWith takes over the registration of an earlier process. It is asked for with an
// Update first where the server may think that it is over, or would answer to an address
// that is no longer ours: after a boot an address translation may have given us another.
func (a *account) goOnWith(r *resumption) event {
	now, s := a.now(), r.saved
	age := now.Sub(r.edge.contact)
	booted := !bytes.Equal(s.boot, a.client.config.Boot)
	fresh := !r.late && !booted && age >= 0 && (s.told.lifetime == 0 || age < s.told.lifetime) && r.sameAddresses(a.connection.nc)
	a.version, a.location, a.told, a.telling, a.choose = s.version, s.location, s.told, s.told, false
	a.toldSaved = s.told
	a.sentAt, a.spokeAt = now.Add(-max(age, 0)), now
	a.renewedAt = a.sentAt
	a.beganAt, a.settleAt = now, now.Add(settleQuiet)
	a.fromEarlier = true
	a.unheard, a.retell = true, r.late
	a.connection.conn.SetParams(hasty(a.params.CoAP))
	a.log.Info("going on with the registration of an earlier run", slog.String("server", a.settings.server.URI),
		slog.String("location", a.location), slog.Int("observations", len(a.observations.byToken)))
	if booted {
		a.keeping.saveAt = now.Add(saveQuiet)
	}
	if !fresh {
		return continued
	}
	a.askAt = now.Add(askAfter)
	return resumed
}

// hasty returns the parameters by which a server that has forgotten us is found out
// sooner than by all retransmissions.
func hasty(p coap.Params) coap.Params {
	if p.MaxRetransmit == 0 || p.MaxRetransmit > askRepeats {
		p.MaxRetransmit = askRepeats
	}
	return p
}

// askIfUnheard asks a server that has said nothing since the start whether it still knows us.
func (a *account) askIfUnheard(now time.Time) {
	switch {
	case !a.unheard || a.connection == nil:
	case !a.connection.conn.LastReceived().IsZero():
		a.unheard, a.askAt = false, time.Time{}
		a.connection.conn.SetParams(a.params.CoAP)
		a.tellAgain()
		if a.fromEarlier {
			a.client.bootstrap.inbox.put(registrationStands{a.ssid})
		}
	case passed(a.askAt, now):
		a.askAt = time.Time{}
		if a.state == Registered { // else an Update is under way, or the next one shows it
			a.on(updateDue)
		}
	}
}

// tellAgain tells how things are where what was told before the server was heard may not have arrived.
func (a *account) tellAgain() {
	if !a.retell {
		return
	}
	a.retell = false
	for o := range a.observations.all() {
		a.observations.tell(o, true)
	}
}

// openOrders has requests that must not run twice noted from now on.
func (a *account) openOrders(serial uint64) {
	l := &orderBook{journal: a.client.config.journal(), ssid: a.ssid, id: a.keeping.edge.id, serial: serial}
	if s, secure := a.connection.nc.(rationed); secure {
		l.received = s.Received
	}
	a.keeping.orderBook = l
	a.connection.orderBook.Store(l)
}

// saveRegistration saves the session with a registration that was just made.
func (a *account) saveRegistration() {
	a.left = false
	if a.keeping.edge.register {
		a.keeping.edge.register = false // it was
		a.noteEdge()
	}
	a.saveSession()
}

// saveSession brings the record of the session up to date, and makes it for a new one.
func (a *account) saveSession() {
	a.keeping.saveAt, a.keeping.unsaved = time.Time{}, false
	if a.client.config.Store == nil || a.connection == nil || a.connection.binding() == overTCP {
		return // a stream ends with the process
	}
	first := !a.keeping.live
	if first {
		a.keeping = keeping{live: true, edge: edge{id: newSessionID(), contact: a.sentAt}}
		if err := a.reserve(); err != nil {
			a.notSaved(err)
			a.keeping = keeping{unsaved: true}
			a.allowAll()
			return
		}
	}
	if err := a.writeSession(false); err != nil {
		a.notSaved(err)
		a.voidSession()
		a.keeping.unsaved = true
		return
	}
	delete(a.warned, "session")
	if first {
		a.openOrders(0)
	}
}

func (a *account) notSaved(err error) {
	if a.mention("session") {
		a.log.Error("the session will not outlive this run", slog.Any("err", err))
	}
}

// writeSession writes the record. At the end of the process it has what the observations
// are judged by.
func (a *account) writeSession(last bool) error {
	s := &savedSession{
		id: a.keeping.edge.id, mark: a.client.config.Mark, boot: a.client.config.Boot, target: a.targetOf(a.connection.server.URI),
		local: a.connection.nc.LocalAddr().String(), remote: a.connection.nc.RemoteAddr().String(),
		version: a.version, location: a.location, told: a.told,
	}
	if r, secure := a.connection.nc.(rationed); secure {
		var err error
		if s.dtls, err = r.Ahead(0); err != nil {
			return err
		}
		if s.dtls.Ended { // by the server, and that is still to be taken in
			return dtls.ErrSessionEnded
		}
		s.dtls.NextSend, s.dtls.NextReceive = 1, 0 // the edge has them: the record stays the same
	}
	var err error
	if s.observations, err = a.saveObservations(last); err != nil {
		return err
	}
	record, err := s.record()
	if err != nil {
		return err
	}
	if err := a.client.config.Store.Save(sessionKey(a.ssid), record); err != nil {
		return err
	}
	a.toldSaved = a.told
	return nil
}

// contacted notes that the server knows the registration as it is.
func (a *account) contacted() {
	k := &a.keeping
	if k.unsaved {
		a.saveSession()
		return
	}
	if !k.live {
		return
	}
	k.edge.contact = a.sentAt
	if a.sentAt.Sub(k.noted) >= contactQuiet {
		a.noteEdge()
	}
	if a.told != a.toldSaved {
		a.saveSession()
	}
}

// keepSession saves the session at the end of the process, with the numbers that were
// used. Nothing is sent afterwards, so that the server keeps it too.
func (a *account) keepSession() {
	a.leaveUntouched()
	switch a.state {
	case Registered, Updating, Asleep:
	case Waiting, Connecting, Registering, Disabling, Disabled, Deregistering, Stopped, stateCount:
		return
	}
	if !a.keeping.live {
		return
	}
	for o := range a.observations.all() {
		if !o.inFlight.IsZero() && a.observations.storing {
			a.unconfirmed(o)
		}
	}
	e := a.keeping.edge
	err := a.writeSession(true)
	if errors.Is(err, dtls.ErrSessionEnded) {
		return // it is taken off the disk
	}
	if s, secure := a.connection.nc.(rationed); secure && err == nil {
		var final *dtls.Session
		if final, err = s.Session(0); err == nil {
			e.next, e.received = final.NextSend, final.NextReceive
		}
	}
	if err == nil {
		e.clean, e.point = true, a.connection.conn.Point()
		err = a.client.config.journal().Save(edgeKey(a.ssid), e.record())
	}
	if err != nil {
		a.log.Warn("the session was not saved at the end", slog.Any("err", err))
	}
	a.keeping.live = false // it stays
}

// leaveUntouched notes at the end of the process that nothing was sent in a session of an earlier one.
func (a *account) leaveUntouched() {
	if r := a.resuming; r != nil && r.reserved != nil && r.edge.clean {
		e := r.reserved.edge
		e.clean = true
		if err := a.client.config.journal().Save(edgeKey(a.ssid), e.record()); err != nil {
			a.log.Debug("not saved", slog.Any("err", err))
		}
	}
}

// leaveSession leaves a session on disk at which the server has not been heard since the
// start. Either it has forgotten us, and a new session will do, or it was not to be reached:
// then the session is tried again when that fails.
func (a *account) leaveSession() {
	if !a.unheard || !a.keeping.live {
		return
	}
	if s, secure := a.connection.nc.(rationed); secure {
		if _, err := s.Session(0); err != nil { // nothing more is sent, not that it ends either
			return
		}
	}
	a.keeping.live, a.left = false, true
}

// tryLeft has the next attempt go on with a session that was left, once.
func (a *account) tryLeft() {
	if !a.left {
		return
	}
	a.left = false
	if a.loadSession(); a.resuming != nil {
		a.resuming.late = true
	}
}

// voidSession takes a session off the disk: it ends.
func (a *account) voidSession() {
	if !a.keeping.live {
		return
	}
	err := a.client.config.journal().Save(edgeKey(a.ssid), nil)
	if err == nil {
		a.closeOrders()
		a.keeping = keeping{}
		a.allowAll()
		err = a.client.config.Store.Save(sessionKey(a.ssid), nil)
	}
	if err != nil {
		a.log.Error("the record of a session that has ended stays", slog.Any("err", err))
	}
}

// unanswered finds out whether a server is still there that has not confirmed a
// notification. One that has not been heard since the start has forgotten the session.
func (a *account) unanswered() {
	if a.unheard && a.state == Registered {
		a.leaveSession()
		a.on(silent)
		return
	}
	a.on(updateDue)
}
