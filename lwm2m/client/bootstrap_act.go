package client

import (
	"context"
	"log/slog"
	"net"
	"strconv"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
)

// on takes an event in, as account.on does.
func (b *bootstrapper) on(e bootEvent) {
	to, do := nextBootstrap(b.state, e)
	if to == b.state && do == nil {
		return
	}
	b.log.Debug("bootstrap", slog.String("from", b.state.String()), slog.String("on", e.String()), slog.String("to", to.String()))
	b.enter(to)
	for _, what := range do {
		b.do(what)
	}
	b.show()
}

func (b *bootstrapper) enter(s BootstrapState) {
	b.state, b.since = s, b.now()
	b.waitUntil, b.expireAt, b.endAt, b.probing = time.Time{}, time.Time{}, time.Time{}, false
}

func (b *bootstrapper) do(what bootAction) {
	switch what {
	case bootPlan:
		b.plan()
	case bootDial:
		b.dial()
	case bootHangUp:
		b.hangUp()
	case bootAskPack:
		b.askPack()
	case bootRequest:
		b.sendRequest()
	case bootAnyFormat:
		b.anyFormat = true
	case bootBegin:
		b.begin()
	case bootBackOff:
		b.backOff()
	case bootConclude:
		b.conclude()
	case bootActionCount:
	}
}

// The part of the hold-off time (/0/x/11) that is added to it at random, and the longest time
// that is, where a server's failure is the reason: many clients may share it.
const (
	holdOffJitter  = 0.2
	fallbackSpread = 5 * time.Minute
)

// plan sets the time of the first attempt: after the hold-off time, later than others of a
// fleet, and where bootstraps have been in vain, so much later.
func (b *bootstrapper) plan() {
	b.account = *b.survey.account
	b.adoptParams()
	now := b.now()
	wait := time.Duration(float64(b.account.holdOff) * (1 + holdOffJitter*b.random()))
	if f, ok := b.failing[b.reason.ShortServerID]; ok {
		wait += time.Duration(b.random() * float64(min(now.Sub(f.since), fallbackSpread)))
	}
	if b.failed > 0 {
		wait = max(wait, b.delay())
	}
	b.waitUntil = now.Add(wait)
}

func (b *bootstrapper) adoptParams() { b.params = b.client.params(0) }

// delay returns how long to wait after so many failed attempts.
func (b *bootstrapper) delay() time.Duration {
	policy := b.params.Retry
	if policy.First <= 0 && policy.Max == 0 && policy.Attempts == 0 {
		policy = bootstrapRetry
	}
	policy.Attempts = 0 // without end
	delay, _ := policy.withDefaults().delay(b.failed, b.random())
	return delay
}

// backOff sets the time of the next attempt. One that was asked for is given up in the end, if
// there are servers to go on with.
func (b *bootstrapper) backOff() {
	b.failed++
	if b.asked && b.failed >= askedAttempts && len(b.survey.servers) > 0 {
		b.asked = false
	}
	b.waitUntil = latest(b.now().Add(b.delay()), b.notBefore)
}

// dial begins to connect.
func (b *bootstrapper) dial() {
	b.giveUp()
	b.account = *b.survey.account
	b.adoptParams()
	server := b.account.server
	server.URI = b.account.uris[b.failed%len(b.account.uris)]
	server.CIDLength, server.DTLSTimeout, server.Interface = b.params.CIDLength, b.params.DTLSTimeout, b.params.Interface
	server.OnHandshake = func(remote net.Addr, sent bool, size int) {
		b.view.traffic.handshake(sent, size, networkHeaders(remote), b.now())
	}
	ctx, attempt := b.attemptContext()
	b.log.Info("bootstrap", slog.String("at", server.URI), slog.String("because", b.reason.String()))
	b.running.Go(func() {
		nc, err := b.client.config.Dialer.Dial(ctx, server)
		b.inbox.put(dialled{attempt, server, nc, err})
	})
}

func (b *bootstrapper) giveUp() {
	if b.abandon != nil {
		b.abandon()
		b.abandon = nil
	}
	b.attempt++ // what it still brings is late
}

func (b *bootstrapper) attemptContext() (context.Context, int) {
	ctx, cancel := context.WithCancel(b.ctx)
	b.abandon = cancel
	return ctx, b.attempt
}

