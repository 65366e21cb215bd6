package client

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/lwm2m/model"
)

// The object list is registered anew when it has been still for settleQuiet, or
// settleMost after the first change of a series, so that many instances that appear
// at once cost one Update.
const (
	settleQuiet = time.Second
	settleMost  = 10 * time.Second
)

// disableDelay is how long after its answer a Disable is carried out: a server that works
// on several messages at a time may take an answer for lost when a Deregister overtakes it.
const disableDelay = 500 * time.Millisecond

// maxSpare bounds what is kept for the next time, in things.
const maxSpare = 1024

// account is the registration with one server. Its goroutine (run) is the only one
// that touches what stands below "state"; what stands above does not change, or is
// safe for all.
type account struct {
	client *Client
	ssid   uint16
	tree   *model.Tree
	shapes lwm2m.Shapes
	log    *slog.Logger
	named  *settings       // that it was given last; the client's lock must be held
	warned map[string]bool // what was logged in this registration
	inbox  *inbox
	ctx    context.Context //nolint:containedctx // ends what the account's goroutines are at
	cancel context.CancelFunc

	running    sync.WaitGroup // its other goroutines
	changes    atomic.Int32   // requests that change something and are not done
	ownChanges atomic.Int32   // those of object 1
	removed    atomic.Bool    // from objects 0 and 1: nothing of it is kept
	view       view           // for Status

	// state
	state    State
	since    time.Time
	upSince  time.Time // registered without a break; zero: not now
	repeated repetition
	settings *settings
	params   Params
	version  lwm2m.Version // in use or to be offered
	choose   bool          // the version at the next Register: the server speaks others than it did
	sub      *model.Subscription
	access   *model.Access  // as observations know it
	pending  []model.Change // memory for the next ones
	items    []any          // likewise
	behind   bool           // another server's turn to register comes first
	ordered  bool           // others wait for this one
	timer    *time.Timer
	scratch  scratch

	connection  *connection
	renewal     renewal
	attempt     int // number of the dial or request in flight; answers to others are late
	abandon     context.CancelFunc
	sentAt      time.Time     // of the request in flight, or of the last one
	spokeAt     time.Time     // when a request or notification was sent last
	session     *dtls.Session // to continue with the next dial or, if it has ended, to resume; or nil
	suspended   coap.Point    // where it was left
	resuming    *resumption   // likewise, of an earlier process
	begun       bool          // nothing of an earlier process is to go on, or it does
	keeping     keeping       // the session on disk
	reach       reach         // the ways to the server
	failed      int           // attempts in a row
	silence     time.Duration // before the Update in flight, where an address translation may have ended by it
	suspected   time.Duration // such a silence whose Update was not answered
	failure     failure       // how the last one did
	shutOut     int           // of them, the last ones in a row that an alert of the server has ended
	held        []request     // while the Register is being answered
	commands    []command     // while a request on object 1 is being answered
	sends       []*dataSend   // that wait for the registration, or for the one in flight
	sending     bool          // one is in flight
	disabled    time.Duration
	disableAt   time.Time // Disable is carried out then; zero: there is none
	told        told      // to the server, last
	toldSaved   told      // as the record of the session has it
	telling     told      // in the request in flight
	listWanted  bool      // beside the Profile ID, in this registration
	listTold    bool      // in the request in flight
	location    string
	fromEarlier bool      // the registration is that of an earlier process
	left        bool      // a session is on disk that was not answered
	unheard     bool      // the server, since the start
	retell      bool      // what it was told since may not have arrived: tell it all when it is heard
	askAt       time.Time // whether it knows us; zero: something is under way that shows
	beganAt     time.Time // of the registration
	gone        int       // see AccountStatus
	renewedAt   time.Time // when the Register or Update was sent that the server accepted last
	waitUntil   time.Time // end of a back-off or Disable; zero: none
	notBefore   time.Time // the server wants no attempt before; it may have passed
	updateAt    time.Time // zero: never
	owed        bool      // an Update was asked for while one was under way
	changedAt   time.Time // the first of a series of changes of the object list; zero: none
	settleAt    time.Time // look then at what is registered; zero: no need

	observations *observations
	attributes   *attributeTable
	saveAt       time.Time // save the attributes then; zero: they are saved
	wishes       []Wish    // as OnObserved was told
	wishesAt     time.Time // look then whether they are others; zero: no need

	gatherUntil   time.Time // wake up then for what was stored while asleep; zero: it is nothing
	history       *history  // notifications that the server could not get
	historySaveAt time.Time // save it then; zero: it is saved
	storeAt       time.Time // from then on, after a restart: the session is expected to go on at once
	undelivered   bool      // look what of it can be sent
	replaying     int       // messages of it that are on their way as notifications
	sendRefused   bool      // the server does not take it by Send
	depositAt     time.Time // try that again then; zero: it need not wait
	depositIn     time.Duration
}

