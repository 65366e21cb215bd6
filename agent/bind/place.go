package bind

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sort"

	"lwm2m-agent/agent/store"
	"lwm2m-agent/hw"
	"lwm2m-agent/objects"
)

// Describe implements hw.Sink: it makes the instances for a sensor's or an
// actuator's channels.
func (b *Board) Describe(unit hw.Unit, channels []hw.Channel) {
	b.mu.Lock()
	defer b.mu.Unlock()
	groups, ok := b.arranged(unit, channels)
	if !ok {
		return // no longer configured: Removed comes next
	}
	next := &bound{channels: channels, groups: groups, targets: make(map[string]target), latest: make(map[string]hw.Reading)}
	if unit.Role == hw.RoleSensor && isPosition(channels) {
		next.position = newPositionReader(channels)
	}
	if former := b.units[unit]; former != nil { // what health says of it is to end when it works
		next.misplaced, next.failing = former.misplaced, former.failing
		next.doubtful, next.doubted = former.doubtful, former.doubted
	}
	b.clear(unit)
	b.units[unit] = next
	b.settle()
	b.pace()
}

// arranged returns the instances that a unit's channels are configured for, and
// false for a unit that is not configured.
func (b *Board) arranged(unit hw.Unit, channels []hw.Channel) ([]*group, bool) {
	switch s, a := b.sensors[unit.Name], b.actuators[unit.Name]; {
	case unit.Role == hw.RoleSensor && s != nil:
		if isPosition(channels) {
			channels = withoutPosition(channels)
		}
		return arrange(b.cfg.Definitions, unit.Name, channels, sensorWish(s)), true
	case unit.Role == hw.RoleActuator && a != nil:
		return arrange(b.cfg.Definitions, unit.Name, channels, actuatorWish(b.cfg.Definitions, a, channels)), true
	}
	return nil, false
}

func withoutPosition(channels []hw.Channel) []hw.Channel {
	var out []hw.Channel
	for _, c := range channels {
		if !positionChannels[c.Quantity] {
			out = append(out, c)
		}
	}
	return out
}

// like reports whether g and h are one instance, whatever its application type.
func (g *group) like(h *group) bool {
	return g.oid == h.oid && g.name == h.name && g.wanted == h.wanted && g.first == h.first && maps.Equal(g.channels, h.channels)
}

// loosen takes away the instances that a new configuration has elsewhere, or not
// at all: with that their numbers are free. What is heard until place is kept. mu
// is held.
func (b *Board) loosen() {
	for unit, u := range b.units {
		wanted, _ := b.arranged(unit, u.channels)
		u.groups = slices.DeleteFunc(u.groups, func(g *group) bool {
			if slices.ContainsFunc(wanted, g.like) {
				return false
			}
			b.remove(u, g)
			return true
		})
	}
}

// place gives the units that have not been described anew since loosen the
// instances that the configuration has for them. mu is held.
func (b *Board) place() {
	due := false
	for unit, u := range b.units {
		wanted, ok := b.arranged(unit, u.channels)
		if !ok {
			continue
		}
		for i, w := range wanted {
			if at := slices.IndexFunc(u.groups, w.like); at >= 0 {
				former := u.groups[at]
				former.made = former.made && former.appType == w.appType
				former.appType, wanted[i] = w.appType, former
			}
			due = due || !wanted[i].made
		}
		u.groups = wanted
	}
	if due {
		b.settle()
	}
}

// settle gives every group its instance, of a number that is stable over restarts:
// those that have another number now are moved, and those that are to be made are
// made, with what was heard last. mu is held.
func (b *Board) settle() {
	units := make([]hw.Unit, 0, len(b.units))
	for unit := range b.units {
		units = append(units, unit)
	}
	sort.Slice(units, func(i, j int) bool {
		return units[i].Role < units[j].Role || units[i].Role == units[j].Role && units[i].Name < units[j].Name
	})
	err := b.number(units)
	for _, unit := range units {
		b.create(unit, b.units[unit], err)
	}
}

// number gives every group its instance number, and takes away the instances that
// have another one.
func (b *Board) number(units []hw.Unit) error {
	var (
		claims []store.Claim
		owners []*bound
		groups []*group
	)
	for _, unit := range units {
		u := b.units[unit]
		for _, g := range u.groups {
			claims = append(claims, store.Claim{Object: g.oid, Name: unit.Role.String() + " " + g.name, Wanted: g.wanted})
			owners, groups = append(owners, u), append(groups, g)
		}
	}
	numbers, err := b.cfg.Store.Instances(claims)
	if err != nil {
		return fmt.Errorf("number the instances: %w", err)
	}
	for i, g := range groups {
		if g.there && g.iid != numbers[i] {
			b.remove(owners[i], g)
		}
		g.iid = numbers[i]
	}
	return nil
}

