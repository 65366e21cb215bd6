package web

import (
	"math"
	"sync"
	"time"

	"lwm2m-agent/lwm2m"
)

// Bounds of a history: a little more than what a chart shows.
const (
	mostMoments = 240
	mostCourses = 64
)

// history remembers the latest numbers of some paths, so that the charts of a
// page that is opened, or loaded anew, do not begin empty.
type history struct {
	mu      sync.Mutex
	courses map[lwm2m.Path][]point
}

type point struct {
	at    time.Time
	value float64
}

// moment is a point as the page takes it: how long ago, in milliseconds, since
// the clocks of the browser and of this machine may differ, and the value.
type moment [2]float64

func (h *history) add(nodes []lwm2m.Node, at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.courses == nil {
		h.courses = make(map[lwm2m.Path][]point)
	}
	for _, n := range nodes {
		value, ok := number(n.Value)
		if !ok {
			continue
		}
		course, known := h.courses[n.Path]
		if !known && len(h.courses) == mostCourses {
			h.forgetOldest()
		}
		if len(course) == mostMoments {
			course = course[:copy(course, course[1:])]
		}
		h.courses[n.Path] = append(course, point{at, value})
	}
}

// forgetOldest makes room: the path that has been silent for longest goes.
func (h *history) forgetOldest() {
	var oldest lwm2m.Path
	var silent time.Time
	for path, course := range h.courses {
		if last := course[len(course)-1].at; silent.IsZero() || last.Before(silent) {
			oldest, silent = path, last
		}
	}
	delete(h.courses, oldest)
}

func number(v lwm2m.Value) (float64, bool) {
	if v.Type() == lwm2m.TypeBoolean {
		if v.Bool() {
			return 1, true
		}
		return 0, true
	}
	if v.Type() == lwm2m.TypeTime {
		return 0, false
	}
	f, ok := v.Number()
	return f, ok && !math.IsInf(f, 0) && !math.IsNaN(f)
}

// tell returns everything as seen from now.
func (h *history) tell(now time.Time) map[string][]moment {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make(map[string][]moment, len(h.courses))
	for path, course := range h.courses {
		moments := make([]moment, 0, len(course))
		for _, p := range course {
			moments = append(moments, moment{float64(now.Sub(p.at).Milliseconds()), p.value})
		}
		out[path.String()] = moments
	}
	return out
}
