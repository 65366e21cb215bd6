package hw

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"

	"lwm2m-agent/hw/modbus"
)

// modbusSensor reads the registers that the configuration names.
type modbusSensor struct {
	modbusDevice
	places []modbusPlace // in the configuration's order
	runs   []modbusRun
}

// modbusRun is what one request reads.
type modbusRun struct {
	table       modbus.Table
	first, size uint16
	places      []modbusPlace
}

func newModbusSensor(a *access) (device, error) {
	d, err := newModbusDevice(a)
	s := &modbusSensor{modbusDevice: d}
	switch {
	case err != nil:
		return nil, err
	case a.cfg.Register != nil:
		return nil, errors.New("register, table, type and word_order of a sensor belong to [[sensor.channel]]")
	case len(a.cfg.Channels) == 0:
		return nil, errors.New("modbus needs a [[sensor.channel]] with a register")
	}
	for _, c := range a.cfg.Channels {
		if c.Register == nil {
			return nil, fmt.Errorf("channel %q has no register", c.Name)
		}
		p, err := placeOfRegister(c.Name, *c.Register, modbus.Inputs)
		if err != nil {
			return nil, err
		}
		s.places = append(s.places, p)
	}
	s.runs, err = modbusRuns(s.places)
	return s, err
}

// modbusRuns joins registers that follow each other to as few requests as can be;
// what nobody asked for is not read, since a device may refuse it.
func modbusRuns(places []modbusPlace) ([]modbusRun, error) {
	sorted := slices.Clone(places)
	sort.SliceStable(sorted, func(i, j int) bool {
		return cmp.Or(cmp.Compare(sorted[i].table, sorted[j].table), cmp.Compare(sorted[i].first, sorted[j].first)) < 0
	})
	var runs []modbusRun
	for i, p := range sorted {
		most := modbus.MaxRegisters
		if p.table.Bits() {
			most = modbus.MaxBits
		}
		if i > 0 {
			before := sorted[i-1]
			same := before.table == p.table && before.first == p.first && before.kind.Words() == p.kind.Words()
			if before.table == p.table && int(p.first) < before.end() && !same {
				return nil, fmt.Errorf("channels %q and %q overlap at register %d of table %s; give one another register, or a type of fewer words", before.channel.Name, p.channel.Name, p.first, p.table)
			}
			last := &runs[len(runs)-1]
			if end := p.end() - int(last.first); last.table == p.table && int(p.first) <= int(last.first)+int(last.size) && end <= most {
				last.size = max(last.size, uint16(end)) //nolint:gosec // at most 2000
				last.places = append(last.places, p)
				continue
			}
		}
		runs = append(runs, modbusRun{p.table, p.first, p.kind.Words(), []modbusPlace{p}})
	}
	return runs, nil
}

func (s *modbusSensor) Channels() []Channel {
	channels := make([]Channel, len(s.places))
	for i := range s.places {
		channels[i] = s.places[i].channel
	}
	return channels
}

func (s *modbusSensor) Open(context.Context) error { return nil }

// Sample reads all registers. Those that the device refuses are bad alone.
func (s *modbusSensor) Sample(ctx context.Context) ([]Reading, error) {
	readings := make([]Reading, 0, len(s.places))
	for i := range s.runs {
		run := &s.runs[i]
		var values []uint16
		err := s.ask(ctx, func(c *modbus.Client, unit byte, limit time.Duration) (err error) {
			values, err = c.Read(unit, run.table, run.first, run.size, limit)
			return err
		})
		var refused modbus.ExceptionError
		if err != nil && !errors.As(err, &refused) {
			return nil, err
		}
		for j := range run.places {
			p := &run.places[j]
			if err != nil {
				readings = append(readings, refusedReading(p.channel.Name, refused))
				continue
			}
			at := p.first - run.first
			readings = append(readings, p.reading(values[at:at+p.kind.Words()]))
		}
	}
	return readings, nil
}

// refusedReading is what an exception makes of a channel: a device that is busy
// has only no newer value.
func refusedReading(channel string, e modbus.ExceptionError) Reading {
	r := Reading{Channel: channel, Quality: Invalid, Reason: fmt.Sprintf("%s: the device says %v", channel, e)}
	if e == modbus.ErrBusy || e == modbus.ErrAcknowledge {
		r.Quality = Stale
	}
	return r
}

func (p *modbusPlace) reading(words []uint16) Reading {
	if p.kind == modbus.Bool {
		return Reading{Channel: p.channel.Name, Value: Bool(words[0] != 0), Quality: Good}
	}
	x, err := p.kind.Decode(words, p.low)
	if err != nil {
		return Reading{Channel: p.channel.Name, Quality: Invalid, Reason: fmt.Sprintf("%s: %v", p.channel.Name, err)}
	}
	return Reading{Channel: p.channel.Name, Value: Float(x), Quality: Good}
}

// modbusOutput writes a coil or a holding register.
type modbusOutput struct {
	modbusDevice
	place modbusPlace
}

func newModbusOutput(a *access) (actuator, error) {
	d, err := newModbusDevice(a)
	switch {
	case err != nil:
		return nil, err
	case a.cfg.Register == nil:
		return nil, errors.New("a modbus actuator needs register")
	}
	o := &modbusOutput{modbusDevice: d}
	o.place, err = placeOfRegister("value", *a.cfg.Register, modbus.Coils)
	if err == nil && o.place.table != modbus.Coils && o.place.table != modbus.Holdings {
		err = fmt.Errorf(`an actuator's table is "coil" or "holding", not %q`, o.place.table)
	}
	if o.place.table == modbus.Coils {
		o.place.channel.Name = "state"
	}
	return o, err
}

func (o *modbusOutput) Channels() []Channel { return []Channel{o.place.channel} }

// Open writes the safe state.
func (o *modbusOutput) Open(ctx context.Context) error {
	if o.access.cfg.Safe.Keep || o.access.looking {
		return nil
	}
	return o.Set(ctx, o.place.channel.Name, o.access.cfg.Safe.value(o.place.channel))
}

func (o *modbusOutput) Set(ctx context.Context, _ string, v Value) error {
	x, _ := v.Float()
	words := []uint16{uint16(x)} // a bit
	if o.place.kind != modbus.Bool {
		var err error
		if words, err = o.place.kind.Encode(x, o.place.low); err != nil {
			return fmt.Errorf("%w: the value %w", err, ErrUnfit)
		}
	}
	return o.ask(ctx, func(c *modbus.Client, unit byte, limit time.Duration) error {
		return c.Write(unit, o.place.table, o.place.first, words, limit)
	})
}

func (o *modbusOutput) State(ctx context.Context) ([]Reading, error) {
	var words []uint16
	err := o.ask(ctx, func(c *modbus.Client, unit byte, limit time.Duration) (err error) {
		words, err = c.Read(unit, o.place.table, o.place.first, o.place.kind.Words(), limit)
		return err
	})
	if err != nil {
		return nil, err
	}
	return []Reading{o.place.reading(words)}, nil
}
