package client

import (
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// mayHear reports whether what happens at a path is the server's business: that
// instances come and go is, as it is told with the registration; what is in them only if
// it may read it.
func (a *account) mayHear(p lwm2m.Path) bool {
	return p.Level() <= lwm2m.LevelInstance || a.access.Allows(a.ssid, model.RightRead, p)
}

// accessChanged makes observations tell what the server may read now, where that is
// not what it was: more or less of an object, or that the observation is over.
func (a *account) accessChanged() {
	former := a.access
	a.access = a.tree.Access()
	for o := range a.observations.all() {
		differs := false
		o.target.each(func(p lwm2m.Path) { differs = differs || a.access.Differs(former, a.ssid, p) })
		if differs {
			o.stale = true
			a.observations.tell(o, true)
		}
	}
}
