package client

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"lwm2m-agent/lwm2m"
)

// Wish is how often a server wants the values at a path that it observes to be looked
// at: by epmin and epmax, or, where it has neither and every change is told, by pmin.
type Wish struct {
	Path lwm2m.Path
	Min  time.Duration // no more often; 0: it does not say
	Max  time.Duration // no more rarely; 0: it does not say
}

// wishesQuiet is how long after a change of observations and attributes somebody is told:
// a server makes many of them one after the other.
const wishesQuiet = time.Second

// tellWishes has OnObserved know what is observed, a while after it has changed.
func (a *account) tellWishes(now time.Time) {
	tell := a.client.config.OnObserved
	if tell == nil {
		return
	}
	if a.observations.other && a.wishesAt.IsZero() {
		a.wishesAt = now.Add(wishesQuiet)
	}
	a.observations.other = false
	if !passed(a.wishesAt, now) {
		return
	}
	a.wishesAt = time.Time{}
	if wishes := a.observations.wishes(); !slices.Equal(wishes, a.wishes) {
		a.wishes = wishes
		tell(a.ssid, slices.Clone(wishes))
	}
}

// wishNothing has OnObserved know that the account is gone.
func (a *account) wishNothing() {
	if len(a.wishes) > 0 {
		a.client.config.OnObserved(a.ssid, nil)
	}
}

// wishes returns those of all observations, in order of their paths.
func (s *observations) wishes() []Wish {
	list := make([]Wish, 0, s.paths)
	for o := range s.all() {
		w := Wish{Min: o.evaluation.periods.min, Max: o.evaluation.periods.max}
		if w.Min == 0 && w.Max == 0 && len(o.tracks) == 0 {
			w.Min = o.periods.min
		}
		o.target.each(func(p lwm2m.Path) { list = append(list, Wish{p, w.Min, w.Max}) })
	}
	sort.Slice(list, func(i, j int) bool {
		x, y := &list[i], &list[j]
		return cmp.Or(x.Path.Compare(y.Path), cmp.Compare(x.Min, y.Min), cmp.Compare(x.Max, y.Max)) < 0
	})
	return list
}
