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
// object that the configuration names. Which object suits what a driver measures is seen at run
// time.
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
		if len(s.Channels) == 0 {
			check(s.Section, "sensor "+s.Name, place{s.Object, mainResource}, s.Instance)
		}
		for _, c := range s.Channels {
			instance := c.Instance
			if instance == config.NoInstance {
				instance = s.Instance
			}
			check(c.Section, "sensor "+s.Name, place{cmp.Or(c.Object, s.Object), c.Resource}, instance)
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
