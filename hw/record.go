package hw

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"periph.io/x/conn/v3/i2c"

	"lwm2m-agent/hw/playback"
	"lwm2m-agent/hw/spidev"
)

// Record opens the sensor of cfg and takes samples of it, an interval apart, and
// returns all that went over its bus and what came of it, as a file that
// [Replay] runs. Only parts on I2C and SPI can be recorded. It ends with ctx, with what
// it has by then; a sample that fails is part of the file. The error joins the
// [Problem]s of cfg, or says that there was nothing to record.
func Record(ctx context.Context, cfg Config, samples int, origin string, opts Options) (*playback.File, error) {
	return newPlatform(opts).record(ctx, cfg, samples, origin)
}

// record is Record on the buses of p.
func (p *platform) record(ctx context.Context, cfg Config, samples int, origin string) (*playback.File, error) {
	driver, err := recordable(RoleSensor, cfg)
	if err != nil {
		return nil, err
	}
	f := &playback.File{Settings: append(settingsOf(cfg), playback.Setting{Key: "origin", Value: origin})}
	recorder := new(playback.Recorder)
	note := func(bus i2c.BusCloser, err error) (i2c.BusCloser, error) {
		if err != nil {
			recorder.Fail(err)
			return nil, err
		}
		return recorder.Wrap(bus), nil
	}
	openI2C, openSPI := p.buses.openI2C, p.buses.openSPI
	p.buses.openI2C = func(path string) (i2c.BusCloser, error) { return note(openI2C(path)) }
	p.buses.openSPI = func(path string, s spidev.Settings) (i2c.BusCloser, error) { return note(openSPI(path, s)) }
	err = p.session(ctx, RoleSensor, driver, cfg, func(s *session) error {
		f.Steps = s.record(ctx, samples, cfg.interval(), recorder)
		return nil
	})
	return f, err
}

// recordable returns the driver of cfg, if it speaks over a bus that can be
// recorded.
func recordable(role Role, cfg Config) (Driver, error) {
	driver, known := driversByName()[cfg.Driver]
	if known && driver.Bus != BusI2C && driver.Bus != BusSPI {
		return Driver{}, fmt.Errorf("driver %s speaks over %s; only transfers over I2C and SPI are recorded and replayed", driver.Name, driver.Bus)
	}
	setup := Setup{Sensors: []Config{cfg}}
	if role == RoleActuator {
		setup = Setup{Actuators: []Config{cfg}}
	}
	if problems := Validate(setup); len(problems) > 0 {
		errs := make([]error, len(problems))
		for i, p := range problems {
			errs[i] = p
		}
		return Driver{}, errors.Join(errs...)
	}
	return driver, nil
}

// session is a device that is asked for one thing after the other.
type session struct {
	id     Unit
	access *access
	device device
	open   bool
}

// session runs f on the device of cfg.
func (p *platform) session(ctx context.Context, role Role, driver Driver, cfg Config, f func(*session) error) error {
	s := &session{id: Unit{role, cfg.Name}, access: &access{platform: p, cfg: cfg}}
	s.access.take(s.id, driver)
	defer func() {
		s.access.give()
		_ = p.buses.wait(ctx) // a bus that hangs is in the steps
	}()
	var err error
	if s.device, err = driver.device(role, s.access); err != nil {
		return err
	}
	return f(s)
}

// record takes samples, an interval apart, until ctx ends.
func (s *session) record(ctx context.Context, samples int, interval time.Duration, recorder *playback.Recorder) (steps []playback.Step) {
	for {
		steps = append(steps, s.take(ctx, recorder)...)
		if samples--; samples <= 0 || pause(ctx, interval) != nil {
			return steps
		}
	}
}

// take opens the device if need be, and samples it.
func (s *session) take(ctx context.Context, recorder *playback.Recorder) []playback.Step {
	var steps []playback.Step
	actions := []playback.Action{playback.Open, playback.Sample}
	if s.open {
		actions = actions[1:]
	}
	for _, action := range actions {
		step := playback.Step{Action: action}
		s.do(ctx, &step)
		step.Transfers = recorder.Take()
		steps = append(steps, step)
		if step.Failure != "" {
			break
		}
	}
	return steps
}

// do does what step says and notes in it what came of it.
func (s *session) do(ctx context.Context, step *playback.Step) {
	ctx, cancel := context.WithTimeoutCause(ctx, sampleLimit, errors.New("it took too long"))
	defer cancel()
	s.access.hold()
	defer s.access.release(ctx)
	readings, err := s.perform(ctx, step)
	if err != nil {
		step.Failure = strings.Join(strings.Fields(err.Error()), " ")
		s.device.Close(ctx)
		s.open = false
		return
	}
	channels := s.device.Channels()
	for i := range readings {
		step.Readings = append(step.Readings, readingText(channels, &readings[i]))
	}
}

