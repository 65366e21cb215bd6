package bind

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/store"
	"lwm2m-agent/hw"
	"lwm2m-agent/hw/process"
)

// ProcessOf returns what a configuration does to readings, in hw/process's terms.
func ProcessOf(cfg *config.Config) process.Setup {
	setup := process.Setup{Channels: make(map[process.Input]process.Channel)}
	for i := range cfg.Sensors {
		for j := range cfg.Sensors[i].Channels {
			c := &cfg.Sensors[i].Channels[j]
			setup.Channels[process.Input{Sensor: cfg.Sensors[i].Name, Channel: c.Name}] = processOf(&c.Processing)
		}
	}
	for i := range cfg.Derived {
		d := &cfg.Derived[i]
		out := process.Derived{Name: d.Name, Kind: process.Kind(d.Kind), Scale: d.Scale, Unit: d.Unit, Window: d.Window, MaxGap: d.MaxGap}
		for _, text := range d.Inputs {
			out.Inputs = append(out.Inputs, inputOf(cfg, text))
		}
		setup.Derived = append(setup.Derived, out)
	}
	for i := range cfg.Actuators {
		for _, l := range cfg.Actuators[i].Interlocks {
			setup.Interlocks = append(setup.Interlocks, process.Interlock{
				Actuator: cfg.Actuators[i].Name, Input: inputOf(cfg, l.Input), Off: l.Off,
				Limits: process.Alarm{Low: l.Below, High: l.Above, Hysteresis: l.Hysteresis},
			})
		}
	}
	return setup
}

func processOf(p *config.Processing) process.Channel {
	return process.Channel{
		Scale: p.Scale, Offset: p.Offset, Calibration: p.Calibration, From: p.FromUnit, Unit: p.Unit, MaxRate: p.MaxRate,
		Filter: process.Filter(p.Filter), Size: p.FilterSize, Constant: p.FilterTime, DeadBand: p.DeadBand,
		Alarm: process.Alarm{Low: p.AlarmLow, High: p.AlarmHigh, Hysteresis: p.AlarmHysteresis},
	}
}

// inputOf reads "sensor/channel", or the name of a derived sensor; names may have
// slashes themselves.
func inputOf(cfg *config.Config, text string) process.Input {
	if slices.ContainsFunc(cfg.Derived, func(d config.Derived) bool { return d.Name == text }) {
		return process.Input{Sensor: text, Channel: process.ChannelValue}
	}
	i := strings.LastIndexByte(text, '/')
	if i < 0 {
		return process.Input{Sensor: text, Channel: process.ChannelValue}
	}
	return process.Input{Sensor: text[:i], Channel: text[i+1:]}
}

// derivedSensor is a derived sensor as one that feeds objects like any other.
func derivedSensor(d *config.Derived) *config.Sensor {
	return &config.Sensor{
		Section: d.Section, Name: d.Name, Instance: d.Instance, ApplicationType: d.ApplicationType,
		Channels: []config.Channel{{Name: process.ChannelValue, Object: d.Object, Resource: d.Resource, Instance: config.NoInstance}},
	}
}

// checkProcess finds what is wrong with what is done to readings.
func checkProcess(cfg *config.Config) config.Problems {
	var problems config.Problems
	known := make(map[string][]hw.Channel) // by sensor; nil where it is seen at run time
	for i := range cfg.Sensors {
		s := &cfg.Sensors[i]
		channels := slices.Clone(driverChannels(s.Driver))
		for j := range s.Channels {
			c := &s.Channels[j]
			do := processOf(&c.Processing)
			if key, err := do.Check(); err != nil {
				problems = append(problems, c.Problem(key, "%v", err))
				continue
			}
			if at := slices.IndexFunc(channels, func(k hw.Channel) bool { return k.Name == c.Name }); at >= 0 {
				var err error
				if channels[at], err = do.Describe(channels[at]); err != nil {
					problems = append(problems, c.Problem("unit", "%v", err))
				}
				if w, _ := sensorWish(s)(channels[at]); w.place.rid == resourceCounter && channels[at].Kind == hw.KindFloat {
					problems = append(problems, c.Problem("scale", "a count that outlives restarts (5501) is of whole numbers; scale and unit belong to a [[derived]] total of it"))
				}
			}
		}
		known[s.Name] = channels
	}
	setup := ProcessOf(cfg)
	for i := range setup.Derived {
		problems = append(problems, checkDerived(cfg, i, setup.Derived[i], known)...)
	}
	return append(problems, checkInterlocks(cfg, setup.Interlocks, known)...)
}

// checkDerived checks a derived sensor, and adds it to those that are known.
func checkDerived(cfg *config.Config, i int, d process.Derived, known map[string][]hw.Channel) config.Problems {
	at := &cfg.Derived[i]
	if _, taken := known[d.Name]; taken {
		return config.Problems{at.Problem("name", "is the name of a sensor already; give each its own")}
	}
	known[d.Name] = nil
	if key, err := d.Check(); err != nil {
		return config.Problems{at.Problem(key, "%v", err)}
	}
	inputs := make([]hw.Channel, 0, len(d.Inputs))
	for i, in := range d.Inputs {
		c, err := channelOf(known, in)
		if err != nil {
			return config.Problems{at.Problem("inputs", "%q: %v", at.Inputs[i], err)}
		}
		if c == nil && d.Kind == process.Total {
			c = countOf(cfg, in)
		}
		if c != nil {
			inputs = append(inputs, *c)
		}
	}
	if len(inputs) < len(d.Inputs) {
		return nil
	}
	c, err := d.Describe(inputs)
	if err != nil {
		return config.Problems{at.Problem("inputs", "%v", err)}
	}
	known[d.Name] = []hw.Channel{c}
	return nil
}

