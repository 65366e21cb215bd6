package bind

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/agent/store"
	"lwm2m-agent/hw"
	"lwm2m-agent/hw/process"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/client"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/objects"
)

// BoardConfig is what a Board joins.
type BoardConfig struct {
	Tree        *model.Tree
	Definitions model.Definitions
	Store       *store.Store
	Health      *health.Tracker
	Location    *objects.Location // takes the position of a sensor that has one, and of Locate
	Hardware    hw.Options
	Locked      func(actuator string) bool // its output must stay in its safe state; nil: none must
	Log         *slog.Logger
	Now         func() time.Time
}

// Board keeps the smart objects in step with the sensors and actuators of a
// hw.Board.
type Board struct {
	cfg   BoardConfig
	board *hw.Board
	stage *process.Stage // between board and this

	mu        sync.Mutex // not held while the board or a store is asked to wait
	sensors   map[string]*config.Sensor
	actuators map[string]*config.Actuator
	objects   map[uint16]*objects.SmartObject
	units     map[hw.Unit]*bound
	counts    map[string]map[string]*Count // by sensor and channel
	counted   map[hw.Unit]map[string]int64 // by channel: what a source has counted so far, as it says

	processing process.Setup
	ruled      map[string]bool          // sensors that something on the device looks at
	wishes     map[uint16][]client.Wish // of servers, by Short Server ID
	whereabouts
}

// bound is a sensor or an actuator whose channels are known.
type bound struct {
	channels  []hw.Channel
	groups    []*group
	targets   map[string]target
	latest    map[string]hw.Reading // by channel
	position  *positionReader       // of a receiver, else nil
	misplaced string                // why channels have no place
	failing   bool
	doubtful  bool      // a reading of the last delivery was uncertain
	doubted   time.Time // when that was last logged
}

// target is where a channel's readings go.
type target struct {
	object  *objects.SmartObject
	iid     uint16
	rid     uint16
	counter *store.Counter // of a count, else nil
	run     int64          // what was counted since the instance was made
}

// NewBoard returns a board without sensors.
func NewBoard(cfg BoardConfig) *Board {
	b := &Board{
		cfg: cfg, objects: make(map[uint16]*objects.SmartObject), units: make(map[hw.Unit]*bound), wishes: make(map[uint16][]client.Wish),
		counts: make(map[string]map[string]*Count), counted: make(map[hw.Unit]map[string]int64),
	}
	b.stage = process.NewStage(b, totals{cfg.Store}, b.hold)
	also := cfg.Hardware.Changed
	cfg.Hardware.Changed = func(s hw.Status) {
		b.changed(s)
		if also != nil {
			also(s)
		}
	}
	b.board = hw.NewBoard(b.stage, cfg.Hardware)
	return b
}

// Hardware returns the board below, for its life and its status.
func (b *Board) Hardware() *hw.Board { return b.board }

// Apply makes the configuration's sensors and actuators those of the board; what
// has not changed is not disturbed. The error is a config.Problems for what is
// wrong with the configuration.
func (b *Board) Apply(ctx context.Context, cfg *config.Config) error {
	if problems := Check(cfg, b.cfg.Definitions); len(problems) > 0 {
		return problems
	}
	sensors, actuators := make(map[string]*config.Sensor), make(map[string]*config.Actuator)
	for i := range cfg.Sensors {
		sensors[cfg.Sensors[i].Name] = &cfg.Sensors[i]
	}
	for i := range cfg.Derived {
		sensors[cfg.Derived[i].Name] = derivedSensor(&cfg.Derived[i])
	}
	for i := range cfg.Actuators {
		actuators[cfg.Actuators[i].Name] = &cfg.Actuators[i]
	}
	enterLocation(cfg, sensors)
	processing := ProcessOf(cfg)
	b.mu.Lock()
	b.sensors, b.actuators, b.processing, b.ruled = sensors, actuators, processing, ruledOf(processing)
	b.loosen()
	b.mu.Unlock()
	b.applyLocation(cfg)
	b.stage.Apply(processing)
	err := b.board.Apply(ctx, SetupOf(cfg))
	b.mu.Lock()
	b.place()
	b.pace()
	b.mu.Unlock()
	if err != nil {
		return fmt.Errorf("apply sensors and actuators: %w", err)
	}
	return nil
}

// object returns the smart object of that identifier, entered in the tree when
// it is first needed.
func (b *Board) object(oid uint16) (*objects.SmartObject, error) {
	if o := b.objects[oid]; o != nil {
		return o, nil
	}
	o, err := objects.NewSmartObject(b.cfg.Tree, oid, objects.SmartHooks{
		Now:  b.cfg.Now,
		Save: func(_ context.Context, iid, rid uint16, v lwm2m.Value) error { return b.save(oid, iid, rid, v) },
	})
	if err != nil {
		return nil, err
	}
	b.objects[oid] = o
	return o, nil
}

// Removed implements hw.Sink.
func (b *Board) Removed(unit hw.Unit) {
	b.mu.Lock()
	b.clear(unit)
	delete(b.counts, unit.Name)
	delete(b.counted, unit)
	b.mu.Unlock()
	b.cfg.Health.Clear(failing(unit), unit.Name)
}

