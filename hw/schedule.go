package hw

import (
	"context"
	"sync"
	"time"
)

// schedule decides when samples are due. All intervals count from one origin,
// so that those that are multiples of each other fall together, and what would
// be due shortly after a wake-up is done in it: a process that samples wakes as
// rarely as its intervals allow, and not at all when nothing is to be sampled.
type schedule struct {
	kick chan struct{} // tells run that an entry changed

	mu      sync.Mutex
	origin  time.Time
	entries []*entry
}

// entry is one sensor's place in the schedule.
type entry struct {
	tick     chan struct{} // receives when it is due; holds one
	interval time.Duration // 0: due only when asked by again
	due      time.Time     // zero: not due
	slack    time.Duration // how much too early it may be done
	retry    bool          // it is due for another attempt, not at its interval
}

// maxSlack bounds how much too early a sample is taken: a 16th of its interval,
// and never more than this.
const maxSlack = time.Second

func newSchedule() *schedule {
	return &schedule{kick: make(chan struct{}, 1), origin: time.Now()}
}

func slackOf(interval time.Duration) time.Duration { return min(interval/16, maxSlack) }

// add enters a sensor that is to be sampled at each interval and right now.
func (s *schedule) add(interval time.Duration) *entry {
	e := &entry{interval: interval, slack: slackOf(interval), tick: make(chan struct{}, 1)}
	s.mu.Lock()
	s.entries = append(s.entries, e)
	s.mu.Unlock()
	s.again(e, 0)
	return e
}

// remove takes a sensor out.
func (s *schedule) remove(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, other := range s.entries {
		if other == e {
			s.entries = append(s.entries[:i], s.entries[i+1:]...)
			return
		}
	}
}

// again makes e due in delay, and from then at its interval.
func (s *schedule) again(e *entry, delay time.Duration) {
	s.mu.Lock()
	e.due, e.retry = time.Now().Add(delay), delay > 0
	s.mu.Unlock()
	s.look()
}

// pace gives e another interval from now on.
func (s *schedule) pace(e *entry, interval time.Duration) {
	s.mu.Lock()
	now := time.Now()
	same := e.interval == interval
	e.interval, e.slack = interval, slackOf(interval)
	if !same && !e.retry && e.due.After(now) {
		e.due = s.multiple(interval, now)
	}
	s.mu.Unlock()
	if !same {
		s.look()
	}
}

// look has run see what has changed.
func (s *schedule) look() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// run ticks the entries until ctx ends.
func (s *schedule) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.kick:
		case <-timer.C:
		}
		timer.Stop()
		if next := s.fire(time.Now()); !next.IsZero() {
			timer.Reset(time.Until(next))
		}
	}
}

// fire ticks what is due at now, and with it what would be due soon. It returns
// when it is to be called next, or the zero time.
func (s *schedule) fire(now time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	woken := false
	for _, e := range s.entries {
		woken = woken || !e.due.IsZero() && !e.due.After(now)
	}
	var next time.Time
	for _, e := range s.entries {
		if woken && !e.due.IsZero() && !e.due.After(now.Add(e.slack)) {
			select {
			case e.tick <- struct{}{}:
			default: // still at the sample before: this one is left out
			}
			e.due, e.retry = s.nextDue(e, now), false
		}
		if !e.due.IsZero() && (next.IsZero() || e.due.Before(next)) {
			next = e.due
		}
	}
	return next
}

// nextDue is e's next multiple of its interval, at least half an interval away.
func (s *schedule) nextDue(e *entry, now time.Time) time.Time {
	if e.interval <= 0 {
		return time.Time{}
	}
	return s.multiple(e.interval, now.Add(e.interval/2))
}

// multiple is the first multiple of an interval from a time on.
func (s *schedule) multiple(interval time.Duration, from time.Time) time.Time {
	soonest := from.Sub(s.origin)
	past := soonest % interval
	if past == 0 {
		past = interval
	}
	return s.origin.Add(soonest - past + interval)
}

// backoff spreads attempts to open a device that fails.
type backoff struct {
	limit  time.Duration // longest delay before jitter
	jitter func() float64
	next   time.Duration
}

// firstRetry is the delay after the first failure; each further doubles it.
const firstRetry = time.Second

// maxRetry bounds the delay for sensors that are sampled more often than that;
// one that is sampled more rarely is tried no more often than it would be
// sampled.
const maxRetry = time.Minute

func newBackoff(interval time.Duration, jitter func() float64) *backoff {
	return &backoff{limit: max(maxRetry, interval), jitter: jitter}
}

func (b *backoff) reset() { b.next = 0 }

// delay returns how long to wait, within a quarter of the doubled delay.
func (b *backoff) delay() time.Duration {
	b.next = min(max(2*b.next, firstRetry), b.limit)
	return time.Duration(float64(b.next) * (0.75 + 0.5*b.jitter()))
}