// countOf returns an input that is seen at run time only as it is at best: the count
// of a driver, with what is done to it, but for a register.
func countOf(cfg *config.Config, in process.Input) *hw.Channel {
	c := hw.Channel{Name: in.Channel, Quantity: hw.Count, Kind: hw.KindInteger}
	for i := range cfg.Sensors {
		for j := range cfg.Sensors[i].Channels {
			at := &cfg.Sensors[i].Channels[j]
			if cfg.Sensors[i].Name != in.Sensor || at.Name != in.Channel {
				continue
			}
			if at.Register != nil {
				c.Quantity, c.Kind = hw.Generic, hw.KindFloat
			}
			do := processOf(&at.Processing)
			c, _ = do.Describe(c) // what is wrong with the unit is told elsewhere
		}
	}
	return &c
}

// channelOf returns the channel that an input names, nil if it is seen at run
// time only.
func channelOf(known map[string][]hw.Channel, in process.Input) (*hw.Channel, error) {
	channels, there := known[in.Sensor]
	if !there {
		return nil, fmt.Errorf("there is no sensor %q, and no derived one above; write \"sensor/channel\"", in.Sensor)
	}
	c := slices.IndexFunc(channels, func(k hw.Channel) bool { return k.Name == in.Channel })
	switch {
	case len(channels) == 0:
		return nil, nil //nolint:nilnil // nothing is wrong, and nothing known
	case c < 0:
		return nil, fmt.Errorf("sensor %q has no channel %q; it has: %s", in.Sensor, in.Channel, channelNames(channels))
	}
	return &channels[c], nil
}

// checkInterlocks holds the interlocks of actuators, in order, against the channels
// of sensors.
func checkInterlocks(cfg *config.Config, setup []process.Interlock, known map[string][]hw.Channel) config.Problems {
	var problems config.Problems
	for i := range cfg.Actuators {
		for j := range cfg.Actuators[i].Interlocks {
			at, interlock := &cfg.Actuators[i].Interlocks[j], setup[0]
			setup = setup[1:]
			kind, err := inputKind(cfg, known, interlock.Input)
			if err != nil {
				problems = append(problems, at.Problem("input", "%v", err))
			} else if key, err := interlock.Check(kind); err != nil {
				problems = append(problems, at.Problem(key, "%v", err))
			}
		}
	}
	return problems
}

// inputKind returns the kind of what an interlock looks at, KindNone where it is
// seen at run time.
func inputKind(cfg *config.Config, known map[string][]hw.Channel, in process.Input) (hw.Kind, error) {
	at := slices.IndexFunc(cfg.Sensors, func(s config.Sensor) bool { return s.Name == in.Sensor })
	if at >= 0 && strings.HasSuffix(in.Channel, process.AlarmSuffix) {
		if _, there := alarmOf(&cfg.Sensors[at], in.Channel); !there {
			return hw.KindNone, fmt.Errorf("sensor %q has no %q; alarm_low or alarm_high of the channel makes it", in.Sensor, in.Channel)
		}
		return hw.KindBool, nil
	}
	c, err := channelOf(known, in)
	if err != nil || c == nil {
		return hw.KindNone, err
	}
	return c.Kind, nil
}

func driverChannels(driver string) []hw.Channel {
	for _, d := range hw.Drivers() {
		if d.Name == driver {
			return d.Channels
		}
	}
	return nil
}

func channelNames(channels []hw.Channel) string {
	texts := make([]string, len(channels))
	for i := range channels {
		texts[i] = channels[i].Name
	}
	return strings.Join(texts, ", ")
}

// totals keeps integrals and totals in the store's counters, and their units beside them.
type totals struct{ store *store.Store }

// Total implements process.Keep.
func (t totals) Total(name string) process.Kept {
	return kept{t.store.Counter("total/" + name), t.store, "unit/total/" + name}
}

// kept is a counter that may fall as well: it is taken as two's complement.
type kept struct {
	counter *store.Counter
	store   *store.Store
	unit    string // key of its unit
}

func (k kept) Value() int64 { return int64(k.counter.Value()) } //nolint:gosec // two's complement both ways
func (k kept) Add(n int64)  { k.counter.Add(uint64(n)) }        //nolint:gosec // two's complement both ways
func (k kept) Unit() string { return string(k.store.Small(k.unit)) }

// SetUnit implements process.Kept: on disk with the counter, whose number means nothing in another unit.
func (k kept) SetUnit(unit string) error { return k.store.DeferSmall(k.unit, []byte(unit)) }

// alarmOf returns the configuration of the channel that an alarm watches.
func alarmOf(s *config.Sensor, alarm string) (*config.Channel, bool) {
	name, ok := strings.CutSuffix(alarm, process.AlarmSuffix)
	if !ok {
		return nil, false
	}
	i := slices.IndexFunc(s.Channels, func(c config.Channel) bool { return c.Name == name })
	if i < 0 || !processOf(&s.Channels[i].Processing).Alarm.Given() {
		return nil, false
	}
	return &s.Channels[i], true
}

// alarmWish is what becomes of an alarm: a Digital Input of its own.
func alarmWish(s *config.Sensor, c hw.Channel, watched *config.Channel) wish {
	about := cmp.Or(watched.ApplicationType, s.ApplicationType, s.Name)
	return wish{place: placeOf(c), instance: config.NoInstance, appType: about + process.AlarmSuffix}
}
