package bind

import (
	"cmp"
	"fmt"
	"slices"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/hw"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/objects"
)

// Drivers returns the table of drivers as the configuration wants it.
func Drivers() map[string]config.Driver {
	out := make(map[string]config.Driver)
	for _, d := range hw.Drivers() {
		entry := config.Driver{Sensor: d.Sensor(), Actuator: d.Actuator(), Shared: d.Shared()}
		for _, s := range d.Settings {
			if s.Required {
				entry.Required = append(entry.Required, s.Key)
			} else {
				entry.Optional = append(entry.Optional, s.Key)
			}
		}
		out[d.Name] = entry
	}
	return out
}

// SetupOf returns a configuration's sensors and actuators in hw's terms.
func SetupOf(cfg *config.Config) hw.Setup {
	setup := hw.Setup{Sensors: make([]hw.Config, 0, len(cfg.Sensors)), Actuators: make([]hw.Config, 0, len(cfg.Actuators))}
	for i := range cfg.Sensors {
		s := &cfg.Sensors[i]
		c := hardwareConfig(s.Name, s.Driver, &s.Settings)
		c.Shortest, c.Longest = s.IntervalMin, s.IntervalMax
		for _, ch := range s.Channels {
			c.Channels = append(c.Channels, hw.ChannelConfig{Name: ch.Name, Register: registerOf(ch.Register)})
		}
		setup.Sensors = append(setup.Sensors, c)
	}
	for i := range cfg.Actuators {
		a := &cfg.Actuators[i]
		c := hardwareConfig(a.Name, a.Driver, &a.Settings)
		c.Interlocked = len(a.Interlocks) > 0
		c.Safe, c.Watchdog = hw.Safe{Keep: a.Safe.Keep, Value: hw.Bool(a.Safe.On)}, a.Watchdog
		if a.Safe.Level != 0 {
			c.Safe.Value = hw.Float(a.Safe.Level)
		}
		setup.Actuators = append(setup.Actuators, c)
	}
	return setup
}

func hardwareConfig(name, driver string, s *config.Settings) hw.Config {
	c := hw.Config{
		Name: name, Driver: driver,
		Bus: s.Bus, Address: s.Address, Chip: s.Chip, Line: lineOf(s.Line), Device: s.Device, Trigger: s.Trigger,
		Debounce: s.Debounce,
		Active:   hw.Active(s.Active), Bias: hw.Bias(s.Bias), Edge: hw.Edge(s.Edge), Drive: hw.Drive(s.Drive),
		Shunt: s.Shunt, Frequency: s.Frequency, Range: s.Range, Baud: s.Baud, Parity: s.Parity, StopBits: s.StopBits, Timeout: s.Timeout, Register: registerOf(s.Register),
		Unit: s.Unit, Wave: hw.Wave(s.Wave), Min: s.Min, Max: s.Max, Period: s.Period, Seed: s.Seed, File: s.File,
	}
	if takesInterval(driver) { // the configuration has a default for all
		c.Interval = s.Interval
	}
	return c
}

// takesInterval reports whether a driver samples; others tell by themselves.
func takesInterval(driver string) bool {
	return slices.ContainsFunc(hw.Drivers(), func(d hw.Driver) bool {
		return d.Name == driver && slices.ContainsFunc(d.Settings, func(s hw.Setting) bool { return s.Key == "interval" })
	})
}

func registerOf(r *config.Register) *hw.Register {
	if r == nil {
		return nil
	}
	return &hw.Register{Number: r.Number, Table: r.Table, Type: r.Type, WordOrder: r.WordOrder}
}

func lineOf(l config.Line) hw.Line {
	switch {
	case l.Name != "":
		return hw.LineName(l.Name)
	case l.Given:
		return hw.LineOffset(l.Offset)
	default:
		return hw.Line{}
	}
}

