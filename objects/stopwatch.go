package objects

import "time"

// stopwatch adds up how long something has been on and off. It stands still
// while that is not known.
type stopwatch struct {
	on, off time.Duration // up to since
	since   time.Time
	state   watched
}

// watched is what a stopwatch knows.
type watched uint8

const (
	watchedUnknown watched = iota
	watchedOff
	watchedOn
)

// begin sets the times, in seconds, that were measured before.
func (s *stopwatch) begin(on, off float64) {
	s.on, s.off = time.Duration(on*float64(time.Second)), time.Duration(off*float64(time.Second))
}

// total returns the time on, or off, up to now.
func (s *stopwatch) total(now time.Time, on bool) time.Duration {
	running := max(0, now.Sub(s.since)) // a wall clock may be set back
	switch {
	case on && s.state == watchedOn:
		return s.on + running
	case !on && s.state == watchedOff:
		return s.off + running
	case on:
		return s.on
	}
	return s.off
}

// see enters the state from now on.
func (s *stopwatch) see(now time.Time, state watched) {
	s.on, s.off = s.total(now, true), s.total(now, false)
	s.since, s.state = now, state
}

// reset sets the time on, or off, to 0.
func (s *stopwatch) reset(now time.Time, on bool) {
	s.see(now, s.state)
	if on {
		s.on = 0
	} else {
		s.off = 0
	}
}
