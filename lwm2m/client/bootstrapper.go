package client

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
)

// ErrNoBootstrapServer says that no instance of object 0 names a bootstrap server.
var ErrNoBootstrapServer = errors.New("there is no bootstrap server")

// longestBootstrap bounds a bootstrap from the answer to its request to the Finish: servers
// have to wait so long.
const longestBootstrap = 30 * time.Minute

// askedAttempts is how often a bootstrap that was asked for is tried while there are server
// accounts to go on with.
const askedAttempts = 5

// bootstrapRetry is the policy of repeated attempts, unless the parameters have another one.
var bootstrapRetry = Retry{First: 10 * time.Second, Max: time.Hour}

// errExpired says that the bootstrap server did not come to an end.
var errExpired = errors.New("the bootstrap server sent no Bootstrap-Finish in time")

// bootstrapper asks the bootstrap server for accounts. Its goroutine (run) is the only one
// that touches what stands below "state".
type bootstrapper struct {
	client  *Client
	log     *slog.Logger
	inbox   *inbox
	ended   chan struct{} // closed when its goroutine has
	running sync.WaitGroup
	busy    atomic.Bool // a bootstrap server writes: servers have to wait (Core, section 6.1.1)
	view    bootstrapView

	// state
	ctx        context.Context //nolint:containedctx // of Client.Run
	state      BootstrapState
	since      time.Time
	repeated   repetition
	reason     BootstrapReason
	survey     survey
	asked      bool
	askedBy    uint16 // 0: a person
	failing    map[uint16]ailment
	standing   map[uint16]bool
	justFailed bool // that of the reason, in this round
	timer      *time.Timer
	items      []any

	params    Params
	account   bootstrapAccount // that the attempt was made for
	attempt   int
	abandon   context.CancelFunc
	failed    int       // attempts since all was well
	waitUntil time.Time // in Waiting
	notBefore time.Time // the bootstrap server wants no attempt before; it may have passed
	probing   bool      // in Waiting: the server is tried once more
	expireAt  time.Time // in Open, from the last message on
	endAt     time.Time // in Open, of all; in Done, of repetitions
	conn      *coap.Conn
	held      []*coap.Exchange // while the Bootstrap-Request is being answered
	stage     *model.Stage
	concerned []*account      // that there were before what was staged came into force
	written   map[uint16]bool // accounts that were staged, by Short Server ID
	finished  time.Time       // when what is in force was staged
	inForce   time.Time       // likewise, by the process's own clock, which nobody sets
	anyFormat bool            // the server refused the preferred one
	noPack    bool            // there was none to be had
}

func newBootstrapper(c *Client) *bootstrapper {
	return &bootstrapper{
		client: c, inbox: newInbox(), ended: make(chan struct{}), log: c.config.Log.With(slog.String("server", "bootstrap")),
		failing: make(map[uint16]ailment), standing: make(map[uint16]bool),
	}
}

// Bootstrap has the client ask the bootstrap server for its accounts (/1/x/9, Bootstrap-Request
// Trigger), at once and whether it needs to or not. shortServerID is who asks, 0 a person.
// Called while an Execute on object 1 by that server is being answered, it waits for the
// answer to go out. It does not wait for the bootstrap. The error is ErrNoBootstrapServer or
// ErrNoAccount.
func (c *Client) Bootstrap(shortServerID uint16) error {
	if readBootstrapAccount(c.config.Tree) == nil {
		return ErrNoBootstrapServer
	}
	if shortServerID == 0 {
		c.bootstrap.inbox.put(bootstrapAsked{})
		return nil
	}
	return c.command(shortServerID, command{bootstrap: true})
}

// run lives as long as Client.Run, which sets ctx.
func (b *bootstrapper) run() {
	defer close(b.ended)
	defer b.running.Wait()
	b.timer = time.NewTimer(0)
	defer b.timer.Stop()
	b.enter(BootstrapIdle)
	b.show()
	for b.state != BootstrapStopped {
		b.arm()
		select {
		case <-b.ctx.Done():
			b.on(bootStop)
		case <-b.inbox.wake:
			b.receive()
		case <-b.timer.C:
		}
		b.catchUp()
	}
	for _, item := range b.inbox.take(nil) {
		if d, ok := item.(dialled); ok && d.nc != nil {
			_ = d.nc.Close() // nobody needs it any more
		}
	}
}

func (b *bootstrapper) now() time.Time { return b.client.config.Now() }

// random returns a number in [0,1).
func (b *bootstrapper) random() float64 { return b.client.config.Rand() }

// receive takes in what has come.
func (b *bootstrapper) receive() {
	b.items = b.inbox.take(b.items)
	for _, item := range b.items {
		switch item := item.(type) {
		case survey:
			b.surveyed(item)
		case bootstrapAsked:
			b.ask(item.by)
		case registrationFailed:
			b.registrationFailed(item)
		case registrationStands:
			b.stands(item.ssid)
		case probe:
			close(item.answered)
		case networkChanged:
			b.networkChanged()
		case command: // leave: nothing is to be begun any more
			b.on(bootStop)
		case dialled:
			b.dialled(item)
		case answered:
			b.answered(item)
		case bootstrapLost:
			if item.conn == b.conn {
				b.trouble(item.err)
				b.noPack = b.noPack || b.state == BootstrapPacking // what fails with it may succeed without
				b.on(bootLost)
			}
		case *coap.Exchange:
			b.request(item)
		}
	}
}

// bootstrapLost says that the connection is over.
type bootstrapLost struct {
	conn *coap.Conn
	err  error
}

