package clock

import (
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Source is where a time comes from.
type Source uint8

// The sources. Their numbers are stored.
const (
	Built      Source = 0 // this program cannot be older
	Machine    Source = 1 // its own clock, unconfirmed
	Network    Source = 2 // its own clock while it follows a time server
	Satellites Source = 3 // a fix of a GNSS receiver
	Told       Source = 4 // written to /3/0/13
)

// String returns the source as a phrase.
func (s Source) String() string {
	switch s {
	case Built:
		return "the date of this program"
	case Machine:
		return "this machine's clock"
	case Network:
		return "a time server"
	case Satellites:
		return "a satellite receiver"
	case Told:
		return "a write to /3/0/13"
	}
	return fmt.Sprintf("source %d", uint8(s))
}

const (
	// horizon is how long after its build a program is believed to be in use: less
	// than the 19.6 years by which a GNSS receiver is wrong whose week counter ran over.
	horizon = 15 * 365 * 24 * time.Hour
	// tolerance is what two right clocks may differ by.
	tolerance = 5 * time.Minute
	// persistence is how long a confirmed source must insist on an earlier time.
	persistence = 24 * time.Hour
)

// Config is what a Clock works with. Wall is required.
type Config struct {
	Built time.Time        // when this program was built; zero: unknown, and there are no bounds
	Wall  func() time.Time // the machine's clock

	// Elapsed is time since any origin that nobody sets, the machine's sleep
	// included; nil: since New, without sleep.
	Elapsed func() time.Duration

	// Synchronized reports whether a time server keeps the machine's clock; nil:
	// never.
	Synchronized func() bool

	Store Store // nil: nothing outlives the process

	// Doubt is told why the machine's clock is not believed, and "" when it is again.
	// It must not call the Clock.
	Doubt func(why string)

	// Looked, when not nil, is told the time by Run whenever that has looked at the machine's clock.
	Looked func(now time.Time)

	Log *slog.Logger // nil: none
}

// Clock knows what time it is at least. Its methods may be called from any
// goroutine.
type Clock struct {
	config Config

	mu      sync.Mutex
	known   fact                     // the latest that is believed
	sure    fact                     // the latest that did not come from the machine's clock alone
	doubts  doubt                    // about the machine's clock
	earlier map[Source]time.Duration // since when a confirmed source insists on an earlier time
	saved   time.Time                // what the store has as known
	savedAt time.Duration
	written bool // by this process
	stepped chan struct{}
}

// fact is a time that was true at an instant.
type fact struct {
	time   time.Time
	at     time.Duration // Elapsed
	source Source
}

func (f fact) now(elapsed time.Duration) time.Time { return f.time.Add(elapsed - f.at) }

// doubt is why the machine's clock is not believed.
type doubt uint8

const (
	none doubt = iota
	tooEarly
	tooLate
	behind
)

// New returns a clock that knows what the store and the machine's clock say. Run
// keeps it.
func New(c Config) *Clock {
	if c.Elapsed == nil {
		began := time.Now()
		c.Elapsed = func() time.Duration { return time.Since(began) }
	}
	if c.Synchronized == nil {
		c.Synchronized = func() bool { return false }
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	k := &Clock{config: c, earlier: make(map[Source]time.Duration), stepped: make(chan struct{}, 1)}
	elapsed := c.Elapsed()
	k.sure = fact{c.Built, elapsed, Built}
	k.known = k.sure
	k.load(elapsed)
	k.look()
	return k
}

// Now returns the time by which certificates are judged. It looks at the machine's
// clock first, and goes back only where a source is believed that says so.
func (k *Clock) Now() time.Time {
	k.look()
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.known.now(k.config.Elapsed()).Round(0)
}

// Told takes the time that somebody wrote who may set the clock.
func (k *Clock) Told(t time.Time) { k.take(t, Told) }

// Fix takes the time of a GNSS receiver that has a fix.
func (k *Clock) Fix(t time.Time) { k.take(t, Satellites) }

// Stepped has Run look at the machine's clock: somebody has set it.
func (k *Clock) Stepped() {
	select {
	case k.stepped <- struct{}{}:
	default:
	}
}

// look takes what the machine's clock says, and tells when it is doubted and when
// it no longer is.
func (k *Clock) look() {
	source := Machine
	if k.config.Synchronized() {
		source = Network
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	wall := k.config.Wall()
	now := k.judge(wall, source)
	if now == k.doubts {
		return
	}
	k.doubts = now
	if k.config.Doubt != nil {
		k.config.Doubt(k.why(wall))
	}
}

// why says what is doubted about the machine's clock; the lock must be held.
func (k *Clock) why(wall time.Time) string {
	says := "it says " + stamp(wall)
	switch k.doubts {
	case none:
	case tooEarly:
		return says + ", but this program was built on " + stamp(k.config.Built)
	case tooLate:
		return says + ", more than fifteen years after this program was built"
	case behind:
		return fmt.Sprintf("%s, but it is %s at least, by %s", says, stamp(k.known.now(k.config.Elapsed())), k.known.source)
	}
	return ""
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func (k *Clock) take(t time.Time, source Source) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if why := k.judge(t, source); why != none {
		k.config.Log.Debug("a time is not believed", slog.String("from", source.String()), slog.Time("time", t))
	}
	k.Stepped()
}

// judge makes a time what is known, if its source is believed that far, and says why
// not; the lock must be held.
func (k *Clock) judge(t time.Time, source Source) doubt {
	t = t.Round(0) // the monotonic reading does not see that the clock was set
	if why := k.plausible(t); why != none {
		return why
	}
	elapsed := k.config.Elapsed()
	confirmed := source == Network || source == Satellites
	if confirmed && k.known.source == Machine {
		k.known = k.sure // the machine's word does not count against it
	}
	ahead := t.Sub(k.known.now(elapsed))
	if ahead >= 0 {
		delete(k.earlier, source)
	}
	switch {
	case source == Told, ahead > tolerance, ahead >= 0 && source >= k.known.source:
		k.believe(fact{t, elapsed, source})
		return none
	case ahead >= -tolerance:
		return none
	case !confirmed:
		return behind
	}
	began, insists := k.earlier[source]
	if !insists {
		k.earlier[source] = elapsed
		return behind
	}
	if elapsed-began < persistence {
		return behind
	}
	k.believe(fact{t, elapsed, source})
	return none
}

func (k *Clock) believe(f fact) {
	delete(k.earlier, f.source)
	k.known = f
	if f.source != Machine {
		k.sure = f
	}
}

// plausible reports whether a time can be now at all.
func (k *Clock) plausible(t time.Time) doubt {
	switch {
	case k.config.Built.IsZero():
		return none
	case t.Before(k.config.Built):
		return tooEarly
	case t.After(k.config.Built.Add(horizon)):
		return tooLate
	}
	return none
}
