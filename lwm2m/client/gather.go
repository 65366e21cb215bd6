package client

import (
	"time"

	"lwm2m-agent/lwm2m/model"
)

// radioOn says that the radio is on for another reason: what an account has to send soon
// costs less now.
type radioOn struct {
	next time.Duration // when the modem wakes up again by itself; zero: it is another account that has woken up
}

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

// radioOn tells the other accounts that one of them, or the modem, has woken up.
func (c *Client) radioOn(by *account, next time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.accounts {
		if a != by {
			a.inbox.put(radioOn{next})
		}
	}
}

// RadioOn tells the client that the modem is awake by itself, to update its tracking area, and
// when it will be so again (T3412). What would wake it up in between is done now. It may be
// called at any time.
func (c *Client) RadioOn(next time.Duration) {
	if next > 0 {
		c.radioOn(nil, next)
	}
}

// radioIsOn does what would have to be done within the time that the account gathers for, or
// before the modem wakes up again by itself: at that moment it costs no wake-up either.
func (a *account) radioIsOn(next time.Duration) {
	within := a.params.Gather
	if a.state != Asleep || within <= 0 && next <= 0 {
		return
	}
	stored := !a.gatherUntil.IsZero()
	if next > 0 {
		within = next - 1
		stored = passed(a.gatherUntil, a.now().Add(within))
	}
	if stored || passed(a.updateAt, a.now().Add(within)) {
		a.on(updateDue)
	}
}
