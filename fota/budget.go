package fota

import (
	"errors"
	"fmt"
	"net/url"
	"time"
)

// Budget is how many bytes downloads may cost in each day, or month, of the calendar. The zero value is no bound.
type Budget struct {
	Bytes int64
	Month bool
}

// Spending is what downloads have cost.
type Spending struct {
	Period string `json:"period"` // day or month: "2026-11-29", "2026-11"
	Bytes  int64  `json:"bytes"`
}

// period returns the name of the one that a time is in, and when the next one begins.
func (b Budget) period(now time.Time) (name string, next time.Time) {
	year, month, day := now.Date()
	if b.Month {
		return now.Format("2006-01"), time.Date(year, month+1, 1, 0, 0, 0, 0, now.Location())
	}
	return now.Format(time.DateOnly), time.Date(year, month, day+1, 0, 0, 0, 0, now.Location())
}

// current is period, unless the one that is on record comes right after it: then the clock has gone back, as that of a machine
// without a battery does at a boot, and nothing is renewed when it is right again.
func (b Budget) current(now time.Time, recorded string) (name string, next time.Time) {
	name, next = b.period(now)
	if after, end := b.period(next); after == recorded {
		return after, end
	}
	return name, next
}

// count adds bytes to what the period has cost, and returns what it has left, and when the next one begins.
func (u *Updater) count(n int) (left int64, next time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	name, next := u.cfg.Budget.current(u.cfg.Clock(), u.cost.Period)
	if u.cost.Period != name {
		u.cost = Spending{Period: name}
	}
	u.cost.Bytes += int64(n)
	return u.cfg.Budget.Bytes - u.cost.Bytes, next
}

// bounded reports whether what comes from a URI counts.
func (u *Updater) bounded(uri *url.URL) bool {
	return u.cfg.Budget.Bytes > 0 && (u.cfg.Metered == nil || u.cfg.Metered(uri))
}

// lacks returns what a download from a URI has to wait for while the budget is used up.
func (u *Updater) lacks(uri *url.URL) (w Wait, ok bool) {
	if !u.bounded(uri) {
		return Wait{}, false
	}
	left, next := u.count(0)
	return Wait{For: ForDataBudget, Until: u.cfg.Now().Add(next.Sub(u.cfg.Clock())).Round(time.Second)}, left <= 0
}

// attempt is one visit to a source. It satisfies Body.
type attempt struct {
	*transfer
	counts bool   // bytes cost
	end    func() // of the visit
}

// Spent implements Body.
func (a *attempt) Spent(n int) {
	if !a.counts {
		return
	}
	if left, _ := a.updater.count(n); left <= 0 {
		a.end()
	}
}

// errSpent ends a visit that has used up the budget.
var errSpent = errors.New("the data budget is used up")

// Write implements Body. What has come is paid for, and kept.
func (a *attempt) Write(b []byte) (int, error) {
	n, err := a.transfer.Write(b)
	if err == nil && a.counts {
		if left, _ := a.updater.count(0); left <= 0 {
			err = errSpent
		}
	}
	return n, err
}

// Begin implements Body.
func (a *attempt) Begin(at Position, size int64) error {
	if most := a.updater.cfg.Budget.Bytes; a.counts && at.Validator == "" && size > most {
		return fmt.Errorf("%w: the package has %d bytes, the data budget %d, and a server that gives no ETag cannot go on with a download later",
			errTooDear, size, most)
	}
	return a.transfer.Begin(at, size)
}

// errTooDear is of a download that would begin anew in each period, and never end.
var errTooDear = Failf(ConnectionLost, "the download would never end")