// run lives as long as the account.
func (a *account) run() {
	defer a.end()
	a.client.renderings.accounts.Add(1)
	defer a.client.renderings.accounts.Add(-1)
	a.start()
	for a.state != Stopped {
		a.arm()
		select {
		case <-a.ctx.Done():
			a.keepSession()
			a.on(stop)
		case <-a.inbox.wake:
			if a.ctx.Err() == nil { // else what has come is that all ends
				a.receive()
			}
		case <-a.sub.Wake():
			a.treeChanged()
		case <-a.timer.C:
		}
		a.catchUp()
		if !a.begun && a.resuming == nil {
			a.begun = true
			a.client.began(a)
		}
	}
}

func (a *account) start() {
	a.timer = time.NewTimer(0)
	a.choose = true
	a.adoptParams()
	a.observations.storing = a.settings.storing
	a.loadProof()
	a.loadAttributes()
	a.loadHistory()
	a.loadSession()
	a.enter(Waiting)
	switch until := a.disabledBefore(); {
	case a.resuming != nil:
		a.behind = false // it has registered before
		a.restoreObservations(a.resuming)
		a.waitUntil = a.now()
	case !until.IsZero():
		a.enter(Disabled)
		a.waitUntil = until
	default:
		a.waitDelay()
	}
	a.show()
}

func (a *account) end() {
	a.client.began(a)
	a.turnOver()
	a.cancel()
	a.timer.Stop()
	a.sub.Close()
	a.running.Wait()
	a.wishNothing()
	a.client.left(a)
	for _, item := range a.inbox.take(nil) {
		if d, ok := item.(dialled); ok && d.nc != nil {
			_ = d.nc.Close() // nobody needs it any more
		}
	}
}

func (a *account) now() time.Time { return a.client.config.Now() }

// receive takes in what has come.
func (a *account) receive() {
	a.items = a.inbox.take(a.items)
	for _, item := range a.items {
		a.take(item)
	}
	if a.ownChanges.Load() == 0 {
		a.obey()
	}
}

// take takes in one thing that has come.
func (a *account) take(item any) {
	switch item := item.(type) {
	case request:
		a.request(item)
	case dialled:
		a.dialled(item)
	case answered:
		a.answered(item)
	case connectionEnded:
		a.connectionOver(item.connection, item.err)
	case notified:
		a.notified(item)
	case resettled:
		a.resettle(&item)
	case *dataSend:
		a.accept(item)
	case dataSent:
		a.sent(item)
	case replayed:
		a.replayed(item)
	case turnHasCome:
		a.turnHasCome()
	case bootstrapped:
		a.bootstrapped(item.written)
	case command:
		a.commands = append(a.commands, item)
	case networkChanged:
		a.networkChanged()
	case radioOn:
		a.radioIsOn(item.next)
	case probe:
		close(item.answered)
	case observedAsked:
		item.answer <- a.observed()
	case paramsChanged:
		a.paramsChanged()
	case deleted:
		a.deleted(item.path)
	case restartAsked:
		a.restartAsked()
	case ownChangeDone, numbersLow:
	}
}

