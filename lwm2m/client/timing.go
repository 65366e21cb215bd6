package client

import (
	"math"
	"time"

	"lwm2m-agent/lwm2m/coap"
)

// The part of its time by which an Update may come early, so that a fleet that
// started together does not stay together.
const updateJitter = 0.1

// updateAfter returns how long after a Register or Update was sent the next Update
// is due: early enough for all its retransmissions, but not earlier than half of a
// short lifetime. random is in [0,1). It returns false for a lifetime without end.
func updateAfter(lifetime time.Duration, p coap.Params, random float64) (time.Duration, bool) {
	if lifetime <= 0 {
		return 0, false
	}
	margin := p.MaxTransmitWait()
	after := lifetime - margin
	if lifetime < 2*margin {
		after = lifetime / 2
	}
	return after - time.Duration(random*updateJitter*float64(after)), true
}

// How long a server can put off the next attempt, and the part of that time that is added to it
// at random: it has told many clients the same.
const (
	maxRetryAfter    = 24 * time.Hour
	defaultMaxAge    = time.Minute // RFC 7252, section 5.10.5
	retryAfterJitter = 0.2
)

// retryAfter returns after what time a server that refuses wants to hear again: Max-Age of 5.03
// (RFC 7252, section 5.9.3.4) and 4.29 (RFC 8516); 0 if it does not say. random is in [0,1).
func retryAfter(m *coap.Message, random float64) time.Duration {
	seconds, ok := m.MaxAge()
	if !ok || !isBusy(m.Code) {
		return 0
	}
	after := min(time.Duration(seconds)*time.Second, maxRetryAfter)
	return after + time.Duration(random*retryAfterJitter*float64(after))
}

// isBusy reports whether an answer says no more than that it is not the time for the request.
func isBusy(c coap.Code) bool { return c == coap.ServiceUnavailable || c == coap.TooManyRequests }

// Retry is the policy of repeated attempts to connect and register. The defaults
// are for a device on Ethernet: 1 s, doubling up to 60 s, without end. /1/x/17 to
// /1/x/19 (Communication Retry Count and Timer, Sequence Delay Timer) replace it
// where the server's instance has any of them: Timer * 2^(attempt-1), Count attempts
// a sequence, then the Sequence Delay (Core, table of Registration Procedures
// Default Values). OMA's own defaults, 60 s doubling over 5 attempts and then 24 h,
// suit a metered bearer; an account on one sets them here.
type Retry struct {
	First         time.Duration // before the second attempt; 1 s
	Max           time.Duration // bound of the doubling; 60 s; negative: none
	Attempts      int           // in a sequence; 0: without end
	SequenceDelay time.Duration // between sequences; 24 h; negative: no further sequence
	Jitter        float64       // up to this part is added to a delay or taken off, at random; 0.2; negative: none
}

func (r Retry) withDefaults() Retry {
	if r.First <= 0 {
		r.First = time.Second
	}
	if r.Max == 0 {
		r.Max = time.Minute
	}
	if r.SequenceDelay == 0 {
		r.SequenceDelay = 24 * time.Hour
	}
	switch {
	case r.Jitter == 0:
		r.Jitter = 0.2
	case r.Jitter < 0:
		r.Jitter = 0
	}
	return r
}

// delay returns how long to wait after the given number of failed attempts, from 1
// on. random is in [0,1). It returns false when there shall be no further attempt.
func (r Retry) delay(failed int, random float64) (time.Duration, bool) {
	d := r.First
	if r.Attempts > 0 {
		if failed%r.Attempts == 0 {
			d = r.SequenceDelay
			if d < 0 {
				return 0, false
			}
			return r.spread(d, random), true
		}
		failed %= r.Attempts
	}
	d = time.Duration(math.Min(math.Ldexp(float64(d), min(failed-1, 40)), float64(math.MaxInt64/2)))
	if r.Max > 0 {
		d = min(d, r.Max)
	}
	return r.spread(d, random), true
}

func (r Retry) spread(d time.Duration, random float64) time.Duration {
	return d + time.Duration(float64(d)*r.Jitter*(2*random-1))
}

func passed(at, now time.Time) bool { return !at.IsZero() && !at.After(now) }

// earliest returns the earlier of two times of which zero means never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
