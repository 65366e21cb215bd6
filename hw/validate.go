package hw

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"lwm2m-agent/hw/modbus"
)

// Limits of what can be configured.
const (
	minInterval = 10 * time.Millisecond
	maxInterval = 7 * 24 * time.Hour
	maxDebounce = time.Hour // the kernel counts microseconds in 32 bits
	maxName     = 64
)

// Validate returns all that is wrong with a setup, without touching a device:
// unknown drivers, settings that a driver does not take or lacks, values out of
// range, names, addresses and lines used twice.
func Validate(setup Setup) []*Problem {
	v := validator{drivers: driversByName(), taken: make(map[string]Unit), shared: make(map[string]Config), lines: make(map[string]modbus.Line)}
	for i, cfg := range setup.Sensors {
		v.check(RoleSensor, i, cfg)
	}
	for i, cfg := range setup.Actuators {
		v.check(RoleActuator, i, cfg)
	}
	return v.problems
}

// validator collects the problems of a setup.
type validator struct {
	drivers  map[string]Driver
	lines    map[string]modbus.Line // serial ones, as the last device has them
	taken    map[string]Unit        // names, addresses and lines
	shared   map[string]Config      // the first of those that share a part, by its address
	problems []*Problem

	unit  Unit
	index int
}

// problem notes what is wrong with the present unit.
func (v *validator) problem(key, format string, args ...any) {
	v.problems = append(v.problems, &Problem{Unit: v.unit, Index: v.index, Key: key, Text: fmt.Sprintf(format, args...)})
}

func (v *validator) check(role Role, index int, cfg Config) {
	v.unit, v.index = Unit{role, cfg.Name}, index
	switch {
	case cfg.Name == "":
		v.problem("name", "a name is missing")
	case len(cfg.Name) > maxName:
		v.problem("name", "a name has %d bytes at most", maxName)
	}
	v.claim("name", cfg.Name)
	driver, ok := v.drivers[cfg.Driver]
	serves := role == RoleSensor && driver.Sensor() || role == RoleActuator && driver.Actuator()
	if !ok || !serves {
		v.problem("driver", "no driver %q for this %s; there are: %s", cfg.Driver, role, driversFor(role))
		return
	}
	before := len(v.problems)
	v.checkKeys(driver, cfg)
	v.checkValues(driver, cfg)
	v.checkPlace(driver, cfg)
	if len(v.problems) > before {
		return
	}
	d, err := driver.device(role, &access{cfg: cfg})
	if err != nil {
		v.problem("channel", "%v", err)
		return
	}
	if _, sampled := d.(sampler); !sampled && (cfg.Shortest != 0 || cfg.Longest != 0) {
		v.problem("interval_min", "%s is not sampled at an interval; it takes no interval_min and interval_max", driver.Name)
	}
	for _, c := range cfg.Channels {
		known := d.Channels()
		if c.Register != nil && driver.Bus != BusModbus {
			v.problem("channel", "%s has no registers; channel %q takes no register, table, type, word_order", driver.Name, c.Name)
		}
		if len(known) > 0 && !slices.ContainsFunc(known, func(k Channel) bool { return k.Name == c.Name }) {
			v.problem("channel", "%s has no channel %q; it has: %s", driver.Name, c.Name, channelNames(known))
		}
	}
}

func driversFor(role Role) string {
	var names []string
	for _, d := range Drivers() {
		if role == RoleSensor && d.Sensor() || role == RoleActuator && d.Actuator() {
			names = append(names, d.Name)
		}
	}
	return strings.Join(names, ", ")
}

// claim notes that the present unit uses something that only one can use.
func (v *validator) claim(key, what string) {
	id := v.unit.Role.String() + " " + what
	if key != "name" {
		id = what
	}
	if other, ok := v.taken[id]; ok && what != "" {
		v.problem(key, "%s is used by %s %q already; give each its own", what, other.Role, other.Name)
		return
	}
	v.taken[id] = v.unit
}