// connectionOver takes in that a connection has ended.
func (a *account) connectionOver(c *connection, err error) {
	if c == a.connection {
		if s := c.session(); s != nil && s.Ended {
			a.session, a.reach.of = s, c.server.URI // by close_notify: it shortens the next handshake
		}
		a.trouble(err)
		a.on(a.orElsewhere(lost))
	}
}

// obey carries out commands. A server whose Execute gave one gets its answer first.
func (a *account) obey() {
	for _, c := range a.commands {
		if c.bootstrap {
			a.client.bootstrap.inbox.put(bootstrapAsked{a.ssid})
			continue
		}
		if c.event == disable {
			a.disabled, a.disableAt = c.timeout, a.now().Add(disableDelay)
			continue
		}
		if c.transport != "" && a.switchTo(c.transport) {
			a.on(reconfigured)
			continue
		}
		a.on(c.event)
	}
	a.commands = nil
}

// resettle takes over what objects 0 and 1 say now, and the place in the order of registrations.
func (a *account) resettle(r *resettled) {
	a.queueUp(r)
	s := r.settings
	old := a.settings
	a.settings = s
	a.choose = a.choose || !slices.Equal(s.versions, old.versions)
	if !s.sameTarget(old) {
		a.version, a.failed, a.choose = lwm2m.Version{}, 0, true
		a.session, a.resuming, a.left = nil, nil, false
		a.redirected()
	}
	if *s.attributes() != *old.attributes() {
		a.regovern(slices.Collect(a.observations.all()))
	}
	a.observations.setStoring(s.storing)
	a.undelivered, a.sendRefused = true, false
	if s.lifetime != old.lifetime || s.binding != old.binding || s.trigger != old.trigger {
		a.settleAt = a.now()
	}
}

// redirected has the account register with the server that it is with now.
func (a *account) redirected() {
	switch {
	case a.state == Disabled, a.behind && a.state == Waiting: // until its time is over, or its turn comes
	case a.behind, a.initialDelay() > 0:
		a.on(delayed)
	default:
		a.on(reconfigured)
	}
}

// treeChanged takes in changes of the object tree.
func (a *account) treeChanged() {
	now := a.now()
	p := a.sub.Take(a.pending)
	if a.pending = p.Changes; cap(a.pending) > maxSpare {
		a.pending = nil
	}
	if p.Structure {
		if a.changedAt.IsZero() {
			a.changedAt = now
		}
		a.settleAt = earliest(now.Add(settleQuiet), a.changedAt.Add(settleMost))
	}
	if p.Access {
		a.accessChanged()
	}
	if p.Lost {
		if a.mention("fast") {
			a.log.Warn("observed values change faster than they can be reported")
		}
		for o := range a.observations.all() {
			a.observations.tell(o, true)
		}
	}
	for i := range p.Changes {
		if c := &p.Changes[i]; a.mayHear(c.Path) {
			a.observations.changed(c, now)
		}
	}
	if a.state != Registered {
		a.showCounts()
	}
}

// catchUp does what is due.
func (a *account) catchUp() {
	now := a.now()
	if passed(a.disableAt, now) {
		a.disableAt = time.Time{}
		a.on(disable)
	}
	a.askIfUnheard(now)
	a.reserveIfDue(now)
	switch a.state {
	case Waiting, Disabled:
		if passed(a.waitUntil, now) {
			a.waitUntil = time.Time{}
			a.on(waitOver)
		}
	case Registered:
		a.updateIfDue(now)
		if a.state == Registered {
			a.report(now)
		}
		if a.state == Registered && a.queueMode() && !a.awakeUntil().After(now) {
			a.on(awakeOver)
		}
	case Asleep:
		a.updateIfDue(now)
		if a.state == Asleep {
			a.wakeIfDue(now)
		}
	case Connecting, Registering, Updating, Disabling, Deregistering, Stopped, stateCount:
	}
	a.storeNotifications(now)
	a.sendWaiting()
	a.deliver()
	a.tellWishes(now)
	a.save(now)
}

