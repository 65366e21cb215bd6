package client

import (
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// BootstrapStatus is what is known about the bootstrap at one moment.
type BootstrapStatus struct {
	Known       bool // there is a bootstrap account
	URI         string
	State       BootstrapState
	Words       string          // the state in words: "no answer; next attempt in 8 s"
	Since       time.Time       // of the state
	Reason      BootstrapReason // why one is wanted, or went on last
	NextAttempt time.Time       // zero: none due
	Attempts    int             // that failed, or were in vain, in a row
	Last        time.Time       // when the last one succeeded, in this run; zero: none
	PurgeAt     time.Time       // the account goes then (/0/x/12); zero: never

	Cause         Cause  // of the last error, in kind
	LastError     string // in words, "" for none yet
	Remedy        string // what a person can do about it, "" if nothing is known
	LastErrorTime time.Time
	ErrorCleared  bool // a bootstrap has succeeded since, or none is wanted any more

	Traffic, Day Flows // with bootstrap servers, by purpose: in this run, and in the last 24 hours of it
}

// bootstrapView is what others see of the bootstrap.
type bootstrapView struct {
	mu     sync.Mutex
	status BootstrapStatus

	traffic ledger
}

// BootstrapStatus returns where the bootstrap stands.
func (c *Client) BootstrapStatus() BootstrapStatus {
	v := &c.bootstrap.view
	v.mu.Lock()
	defer v.mu.Unlock()
	s, now := v.status, c.config.Now()
	s.Words = s.words(now)
	s.Traffic, s.Day = v.traffic.read(now)
	return s
}

// words says where the bootstrap stands.
func (s *BootstrapStatus) words(now time.Time) string {
	switch s.State {
	case BootstrapWaiting:
		when := "the server is tried once more before"
		if s.Reason.Kind != BootstrapSilent || s.NextAttempt.After(now) {
			when = fmt.Sprintf("next attempt in %s", span(s.NextAttempt.Sub(now)))
		}
		if s.LastError == "" || s.ErrorCleared {
			return fmt.Sprintf("%s; %s", s.Reason, when)
		}
		return fmt.Sprintf("%s; it failed: %s; %s", s.Reason, s.LastError, when)
	case BootstrapConnecting, BootstrapPacking, BootstrapRequesting, BootstrapOpen:
		return fmt.Sprintf("%s: %s", s.State, s.Reason)
	case BootstrapIdle, BootstrapDone, BootstrapStopped, bootstrapStateCount:
	}
	if !s.Known {
		return "there is no bootstrap server"
	}
	return s.State.String()
}

// show puts the present state on view and tells who asked for it.
func (b *bootstrapper) show() {
	v := &b.view
	v.mu.Lock()
	s := &v.status
	s.State, s.Since, s.Reason, s.NextAttempt, s.Attempts = b.state, b.since, b.reason, b.waitUntil, b.failed
	s.Known, s.URI, s.PurgeAt = b.survey.account != nil, "", b.purgeAt()
	if s.Known {
		s.URI = b.survey.account.server.URI
	}
	if b.state == BootstrapIdle || b.state == BootstrapDone {
		s.ErrorCleared = s.LastError != ""
	}
	v.mu.Unlock()
	if f := b.client.config.OnBootstrap; f != nil {
		f(b.client.BootstrapStatus())
	}
}

// trouble notes an error of the bootstrap.
func (b *bootstrapper) trouble(err error) {
	if err == nil || b.ctx.Err() != nil {
		return
	}
	help, text := remedy(err), plain(err)
	b.log.Log(b.ctx, b.repeated.level(text, b.now()), "bootstrap in trouble", slog.String("err", text), slog.String("remedy", help))
	v := &b.view
	v.mu.Lock()
	defer v.mu.Unlock()
	s := &v.status
	s.Cause, s.LastError, s.Remedy, s.LastErrorTime, s.ErrorCleared = causeOf(err), text, help, b.now(), false
}

// succeeded notes that a bootstrap has come to its end.
func (b *bootstrapper) succeeded() {
	v := &b.view
	v.mu.Lock()
	defer v.mu.Unlock()
	b.repeated.over()
	v.status.Last, v.status.ErrorCleared = b.finished, v.status.LastError != ""
}