// givenKeys are the keys of cfg that are not at their default, besides name and
// driver.
func givenKeys(cfg Config) []string {
	given := []struct {
		key string
		set bool
	}{
		{"bus", cfg.Bus != ""},
		{"address", cfg.Address != 0},
		{"chip", cfg.Chip != ""},
		{"line", cfg.Line.Given()},
		{"device", cfg.Device != ""},
		{"trigger", cfg.Trigger != ""},
		{"interval", cfg.interval() != DefaultInterval},
		{"debounce", cfg.Debounce != 0},
		{"active", cfg.Active != ""},
		{"bias", cfg.Bias != ""},
		{"edge", cfg.Edge != ""},
		{"drive", cfg.Drive != ""},
		{"safe", cfg.Safe != Safe{}},
		{"shunt", cfg.Shunt != 0},
		{"frequency", cfg.Frequency != 0},
		{"range", cfg.Range != 0},
		{"baud", cfg.Baud != 0},
		{"parity", cfg.Parity != ""},
		{"stop_bits", cfg.StopBits != 0},
		{"timeout", cfg.Timeout != 0},
		{"register", cfg.Register != nil},
		{"unit", cfg.Unit != ""},
		{"wave", cfg.Wave != ""},
		{"min", cfg.Min != 0},
		{"max", cfg.Max != 0},
		{"period", cfg.Period != 0},
		{"seed", cfg.Seed != 0},
		{"file", cfg.File != ""},
	}
	var keys []string
	for _, g := range given {
		if g.set {
			keys = append(keys, g.key)
		}
	}
	return keys
}

func (v *validator) checkKeys(driver Driver, cfg Config) {
	given := givenKeys(cfg)
	takes := make([]string, 0, len(driver.Settings))
	for _, s := range driver.Settings {
		takes = append(takes, s.Key)
		if s.Required && !slices.Contains(given, s.Key) {
			v.problem(s.Key, "%s needs %s: %s", driver.Name, s.Key, s.Help)
		}
	}
	for _, key := range given {
		if !slices.Contains(takes, key) || key == "safe" && v.unit.Role == RoleSensor {
			v.problem(key, "%s takes no %s; it takes: %s", driver.Name, key, strings.Join(takes, ", "))
		}
	}
}

func (v *validator) checkValues(driver Driver, cfg Config) {
	if cfg.Address != 0 && !slices.Contains(driver.Addresses, cfg.Address) {
		v.problem("address", "%s has no address %#02x; it can have: %s", driver.Name, cfg.Address, hexList(driver.Addresses))
	}
	v.between("interval", cfg.Interval, minInterval, maxInterval)
	if cfg.Shortest != 0 && cfg.Shortest > cfg.interval() {
		v.problem("interval_min", "interval_min (%v) is above interval (%v)", cfg.Shortest, cfg.interval())
	}
	if cfg.Longest != 0 && cfg.Longest < cfg.interval() {
		v.problem("interval_max", "interval_max (%v) is below interval (%v)", cfg.Longest, cfg.interval())
	}
	v.between("interval_min", cfg.Shortest, minInterval, maxInterval)
	v.between("interval_max", cfg.Longest, minInterval, maxInterval)
	v.between("debounce", cfg.Debounce, time.Microsecond, maxDebounce)
	v.between("timeout", cfg.Timeout, minInterval, maxTimeout)
	v.between("period", cfg.Period, minInterval, maxInterval)
	oneOf(v, "active", cfg.Active, ActiveHigh, ActiveLow)
	oneOf(v, "bias", cfg.Bias, BiasOff, BiasPullUp, BiasPullDown)
	oneOf(v, "edge", cfg.Edge, EdgeActive, EdgeInactive, EdgeBoth)
	oneOf(v, "drive", cfg.Drive, DrivePushPull, DriveOpenDrain, DriveOpenSource)
	oneOf(v, "wave", cfg.Wave, WaveSine, WaveRamp, WaveSquare, WaveWalk, WaveCSV, WaveContact, WaveTrack)
	if !(cfg.Min < cfg.Max) && (cfg.Min != 0 || cfg.Max != 0) || math.IsInf(cfg.Max-cfg.Min, 0) {
		v.problem("max", "max (%v) must be above min (%v)", cfg.Max, cfg.Min)
	}
	if cfg.Line.name == "" && cfg.Line.offset < 0 {
		v.problem("line", "a line is a number from 0, or a name")
	}
	v.checkSerial(cfg)
	if cfg.Watchdog != 0 && (cfg.Safe.Keep || v.unit.Role == RoleSensor) {
		v.problem("watchdog", `a watchdog needs a safe state of an output to lead to; safe is not "keep" then`)
	}
	if cfg.Interlocked && (cfg.Safe.Keep || v.unit.Role == RoleSensor) {
		v.problem("interlock", `an interlock needs a safe state of an output to lead to; safe is not "keep" then`)
	}
	if !(cfg.Shunt >= 0 && cfg.Shunt <= 1e6) {
		v.problem("shunt", "shunt is a resistance in Ohm, not %v", cfg.Shunt)
	}
	if cfg.Wave == WaveCSV && cfg.File == "" {
		v.problem("file", `wave = "csv" needs file`)
	}
	if kind := cfg.Safe.Value.Kind(); kind != KindNone && kind != KindBool && kind != KindFloat {
		v.problem("safe", `safe is "off", "on", "keep" or a number`)
	}
}