func (s *session) perform(ctx context.Context, step *playback.Step) ([]Reading, error) {
	if step.Action == playback.Open {
		err := s.access.open(ctx, s.device)
		s.open = err == nil
		return nil, err
	}
	if !s.open {
		return nil, errors.New(`it is not open; an "open" must stand before`)
	}
	switch d := s.device.(type) {
	case sampler:
		if step.Action == playback.Sample {
			return d.Sample(ctx)
		}
	case actuator:
		if step.Action == playback.Set {
			if err := s.set(ctx, d, step); err != nil {
				return nil, err
			}
		}
		return d.State(ctx)
	}
	return nil, fmt.Errorf("%s cannot do %q", s.access.cfg.Driver, step)
}

// set drives a channel as a step says.
func (s *session) set(ctx context.Context, d actuator, step *playback.Step) error {
	for _, c := range d.Channels() {
		if c.Name != step.Channel {
			continue
		}
		v, err := parseValue(c.Kind, step.Value)
		if err == nil {
			v, err = c.fits(v)
		}
		if err != nil {
			return err
		}
		return d.Set(ctx, c.Name, v)
	}
	return fmt.Errorf("channel %q is %w; there are: %s", step.Channel, ErrNotKnown, channelNames(d.Channels()))
}

func parseValue(kind Kind, text string) (Value, error) {
	switch kind {
	case KindBool:
		on, err := strconv.ParseBool(text)
		return Bool(on), err
	case KindInteger:
		n, err := strconv.ParseInt(text, 10, 64)
		return Integer(n), err
	case KindFloat:
		f, err := strconv.ParseFloat(text, 64)
		return Float(f), err
	case KindText, KindNone:
	}
	return Text(text), nil
}

// readingText is a reading as a playback file has it.
func readingText(channels []Channel, r *Reading) string {
	unit, value := "-", r.Value.String()
	if at := slices.IndexFunc(channels, func(c Channel) bool { return c.Name == r.Channel }); at >= 0 && channels[at].Unit != "" {
		unit = channels[at].Unit
	}
	if value == "" {
		value = "-"
	}
	return strings.Join(strings.Fields(strings.Join([]string{r.Channel, value, unit, r.Quality.String(), r.Reason}, " ")), " ")
}

// Replay runs the driver of a file on the transfers that it has, and returns the
// steps as they went. The error names the first line that came out otherwise: it
// wraps [playback.ErrOther] where the driver makes other transfers.
func Replay(ctx context.Context, f *playback.File) ([]playback.Step, error) {
	role, cfg, err := configOf(f)
	if err != nil {
		return nil, err
	}
	driver, err := recordable(role, cfg)
	if err != nil {
		return nil, err
	}
	player := &playback.Player{Address: cfg.Address}
	p := newPlatform(Options{Sys: "/nonexistent"}) // no kernel holds the part
	p.buses.openI2C = func(string) (i2c.BusCloser, error) { return player.Open() }
	p.buses.openSPI = func(string, spidev.Settings) (i2c.BusCloser, error) { return player.Open() }
	var done []playback.Step
	err = p.session(ctx, role, driver, cfg, func(s *session) error {
		for i := range f.Steps {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			want := &f.Steps[i]
			got := playback.Step{Line: want.Line, Action: want.Action, Channel: want.Channel, Value: want.Value, Transfers: want.Transfers}
			player.Load(want.Transfers)
			s.do(ctx, &got)
			done = append(done, got)
			if err := player.Done(); err != nil {
				return err
			}
			if err := differs(want, &got); err != nil {
				return err
			}
		}
		return nil
	})
	return done, err
}

// differs says in what a step came out otherwise than the file has it.
func differs(want, got *playback.Step) error {
	if want.Failure != got.Failure {
		return fmt.Errorf("line %d, %s: it fails with %q, in the file with %q", want.Line, want, got.Failure, want.Failure)
	}
	for i := range max(len(want.Readings), len(got.Readings)) {
		var w, g string
		if i < len(want.Readings) {
			w = want.Readings[i]
		}
		if i < len(got.Readings) {
			g = got.Readings[i]
		}
		if !sameReading(w, g) {
			return fmt.Errorf("line %d, %s: the reading is %q, in the file %q", want.Line, want, g, w)
		}
	}
	return nil
}

// sameReading compares readings, numbers but for what another order of
// arithmetic can make.
func sameReading(a, b string) bool {
	x, y := strings.Fields(a), strings.Fields(b)
	if a == b || len(x) < 2 || len(x) != len(y) {
		return a == b
	}
	f, err1 := strconv.ParseFloat(x[1], 64)
	g, err2 := strconv.ParseFloat(y[1], 64)
	if err1 != nil || err2 != nil || math.Abs(f-g) > 1e-9*max(math.Abs(f), math.Abs(g), 1e-6) {
		return false
	}
	x[1] = y[1]
	return slices.Equal(x, y)
}