// surveyed takes over what objects 0 and 1 say now.
func (b *bootstrapper) surveyed(s survey) {
	if !s.account.same(b.survey.account) {
		b.noPack, b.anyFormat, b.failed = false, false, 0
	}
	b.survey = s
	known := make(map[uint16]bool)
	for _, ssid := range s.servers {
		known[ssid] = true
	}
	for ssid := range b.failing {
		if !known[ssid] {
			delete(b.failing, ssid)
		}
	}
	for ssid := range b.standing {
		if !known[ssid] {
			delete(b.standing, ssid)
		}
	}
	if s.account == nil {
		b.asked = false
	}
	if b.state != BootstrapIdle && !s.account.same(&b.account) {
		b.on(bootGone)
	}
	b.show()
}

// ask takes in that somebody asks for a bootstrap, by the account that there is now: who changes it and asks may be faster than the
// news of it. One that goes on is what was asked for.
func (b *bootstrapper) ask(by uint16) {
	b.surveyed(surveyed(b.client.config.Tree, readAccounts(b.client.config.Tree)))
	if b.survey.account == nil {
		return
	}
	b.asked, b.askedBy = true, by
	switch b.state {
	case BootstrapIdle, BootstrapWaiting, BootstrapDone:
		b.failed = 0
		b.reason = b.need()
		b.on(bootAsked)
	case BootstrapConnecting, BootstrapPacking, BootstrapRequesting, BootstrapOpen, BootstrapStopped, bootstrapStateCount:
	}
}

// networkChanged lets servers show first that they still cannot be registered at, and has a
// bootstrap that is wanted in any case tried at once.
func (b *bootstrapper) networkChanged() {
	clear(b.failing)
	if b.state == BootstrapWaiting && b.failed > 0 && !b.now().Before(b.notBefore) && b.need().Kind != NoBootstrapReason {
		b.on(bootDue)
	}
}

// catchUp does what is due.
func (b *bootstrapper) catchUp() {
	now := b.now()
	switch b.state {
	case BootstrapWaiting:
		if passed(b.waitUntil, now) {
			b.waitOver()
		}
	case BootstrapOpen:
		if passed(b.expireAt, now) || passed(b.endAt, now) {
			b.trouble(errExpired)
			b.on(bootExpired)
		}
	case BootstrapDone:
		if passed(b.endAt, now) {
			b.on(bootOver)
		}
	case BootstrapIdle:
		if passed(b.purgeAt(), now) {
			b.purge()
		}
	case BootstrapConnecting, BootstrapPacking, BootstrapRequesting, BootstrapStopped, bootstrapStateCount:
	}
	b.reassess()
	b.justFailed = false
}

// waitOver begins the attempt. One because of silence comes right after the server was silent
// once more: had the network been down, and were it back, the server would have answered.
func (b *bootstrapper) waitOver() {
	switch {
	case b.reason.Kind != BootstrapSilent || b.justFailed:
		b.on(bootDue)
	case !b.probing:
		b.probing = true
		_ = b.client.Update(b.reason.ShortServerID) // if its account has gone, so has the reason
	}
}

// arm sets the timer to what is due first, or stops it.
func (b *bootstrapper) arm() {
	var at time.Time
	switch b.state {
	case BootstrapWaiting:
		if !b.probing {
			at = b.waitUntil
		}
	case BootstrapOpen:
		at = earliest(b.expireAt, b.endAt)
	case BootstrapDone:
		at = b.endAt
	case BootstrapIdle:
		at = b.purgeAt()
	case BootstrapConnecting, BootstrapPacking, BootstrapRequesting, BootstrapStopped, bootstrapStateCount:
	}
	if at.IsZero() {
		b.timer.Stop()
		return
	}
	b.timer.Reset(at.Sub(b.now()))
}

// purgeAt returns when the bootstrap account goes, by the clock as it is now; zero: never. After a bootstrap of this process the
// time is measured: a clock that is put right meanwhile neither shortens nor lengthens it.
func (b *bootstrapper) purgeAt() time.Time {
	if b.survey.purgeAt.IsZero() || b.inForce.IsZero() {
		return b.survey.purgeAt
	}
	return b.now().Add(b.survey.account.timeout - time.Since(b.inForce))
}

// purge takes the bootstrap account away: its time is over (/0/x/12).
func (b *bootstrapper) purge() {
	at := lwm2m.NewPath(objectSecurity, b.survey.account.instance)
	b.survey.purgeAt = time.Time{}
	if err := b.client.config.Tree.Delete(b.ctx, model.FromAgent(), at); err != nil {
		b.log.Error("the bootstrap account cannot be removed", slog.Any("err", err))
		return
	}
	b.log.Info("the bootstrap account was removed: its time is over")
}

// dialled takes in the outcome of a dial.
func (b *bootstrapper) dialled(d dialled) {
	switch {
	case d.attempt != b.attempt:
		if d.nc != nil {
			_ = d.nc.Close() // it was given up meanwhile
		}
	case d.err != nil:
		b.trouble(d.err)
		b.on(bootUnreachable)
	default:
		b.connect(&d.server, d.nc)
		if b.noPack || b.params.Version.Less(lwm2m.Version12) {
			b.on(bootConnected)
			return
		}
		b.on(bootConnectedNew)
	}
}

func (b *bootstrapper) connect(to *Server, nc net.Conn) {
	o := coap.Options{Params: b.params.CoAP, Limits: b.params.Limits}
	around, trace := headersAround(nc), b.client.traced(0, to, nc)
	o.Trace = func(d coap.Direction, datagram []byte) {
		b.view.traffic.count(ForBootstrap, d == coap.Sent, len(datagram), around, b.now())
		trace(d, datagram)
	}
	conn := newConn(to, nc, func(x *coap.Exchange) { b.inbox.put(x) }, o)
	b.conn = conn
	b.running.Go(func() {
		err := conn.Run(b.ctx)
		b.inbox.put(bootstrapLost{conn, err})
	})
}
