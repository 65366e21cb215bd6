package client

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/dtls"
)

// on takes an event in: it enters the state that the table names and does what the
// table says.
func (a *account) on(e event) {
	to, do := next(a.state, e)
	if to == a.state && do == nil {
		return
	}
	a.log.Debug("registration", slog.String("from", a.state.String()), slog.String("on", e.String()), slog.String("to", to.String()))
	a.enter(to)
	for _, what := range do {
		a.do(what)
	}
	a.show()
}

func (a *account) enter(s State) {
	if a.state == Asleep && s == Updating {
		a.client.radioOn(a, 0)
	}
	if s != Asleep {
		a.gatherUntil = time.Time{}
	}
	if a.state == Disabled && s != Disabled && s != Stopped {
		a.saveDisabled(nil)
	}
	a.state, a.since = s, a.now()
	switch s {
	case Registered, Updating, Asleep:
		if a.upSince.IsZero() {
			a.upSince = a.since
		}
	case Waiting, Connecting, Registering, Disabling, Disabled, Deregistering, Stopped, stateCount:
		a.upSince = time.Time{}
	}
	a.waitUntil = time.Time{}
	a.behind = a.behind && s == Waiting
	if s == Registered || s == Disabled {
		a.turnOver()
	}
}

func (a *account) do(what action) {
	switch what {
	case dial:
		a.dial()
	case hangUp:
		a.hangUp()
	case suspend:
		a.suspend()
	case lowerVersion:
		a.version, _ = versionBelow(a.version)
	case tellList:
		a.listWanted = true
	case sendRegister:
		a.sendRegister()
	case sendUpdate:
		a.sendUpdate()
	case sendDeregister:
		a.sendDeregister()
	case begin:
		a.beginRegistration()
	case goOn:
		a.goOn()
	case updateAgain:
		a.owed = true
	case putOff:
		a.putOff()
	case backOff:
		a.backOff()
	case waitDisabled:
		a.waitDisabled()
	case waitDelay:
		a.waitDelay()
	case actionCount:
	}
}

// dial begins to connect, with the parameters that hold now.
func (a *account) dial() {
	a.giveUp()
	a.adoptParams()
	server, way := a.target(), a.way()
	server.URI, server.Only, server.Prefer, server.Interface = way.uri, way.family, a.reach.family, a.params.Interface
	server.CIDLength, server.DTLSTimeout = a.params.CIDLength, a.params.DTLSTimeout
	a.offer(&server)
	server.OnHandshake = func(remote net.Addr, sent bool, size int) {
		a.view.traffic.handshake(sent, size, networkHeaders(remote), a.now())
	}
	ctx, attempt := a.attemptContext()
	a.running.Go(func() {
		nc, err := a.client.config.Dialer.Dial(ctx, server)
		a.inbox.put(dialled{attempt, server, nc, err})
	})
}

// adoptParams asks for the account's parameters. A version that the server refused
// is not offered again while the account exists, unless it refuses all.
func (a *account) adoptParams() {
	a.params = a.client.params(a.ssid)
	if a.version.IsZero() || a.params.Version.Less(a.version) {
		a.version = a.params.Version
	}
}

// paramsChanged takes other parameters over for the connection that there is. A session and a wait
// that has begun stay, and so does the time of the next Update unless messages now take too long for it.
func (a *account) paramsChanged() {
	number, queue := a.params.SMS, a.queueMode()
	a.adoptParams()
	if a.params.SMS != number && a.settings.wakeable() || a.queueMode() != queue {
		a.settleAt = a.now()
	}
	if a.connection != nil {
		a.connection.conn.SetParams(a.params.CoAP)
		if after, ok := updateAfter(a.told.lifetime, a.connection.conn.Params(), 0); ok && !a.updateAt.IsZero() {
			a.updateAt = earliest(a.updateAt, a.renewedAt.Add(after))
		}
	}
}

// giveUp abandons the dial or request in flight.
func (a *account) giveUp() {
	if a.abandon != nil {
		a.abandon()
		a.abandon = nil
	}
	a.attempt++ // what it still brings is late
}

// attemptContext begins the next dial or request.
func (a *account) attemptContext() (context.Context, int) {
	ctx, cancel := context.WithCancel(a.ctx)
	a.abandon = cancel
	return ctx, a.attempt
}

func (a *account) dialled(d dialled) {
	switch {
	case d.attempt != a.attempt:
		if d.nc != nil {
			_ = d.nc.Close() // it was given up meanwhile
		}
	case d.err != nil:
		a.trouble(d.err)
		if _, ok := errors.AsType[*dtls.Error](d.err); ok && d.server.Session != nil {
			a.session, a.resuming = nil, nil // a server that has changed since would refuse it again and again
		}
		if a.fallBack(d.err) {
			a.on(reconfigured)
			return
		}
		a.on(a.orElsewhere(unreachable))
	default:
		c := newConnection(a, &d.server, d.nc)
		a.on(a.takeUp(c))
		a.running.Go(func() { c.run(a.ctx) })
	}
}

