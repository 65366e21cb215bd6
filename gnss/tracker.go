package gnss

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// DutyFrom is the interval from which on a receiver is switched on only when a fix is due.
// Below, it would be searching for satellites most of the time.
const DutyFrom = time.Minute

const (
	firstPause = time.Second // before a receiver that is gone is looked for again; doubles
	maxPause   = time.Minute

	minPatience = time.Minute     // for a fix, before its lack is told
	maxPatience = 5 * time.Minute // after which a receiver is switched off until the next time

	settling   = 10 * time.Second // in which a first fix may become a better one
	goodRadius = 40.0             // m: with it a fix needs no settling
)

// Config says what a Tracker follows, and who watches.
type Config struct {
	Source   Source
	Interval time.Duration // between two fixes that are told
	Kept     *Fix          // of an earlier run, nil if there is none
	// Changed is given what is new, from Run's goroutine.
	Changed func(State)
	Now     func() time.Time
}

// State is what is known of where the device is.
type State struct {
	Fix   *Fix      // the last one, nil if there never was one
	Heard time.Time // when it came, by the machine's clock; zero if it is kept from an earlier run
	Why   error     // nil: a newer one is expected when it is due; else why it is the last
}

// Failing reports whether the receiver is what is wrong, and not the sky.
func (s *State) Failing() bool { return s.Why != nil && !errors.Is(s.Why, ErrNoFix) && !s.Resting() }

// Resting reports whether there is no fix for now because power is saved.
func (s *State) Resting() bool { return errors.Is(s.Why, ErrResting) }

// Tracker follows a receiver. Run is the only writer of what is known.
type Tracker struct {
	cfg   Config
	state State

	pending *Fix // came before it was due
	why     error
}

// NewTracker returns a tracker that knows the kept fix.
func NewTracker(cfg Config) *Tracker { return &Tracker{cfg: cfg, state: State{Fix: cfg.Kept}} }

func (t *Tracker) duty() bool { return t.cfg.Interval >= DutyFrom }

// patience is how long a fix may take.
func (t *Tracker) patience() time.Duration {
	return max(minPatience, min(3*t.cfg.Interval, maxPatience))
}

// Run follows the receiver until ctx ends, which gives nil.
func (t *Tracker) Run(ctx context.Context) error {
	for pause := firstPause; ; {
		began, before := t.cfg.Now(), t.state.Heard
		err := t.follow(ctx)
		if err == nil {
			t.flush()
		}
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was to end
		}
		if !t.state.Heard.Equal(before) {
			pause = firstPause
		}
		wait := t.cfg.Interval - t.cfg.Now().Sub(began)
		if err != nil {
			t.trouble(err)
			wait, pause = pause, min(2*pause, maxPause)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
	}
}

// follow follows the receiver until it is gone; where it is switched on only when due,
// until there is a fix or none is to be had.
func (t *Tracker) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	reports, over := make(chan Report), make(chan error, 1)
	go func() { // ended by cancel and waited for
		err := t.cfg.Source.Follow(ctx, func(r Report) {
			select {
			case reports <- r:
			case <-ctx.Done():
			}
		})
		close(reports)
		over <- err
	}()
	t.hear(reports)
	cancel()
	for range reports { // what it was about to say
	}
	return <-over
}

// hear takes reports until there are no more, or enough was heard.
func (t *Tracker) hear(reports <-chan Report) {
	late, settled := time.NewTimer(t.patience()), time.NewTimer(time.Hour)
	settled.Stop()
	defer late.Stop()
	defer settled.Stop()
	t.why = errSilent
	for {
		select {
		case r, more := <-reports:
			if !more || t.take(r, late, settled) {
				return
			}
		case <-settled.C:
			if t.duty() {
				return
			}
			t.flush()
		case <-late.C:
			t.trouble(t.why)
			if t.duty() {
				return
			}
		}
	}
}

// errSilent says that nothing at all comes.
var errSilent = errors.New("nothing comes from the receiver: is it connected and switched on?")

// take takes in a report, and says whether it is all that is wanted.
func (t *Tracker) take(r Report, late, settled *time.Timer) bool {
	if r.Fix == nil {
		t.why = r.Why
		if t.state.Why != nil || !errors.Is(r.Why, ErrNoFix) { // whose lack is told when it lasts
			t.trouble(r.Why)
		}
		return false
	}
	late.Reset(t.patience())
	t.why = errSilent
	if !t.duty() {
		t.pending = r.Fix
		// Receivers speak once a second, a little more or less.
		const slack = 200 * time.Millisecond
		due := t.cfg.Interval - t.cfg.Now().Sub(t.state.Heard)
		if t.state.Why != nil || t.state.Heard.IsZero() || due <= slack {
			t.flush()
		} else {
			settled.Reset(due + slack)
		}
		return false
	}
	if t.pending == nil {
		settled.Reset(settling)
	}
	t.pending = better(t.pending, r.Fix)
	return t.pending.Radius != nil && *t.pending.Radius <= goodRadius
}

// better returns the fix with the smaller radius, the newer one if they are alike.
func better(old, now *Fix) *Fix {
	if old != nil && old.Radius != nil && (now.Radius == nil || *now.Radius > *old.Radius) {
		return old
	}
	return now
}

// flush tells the fix that has come.
func (t *Tracker) flush() {
	if t.pending == nil {
		return
	}
	t.state = State{Fix: t.pending, Heard: t.cfg.Now()}
	t.pending = nil
	t.cfg.Changed(t.state)
}

// trouble tells why there is no fix, once.
func (t *Tracker) trouble(why error) {
	if old := t.state.Why; old != nil && old.Error() == why.Error() {
		return
	}
	if t.pending != nil { // it was before
		t.state.Fix, t.state.Heard = t.pending, t.cfg.Now()
		t.pending = nil
	}
	t.state.Why = why
	t.cfg.Changed(t.state)
}

// Probe follows a source until it says something, which it returns in words.
func Probe(ctx context.Context, s Source) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var fix *Fix
	why := errSilent
	err := s.Follow(ctx, func(r Report) {
		if fix = r.Fix; fix != nil {
			cancel()
			return
		}
		why = r.Why
	})
	switch {
	case fix != nil:
		return fix.String(), nil
	case err != nil:
		return "", err
	}
	return "", why
}

// String returns the fix in words: "47.28524, 8.56527, 500 m high, within 19 m".
func (f *Fix) String() string {
	s := fmt.Sprintf("%.5f, %.5f", f.Latitude, f.Longitude)
	if f.Altitude != nil {
		s += fmt.Sprintf(", %.0f m high", *f.Altitude)
	}
	if f.Radius != nil {
		s += fmt.Sprintf(", within %.0f m", *f.Radius)
	}
	return s
}