// Check finds what reading a configuration cannot: objects that the registry
// does not have, settings that do not fit their driver, what two ask for.
func Check(cfg *config.Config, defs model.Definitions) config.Problems {
	var problems config.Problems
	check := func(s config.Section, p place, ops model.Ops) {
		if key, err := checkPlace(defs, p, ops); err != nil {
			problems = append(problems, s.Problem(key, "%v", err))
		}
	}
	for i := range cfg.Sensors {
		s := &cfg.Sensors[i]
		if _, known := defs.Object(s.Object); s.Object != 0 && !known || len(s.Channels) == 0 {
			check(s.Section, place{s.Object, mainResource}, model.OpRead)
			continue
		}
		for _, c := range s.Channels {
			check(c.Section, place{cmp.Or(c.Object, s.Object), c.Resource}, model.OpRead)
		}
	}
	for i := range cfg.Derived {
		check(cfg.Derived[i].Section, place{cfg.Derived[i].Object, cfg.Derived[i].Resource}, model.OpRead)
	}
	for i := range cfg.Actuators {
		a := &cfg.Actuators[i]
		check(a.Section, place{cmp.Or(a.Object, objectActuation), a.Resource}, model.OpWrite|model.OpExecute)
	}
	return slices.Concat(problems, placed(cfg, hw.Validate(SetupOf(cfg))), checkProcess(cfg), checkGeofences(cfg), checkApps(cfg), checkInstances(cfg, defs))
}

// checkPlace says what is wrong with an object and a resource that a channel is
// for, one of whose operations it is for, and with which key of the configuration.
// Object 0 is the one that suits, which is seen at run time.
func checkPlace(defs model.Definitions, p place, ops model.Ops) (key string, err error) {
	if p.oid == 0 {
		return "", nil
	}
	def, ok := defs.Object(p.oid)
	if !ok {
		return "object", fmt.Errorf("object %d is not in the registry; object_folder names a folder with definitions of others", p.oid)
	}
	if p.rid == mainResource {
		if _, ok := objects.Main(def); !ok {
			return "object", fmt.Errorf("object %d (%s) has no resource for a value; name one with resource", p.oid, def.Name)
		}
		return "", nil
	}
	r := def.Resource(resourceOf(defs, p))
	switch {
	case r == nil:
		return "resource", fmt.Errorf("object %d (%s) has no resource %d", p.oid, def.Name, p.rid)
	case r.Multiple || r.Ops&ops == 0:
		return "resource", fmt.Errorf("%d (%s) of object %d is no single resource that can be %s", p.rid, r.Name, p.oid, map[bool]string{true: "read", false: "written or executed"}[ops == model.OpRead])
	}
	return "", nil
}

// Conflicts returns the parts of a configuration without problems that answer in
// each other's place, by what the kernel knows of the buses of this machine.
func Conflicts(cfg *config.Config, opts hw.Options) config.Problems {
	return placed(cfg, hw.Conflicts(SetupOf(cfg), opts))
}

// placed says of problems of the hardware where in the configuration they are.
func placed(cfg *config.Config, found []*hw.Problem) config.Problems {
	problems := make(config.Problems, 0, len(found))
	for _, p := range found {
		var section config.Section
		if p.Unit.Role == hw.RoleSensor {
			section = cfg.Sensors[p.Index].Section
		} else {
			section = cfg.Actuators[p.Index].Section
		}
		problems = append(problems, section.Problem(p.Key, "%s", p.Text))
	}
	return problems
}

// checkApps finds applications that claim an object which the configuration
// gives to a sensor or an actuator.
func checkApps(cfg *config.Config) config.Problems {
	fed := make(map[uint16]string)
	for i := range cfg.Sensors {
		s := &cfg.Sensors[i]
		fed[s.Object] = "sensor " + s.Name
		for _, c := range s.Channels {
			fed[c.Object] = "sensor " + s.Name
		}
	}
	for i := range cfg.Derived {
		fed[cfg.Derived[i].Object] = "derived sensor " + cfg.Derived[i].Name
	}
	for i := range cfg.Actuators {
		a := &cfg.Actuators[i]
		fed[cmp.Or(a.Object, objectActuation)] = "actuator " + a.Name
	}
	if len(cfg.Geofences) > 0 {
		fed[places[hw.State].oid] = "geofence " + cfg.Geofences[0].Name
	}
	if cfg.Location != nil && cfg.Location.Smart {
		fed[objectLocation] = "[location]"
	}
	var problems config.Problems
	for i := range cfg.Apps {
		for _, oid := range cfg.Apps[i].Objects {
			if unit := fed[oid]; unit != "" {
				problems = append(problems, cfg.Apps[i].Problem("objects", "%d is what %s feeds; give one of them another object", oid, unit))
			}
		}
	}
	return problems
}
