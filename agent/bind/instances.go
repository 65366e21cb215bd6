package bind

import (
	"cmp"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/lwm2m/model"
)

// asked is an object instance that the configuration asks for.
type asked struct {
	oid      uint16
	instance int
}

// asker is who asks for an instance, with which resources.
type asker struct {
	unit string
	rids map[uint16]bool
}

// checkInstances finds sensors, channels and actuators that ask for the same instance of an
// object: one that the configuration names, or that suits what a driver is known to measure.
// Where the device says what it measures, that is seen at run time.
func checkInstances(cfg *config.Config, defs model.Definitions) config.Problems {
	var problems config.Problems
	askers := make(map[asked]*asker)
	check := func(s config.Section, unit string, p place, instance int) {
		if p.oid == 0 || instance == config.NoInstance {
			return
		}
		what, rid := asked{p.oid, instance}, resourceOf(defs, p)
		switch first := askers[what]; {
		case first == nil:
			askers[what] = &asker{unit, map[uint16]bool{rid: true}}
		case first.unit == unit && !first.rids[rid]:
			first.rids[rid] = true // channels for different resources share the instance
		default:
			problems = append(problems, s.Problem("instance", "/%d/%d is what %s asks for already; give each its own, or leave it out", p.oid, instance, first.unit))
		}
	}
	for i := range cfg.Sensors {
		s := &cfg.Sensors[i]
		for _, w := range wishesOf(s) {
			check(w.section, "sensor "+s.Name, w.place, w.instance)
		}
	}
	for i := range cfg.Derived {
		d := &cfg.Derived[i]
		check(d.Section, "derived sensor "+d.Name, place{d.Object, d.Resource}, d.Instance)
	}
	for i := range cfg.Actuators {
		a := &cfg.Actuators[i]
		check(a.Section, "actuator "+a.Name, place{cmp.Or(a.Object, objectActuation), a.Resource}, a.Instance)
	}
	return problems
}

// placedWish is a wish with the section of the configuration that it stands in.
type placedWish struct {
	wish
	section config.Section
}

// wishesOf returns what a sensor asks for, as far as it is known before its device is opened. An
// object of 0 is one that is not known.
func wishesOf(s *config.Sensor) []placedWish {
	var out []placedWish
	sections := make(map[string]config.Section)
	for _, c := range s.Channels {
		sections[c.Name] = c.Section
	}
	wishOf := sensorWish(s)
	for _, c := range driverChannels(s.Driver) {
		if w, ok := wishOf(c); ok {
			section, given := sections[c.Name]
			if !given {
				section = s.Section
			}
			out = append(out, placedWish{w, section})
		}
	}
	if len(out) > 0 {
		return out
	}
	w := wish{place: place{s.Object, mainResource}, instance: s.Instance}
	if len(s.Channels) == 0 {
		return []placedWish{{w, s.Section}}
	}
	for i := range s.Channels {
		own := w
		own.apply(&s.Channels[i])
		out = append(out, placedWish{own, s.Channels[i].Section})
	}
	return out
}
