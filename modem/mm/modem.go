package mm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godbus/dbus/v5"

	"lwm2m-agent/modem"
)

// Config says which modem, and who watches.
type Config struct {
	// Port is which of ModemManager's modems: one of its ports ("/dev/cdc-wdm0",
	// "/dev/ttyUSB*"), its device in sysfs, or its IMEI; "" is the first.
	Port string
	PIN  *modem.PIN // nil: none

	// Signal is how often ModemManager measures the signal; zero leaves that as it is.
	Signal time.Duration

	// Changed is given the state with each change, and what has changed. It is called
	// from Run's goroutine and must not wait for the modem.
	Changed func(modem.State, modem.Part)
	// Received is given each text message that comes, likewise, and returns whether it was
	// for the agent: then it is deleted. nil: nobody reads them.
	Received func(modem.Message) bool
	// Owe is given what the modem has to be told, also in a later life, as its radio is off; Owed is what was given last in an earlier one. nil: nobody
	// keeps it.
	Owe  func(owed []string)
	Owed []string
	Log  *slog.Logger
	Now  func() time.Time
	Dial func(context.Context) (*dbus.Conn, error) // nil: the system bus
}

// Modem is a modem of ModemManager. Run is the only writer of what is known of it; the
// other methods may be called at any time.
type Modem struct {
	cfg      Config
	state    modem.State
	present  atomic.Pointer[present]  // nil: there is none
	setUp    sync.Mutex               // one setting at a time, which depends on the one before
	follower atomic.Pointer[follower] // of the receiver; nil: nobody
	quiet    bool                     // only looks
	off      atomic.Bool              // the radio, by this agent
	left     bool                     // the radio was left off by an earlier life
	later    later
	gave     bool               // a card was given the PIN
	stale    atomic.Bool        // the profiles were changed here, of which ModemManager does not tell
	looks    chan chan struct{} // has Run look at all, and close what it gets
}

// present is what commands need to know of a modem that is there.
type present struct {
	conn     *dbus.Conn
	path     dbus.ObjectPath
	bearers  map[int]dbus.ObjectPath // by the number that a bearer has here
	own      map[int]modem.Profile   // likewise: what it is made with, nothing if it goes by a profile
	profiles map[int]int             // likewise: the number of its profile in the modem, if that is known
	bare     bool                    // the profiles in the modem have no login
	enabled  bool
	modes    []mode
	sim      dbus.ObjectPath
	with     uint32 // technologies that operators are preferred with
}

// ErrAbsent says that there is no modem to do what was asked for.
var ErrAbsent = errors.New("ModemManager has no such modem")

// New returns a modem that nobody has looked for yet.
func New(cfg Config) *Modem {
	if cfg.Dial == nil {
		cfg.Dial = func(ctx context.Context) (*dbus.Conn, error) {
			return dbus.ConnectSystemBus(dbus.WithContext(ctx), dbus.WithSignalHandler(dbus.NewSequentialSignalHandler()))
		}
	}
	return &Modem{cfg: cfg, looks: make(chan chan struct{}), left: len(cfg.Owed) > 0}
}

// Run follows the modem until ctx ends, which gives nil.
func (m *Modem) Run(ctx context.Context) error {
	modem.Again(ctx, m.cfg.Now, m.follow, func(err error) {
		m.absent(fmt.Errorf("the system bus is gone: %w; it is tried again by itself", err))
	}, rest)
	m.present.Store(nil)
	return nil
}

// rest lets time pass. It returns false when ctx has ended.
func rest(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// absent enters that there is no modem.
func (m *Modem) absent(why error) {
	m.present.Store(nil)
	m.follower.Load().leave(why)
	m.enter(modem.State{Presence: modem.Missing, Trouble: why})
}

// enter takes over a state, and tells what of it is new.
func (m *Modem) enter(s modem.State) {
	now := m.cfg.Now()
	p := modem.Differences(&m.state, &s)
	if p&modem.PartPresence != 0 {
		m.tellPresence(&s)
	}
	if p&modem.PartNetwork != 0 {
		s.Network.Time = now
	} else {
		s.Network.Time = m.state.Network.Time
	}
	if p&modem.PartSignal != 0 {
		s.Signal.Time = now
	} else {
		s.Signal.Time = m.state.Signal.Time
	}
	m.state = s
	if p != 0 {
		m.cfg.Changed(s.Clone(), p)
	}
}

func (m *Modem) tellPresence(s *modem.State) {
	if s.Trouble != nil {
		m.cfg.Log.Warn("modem gone", slog.Any("error", s.Trouble))
	} else if s.Presence == modem.Ready {
		m.cfg.Log.Info("modem found", slog.String("model", s.Identity.Model))
	}
}

// Probe looks at a modem once. It gives no PIN and changes nothing.
func Probe(ctx context.Context, cfg Config) (modem.State, error) {
	cfg.PIN, cfg.Signal, cfg.Received = nil, 0, nil
	var found modem.State
	seen := make(chan struct{})
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cfg.Changed = func(s modem.State, _ modem.Part) {
		select {
		case <-seen:
		default:
			found = s
			close(seen)
		}
	}
	over := make(chan error, 1)
	m := New(cfg)
	m.quiet = true
	go func() { over <- m.Run(ctx) }() // ended by cancel and waited for
	select {
	case <-seen:
	case <-ctx.Done():
	}
	cancel()
	if err := <-over; err != nil {
		return found, err
	}
	select {
	case <-seen:
		return found, found.Trouble
	default:
		return found, fmt.Errorf("ask ModemManager: it does not answer: %w", context.Cause(ctx))
	}
}
