package bind

import (
	"cmp"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/hw"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/objects"
)

// mainResource stands for the resource that carries an object's main value.
const mainResource = config.NoResource

// place is an object and a resource of it.
type place struct {
	oid uint16
	rid int
}

// places says under which object and resource an operator looks for a quantity.
// What is missing is a Generic Sensor.
var places = map[hw.Quantity]place{
	hw.Temperature:   {3303, mainResource},
	hw.Humidity:      {3304, mainResource},
	hw.Pressure:      {3315, mainResource},
	hw.Illuminance:   {3301, mainResource},
	hw.Voltage:       {3316, mainResource},
	hw.Current:       {3317, mainResource},
	hw.Frequency:     {3318, mainResource},
	hw.Level:         {3320, mainResource},
	hw.Concentration: {3325, mainResource},
	hw.Acidity:       {3326, mainResource},
	hw.Power:         {3328, mainResource},
	hw.Distance:      {3330, mainResource},
	hw.Energy:        {3331, mainResource},
	hw.State:         {3200, mainResource},
	hw.Count:         {3200, 5501},
	hw.Acceleration:  {3313, 5702},
	hw.MagneticField: {3314, 5702},
	hw.AngularRate:   {3334, 5702},
}

// objectGeneric is the object of a quantity that has none of its own.
const objectGeneric = 3300

// placeOf returns where a channel of a sensor belongs if nothing is configured.
func placeOf(c hw.Channel) place {
	p, ok := places[c.Quantity]
	if !ok {
		return place{objectGeneric, mainResource}
	}
	switch c.Axis {
	case "y":
		p.rid++
	case "z":
		p.rid += 2
	}
	return p
}

// objectActuation is the object of an actuator if nothing is configured.
const objectActuation uint16 = 3306

// dimmer is the resource for the level of an output.
const dimmer = 5851

// actuatorPlace returns where a channel of an actuator belongs.
func actuatorPlace(a *config.Actuator, c hw.Channel) place {
	oid := cmp.Or(a.Object, objectActuation)
	switch {
	case a.Resource != config.NoResource:
		return place{oid, a.Resource}
	case c.Quantity == hw.Level:
		return place{oid, dimmer}
	}
	return place{oid, mainResource}
}

// positionChannels are the quantities that make up a position, and with it
// object 6.
var positionChannels = map[hw.Quantity]bool{
	hw.Latitude: true, hw.Longitude: true, hw.Altitude: true, hw.Speed: true, hw.Heading: true,
}

func isPosition(channels []hw.Channel) bool {
	for _, c := range channels {
		if c.Quantity == hw.Latitude {
			return true
		}
	}
	return false
}

// group is the channels of one sensor or actuator that make up one instance.
type group struct {
	oid      uint16
	name     string // what the instance is bound to
	wanted   int    // the instance number, or config.NoInstance
	appType  string
	first    hw.Channel
	channels map[string]uint16 // channel → resource
	counting string            // the one of channels, if any, whose count outlives restarts
	iid      uint16
	there    bool // the instance is in the tree, or was tried
	made     bool // as it is configured
}

// resources returns the resources of the group's channels.
func (g *group) resources() []uint16 {
	rids := make([]uint16, 0, len(g.channels))
	for _, rid := range g.channels {
		rids = append(rids, rid)
	}
	return rids
}

// units returns the units of the group's resources, given those of its channels.
func (g *group) units(channels []hw.Channel) map[uint16]string {
	units := make(map[uint16]string)
	for _, c := range channels {
		if rid, ok := g.channels[c.Name]; ok {
			units[rid] = c.Unit
		}
	}
	return units
}

// has reports whether the group has a channel for a resource.
func (g *group) has(rid uint16) bool {
	for _, r := range g.channels {
		if r == rid {
			return true
		}
	}
	return false
}

// wish is what the configuration says about a channel beyond the default.
type wish struct {
	place    place
	instance int
	appType  string
}

// arrange sorts channels into instances: channels for different resources of
// one object share an instance (state and count, the axes of an accelerometer),
// channels for the same resource get one each.
func arrange(defs model.Definitions, name string, channels []hw.Channel, wishOf func(hw.Channel) (wish, bool)) []*group {
	var groups []*group
	for _, c := range channels {
		w, ok := wishOf(c)
		if !ok {
			continue
		}
		rid := resourceOf(defs, w.place)
		g := fitting(groups, w, rid)
		if g == nil {
			g = &group{oid: w.place.oid, wanted: w.instance, appType: w.appType, first: c, channels: make(map[string]uint16)}
			groups = append(groups, g)
		}
		g.channels[c.Name] = rid
		if rid == resourceCounter && c.Quantity == hw.Count && c.Kind == hw.KindInteger {
			g.counting = c.Name // others do not begin at 0 with the agent, or may fall
		}
	}
	for _, g := range groups {
		g.name = name
		for _, other := range groups {
			if other != g && other.oid == g.oid {
				g.name = name + "/" + g.first.Name
			}
		}
	}
	return groups
}

