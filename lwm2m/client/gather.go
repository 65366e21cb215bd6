package client

import (
	"time"

	"lwm2m-agent/lwm2m/model"
)

// radioOn says that another account has woken up: what this one has to send soon costs less
// now.
type radioOn struct{}

// wakeIfDue wakes the client up for a notification that is due while it sleeps. With
// [Params].Gather it is stored instead, and what was stored is told at the next wake-up.
func (a *account) wakeIfDue(now time.Time) {
	for range maxReports {
		o := a.next(now)
		if o == nil {
			break
		}
		if !a.gathers(o) {
			a.on(reportDue)
			return
		}
		a.store(o, now)
		if a.gatherUntil.IsZero() {
			a.gatherUntil = now.Add(a.params.Gather)
			a.show()
		}
	}
	a.showCounts()
	if passed(a.gatherUntil, now) {
		a.on(reportDue)
	}
}

// gathers reports whether what an observation has to tell may wait for a wake-up: not where
// the server has asked for confirmable notifications, wants nothing stored, or limits what is.
func (a *account) gathers(o *observation) bool {
	_, limited := o.own.Get(model.HQmax)
	return a.params.Gather > 0 && a.settings.storing && (!o.confirm || a.settings.confirm) &&
		!limited && !a.attributes.has(model.HQmax)
}

// radioOn tells the other accounts that one of them has woken up.
func (c *Client) radioOn(by *account) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.accounts {
		if a != by {
			a.inbox.put(radioOn{})
		}
	}
}

// radioIsOn does what would have to be done within the time that the account gathers for.
func (a *account) radioIsOn() {
	if a.state != Asleep || a.params.Gather <= 0 {
		return
	}
	if !a.gatherUntil.IsZero() || passed(a.updateAt, a.now().Add(a.params.Gather)) {
		a.on(updateDue)
	}
}
