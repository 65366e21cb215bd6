package bind

import (
	"log/slog"
	"reflect"
	"slices"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/gnss"
	"lwm2m-agent/hw"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/objects"
)

// positionReader puts a receiver's channels together into positions.
type positionReader struct {
	quantities map[string]hw.Quantity // channel → what it measures
	lost       bool
}

func newPositionReader(channels []hw.Channel) *positionReader {
	p := &positionReader{quantities: make(map[string]hw.Quantity)}
	for _, c := range channels {
		p.quantities[c.Name] = c.Quantity
	}
	return p
}

// read returns the position of one sample, and false if it has none.
func (p *positionReader) read(readings []hw.Reading) (objects.Position, bool) {
	var pos objects.Position
	optional := map[hw.Quantity]**float64{hw.Altitude: &pos.Altitude, hw.Speed: &pos.Speed, hw.Heading: &pos.Bearing}
	found := 0
	for i := range readings {
		r := &readings[i]
		f, ok := r.Value.Float()
		if !ok || r.Quality == hw.Invalid {
			continue
		}
		q := p.quantities[r.Channel]
		if field := optional[q]; field != nil {
			*field = &f
		}
		if q == hw.Latitude {
			pos.Latitude, pos.Time, pos.Quality = f, r.Time, qualityOf(r.Quality)
			found++
		}
		if q == hw.Longitude {
			pos.Longitude = f
			found++
		}
	}
	return pos, found == 2
}

// sampled enters the position of one sample; mu is held.
func (b *Board) sampled(p *positionReader, readings []hw.Reading) error {
	pos, ok := p.read(readings)
	switch {
	case ok:
		p.lost = false
		return b.locate(pos)
	case p.lost:
		return nil
	}
	p.lost = true
	return b.cfg.Location.Lost()
}

// whereabouts is what follows from where the device is, besides object 6.
type whereabouts struct {
	here   *objects.Position // nil: nobody knows
	smart  bool              // object 3336 has it
	fences []*fence
}

// fence is an area, and whether the device was inside of it.
type fence struct {
	config config.Geofence
	area   gnss.Fence
	inside bool
}

// objectLocation is the object Location of IPSO, and locationUnit what its instance is
// bound to.
const (
	objectLocation = 3336
	locationUnit   = "location"
)

// The channels of what follows from a position.
const (
	channelInside    = "inside"
	channelLatitude  = "latitude"
	channelLongitude = "longitude"
	channelRadius    = "uncertainty"
	channelDirection = "direction"
)

// smartLocation is the position as a sensor that feeds object 3336.
func smartLocation() (*config.Sensor, []hw.Channel) {
	s := &config.Sensor{Name: locationUnit, Instance: config.NoInstance}
	channels := make([]hw.Channel, 0, 4)
	for _, c := range []struct {
		name, unit string
		rid        int
	}{{channelLatitude, "lat", 6051}, {channelLongitude, "lon", 6052}, {channelRadius, "m", 6053}, {channelDirection, "deg", 5705}} {
		s.Channels = append(s.Channels, config.Channel{Name: c.name, Object: objectLocation, Resource: c.rid, Instance: config.NoInstance})
		channels = append(channels, hw.Channel{Name: c.name, Quantity: hw.Generic, Kind: hw.KindFloat}) // 5701 is none of its resources
	}
	return s, channels
}

func sensorUnit(name string) hw.Unit { return hw.Unit{Role: hw.RoleSensor, Name: name} }

// fenceOf is a geofence in gnss's terms.
func fenceOf(g *config.Geofence) gnss.Fence {
	f := gnss.Fence{Center: gnss.Point{Latitude: g.Latitude, Longitude: g.Longitude}, Radius: g.Radius, Hysteresis: g.Hysteresis}
	for _, c := range g.Polygon {
		f.Corners = append(f.Corners, gnss.Point{Latitude: c[0], Longitude: c[1]})
	}
	return f
}

// enterLocation adds what follows from where the device is to the sensors of a configuration.
func enterLocation(cfg *config.Config, sensors map[string]*config.Sensor) {
	if cfg.Location != nil && cfg.Location.Smart {
		smart, _ := smartLocation()
		sensors[smart.Name] = smart
	}
	for i := range cfg.Geofences {
		g := &cfg.Geofences[i]
		sensors[g.Name] = &config.Sensor{Section: g.Section, Name: g.Name, Instance: g.Instance, ApplicationType: g.ApplicationType}
	}
}

