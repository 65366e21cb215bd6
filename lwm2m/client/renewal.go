package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// renewal keeps an account reachable while its credentials are replaced: those that
// registered last are kept, over restarts too, until the new ones have registered once.
// Where the new ones fail, other than by silence, the account goes on with them.
type renewal struct {
	proven  *proof // nil: nothing has registered yet
	reason  string // why the account goes on with what is proven; "": it does not
	falling bool   // the next dial is to be with what is proven
}

// proof is what registered last. It is as secret as the credentials.
type proof struct {
	Version     int         `json:"version"` // 1
	URI         string      `json:"uri"`
	Credentials Credentials `json:"credentials"`

	Bootstrapped int64 `json:"bootstrapped,omitempty"` // /1/x/12 at that time
}

func renewalKey(ssid uint16) string { return fmt.Sprintf("credentials/%d", ssid) }

// target returns the server with the credentials to dial it with. Each new connection
// begins with the new ones; a session that goes on is of those that made it.
func (a *account) target() Server {
	r := &a.renewal
	if !a.goesOn() && !r.falling {
		r.reason = ""
	}
	r.falling = false
	s := a.settings.server
	if r.reason != "" {
		s.Credentials = r.proven.Credentials
	}
	return s
}

// mode returns the security mode of the credentials in use.
func (a *account) mode() SecurityMode {
	if a.renewal.reason != "" {
		return a.renewal.proven.Credentials.Mode
	}
	return a.settings.server.Mode
}

// fallBack reports whether the account is to go on with the credentials that registered
// last, since those that were to replace them failed with err.
func (a *account) fallBack(err error) bool {
	r, s := &a.renewal, &a.settings.server
	if r.reason != "" || r.proven == nil || r.proven.URI != s.URI || r.proven.Credentials.equal(&s.Credentials) || causeOf(err) == Unreachable {
		return false
	}
	a.log.Warn("new credentials fail: going on with those that registered last", slog.Any("err", err))
	r.reason, r.falling = err.Error(), true
	return true
}

// prove notes that the account has registered.
func (a *account) prove() {
	r, s := &a.renewal, &a.settings.server
	if r.reason != "" || a.provenSinceBootstrap() && r.proven.Credentials.equal(&s.Credentials) {
		return
	}
	r.proven = &proof{Version: 1, URI: s.URI, Credentials: s.Credentials, Bootstrapped: a.settings.bootstrapped}
	if a.client.config.Store == nil || s.Mode == SecurityNone && a.settings.initialDelay == 0 {
		return
	}
	record, err := json.Marshal(r.proven)
	if err == nil {
		err = a.client.config.Store.Save(renewalKey(a.ssid), record)
	}
	if err != nil {
		a.log.Error("credentials that registered are not kept for a renewal", slog.Any("err", fmt.Errorf("save %q: %w", renewalKey(a.ssid), err)))
	}
}

// provenSinceBootstrap reports whether the account has registered since a bootstrap, or the configuration, gave it to the client.
func (a *account) provenSinceBootstrap() bool {
	p := a.renewal.proven
	return p != nil && p.URI == a.settings.server.URI && p.Bootstrapped == a.settings.bootstrapped
}

// initialDelay returns how long to wait before registering: the Initial Registration Delay Timer (object 1, resource 14)
// counts only until the first registration after a bootstrap.
func (a *account) initialDelay() time.Duration {
	if a.provenSinceBootstrap() {
		return 0
	}
	return a.settings.initialDelay
}

// loadProof reads what registered in an earlier run.
func (a *account) loadProof() {
	if a.client.config.Store == nil {
		return
	}
	record, err := a.client.config.Store.Load(renewalKey(a.ssid))
	if len(record) == 0 && err == nil {
		return
	}
	var p proof
	if err == nil && (json.Unmarshal(record, &p) != nil || p.Version != 1) {
		err = errors.New("it is no record of version 1") // its text may be a key
	}
	if err != nil {
		a.log.Error("credentials of an earlier run are lost", slog.Any("err", fmt.Errorf("load %q: %w", renewalKey(a.ssid), err)))
		return
	}
	a.renewal.proven = &p
}
