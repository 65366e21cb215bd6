package fota

import (
	"context"
	"net/url"
)

// send hands an event to Run's goroutine and waits for what became of it.
func (u *Updater) send(ctx context.Context, h happening) error {
	h.reply = make(chan error, 1)
	select {
	case u.inbox <- h:
	case <-u.ended:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-h.reply:
		return err
	case <-u.ended:
	}
	select {
	case err := <-h.reply: // what was asked for has ended it: a reboot
		return err
	default:
		return ErrStopped
	}
}

// Fetch begins to download a package. A URI that cannot be used is an update that
// has failed with InvalidURI or UnsupportedProtocol, and no error.
func (u *Updater) Fetch(ctx context.Context, uri string) error {
	parsed, err := url.Parse(uri)
	switch {
	case err != nil || parsed.Scheme == "" || parsed.Host == "":
		return u.send(ctx, happening{event: uriRefused, uri: uri, failure: Failf(InvalidURI, "%.255q is no URI with a host", uri)})
	case u.cfg.Fetchers[parsed.Scheme] == nil:
		return u.send(ctx, happening{event: uriRefused, uri: uri, failure: Failf(UnsupportedProtocol, "packages are not fetched by %.20q", parsed.Scheme)})
	}
	return u.send(ctx, happening{event: uriGiven, uri: uri})
}

// Reset forgets the update, as an empty Package or Package URI does.
func (u *Updater) Reset(ctx context.Context) error { return u.send(ctx, happening{event: reset}) }

// Cancel ends an update that is not being installed yet.
func (u *Updater) Cancel(ctx context.Context) error { return u.send(ctx, happening{event: cancel}) }

// Update installs the package that is there. Where the local user is to be asked,
// and the server lets them defer, it is deferred first.
func (u *Updater) Update(ctx context.Context) error {
	if u.asks() {
		return u.send(ctx, happening{event: updateAsked})
	}
	return u.send(ctx, happening{event: update})
}

// Install installs the package that is there; the local user wants it.
func (u *Updater) Install(ctx context.Context) error { return u.send(ctx, happening{event: update}) }

// asks reports whether the local user is asked before an update is installed. One
// that is critical cannot be deferred.
func (u *Updater) asks() bool {
	p := u.Status().Policy
	return u.cfg.Consent && p.MaxDefer > 0 && p.Severity > 0
}

// Accept is the local user's consent to an update that was deferred.
func (u *Updater) Accept(ctx context.Context) error { return u.send(ctx, happening{event: agreed}) }

// MarkGood is the local user's word that the running system is good. It ends a
// trial.
func (u *Updater) MarkGood(ctx context.Context) error {
	return u.send(ctx, happening{event: vouched})
}

// Rollback leaves the running system for the other slot.
func (u *Updater) Rollback(ctx context.Context) error {
	return u.send(ctx, happening{event: handBack, failure: Failf(UpdateFailed, "rolled back by a local user")})
}

// SetPolicy notes how servers want updates to be done.
func (u *Updater) SetPolicy(ctx context.Context, p Policy) error {
	return u.send(ctx, happening{policy: &p})
}
