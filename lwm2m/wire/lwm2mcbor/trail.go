package lwm2mcbor

import (
	"cmp"

	"lwm2m-agent/lwm2m"
)

// trail is a path in numbers, in which two of them are compared at once: the identifiers
// as Path.Packed has them, and how many there are.
type trail struct {
	ids   uint64
	level lwm2m.Level
}

// bits of an identifier, and of those of all levels.
const (
	width = 16
	whole = width * 4
)

func trailOf(p *lwm2m.Path) trail { return trail{p.Packed(), p.Level()} }

// at returns the identifier at a level, which is not the root.
func (t trail) at(l lwm2m.Level) uint16 { return uint16(t.ids >> (whole - width*l) & 0xFFFF) }

// shared returns the level down to which two paths are the same.
func (t trail) shared(u trail) lwm2m.Level {
	l := min(t.level, u.level)
	for (t.ids^u.ids)>>(whole-width*l) != 0 {
		l--
	}
	return l
}

// compare orders as Path.Compare does below one prefix.
func (t trail) compare(u trail) int {
	return cmp.Or(cmp.Compare(t.ids, u.ids), cmp.Compare(t.level, u.level))
}