// create makes the instances of a unit that are to be, unless they have no numbers,
// and tells health when its channels have no place.
func (b *Board) create(unit hw.Unit, u *bound, unnumbered error) {
	var problems []error
	due := false
	for _, g := range u.groups {
		if g.made {
			continue
		}
		due = true
		if unnumbered != nil {
			problems = []error{unnumbered}
			continue
		}
		g.made, g.there = true, true
		if err := b.add(unit, u, g); err != nil {
			problems = append(problems, err)
			continue
		}
		problems = append(problems, b.repeat(unit, u, g))
	}
	switch err := errors.Join(problems...); {
	case !due:
	case err == nil && u.misplaced != "":
		if u.misplaced = ""; !u.failing {
			b.cfg.Health.Clear(failing(unit), unit.Name)
		}
	case err != nil && err.Error() != u.misplaced:
		u.misplaced = err.Error()
		b.cfg.Log.Error("channels have no place", slog.String("unit", unit.Name), slog.Any("error", err))
		b.cfg.Health.Set(failing(unit), unit.Name, err.Error())
	}
}

// repeat tells an instance what was heard last.
func (b *Board) repeat(unit hw.Unit, u *bound, g *group) error {
	var problems []error
	for _, c := range u.channels {
		r, heard := u.latest[c.Name]
		if _, feeds := g.channels[c.Name]; heard && feeds {
			problems = append(problems, b.publish(unit, u, &r))
		}
	}
	return errors.Join(problems...)
}

// add makes one instance, or describes one that is there anew.
func (b *Board) add(unit hw.Unit, u *bound, g *group) error {
	object, err := b.object(g.oid)
	if err != nil {
		return err
	}
	in := objects.SmartInstance{
		ID: g.iid, Name: g.name, ApplicationType: b.applicationType(g), Unit: g.first.Unit,
		Min: g.first.Range.Min, Max: g.first.Range.Max, Feeds: g.resources(), Offsets: make(map[uint16]float64),
	}
	if unit.Role == hw.RoleActuator {
		in.Drives = g.resources()
		in.Setter = &setter{board: b.board, actuator: unit.Name, channels: g.channels, locked: b.cfg.Locked}
	}
	if s := b.sensors[unit.Name]; unit.Role == hw.RoleSensor && s != nil {
		in.Falls = s.Driver == "" // a derived one
	}
	kept := &memory{store: b.cfg.Store, log: b.cfg.Log, name: fmt.Sprintf("%d/%s", g.oid, g.name), unit: g.first.Unit, units: g.units(u.channels)}
	in.Memory, in.Extremes = kept, make(map[uint16][2]float64)
	for channel, rid := range g.channels {
		in.Offsets[rid] = -kept.restarted(rid)
		t := target{object: object, iid: g.iid, rid: rid, run: u.targets[channel].run}
		if channel == g.counting {
			t.counter = b.cfg.Store.Counter("count/" + g.name)
			in.Offsets[rid] = float64(t.counter.Value())
			kept.counter = t.counter
		}
		if extremes, ok := kept.load(rid); ok {
			in.Extremes[rid] = extremes
		}
		u.targets[channel] = t
	}
	return object.Add(in)
}

// resourceCounter is the count of a Digital Input, which outlives restarts.
const resourceCounter = 5501

// clear takes a unit's instances away; mu is held.
func (b *Board) clear(unit hw.Unit) {
	u := b.units[unit]
	if u == nil {
		return
	}
	delete(b.units, unit)
	for _, g := range u.groups {
		b.remove(u, g)
	}
}

// remove takes one instance of a unit away, if it is there; mu is held.
func (b *Board) remove(u *bound, g *group) {
	for channel := range g.channels {
		delete(u.targets, channel)
	}
	if o := b.objects[g.oid]; o != nil && g.there {
		if err := o.Remove(g.iid); err != nil {
			b.cfg.Log.Error("instance not removed", slog.String("instance", g.name), slog.Any("error", err))
		}
	}
	g.there, g.made = false, false
}
