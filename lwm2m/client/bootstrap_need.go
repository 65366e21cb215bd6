package client

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"syscall"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/dtls"
	"lwm2m-agent/lwm2m/model"
)

// BootstrapReason is why a bootstrap is wanted. The zero value: it is not.
type BootstrapReason struct {
	Kind          BootstrapReasonKind
	ShortServerID uint16 // of the server concerned, 0 for none
}

// BootstrapReasonKind is the kind of a reason.
type BootstrapReasonKind uint8

// The kinds of reason.
const (
	NoBootstrapReason  BootstrapReasonKind = iota
	BootstrapNoServer                      // there is no server account
	BootstrapRequested                     // a server (/1/x/9), or a person, asks for it
	BootstrapRefused                       // a server refuses this client
	BootstrapSilent                        // a server does not answer, though the network works
)

// String says the reason in words, "" for none.
func (r BootstrapReason) String() string {
	switch r.Kind {
	case BootstrapNoServer:
		return "there is no server account"
	case BootstrapRequested:
		if r.ShortServerID == 0 {
			return "it was asked for locally"
		}
		return fmt.Sprintf("server %d asked for it", r.ShortServerID)
	case BootstrapRefused:
		return fmt.Sprintf("server %d refuses this client", r.ShortServerID)
	case BootstrapSilent:
		return fmt.Sprintf("server %d does not answer", r.ShortServerID)
	case NoBootstrapReason:
	}
	return ""
}

// silentFor is how long a server must have been silent before that alone is a reason, where
// its account does not say how often it is to be tried: an outage is shorter, as a rule,
// and what moved stays away.
const silentFor = time.Hour

// bootstrapAccount is the account of the bootstrap server: an instance of object 0.
type bootstrapAccount struct {
	instance uint16
	server   Server
	uris     []string // that of server, then its secondary ones: each attempt takes the next
	holdOff  time.Duration
	timeout  time.Duration // 0: the account stays
}

// same reports whether a connection made for b serves o as well.
func (b *bootstrapAccount) same(o *bootstrapAccount) bool {
	if b == nil || o == nil {
		return b == o
	}
	return b.instance == o.instance && (&settings{server: b.server}).sameTarget(&settings{server: o.server})
}

// readBootstrapAccount returns the bootstrap account, nil if there is none.
func readBootstrapAccount(t *model.Tree) *bootstrapAccount {
	for _, iid := range t.Instances(objectSecurity) {
		in := readInstance(t, objectSecurity, iid)
		if !in.values[securityBootstrap].Bool() {
			continue
		}
		s := newSettings(0, in, instance{})
		return &bootstrapAccount{iid, s.server, s.uris(), in.seconds(securityHoldOff, 0), in.seconds(securityTimeout, 0)}
	}
	return nil
}

// survey is what objects 0 and 1 say, as far as the bootstrap is concerned.
type survey struct {
	account *bootstrapAccount
	servers []uint16
	purgeAt time.Time // the bootstrap account goes then; zero: never
}

// surveyed makes a survey. The account goes so long after the last bootstrap (/0/x/12): what
// /1/x/12 says outlives restarts.
func surveyed(t *model.Tree, accounts []*settings) survey {
	s := survey{account: readBootstrapAccount(t)}
	var last time.Time
	for _, a := range accounts {
		s.servers = append(s.servers, a.server.ShortServerID)
		at := t.Value(lwm2m.NewPath(objectServer, a.instance, serverLastBootstrapped))
		if !at.IsZero() {
			last = latest(last, at.Time())
		}
	}
	if s.account != nil && s.account.timeout > 0 && !last.IsZero() {
		s.purgeAt = last.Add(s.account.timeout)
	}
	return s
}

// ailment is what is known about a server at which this client cannot register.
type ailment struct {
	since   time.Time // the first failure in a row
	all     bool      // attempts of all sequences have failed, and a bootstrap may follow (/1/x/16)
	ordered bool      // the account says how many attempts there are (/1/x/17 to /1/x/20)
	refused bool      // by the last one
}

// What accounts tell the bootstrap.
type (
	registrationFailed struct {
		ssid    uint16
		all     bool
		ordered bool
		how     failure
	}
	registrationStands struct{ ssid uint16 }
	// bootstrapAsked says that a server, or with 0 a person, asks for a bootstrap.
	bootstrapAsked struct{ by uint16 }
)

// failure is how an attempt to register has failed.
type failure uint8