// Deliver implements hw.Sink: readings become values of resources.
func (b *Board) Deliver(unit hw.Unit, readings []hw.Reading) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.deliver(unit, readings)
}

// deliver is Deliver; mu is held.
func (b *Board) deliver(unit hw.Unit, readings []hw.Reading) {
	u := b.units[unit]
	if u == nil {
		return
	}
	b.count(unit, readings)
	for i := range readings {
		u.latest[readings[i].Channel] = readings[i]
		if err := b.publish(unit, u, &readings[i]); err != nil {
			b.cfg.Log.Error("reading not published", slog.String("unit", unit.Name), slog.String("channel", readings[i].Channel), slog.Any("error", err))
		}
	}
	if u.position != nil {
		if err := b.sampled(u.position, readings); err != nil {
			b.cfg.Log.Error("position not published", slog.String("unit", unit.Name), slog.Any("error", err))
		}
	}
	b.judge(unit, u, readings)
}

func (b *Board) publish(unit hw.Unit, u *bound, r *hw.Reading) error {
	t, ok := u.targets[r.Channel]
	if !ok {
		return nil // a channel that the configuration leaves out
	}
	reading := objects.Reading{Value: valueOf(r.Value), Time: r.Time, Quality: qualityOf(r.Quality)}
	if r.Quality == hw.Invalid {
		reading.Value = lwm2m.Value{} // the last good one stays, with its time
	} else if n, ok := r.Value.Integer(); ok && t.counter != nil {
		t.run += b.grown(unit, r.Channel, n, t.counter)
		u.targets[r.Channel] = t
		reading.Value = lwm2m.Integer(t.run)
	}
	return t.object.Publish(t.iid, t.rid, reading)
}

// grown adds to a counter what its source has counted since it was last heard, and returns that. The source outlives instances,
// which are made anew when something else is done to its channels. A count that is lower began anew.
func (b *Board) grown(unit hw.Unit, channel string, n int64, counter *store.Counter) int64 {
	if b.counted[unit] == nil {
		b.counted[unit] = make(map[string]int64)
	}
	last := b.counted[unit][channel]
	b.counted[unit][channel] = n
	if n < last {
		last = 0
	}
	if n <= last {
		return 0
	}
	counter.Add(uint64(n - last)) //nolint:gosec // positive
	return n - last
}

// changed tells health when the device of a unit begins and ceases to fail: one that was never there may have no
// channels to say so.
func (b *Board) changed(s hw.Status) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.configured(s.Unit) {
		return // it ends
	}
	u := b.units[s.Unit]
	if u != nil {
		u.failing = s.Err != nil
	}
	if s.Err != nil {
		b.cfg.Health.Set(failing(s.Unit), s.Unit.Name, s.Err.Error())
		return
	}
	b.mended(s.Unit, u)
}

// mended ends the trouble of a unit that works, unless its channels have no place; u is nil
// while they are not known. mu is held.
func (b *Board) mended(unit hw.Unit, u *bound) {
	if u != nil && u.misplaced != "" {
		b.cfg.Health.Set(failing(unit), unit.Name, u.misplaced)
		return
	}
	b.cfg.Health.Clear(failing(unit), unit.Name)
}

// configured reports whether the configuration has a unit; mu is held.
func (b *Board) configured(unit hw.Unit) bool {
	if unit.Role == hw.RoleActuator {
		return b.actuators[unit.Name] != nil
	}
	return b.sensors[unit.Name] != nil
}

// judge tells health when readings of a unit begin and cease to fail.
func (b *Board) judge(unit hw.Unit, u *bound, readings []hw.Reading) {
	reason := ""
	for i := range readings {
		if readings[i].Quality == hw.Invalid {
			reason = readings[i].Reason
		}
	}
	b.doubt(unit, u, readings)
	switch {
	case reason != "":
		b.cfg.Health.Set(failing(unit), unit.Name, reason)
		u.failing = true
	case u.failing:
		u.failing = false
		b.mended(unit, u)
	}
}

// doubtPause is how long a unit's doubts are not logged again.
const doubtPause = time.Minute

// doubt logs why a reading is uncertain, when it begins to be: the object shows no reason, and its quality may be good again before anybody
// looks.
func (b *Board) doubt(unit hw.Unit, u *bound, readings []hw.Reading) {
	i := slices.IndexFunc(readings, func(r hw.Reading) bool { return r.Quality == hw.Uncertain })
	begins := i >= 0 && !u.doubtful
	u.doubtful = i >= 0
	if now := b.cfg.Now(); begins && now.Sub(u.doubted) >= doubtPause {
		u.doubted = now
		b.cfg.Log.Warn("a reading is uncertain", slog.String("unit", unit.Name), slog.String("channel", readings[i].Channel), slog.String("why", readings[i].Reason))
	}
}

func failing(unit hw.Unit) health.Code {
	if unit.Role == hw.RoleActuator {
		return health.ActuatorFailing
	}
	return health.SensorFailing
}