func hexList(addresses []uint16) string {
	texts := make([]string, len(addresses))
	for i, a := range addresses {
		texts[i] = fmt.Sprintf("%#02x", a)
	}
	return strings.Join(texts, ", ")
}

func (v *validator) between(key string, d, low, high time.Duration) {
	if d != 0 && (d < low || d > high) {
		v.problem(key, "%s is %v to %v, not %v", key, low, high, d)
	}
}

// oneOf notes a value that is given and not allowed.
func oneOf[T ~string](v *validator, key string, value T, allowed ...T) {
	if value == "" || slices.Contains(allowed, value) {
		return
	}
	texts := make([]string, len(allowed))
	for i, a := range allowed {
		texts[i] = fmt.Sprintf("%q", string(a))
	}
	v.problem(key, "%s is %s, not %q", key, strings.Join(texts, ", "), string(value))
}

// checkSerial checks the settings of a serial line.
func (v *validator) checkSerial(cfg Config) {
	if l := cfg.line(); !l.Known() {
		v.problem("baud", "baud is a usual speed from 1200 to 230400, not %d", cfg.Baud)
	}
	oneOf(v, "parity", cfg.Parity, "none", "even", "odd")
	if cfg.StopBits < 0 || cfg.StopBits > 2 {
		v.problem("stop_bits", "stop_bits is 1 or 2, not %d", cfg.StopBits)
	}
}

// checkPlace finds two units at one place.
func (v *validator) checkPlace(driver Driver, cfg Config) {
	if driver.Bus == BusI2C && cfg.Bus != "" && cfg.Address != 0 {
		v.checkAddress(driver, cfg)
	}
	if driver.Bus == BusSPI && cfg.Bus != "" {
		v.claim("bus", "/dev/"+strings.TrimPrefix(cfg.Bus, "/dev/"))
	}
	if driver.Bus == BusModbus && cfg.Bus != "" {
		l, ok := v.lines[cfg.Bus]
		if ok && l != cfg.line() {
			v.problem("baud", "%s is set up as %+v for another device; all on one line have the same baud, parity and stop_bits", cfg.Bus, l)
		}
		v.lines[cfg.Bus] = cfg.line()
	}
	if driver.Bus == BusGPIO && cfg.Line.Given() {
		chip := cfg.Chip
		if chip == "" {
			chip = "any chip"
		}
		v.claim("line", strings.TrimPrefix(chip, "/dev/")+" line "+cfg.Line.String())
	}
	if driver.Name == "pwm" {
		v.claim("line", cfg.Device+" channel "+cfg.Line.String())
	}
}

// checkAddress finds two units at one address, or that share a part and want
// the same of it, or what it cannot have together.
func (v *validator) checkAddress(driver Driver, cfg Config) {
	at := i2cPlace(strings.TrimPrefix(cfg.Bus, "/dev/"), cfg.Address)
	first, other := v.shared[at]
	if !driver.Shared() || other && first.Driver != cfg.Driver {
		v.claim("address", at)
		return
	}
	if !other {
		v.claim("address", at)
		v.shared[at] = cfg
		first = cfg
	}
	if first.Frequency != cfg.Frequency {
		v.problem("frequency", "the outputs of %s have one frequency; %q has %v Hz", at, first.Name, frequencyOf(first))
	}
	for _, place := range driver.places(v.unit.Role, cfg) {
		v.claim("line", at+" "+place)
	}
}
