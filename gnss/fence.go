package gnss

import (
	"errors"
	"fmt"
	"math"
)

// Point is a place: degrees, WGS 84.
type Point struct{ Latitude, Longitude float64 }

// Fence is an area: a circle round Center, or a polygon where Corners are given.
type Fence struct {
	Center  Point
	Radius  float64 // m
	Corners []Point // the last one is joined with the first
	// Hysteresis is how far outside counts as inside for who has been inside, in m.
	Hysteresis float64
}

// maxAcross is how far apart the corners of a polygon may be, in degrees of latitude and
// of longitude: within it the earth is flat enough for a fence.
const maxAcross = 5

// Check says what is wrong with a fence.
func (f *Fence) Check() error {
	if len(f.Corners) == 0 {
		return nil
	}
	if len(f.Corners) < 3 {
		return fmt.Errorf("a polygon has 3 corners and more, not %d", len(f.Corners))
	}
	for _, c := range f.Corners {
		if math.Abs(c.Latitude) > 85 || math.Abs(c.Longitude) > 180 {
			return fmt.Errorf("[%v, %v] is no latitude up to 85 and longitude up to 180", c.Latitude, c.Longitude)
		}
		if math.Abs(c.Latitude-f.Corners[0].Latitude) > maxAcross || math.Abs(turn(c.Longitude-f.Corners[0].Longitude)) > maxAcross {
			return fmt.Errorf("its corners are more than %d degrees apart; make several fences of it", maxAcross)
		}
	}
	if f.area() == 0 {
		return errors.New("its corners lie on one line")
	}
	return nil
}

// Inside reports whether a place is inside, given whether the one before was.
func (f *Fence) Inside(p Point, was bool) bool {
	d := f.distance(p)
	if was {
		return d <= f.Hysteresis
	}
	return d <= 0
}

// distance is how far outside a place is, in m; not positive if it is inside.
func (f *Fence) distance(p Point) float64 {
	if len(f.Corners) == 0 {
		return between(f.Center, p) - f.Radius
	}
	if math.Abs(turn(p.Longitude-f.Corners[0].Longitude)) > 90 {
		return between(f.Corners[0], p) // no plane holds both: from the other side of the earth a border lies east and west
	}
	inside, nearest := false, math.Inf(1)
	for i := range f.Corners {
		a, b := plane(p, f.Corners[i]), plane(p, f.Corners[(i+1)%len(f.Corners)])
		nearest = min(nearest, toEdge(a, b))
		// A ray eastwards from the place crosses the border an odd number of times.
		if (a.y > 0) != (b.y > 0) && a.x-a.y*(b.x-a.x)/(b.y-a.y) > 0 {
			inside = !inside
		}
	}
	if inside {
		return -nearest
	}
	return nearest
}

// area is twice the area of a polygon, in m².
func (f *Fence) area() float64 {
	sum := 0.0
	for i := range f.Corners {
		a, b := plane(f.Corners[0], f.Corners[i]), plane(f.Corners[0], f.Corners[(i+1)%len(f.Corners)])
		sum += a.x*b.y - b.x*a.y
	}
	return math.Abs(sum)
}

// earth is the mean radius, in m (IUGG).
const earth = 6371008.8

func radians(degrees float64) float64 { return degrees * math.Pi / 180 }

// turn brings a difference of longitudes between -180 and 180 degrees.
func turn(degrees float64) float64 { return math.Remainder(degrees, 360) }

// between is the distance on a sphere, in m (the haversine formula).
func between(a, b Point) float64 {
	north, east := radians(b.Latitude-a.Latitude), radians(b.Longitude-a.Longitude)
	h := math.Pow(math.Sin(north/2), 2) + math.Cos(radians(a.Latitude))*math.Cos(radians(b.Latitude))*math.Pow(math.Sin(east/2), 2)
	return 2 * earth * math.Asin(math.Sqrt(min(h, 1)))
}

// xy is where a place is, east and north of another, in m.
type xy struct{ x, y float64 }

func plane(from, p Point) xy {
	return xy{
		x: earth * radians(turn(p.Longitude-from.Longitude)) * math.Cos(radians((p.Latitude+from.Latitude)/2)),
		y: earth * radians(p.Latitude-from.Latitude),
	}
}

// toEdge is the distance of the origin from the line between two places.
func toEdge(a, b xy) float64 {
	dx, dy := b.x-a.x, b.y-a.y
	along := 0.0
	if length := dx*dx + dy*dy; length > 0 {
		along = max(0, min(1, -(a.x*dx+a.y*dy)/length))
	}
	return math.Hypot(a.x+along*dx, a.y+along*dy)
}
