package gnss

import (
	"strings"
	"testing"
)

// TestFence: what is inside of areas, and what it takes to leave them.
func TestFence(t *testing.T) {
	bern := Point{46.948, 7.447}
	circle := Fence{Center: bern, Radius: 1000, Hysteresis: 50}
	yard := Fence{Corners: []Point{{46.94, 7.44}, {46.94, 7.46}, {46.96, 7.46}, {46.96, 7.44}}, Hysteresis: 50}
	notched := Fence{Corners: []Point{{0, 0}, {0, 0.04}, {0.04, 0.04}, {0.02, 0.02}, {0.04, 0}}}
	date := Fence{Corners: []Point{{-17, 179.9}, {-17, -179.9}, {-16.9, -179.9}, {-16.9, 179.9}}} // across the date line
	north := func(m float64) Point { return Point{bern.Latitude + m/111195, bern.Longitude} }
	for _, c := range []struct {
		name     string
		fence    *Fence
		at       Point
		was, out bool
	}{
		{"the middle", &circle, bern, false, false},
		{"within the border", &circle, north(999), false, false},
		{"beyond the border", &circle, north(1001), false, true},
		{"beyond it, coming from inside", &circle, north(1049), true, false},
		{"gone", &circle, north(1051), true, true},
		{"in a polygon", &yard, bern, false, false},
		{"east of it", &yard, Point{46.95, 7.4601}, false, true},
		{"east of it, coming from inside", &yard, Point{46.95, 7.4606}, true, false},
		{"gone to the east", &yard, Point{46.95, 7.4608}, true, true},
		{"off a corner, coming from inside", &yard, Point{46.9603, 7.4604}, true, false},
		{"gone off a corner", &yard, Point{46.9604, 7.4606}, true, true},
		{"far away on the same latitude", &yard, Point{46.95, -170}, false, true},
		{"on the other side of the earth", &yard, Point{46.95, 7.45 - 180}, false, true},
		{"on the other side of the date line", &date, Point{-16.95, 0}, false, true},
		{"on the other side, coming from inside", &date, Point{-16.95, 0.01}, true, true},
		{"in a horn", &notched, Point{0.035, 0.002}, false, false},
		{"in the notch", &notched, Point{0.035, 0.02}, false, true},
		{"across the date line", &date, Point{-16.95, -179.95}, false, false},
		{"before the date line", &date, Point{-16.95, 179.95}, false, false},
		{"outside of it", &date, Point{-16.95, 179.85}, false, true},
	} {
		if err := c.fence.Check(); err != nil {
			t.Fatal(err)
		}
		if got := c.fence.Inside(c.at, c.was); got == c.out {
			t.Errorf("%s: inside is %v, %.1f m outside", c.name, got, c.fence.distance(c.at))
		}
	}
	for want, corners := range map[string][]Point{
		"3 corners":   {{1, 1}, {2, 2}},
		"on one line": {{1, 1}, {1, 2}, {1, 3}},
		"no latitude": {{1, 1}, {86, 1}, {1, 3}},
		"apart":       {{1, 1}, {1, 7}, {2, 3}},
	} {
		if err := (&Fence{Corners: corners}).Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", corners, err, want)
		}
	}
	// Paris to Berlin, 877.5 km on a sphere of this radius.
	if d := between(Point{48.8566, 2.3522}, Point{52.52, 13.405}); d < 876e3 || d > 879e3 {
		t.Error(d)
	}
}