// hangUp ends the connection and what is in flight on it. Nobody answers what the
// server still asks.
func (a *account) hangUp() {
	a.giveUp()
	a.held, a.askAt = nil, time.Time{}
	if a.connection == nil {
		return
	}
	a.unheard = false
	a.voidSession()
	a.connection.open.Store(nil)
	a.view.retire(a.connection.conn)
	if err := a.connection.conn.Close(); err != nil {
		a.log.Debug("connection not closed in order", slog.Any("err", err))
	}
	a.connection = nil
}

// suspend leaves the connection but keeps its security context, so that it can be
// continued from another address.
func (a *account) suspend() {
	a.suspended = a.connection.conn.Point()
	session, kept := a.connection.session(), a.keeping
	a.reach.of = a.connection.server.URI
	unheard := a.unheard
	a.keeping.live = false // it is not over
	a.hangUp()
	a.unheard, a.retell = unheard, a.retell || unheard
	a.session, a.keeping = session, kept
	if !a.goesOn() {
		a.voidSession()
	}
}

// goesOn reports whether the next dial is to continue a session of this process.
func (a *account) goesOn() bool { return a.session != nil && !a.session.Ended }

// send sends a request of the registration interface.
func (a *account) send(m *coap.Message) {
	a.giveUp()
	ctx, attempt := a.attemptContext()
	conn := a.connection.conn
	a.sentAt = a.now()
	a.spokeAt = a.sentAt
	a.running.Go(func() {
		response, err := conn.Do(ctx, m)
		a.inbox.put(answered{attempt, response, err})
	})
}

func (a *account) answered(r answered) {
	if r.attempt != a.attempt {
		return
	}
	e, err := a.outcome(&r)
	if err != nil {
		a.trouble(err)
	}
	if e == silent && a.state == Updating {
		a.leaveSession()
		a.suspected = a.silence
	}
	a.countGone(e)
	if e == accepted && a.state == Registering {
		a.location = r.response.LocationPath()
		a.reach.family = a.connection.family()
	}
	if err != nil && a.state == Registering && a.fallBack(err) {
		e = reconfigured
	}
	a.on(a.orElsewhere(e))
}

// countGone counts registrations that the server ended before their time. One that has stood for two lifetimes shows that
// it does not do so any more.
func (a *account) countGone(e event) {
	switch {
	case a.state != Updating:
	case e == unknown && !a.lapsed():
		a.gone++
	case e == accepted && a.now().Sub(a.beganAt) >= 2*a.told.lifetime:
		a.gone = 0
	}
}

func (a *account) sendRegister() {
	a.connection.open.Store(nil)
	a.location, a.settleAt, a.changedAt, a.owed = "", time.Time{}, time.Time{}, false
	if a.choose {
		a.choose, a.version = false, a.settings.newest(a.params.Version)
	}
	t, list := a.describe()
	a.telling = t
	profile := a.profileID()
	if a.listTold = profile == "" || a.listWanted; !a.listTold {
		list = nil
	}
	a.send(registerMessage(a.client.config.Endpoint, a.version, &t, profile, list))
}

func (a *account) sendUpdate() {
	a.settleAt, a.changedAt, a.owed = time.Time{}, time.Time{}, false
	t, list := a.describe()
	if t.queue != a.told.queue && a.version != lwm2m.Version10 {
		t.queue, a.settleAt = a.told.queue, a.now() // a Register follows
	}
	a.telling = t
	a.silence = 0
	if a.translated() {
		a.silence = a.now().Sub(a.heardAt())
	}
	a.send(updateMessage(a.location, a.version, &a.told, &t, list))
}

func (a *account) sendDeregister() {
	a.connection.open.Store(nil)
	if a.state == Deregistering {
		a.voidSession() // now: its records may be those of another server when the answer comes
	}
	if a.state == Deregistering || !a.settings.storing {
		a.endObservations()
	}
	m := &coap.Message{Code: coap.DELETE}
	m.SetPath(a.location)
	a.send(m)
}

// beginRegistration opens a new registration. Requests that came before the answer to
// the Register are served now (the order of datagrams is nobody's promise).
func (a *account) beginRegistration() {
	a.beganAt = a.now()
	if a.suspected > 0 {
		a.client.nats.expired(a.params.Network, a.suspected)
		a.suspected = 0
	}
	a.prove()
	a.endObservations()
	a.sendRefused, a.listWanted, a.fromEarlier = false, false, false
	a.depositAt, a.depositIn = time.Time{}, 0
	clear(a.warned)
	a.client.bootstrap.inbox.put(registrationStands{a.ssid})
	a.renewed()
	a.saveRegistration()
	a.serveOn()
	a.log.Info("registered", slog.String("server", a.connection.server.URI), slog.String("location", a.location), slog.String("version", a.version.String()))
	held := a.held
	a.held = nil
	for i := range held {
		a.attend(&held[i])
	}
}