const (
	offline failure = iota // it is the network, as far as this end can tell
	silence                // the server did not answer, or has trouble of its own
	refusal                // the server, or what stands in its place, wants nothing of this client as its account is
)

// registrationFailed takes in that a server could not be registered at.
func (b *bootstrapper) registrationFailed(f registrationFailed) {
	if f.how == offline {
		delete(b.failing, f.ssid)
		delete(b.standing, f.ssid)
		return
	}
	before, ok := b.failing[f.ssid]
	if !ok {
		before.since = b.now()
	}
	b.failing[f.ssid] = ailment{before.since, f.all, f.ordered, f.how == refusal}
	delete(b.standing, f.ssid)
	b.justFailed = b.justFailed || f.ssid == b.reason.ShortServerID
}

// stands takes in that a registration stands.
func (b *bootstrapper) stands(ssid uint16) {
	delete(b.failing, ssid)
	b.standing[ssid] = true
	if len(b.failing) == 0 && (b.state == BootstrapIdle || b.state == BootstrapDone) {
		b.failed = 0
	}
}

// need returns why a bootstrap is wanted now. That nobody answers is none by itself: a network
// that is down would have whole fleets bootstrap when it comes back.
func (b *bootstrapper) need() BootstrapReason {
	switch {
	case b.survey.account == nil:
		return BootstrapReason{}
	case b.asked:
		return BootstrapReason{BootstrapRequested, b.askedBy}
	case len(b.survey.servers) == 0:
		return BootstrapReason{Kind: BootstrapNoServer}
	}
	for _, ssid := range slices.Sorted(maps.Keys(b.failing)) {
		f := b.failing[ssid]
		switch {
		case !f.all:
		case f.refused:
			return BootstrapReason{BootstrapRefused, ssid}
		case len(b.standing) > 0, f.ordered, b.now().Sub(f.since) >= silentFor:
			return BootstrapReason{BootstrapSilent, ssid}
		}
	}
	return BootstrapReason{}
}

// reassess compares what is wanted with what goes on.
func (b *bootstrapper) reassess() {
	reason := b.need()
	switch b.state {
	case BootstrapIdle, BootstrapDone:
		if reason.Kind != NoBootstrapReason {
			b.reason = reason
			b.on(bootWanted)
		}
	case BootstrapWaiting, BootstrapConnecting, BootstrapPacking, BootstrapRequesting:
		if reason.Kind == NoBootstrapReason {
			b.failed = 0
			b.on(bootUnwanted)
			return
		}
		b.reason = reason
	case BootstrapOpen, BootstrapStopped, bootstrapStateCount:
	}
}

// tellFailure tells the bootstrap that an attempt to register has failed.
func (a *account) tellFailure() {
	all := a.failed >= a.settings.attempts && a.settings.fallback
	a.client.bootstrap.inbox.put(registrationFailed{a.ssid, all, a.settings.retry != nil, a.failure})
}

// bootstrapped has an account register at once, or tell a server which has the client
// registered that it is there again. One that has disabled the account is left alone, unless
// the bootstrap server has written it.
func (a *account) bootstrapped(written bool) {
	if a.state == Waiting && a.behind || a.state == Disabled && !written {
		return // its turn, or the end of its time, comes
	}
	a.failed = 0
	if a.state == Connecting || a.state == Registering {
		return // it is on its way, and what comes of it is the first attempt's
	}
	if (a.state == Waiting || a.state == Disabled) && written && (a.behind || a.initialDelay() > 0) {
		a.on(delayed)
		return
	}
	a.commands = append(a.commands, command{event: triggered}) // after one to leave
}

// failureOf returns how an attempt has failed that ended with an error.
func failureOf(err error) failure {
	var (
		code    *codeError
		alert   *dtls.Error
		timeout *dtls.TimeoutError
	)
	switch {
	case errors.As(err, &code):
		if code.code.Class() == 4 && code.code != coap.TooManyRequests { // which says: come later (RFC 8516)
			return refusal
		}
		return silence
	case errors.As(err, &alert):
		if alert.Alert == dtls.AlertInternalError || alert.Alert == dtls.AlertUserCanceled || alert.Alert == dtls.AlertCloseNotify {
			return silence
		}
		return refusal
	case causeOf(err) == Mistrusted:
		return refusal
	case errors.As(err, &timeout), errors.Is(err, coap.ErrTimeout), errors.Is(err, coap.ErrReset), errors.Is(err, syscall.ECONNREFUSED):
		return silence
	}
	return offline
}