// hangUp ends the connection and forgets what the bootstrap server has written.
func (b *bootstrapper) hangUp() {
	b.giveUp()
	b.busy.Store(false)
	b.stage, b.held = nil, nil
	if b.conn == nil {
		return
	}
	if err := b.conn.Close(); err != nil {
		b.log.Debug("connection not closed in order", slog.Any("err", err))
	}
	b.conn = nil
}

// send sends a request of the bootstrap interface.
func (b *bootstrapper) send(m *coap.Message) {
	b.giveUp()
	ctx, attempt := b.attemptContext()
	conn := b.conn
	b.running.Go(func() {
		response, err := conn.Do(ctx, m)
		b.inbox.put(answered{attempt, response, err})
	})
}

// preferredFormat is that of what the bootstrap server writes (Core, section 6.1.7.1).
const preferredFormat = lwm2m.FormatSenMLCBOR

// sendRequest sends a Bootstrap-Request.
func (b *bootstrapper) sendRequest() {
	m := &coap.Message{Code: coap.POST}
	m.SetPath("/bs")
	m.AddQuery("ep=" + b.client.config.Endpoint)
	if !b.anyFormat && b.params.Version != lwm2m.Version10 {
		m.AddQuery("pct=" + strconv.Itoa(int(preferredFormat)))
	}
	b.send(m)
}

// askPack sends a Bootstrap-Pack-Request (Core 1.2, section 6.1.7.7).
func (b *bootstrapper) askPack() {
	m := &coap.Message{Code: coap.GET}
	m.SetPath("/bspack")
	m.AddQuery("ep=" + b.client.config.Endpoint)
	m.AddQuery("acc=<" + b.accountPath().String() + ">")
	m.SetAccept(uint16(preferredFormat))
	b.send(m)
}

// accountPath returns the instance of object 0 that the attempt was made for.
func (b *bootstrapper) accountPath() lwm2m.Path {
	return lwm2m.NewPath(objectSecurity, b.account.instance)
}

// answered takes in what came of the request in flight.
func (b *bootstrapper) answered(r answered) {
	if r.attempt != b.attempt {
		return
	}
	if b.state == BootstrapPacking {
		b.unpack(&r)
		return
	}
	e, err := b.outcome(&r)
	if err != nil {
		b.trouble(err)
	}
	b.on(e)
}

// outcome turns what came of a Bootstrap-Request into an event, and the error to be shown.
func (b *bootstrapper) outcome(r *answered) (bootEvent, error) {
	switch {
	case r.err != nil:
		return bootSilent, r.err
	case r.response.Code.IsSuccess():
		return bootAccepted, nil
	case lwm2m.Code(r.response.Code) == lwm2m.UnsupportedContentFormat && !b.anyFormat:
		return bootNoFormat, nil // no trouble yet
	}
	b.notBefore = b.now().Add(retryAfter(r.response, b.random()))
	return bootRejected, newCodeError("Bootstrap-Request", r.response)
}

// begin opens the staging area. Requests that came before the answer to the
// Bootstrap-Request are served now.
func (b *bootstrapper) begin() {
	b.stage = b.client.config.Tree.Stage(b.accountPath(), lwm2m.NewPath(3, 0))
	b.busy.Store(true)
	b.endAt = b.now().Add(longestBootstrap)
	b.heard()
	held := b.held
	b.held = nil
	for _, x := range held {
		b.request(x)
	}
}

// heard puts off the end of a bootstrap server's patience (Core, section 6.1.6).
func (b *bootstrapper) heard() { b.expireAt = b.now().Add(b.conn.Params().ExchangeLifetime()) }

// conclude lets servers go on, and registrations follow what objects 0 and 1 say now.
func (b *bootstrapper) conclude() {
	b.giveUp()
	b.stage, b.held = nil, nil
	switch b.reason.Kind {
	case BootstrapRefused, BootstrapSilent:
		b.failed++ // until a registration stands: it may have been in vain
	case NoBootstrapReason, BootstrapNoServer, BootstrapRequested:
		b.failed = 0
	}
	b.asked, b.notBefore = false, time.Time{}
	clear(b.failing)
	b.endAt = b.now().Add(b.conn.Params().MaxTransmitWait())
	b.succeeded()
	b.survey = surveyed(b.client.config.Tree, readAccounts(b.client.config.Tree))
	b.client.bootstrapped(b.ctx, b.concerned, b.written)
	b.concerned, b.written = nil, nil
}
