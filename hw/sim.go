package hw

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

func simDriver() Driver {
	return Driver{
		Name:         "sim",
		Bus:          BusNone,
		Summary:      "nothing real: waves, a door contact, a moving receiver, recordings; as an actuator a relay and a dimmer",
		ChannelsVary: `"value"; of a contact "state", "count"; of a track "latitude", "longitude", "altitude", "speed", "heading"; of a CSV file its columns; of an actuator "state", "level"`,
		Settings: []Setting{
			{Key: "wave", Help: `"sine", "ramp", "square", "walk", "csv", "contact" or "track"; sine`},
			{Key: "min", Help: "lowest value; 0"},
			{Key: "max", Help: "highest value; 100"},
			{Key: "period", Help: "of the wave, of the track's round, between a contact's changes, of a row of the file; 60s"},
			{Key: "seed", Help: "makes the random ones repeat; 0"},
			{Key: "file", Help: "the CSV file: a line of channel names, then numbers"},
			{Key: "unit", Help: "the unit of the value"},
			settingInterval, settingSafe,
		},
		Proof:       "computed",
		newSensor:   newSimSensor,
		newActuator: func(a *access) (actuator, error) { return newSimActuator(a), nil },
	}
}

func newSimSensor(a *access) (device, error) {
	cfg := a.cfg
	if cfg.Min == 0 && cfg.Max == 0 {
		cfg.Max = 100
	}
	cfg.Period = cmp.Or(cfg.Period, time.Minute)
	random := rand.New(rand.NewPCG(cfg.Seed, 0)) //nolint:gosec // a simulation that repeats
	switch cfg.Wave {
	case WaveContact:
		return &simContact{period: cfg.Period, random: random}, nil
	case WaveTrack:
		return &simTrack{period: cfg.Period}, nil
	case WaveCSV:
		return &simCSV{path: cfg.File, period: cfg.Period}, nil
	case WaveSine, WaveRamp, WaveSquare, WaveWalk:
	}
	return &simWave{cfg: cfg, random: random, walk: (cfg.Min + cfg.Max) / 2}, nil
}

// simClock counts from the first time that it is asked.
type simClock struct{ start time.Time }

func (c *simClock) elapsed() time.Duration {
	if c.start.IsZero() {
		c.start = time.Now()
	}
	return time.Since(c.start)
}

// phase is the place in a period, in [0, 1).
func (c *simClock) phase(period time.Duration) float64 {
	return float64(c.elapsed()%period) / float64(period)
}

// simWave is one value that follows a course.
type simWave struct {
	simClock
	cfg    Config
	random *rand.Rand
	walk   float64
}

func (s *simWave) Channels() []Channel {
	return []Channel{{
		Name: "value", Quantity: Generic, Unit: s.cfg.Unit, Kind: KindFloat,
		Range: Range{s.cfg.Min, s.cfg.Max},
	}}
}

func (s *simWave) Open(context.Context) error { return nil }
func (s *simWave) Close(context.Context)      {}

func (s *simWave) Sample(context.Context) ([]Reading, error) {
	return []Reading{{Channel: "value", Value: Float(s.next()), Quality: Good}}, nil
}

func (s *simWave) next() float64 {
	low, high := s.cfg.Min, s.cfg.Max
	phase := s.phase(s.cfg.Period)
	switch s.cfg.Wave {
	case WaveRamp:
		return low + (high-low)*phase
	case WaveSquare:
		if phase < 0.5 {
			return low
		}
		return high
	case WaveWalk:
		step := (high - low) / 20 * (2*s.random.Float64() - 1)
		if next := s.walk + step; next < low || next > high {
			step = -step
		}
		s.walk += step
		return s.walk
	case WaveSine, WaveCSV, WaveContact, WaveTrack:
	}
	return (low+high)/2 + (high-low)/2*math.Sin(2*math.Pi*phase)
}