// save brings the Store up to date when it is time, and at the end.
func (a *account) save(now time.Time) {
	if a.removed.Load() {
		a.saveAt, a.historySaveAt, a.keeping.saveAt = time.Time{}, time.Time{}, time.Time{}
		return
	}
	last := a.state == Stopped
	if passed(a.keeping.saveAt, now) {
		a.saveSession()
	}
	if passed(a.saveAt, now) || last && !a.saveAt.IsZero() {
		a.saveAttributes()
	}
	if passed(a.historySaveAt, now) || last && !a.historySaveAt.IsZero() {
		a.saveHistory(now)
	}
}

// updateIfDue begins an Update when the lifetime asks for it or when something that
// the server was told has changed. An answer to a write of it goes out first.
func (a *account) updateIfDue(now time.Time) {
	if passed(a.updateAt, now) || a.state == Registered && passed(a.keepAliveAt(), now) {
		a.on(updateDue)
		return
	}
	if !passed(a.settleAt, now) || a.ownChanges.Load() > 0 {
		return
	}
	a.settleAt, a.changedAt = time.Time{}, time.Time{}
	a.endVanished()
	if a.notBefore.After(now) {
		return // the Update that was put off tells it
	}
	switch now, _ := a.describe(); {
	case now.queue != a.told.queue && a.version != lwm2m.Version10:
		a.on(queueChanged)
	case now.differs(&a.told):
		a.on(updateDue)
	}
}

// arm sets the timer to what is due first, or stops it.
func (a *account) arm() {
	var at time.Time
	for _, due := range [...]time.Time{a.nextDue(), a.storeDue(), a.disableAt, a.saveAt, a.historySaveAt, a.keeping.saveAt, a.retryDue(), a.askAt, a.wishesAt, a.depositAt} {
		at = earliest(at, due)
	}
	if at.IsZero() {
		a.timer.Stop()
		return
	}
	a.timer.Reset(at.Sub(a.now()))
}

// nextDue returns when something is due in the present state, zero: nothing is.
func (a *account) nextDue() time.Time {
	switch a.state {
	case Waiting, Disabled:
		return a.waitUntil
	case Registered, Asleep:
		at := a.updateAt
		if a.ownChanges.Load() == 0 {
			at = earliest(at, a.settleAt)
		}
		if report, ok := a.observations.nextDue(); ok {
			at = earliest(at, report)
		}
		if a.state == Registered && a.queueMode() {
			at = earliest(at, a.awakeUntil())
		}
		if a.state == Registered {
			at = earliest(at, a.keepAliveAt())
		}
		return earliest(at, a.gatherUntil)
	case Connecting, Registering, Updating, Disabling, Deregistering, Stopped, stateCount:
	}
	return time.Time{}
}

// awakeUntil returns when the awake time of queue mode ends: a while after the last
// message in either direction, and not while a request is being carried out.
func (a *account) awakeUntil() time.Time {
	last := a.heardAt()
	if a.changes.Load() > 0 {
		last = a.now()
	}
	awake, p := a.params.Awake, a.connection.conn.Params()
	if awake <= 0 {
		awake = p.MaxTransmitWait()
	}
	if r := a.params.Reachable; r > 0 {
		repeated := time.Duration(float64(p.AckTimeout) * p.AckRandomFactor)
		awake = min(awake, max(r, repeated))
	}
	return last.Add(awake)
}

// mention reports whether something is to be logged that a server may bring about as often
// as it likes: once for each registration.
func (a *account) mention(what string) bool {
	known := a.warned[what]
	a.warned[what] = true
	return !known
}
