package fota

import (
	"context"
	"time"
)

// Hours are a part of each day, as the clock on the wall shows it: from a time since midnight to
// another one, over midnight if that is not later. The zero value is all day.
type Hours struct{ From, To time.Duration }

const day = 24 * time.Hour

// until returns how long it is until the hours begin, 0 within them.
func (h Hours) until(now time.Time) time.Duration {
	if h == (Hours{}) || h.left(now) > 0 {
		return 0
	}
	return after(sinceMidnight(now), h.From)
}

// left returns how long it is until the hours end, 0 outside of them, a day if they never do.
func (h Hours) left(now time.Time) time.Duration {
	if h == (Hours{}) {
		return day
	}
	at, length := sinceMidnight(now), after(h.From, h.To)
	if length == 0 {
		length = day
	}
	return max(0, length-after(h.From, at))
}

// after returns how long it is from one time of the day to the next one.
func after(from, to time.Duration) time.Duration { return (to - from + day) % day }

// sinceMidnight is what a clock shows, which is not what has passed on the two days on which it is set.
func sinceMidnight(now time.Time) time.Duration {
	hour, minute, second := now.Clock()
	return time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute + time.Duration(second)*time.Second
}

// longestRest is how long the clock is believed while hours are waited for: it may be set meanwhile.
const longestRest = 15 * time.Minute

// awaitHours waits for hours, or the end of a context. It reports whether there was anything to wait for.
func (u *Updater) awaitHours(ctx context.Context, j *job, h Hours, what Reason) (waited bool) {
	return u.await(ctx, j, func() (Wait, bool) {
		now := u.cfg.Now()
		d := h.until(now)
		return Wait{For: what, Until: now.Add(d)}, d > 0
	})
}

// pace keeps a download to a rate: it waits until what has come may have come.
type pace struct {
	rate int64 // bytes a second; 0: any
	due  time.Time
}

// burst is what may come at once after a pause, in time at the rate.
const burst = time.Second

// took returns how long to wait after some bytes.
func (p *pace) took(n int, now time.Time) time.Duration {
	if p.rate == 0 {
		return 0
	}
	if earliest := now.Add(-burst); p.due.Before(earliest) {
		p.due = earliest
	}
	p.due = p.due.Add(time.Duration(float64(n) / float64(p.rate) * float64(time.Second)))
	return max(0, p.due.Sub(now))
}
