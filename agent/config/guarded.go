package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// What interlocks rest on is not for servers: the outputs that have some, and the sensors, derived ones too, that
// these look at. An interlock that a server could make look elsewhere, or lead to another state, would be none.

// element names one table of a list of tables.
type element struct{ section, name string }

// guarded returns what the interlocks of a configuration rest on, and what would be taken for it if it were there:
// "door/state" is the channel of a sensor or, before that, the name of a derived one.
func guarded(root *node) map[element]bool {
	set := make(map[element]bool)
	var look func(input string)
	look = func(input string) {
		sensor := input[:max(strings.LastIndexByte(input, '/'), 0)]
		for _, name := range []string{input, sensor} {
			if set[element{"sensor", name}] {
				continue
			}
			set[element{"sensor", name}], set[element{"derived", name}] = true, true
			if d := root.at("derived").element(&derivedSection, name); d != nil {
				for _, in := range get(d, "inputs", []string(nil)) {
					look(in)
				}
			}
		}
	}
	for _, a := range elements(root, "actuator") {
		for _, lock := range elements(a, "interlock") {
			set[element{"actuator", get(a, "name", "")}] = true
			look(get(lock, "input", ""))
		}
	}
	return set
}

// interlocked finds what a remote candidate would change of what interlocks rest on, and what it would put in
// its place.
func (d *drafter) interlocked(all *node) Problems {
	const rests = "cannot be set remotely, interlocks rest on it; docs/remote-configuration.md says what can"
	var problems Problems
	for _, name := range []string{"sensor", "derived", "actuator"} {
		s := schema.section(name)
		for _, e := range elements(all, name) {
			was := d.active.at(name).element(s, valueOf(e, s.identity))
			switch {
			case !d.guarded[element{name, get(e, s.identity, "")}]:
				problems = append(problems, d.misplaced(s, was, e)...)
			case was == nil:
				problems = append(problems, e.problem(s.title(e), rests))
			default:
				for key, c := range prune(s, e, was).table {
					problems = append(problems, c.problem(within(s.title(e), key), rests))
				}
			}
		}
	}
	return problems
}

// placeKeys say where a unit is, and how much of the place it takes.
var placeKeys = []string{"driver", "bus", "address", "chip", "line", "device", "register", "table", "type", "unit"}

// misplaced finds a unit that is new or moves to where one is, or may be, that interlocks rest on.
func (d *drafter) misplaced(s *section, was, is *node) Problems {
	moved := slices.ContainsFunc(placeKeys, func(name string) bool {
		a, b := was.at(name), is.at(name)
		return (a == nil) != (b == nil) || a != nil && !same(s.key(name), a, b)
	})
	reads := strings.HasPrefix(placeKind(is), "bus") // Modbus, SPI
	for _, other := range []string{"actuator", "sensor"} {
		if !moved || s.name == "derived" || s.name == "sensor" && (reads || other == "sensor") {
			continue // inputs do not disturb each other, and one that fails makes outputs safe
		}
		for _, e := range elements(d.active, other) {
			if d.guarded[element{other, get(e, "name", "")}] && !separate(is, e) {
				return Problems{is.problem(s.title(is), fmt.Sprintf(
					"cannot be set remotely, it is or may be where %s is, on which interlocks rest; docs/remote-configuration.md says more", schema.section(other).title(e)))}
			}
		}
	}
	return nil
}

// separate reports whether two units are certainly not at one place. What is called in two ways may be one thing, and
// what is behind a multiplexer is on the bus before it, too.
func separate(a, b *node) bool {
	x, y := get(a, "line", Line{}), get(b, "line", Line{})
	lines := x != y && (x.Name == "") == (y.Name == "")
	sameBus := get(a, "bus", "") == get(b, "bus", "")
	switch kind := placeKind(a); {
	case kind != placeKind(b):
		return true
	case kind == "address":
		return id(a, "address") != id(b, "address") || sameBus && lines
	case kind == "line":
		return lines || numbered(get(a, "chip", ""), get(b, "chip", ""))
	case a.at("bus") != nil:
		return separateOnModbus(a, b)
	default:
		one, two := get(a, "device", ""), get(b, "device", "")
		return lines || one != two && !strings.Contains(one+two, "/")
	}
}

// placeKind tells units that cannot be at one place from each other: by what says where they are.
func placeKind(n *node) string {
	driver := " of " + get(n, "driver", "")
	switch {
	case n.at("address") != nil:
		return "address"
	case n.at("bus") != nil:
		return "bus" + driver
	case n.at("device") != nil:
		return "device" + driver
	case n.at("line") != nil:
		return "line"
	default:
		return "nowhere: " + get(n, "name", "") // simulated
	}
}

// separateOnModbus is separate for devices on Modbus: what is written to one register of a device may change what is in
// another one. Over TCP many answer whatever unit is asked.
func separateOnModbus(a, b *node) bool {
	const tcp = "tcp:"
	x, overTCP := strings.CutPrefix(get(a, "bus", ""), tcp)
	y, alsoTCP := strings.CutPrefix(get(b, "bus", ""), tcp)
	unit := func(n *node) string { return strings.TrimLeft(get(n, "unit", "1"), "0") }
	switch {
	case overTCP != alsoTCP:
		return true
	case overTCP:
		one, _ := netip.ParseAddrPort(x)
		two, _ := netip.ParseAddrPort(y)
		return one.IsValid() && two.IsValid() && one.Addr().Unmap() != two.Addr().Unmap()
	default:
		return numbered(x, y) || unit(a) != unit(b)
	}
}

// numbered reports whether two names differ in the number at their end only, as the nodes of two chips or lines do.
func numbered(a, b string) bool {
	const digits = "0123456789"
	a, b = strings.TrimPrefix(a, "/dev/"), strings.TrimPrefix(b, "/dev/")
	kind := strings.TrimRight(a, digits)
	return a != b && kind != a && kind != b && kind != "" && kind == strings.TrimRight(b, digits)
}
