package bind

import (
	"slices"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/hw"
	"lwm2m-agent/hw/process"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/client"
)

// Observed is the client's OnObserved: it has sensors sampled as the servers that
// observe them want it.
func (b *Board) Observed(shortServerID uint16, wishes []client.Wish) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.wishes[shortServerID] = wishes; len(wishes) == 0 {
		delete(b.wishes, shortServerID)
	}
	b.pace()
}

// pace gives every sensor whose interval may be another the one that its observers
// ask for; mu is held.
func (b *Board) pace() {
	for name, s := range b.sensors {
		if s.IntervalMin != 0 || s.IntervalMax != 0 {
			b.board.Pace(name, b.wanted(s))
		}
	}
}

// wanted returns the interval that the observers of a sensor ask for: the shortest
// of all. One that is content with less has its way only if there is no other, and
// nothing on the device looks at the values.
func (b *Board) wanted(s *config.Sensor) time.Duration {
	usual := s.Settings.Interval
	fed := b.instances(s.Name)
	var wanted time.Duration
	for _, wishes := range b.wishes {
		for _, w := range wishes {
			if !slices.ContainsFunc(fed, func(p lwm2m.Path) bool { return p.Contains(w.Path) || w.Path.Contains(p) }) {
				continue
			}
			asked := max(usual, w.Min)
			if w.Max > 0 {
				asked = min(asked, w.Max)
			}
			if wanted == 0 || asked < wanted {
				wanted = asked
			}
		}
	}
	if b.ruled[s.Name] {
		wanted = min(wanted, usual)
	}
	return wanted
}

// instances returns the instances that a sensor feeds, and those that sensors
// which are derived from it feed.
func (b *Board) instances(sensor string) []lwm2m.Path {
	var paths []lwm2m.Path
	for name := range b.following(sensor) {
		u := b.units[hw.Unit{Role: hw.RoleSensor, Name: name}]
		if u == nil {
			continue
		}
		for _, g := range u.groups {
			if g.there {
				paths = append(paths, lwm2m.NewPath(g.oid, g.iid))
			}
		}
	}
	return paths
}

// following returns a sensor and what is derived from it, directly or not.
func (b *Board) following(sensor string) map[string]bool {
	names := map[string]bool{sensor: true}
	for _, d := range b.processing.Derived { // each after its inputs
		if slices.ContainsFunc(d.Inputs, func(in process.Input) bool { return names[in.Sensor] }) {
			names[d.Name] = true
		}
	}
	return names
}

// ruledOf returns the sensors whose values something on the device itself looks
// at: an alarm, an interlock, a derived sensor, a filter, a limit of their change.
func ruledOf(setup process.Setup) map[string]bool {
	ruled := make(map[string]bool)
	for at, c := range setup.Channels {
		if c.Alarm.Given() || c.Filter != "" || c.MaxRate != 0 {
			ruled[at.Sensor] = true
		}
	}
	for _, i := range setup.Interlocks {
		ruled[i.Input.Sensor] = true
	}
	for _, d := range setup.Derived {
		for _, in := range d.Inputs {
			ruled[in.Sensor] = true
		}
	}
	return ruled
}
