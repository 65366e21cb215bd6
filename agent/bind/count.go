package bind

import (
	"cmp"
	"sort"

	"lwm2m-agent/hw"
)

// Count is how many readings one channel of a sensor has given.
type Count struct {
	Sensor, Channel    string
	Readings, Failures uint64 // all of them, and those that are no value
}

// count takes readings of a sensor into account; mu is held.
func (b *Board) count(unit hw.Unit, readings []hw.Reading) {
	if unit.Role != hw.RoleSensor {
		return
	}
	channels := b.counts[unit.Name]
	if channels == nil {
		channels = make(map[string]*Count)
		b.counts[unit.Name] = channels
	}
	for i := range readings {
		r := &readings[i]
		c := channels[r.Channel]
		if c == nil {
			c = &Count{Sensor: unit.Name, Channel: r.Channel}
			channels[r.Channel] = c
		}
		c.Readings++
		if r.Quality == hw.Invalid {
			c.Failures++
		}
	}
}

// Counts returns what the channels of sensors that are configured have given, by sensor and
// channel.
func (b *Board) Counts() []Count {
	b.mu.Lock()
	var out []Count
	for _, channels := range b.counts {
		for _, c := range channels {
			out = append(out, *c)
		}
	}
	b.mu.Unlock()
	sort.Slice(out, func(i, j int) bool {
		return cmp.Or(cmp.Compare(out[i].Sensor, out[j].Sensor), cmp.Compare(out[i].Channel, out[j].Channel)) < 0
	})
	return out
}