// simContact is a door that is mostly closed. It speaks for itself, as a line
// with edges does.
type simContact struct {
	period time.Duration
	random *rand.Rand
	open   bool
	count  int64
}

func (s *simContact) Channels() []Channel        { return gpioInChannels() }
func (s *simContact) Open(context.Context) error { return nil }
func (s *simContact) Close(context.Context)      {}

func (s *simContact) Watch(ctx context.Context, deliver func([]Reading)) error {
	for {
		deliver([]Reading{
			{Channel: "state", Value: Bool(s.open), Quality: Good},
			{Channel: "count", Value: Integer(s.count), Quality: Good},
		})
		stay := s.period
		if s.open {
			stay /= 4
		}
		if err := pause(ctx, time.Duration(float64(stay)*(0.5+s.random.Float64()))); err != nil {
			return err
		}
		if s.open = !s.open; s.open {
			s.count++
		}
	}
}

// simTrack is a receiver that goes round a circle.
type simTrack struct {
	simClock
	period time.Duration
}

const (
	trackLatitude  = 46.948 // the middle
	trackLongitude = 7.447
	trackRadius    = 400.0 // m
	trackAltitude  = 540.0 // m
	degreeLength   = 111_320.0
)

func (s *simTrack) Channels() []Channel {
	channel := func(name string, q Quantity, unit string, r Range) Channel {
		return Channel{Name: name, Quantity: q, Unit: unit, Kind: KindFloat, Range: r}
	}
	return []Channel{
		channel("latitude", Latitude, "lat", Range{-90, 90}),
		channel("longitude", Longitude, "lon", Range{-180, 180}),
		channel("altitude", Altitude, "m", Range{}),
		channel("speed", Speed, "m/s", Range{}),
		channel("heading", Heading, "deg", Range{0, 360}),
	}
}

func (s *simTrack) Open(context.Context) error { return nil }
func (s *simTrack) Close(context.Context)      {}

func (s *simTrack) Sample(context.Context) ([]Reading, error) {
	phase := s.phase(s.period)
	north, east := math.Cos(2*math.Pi*phase), math.Sin(2*math.Pi*phase)
	reading := func(name string, value float64) Reading {
		return Reading{Channel: name, Value: Float(value), Quality: Good}
	}
	return []Reading{
		reading("latitude", trackLatitude+trackRadius/degreeLength*north),
		reading("longitude", trackLongitude+trackRadius/degreeLength/math.Cos(trackLatitude*math.Pi/180)*east),
		reading("altitude", trackAltitude+10*east),
		reading("speed", 2*math.Pi*trackRadius/s.period.Seconds()),
		reading("heading", math.Mod(90+360*phase, 360)),
	}, nil
}

// simActuator remembers what it was set to.
type simActuator struct {
	cfg    Config
	values map[string]Value
}

func newSimActuator(a *access) *simActuator { return &simActuator{cfg: a.cfg} }

func (s *simActuator) Channels() []Channel {
	return []Channel{
		{Name: "state", Quantity: State, Kind: KindBool},
		{Name: "level", Quantity: Level, Unit: "%", Kind: KindFloat, Range: Range{0, 100}},
	}
}

func (s *simActuator) Open(context.Context) error {
	if s.values == nil {
		s.values = make(map[string]Value)
		for _, c := range s.Channels() {
			s.values[c.Name] = s.cfg.Safe.value(c)
		}
	}
	return nil
}

func (s *simActuator) Set(_ context.Context, channel string, v Value) error {
	if _, ok := s.values[channel]; !ok {
		return fmt.Errorf("channel %q is %w", channel, ErrNotKnown)
	}
	s.values[channel] = v
	return nil
}

func (s *simActuator) State(context.Context) ([]Reading, error) {
	return []Reading{
		{Channel: "state", Value: s.values["state"], Quality: Good},
		{Channel: "level", Value: s.values["level"], Quality: Good},
	}, nil
}

func (s *simActuator) Close(context.Context) {}