func (a *account) goOn() {
	a.renewed()
	a.serveOn()
}

// renewed notes what the server knows now and when it wants to hear more.
func (a *account) renewed() {
	a.told, a.renewedAt = a.telling, a.sentAt
	a.updateAt, a.notBefore = time.Time{}, time.Time{}
	if after, ok := updateAfter(a.told.lifetime, a.params.CoAP.WithDefaults(), a.client.config.Rand()); ok { // those of the connection may be hasty
		a.updateAt = a.sentAt.Add(after)
	}
	if a.owed {
		a.updateAt = a.now()
	}
	a.contacted()
}

// serveOn answers requests, and has what waited for the registration sent. What a request does may look at the status, which the
// server takes to be that of its answer.
func (a *account) serveOn() {
	a.undelivered = true
	a.exhibit()
	version := a.version
	a.connection.open.Store(&version)
}

// putOff waits with the next Update as long as the server wants, which says no more than that it has no time: a
// Register would be more work for it, and end its observations.
func (a *account) putOff() {
	if !a.notBefore.After(a.now()) {
		a.notBefore = a.now().Add(defaultMaxAge)
	}
	a.updateAt = a.notBefore
	a.serveOn()
}

// settledAfter is how long a registration must have stood for the next attempt to
// count as the first one.
const settledAfter = time.Minute

// The pauses between attempts that a server ends by alerts double beyond Retry.Max up to an hour.
const (
	longestShutOut = time.Hour
	maxDoublings   = 16
)

func (a *account) backOff() {
	a.tryLeft()
	now := a.now()
	if !a.beganAt.IsZero() && now.Sub(a.beganAt) >= settledAfter {
		a.failed = 0
	}
	a.beganAt, a.suspected = time.Time{}, 0
	a.failed++
	a.tellFailure()
	if a.failed >= a.settings.attempts && !a.settings.block {
		a.turnOver()
	}
	if delay, ok := a.retryPolicy().delay(a.failed, a.client.config.Rand()); ok {
		a.waitUntil = latest(now.Add(delay), a.notBefore)
	}
}

// retryPolicy returns the pauses between attempts, now.
func (a *account) retryPolicy() Retry {
	policy := a.params.Retry
	if own := a.settings.retry; own != nil {
		policy = *own
		policy.Jitter = a.params.Retry.Jitter
	}
	policy = policy.withDefaults()
	if policy.Max > 0 { // who does not want our key or certificate will hardly want it in a minute, and a handshake is dear
		policy.Max = max(policy.Max, min(longestShutOut, policy.First<<min(a.shutOut, maxDoublings)))
	}
	return policy
}

// waitDelay waits for the Initial Registration Delay. One whose turn has not come does so then.
func (a *account) waitDelay() {
	if !a.behind {
		a.waitUntil = a.now().Add(a.initialDelay())
	}
}

// networkChanged makes an account that waits try at once, and one whose own address
// is another one now connect anew.
func (a *account) networkChanged() {
	switch a.state {
	case Waiting:
		if a.failed > 0 && !a.now().Before(a.notBefore) { // else it waits for its turn or its delay
			a.on(networkBack)
		}
	case Connecting:
		a.on(moved)
	case Registering, Registered, Updating, Asleep:
		if a.state == Asleep && a.connection.lost() {
			return // nothing is sent to it until it has sent something itself
		}
		if a.connection.moved(a.ctx) {
			a.client.nats.forget(a.params.Network)
			a.reach.family = 0
			a.on(moved)
		}
	case Disabling, Disabled, Deregistering, Stopped, stateCount:
	}
}

// request takes in what only this goroutine can answer, or what came before the
// registration stood (Core, section 6.2.1: such requests are not for answering yet).
func (a *account) request(r request) {
	if r.connection != a.connection {
		return // its connection is over
	}
	switch a.state {
	case Registered, Updating, Asleep:
		a.attend(&r)
	case Registering:
		a.held = append(a.held, r)
	case Waiting, Connecting, Disabling, Disabled, Deregistering, Stopped, stateCount:
		a.refuse(r.exchange, lwm2m.Errorf(lwm2m.ServiceUnavailable, "the client is not registered"))
	}
}

func (a *account) attend(r *request) {
	switch r.op {
	case opObserve:
		a.observe(r)
	case opCancel:
		a.cancelObservation(r)
	case opDiscover:
		a.discover(r)
	case opWriteAttributes:
		a.writeAttributes(r)
	case opRead, opReplace, opUpdate, opWriteComposite, opExecute, opCreate, opDelete:
		a.serve(r, a.version, &a.scratch)
	}
}