func fitting(groups []*group, w wish, rid uint16) *group {
	for _, g := range groups {
		if g.oid == w.place.oid && g.wanted == w.instance && !g.has(rid) {
			return g
		}
	}
	return nil
}

// resourceOf returns the resource that a place names, 0 if there is none.
func resourceOf(defs model.Definitions, p place) uint16 {
	if p.rid != mainResource {
		return uint16(p.rid) //nolint:gosec // checked by config
	}
	if def, ok := defs.Object(p.oid); ok {
		if rid, ok := objects.Main(def); ok {
			return rid
		}
	}
	return 0
}

// sensorWish returns what is configured for the channels of a sensor.
func sensorWish(s *config.Sensor) func(hw.Channel) (wish, bool) {
	return func(c hw.Channel) (wish, bool) {
		if watched, ok := alarmOf(s, c.Name); ok {
			return alarmWish(s, c, watched), true
		}
		w := wish{place: placeOf(c), instance: s.Instance, appType: s.ApplicationType}
		if s.Object != 0 {
			w.place = place{s.Object, mainResource}
			if d := placeOf(c); d.oid == s.Object {
				w.place = d
			}
		}
		if len(s.Channels) == 0 {
			return w, true
		}
		for i := range s.Channels {
			if s.Channels[i].Name == c.Name {
				w.apply(&s.Channels[i])
				return w, true
			}
		}
		return w, false
	}
}

func (w *wish) apply(c *config.Channel) {
	if c.Object != 0 {
		w.place = place{c.Object, mainResource}
	}
	if c.Resource != config.NoResource {
		w.place.rid = c.Resource
	}
	if c.Instance != config.NoInstance {
		w.instance = c.Instance
	}
	if c.ApplicationType != "" {
		w.appType = c.ApplicationType
	}
}

// actuatorWish returns what is configured for the channels of an actuator. Where
// a resource is named, it is for the channel that has its type: one that is
// switched or one that is set.
func actuatorWish(defs model.Definitions, a *config.Actuator, channels []hw.Channel) func(hw.Channel) (wish, bool) {
	switched := false
	if def, ok := defs.Object(cmp.Or(a.Object, objectActuation)); ok && a.Resource != config.NoResource {
		r := def.Resource(uint16(a.Resource)) //nolint:gosec // checked by config
		switched = r != nil && r.Type == lwm2m.TypeBoolean
	}
	return func(c hw.Channel) (wish, bool) {
		fits := a.Resource == config.NoResource || len(channels) == 1 || switched == (c.Kind == hw.KindBool)
		return wish{place: actuatorPlace(a, c), instance: a.Instance, appType: a.ApplicationType}, fits
	}
}

// valueOf returns a hardware value in LwM2M's terms.
func valueOf(v hw.Value) lwm2m.Value {
	switch v.Kind() {
	case hw.KindFloat:
		f, _ := v.Float()
		return lwm2m.Float(f)
	case hw.KindBool:
		b, _ := v.Bool()
		return lwm2m.Boolean(b)
	case hw.KindInteger:
		i, _ := v.Integer()
		return lwm2m.Integer(i)
	case hw.KindText:
		s, _ := v.Text()
		return lwm2m.String(s)
	case hw.KindNone:
	}
	return lwm2m.Value{}
}

// hardwareValue returns an LwM2M value in hardware's terms, and false for a type
// that no actuator takes.
func hardwareValue(v lwm2m.Value) (hw.Value, bool) {
	switch v.Type() {
	case lwm2m.TypeBoolean:
		return hw.Bool(v.Bool()), true
	case lwm2m.TypeInteger, lwm2m.TypeUnsigned, lwm2m.TypeFloat:
		f, _ := v.Number()
		return hw.Float(f), true
	case lwm2m.TypeString:
		return hw.Text(v.Text()), true
	case lwm2m.TypeNone, lwm2m.TypeOpaque, lwm2m.TypeTime, lwm2m.TypeObjlnk, lwm2m.TypeCorelnk:
	}
	return hw.Value{}, false
}

func qualityOf(q hw.Quality) model.Quality {
	switch q {
	case hw.Good:
		return model.Good
	case hw.Uncertain:
		return model.Uncertain
	case hw.Stale:
		return model.Stale
	case hw.Invalid:
	}
	return model.Invalid
}
