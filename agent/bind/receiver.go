package bind

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/agent/store"
	"lwm2m-agent/gnss"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/modem/at"
	"lwm2m-agent/objects"
)

// ReceiverConfig is what a Receiver joins.
type ReceiverConfig struct {
	Location *config.Location // whose source is a receiver
	Modems   *Modems
	Locate   func(objects.Position) error
	Time     func(time.Time) // takes what a fix says of the time
	Built    time.Time       // of this program; a receiver that says an earlier time is wrong
	Store    *store.Store
	Health   *health.Tracker
	Log      *slog.Logger
	Now      func() time.Time
}

// Receiver brings the fixes of a receiver into objects, and what is wrong with it into
// health. The last fix outlives the process.
type Receiver struct {
	cfg     ReceiverConfig
	kept    *store.SmallBucket
	tracker *gnss.Tracker
	times   bool // what it says of the time is worth something

	mu    sync.Mutex
	state gnss.State
	saved time.Time
}

// keyFix is the record of the last fix.
const keyFix = "fix"

// NewReceiver returns a receiver, and enters the fix that is kept of it.
func NewReceiver(cfg ReceiverConfig) *Receiver {
	r := &Receiver{cfg: cfg, kept: cfg.Store.SmallBucket("location/"), times: !isLog(cfg.Location)}
	r.state.Fix = r.load()
	r.tracker = gnss.NewTracker(gnss.Config{
		Source: SourceOf(cfg.Location, cfg.Modems), Interval: cfg.Location.Interval, Kept: r.state.Fix, Changed: r.changed, Now: cfg.Now,
	})
	if r.state.Fix != nil {
		r.enter(&r.state)
	}
	return r
}

// SourceOf is the source of a configuration in gnss's terms. Modems may be nil where the
// source is none of them.
func SourceOf(l *config.Location, modems *Modems) gnss.Source {
	switch l.Source {
	case config.LocationGPSD:
		return gnss.Daemon{Address: l.Address, Device: l.Device}
	case config.LocationModem:
		return gnss.SourceFunc(modems.locator(l.Device))
	case config.LocationNMEA, config.LocationFixed:
	}
	return gnss.Stream{Log: isLog(l), Open: func(ctx context.Context) (io.ReadCloser, error) {
		if isLog(l) {
			return os.Open(l.Device)
		}
		return at.Open(ctx, l.Device, l.Baud)
	}}
}

// isLog reports whether the device is a file: what a receiver has said once.
func isLog(l *config.Location) bool {
	info, err := os.Stat(l.Device)
	return l.Source == config.LocationNMEA && err == nil && info.Mode().IsRegular()
}

// WhereIs says where the source of a location is: "/dev/ttyS1".
func WhereIs(l *config.Location) string {
	if l.Source == config.LocationGPSD {
		return l.Address
	}
	return l.Device
}

// Run follows the receiver until ctx ends.
func (r *Receiver) Run(ctx context.Context) error {
	err := r.tracker.Run(ctx)
	r.save(true)
	return err
}

// State returns what is known.
func (r *Receiver) State() gnss.State {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}

// Time returns when the last fix was.
func (r *Receiver) Time() time.Time {
	s := r.State()
	return r.timeOf(&s)
}

// changed takes what the tracker tells.
func (r *Receiver) changed(s gnss.State) {
	r.mu.Lock()
	fresh := s.Fix != nil && !s.Heard.Equal(r.state.Heard)
	r.state = s
	r.mu.Unlock()
	if s.Fix != nil {
		r.enter(&s)
	}
	if fresh {
		r.save(false)
		if r.times && !s.Fix.Estimated && !s.Fix.Time.IsZero() {
			r.cfg.Time(s.Fix.Time)
		}
	}
	r.judge(&s)
}

// enter publishes a fix.
func (r *Receiver) enter(s *gnss.State) {
	f := s.Fix
	p := objects.Position{
		Latitude: f.Latitude, Longitude: f.Longitude, Altitude: f.Altitude, Radius: f.Radius, Speed: f.Speed, Bearing: f.Course,
		Time: r.timeOf(s), Quality: model.Good,
	}
	switch {
	case s.Why != nil, s.Heard.IsZero():
		p.Quality = model.Stale
	case f.Estimated:
		p.Quality = model.Uncertain
	}
	if err := r.cfg.Locate(p); err != nil {
		r.cfg.Log.Warn("position not published", slog.Any("error", err))
	}
}

// timeOf is when a fix was: by the receiver, unless its weeks have run over.
func (r *Receiver) timeOf(s *gnss.State) time.Time {
	if t := s.Fix.Time; !t.IsZero() && (s.Heard.IsZero() || !r.times || t.After(r.cfg.Built)) {
		return t
	}
	return s.Heard
}

// judge tells what is wrong with the receiver, or that it has no fix.
func (r *Receiver) judge(s *gnss.State) {
	on := cmp.Or(WhereIs(r.cfg.Location), string(r.cfg.Location.Source))
	missing := s.Why != nil && !s.Failing() && !s.Resting()
	for code, is := range map[health.Code]bool{health.ReceiverFailing: s.Failing(), health.FixMissing: missing} {
		if !is {
			r.cfg.Health.Clear(code, on)
			continue
		}
		since := "there was none before"
		if s.Fix != nil {
			since = "the last fix is of " + r.timeOf(s).UTC().Format(time.RFC3339)
		}
		r.cfg.Health.Set(code, on, fmt.Sprintf("%v; %s", s.Why, since))
	}
}

// saveEvery is how often a fix is kept while the agent runs, for the sake of flash.
const saveEvery = 10 * time.Minute

// save keeps the last fix, if it is time.
func (r *Receiver) save(now bool) {
	r.mu.Lock()
	s := r.state
	if s.Heard.IsZero() || !now && !r.saved.IsZero() && s.Heard.Sub(r.saved) < saveEvery {
		r.mu.Unlock()
		return
	}
	r.saved = s.Heard
	r.mu.Unlock()
	f := *s.Fix
	f.Time = r.timeOf(&s)
	record, err := json.Marshal(f)
	if err == nil {
		err = r.kept.Save(keyFix, record)
	}
	if err != nil {
		r.cfg.Log.Warn("the last fix is not kept", slog.Any("error", err))
	}
}

// load returns the fix of an earlier run, nil if there is none.
func (r *Receiver) load() *gnss.Fix {
	record, err := r.kept.Load(keyFix)
	if err != nil || record == nil {
		return nil
	}
	f := new(gnss.Fix)
	if err := json.Unmarshal(record, f); err != nil {
		r.cfg.Log.Warn("the fix that is kept is not read", slog.Any("error", err))
		return nil
	}
	return f
}