// applyLocation makes the instances that follow from where the device is, which the board's
// sensors have already. A fence that has not changed is not disturbed.
func (b *Board) applyLocation(cfg *config.Config) {
	b.mu.Lock()
	old := b.whereabouts
	b.smart = cfg.Location != nil && cfg.Location.Smart
	b.fences = nil
	anew := make(map[string][]hw.Channel)
	if smart, channels := smartLocation(); b.smart && !old.smart {
		anew[smart.Name] = channels
	}
	for i := range cfg.Geofences {
		g := cfg.Geofences[i]
		g.Section = config.Section{} // where it stands does not matter
		at := slices.IndexFunc(old.fences, func(f *fence) bool { return reflect.DeepEqual(f.config, g) })
		if at >= 0 {
			b.fences = append(b.fences, old.fences[at])
			continue
		}
		b.fences = append(b.fences, &fence{config: g, area: fenceOf(&g)})
		anew[g.Name] = []hw.Channel{{Name: channelInside, Quantity: hw.State, Kind: hw.KindBool}}
	}
	gone := func(f *fence) bool {
		return !slices.ContainsFunc(b.fences, func(now *fence) bool { return now.config.Name == f.config.Name })
	}
	b.mu.Unlock()
	if old.smart && !b.smart {
		b.Removed(sensorUnit(locationUnit))
	}
	for _, f := range old.fences {
		if gone(f) {
			b.Removed(sensorUnit(f.config.Name))
		}
	}
	for name, channels := range anew {
		b.Describe(sensorUnit(name), channels)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.here != nil && len(anew) > 0 {
		b.follow(b.here)
	}
}

// Locate enters where the device is: in object 6, in object 3336 if it is wanted there, and
// in the fences.
func (b *Board) Locate(p objects.Position) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.locate(p)
}

func (b *Board) locate(p objects.Position) error {
	if err := b.cfg.Location.Publish(p); err != nil {
		return err
	}
	b.here = &p
	b.follow(&p)
	return nil
}

// follow enters what follows from a position; mu is held.
func (b *Board) follow(p *objects.Position) {
	reading := func(channel string, v hw.Value) hw.Reading {
		return hw.Reading{Channel: channel, Value: v, Time: p.Time, Quality: hardwareQuality(p.Quality)}
	}
	if b.smart {
		readings := []hw.Reading{reading(channelLatitude, hw.Float(p.Latitude)), reading(channelLongitude, hw.Float(p.Longitude))}
		if p.Radius != nil {
			readings = append(readings, reading(channelRadius, hw.Float(*p.Radius)))
		}
		if p.Bearing != nil {
			readings = append(readings, reading(channelDirection, hw.Float(*p.Bearing)))
		}
		b.deliver(sensorUnit(locationUnit), readings)
	}
	for _, f := range b.fences {
		was := f.inside
		f.inside = f.area.Inside(gnss.Point{Latitude: p.Latitude, Longitude: p.Longitude}, was)
		if f.inside != was {
			b.cfg.Log.Info("geofence", slog.String("name", f.config.Name), slog.Bool("inside", f.inside))
		}
		b.deliver(sensorUnit(f.config.Name), []hw.Reading{reading(channelInside, hw.Bool(f.inside))})
	}
}

func hardwareQuality(q model.Quality) hw.Quality {
	switch q {
	case model.Good:
		return hw.Good
	case model.Uncertain:
		return hw.Uncertain
	case model.Stale:
		return hw.Stale
	case model.Invalid:
	}
	return hw.Invalid
}

// checkGeofences finds what is wrong with areas, and names that are taken.
func checkGeofences(cfg *config.Config) config.Problems {
	var problems config.Problems
	taken := map[string]bool{locationUnit: cfg.Location != nil && cfg.Location.Smart}
	for i := range cfg.Sensors {
		if s := &cfg.Sensors[i]; taken[s.Name] {
			problems = append(problems, s.Problem("name", "is that of [location], which feeds object 3336; choose another"))
		}
	}
	for i := range cfg.Sensors {
		taken[cfg.Sensors[i].Name] = true
	}
	for i := range cfg.Derived {
		taken[cfg.Derived[i].Name] = true
	}
	for i := range cfg.Geofences {
		g := &cfg.Geofences[i]
		if taken[g.Name] {
			problems = append(problems, g.Problem("name", "is the name of a sensor already; give each its own"))
		}
		area := fenceOf(g)
		if err := area.Check(); err != nil {
			problems = append(problems, g.Problem("polygon", "%v", err))
		}
	}
	return problems
}
