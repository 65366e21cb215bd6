package objects

import (
	"fmt"
	"math"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// Position is where the device is. Pointers are nil where nothing is known.
type Position struct {
	Latitude, Longitude float64  // degrees, WGS 84
	Altitude            *float64 // m above sea level
	Radius              *float64 // m
	Speed               *float64 // m/s over ground
	Bearing             *float64 // degrees clockwise from north, of the motion; used together with Speed
	Time                time.Time
	Quality             model.Quality
}

// The resources of object 6 (Core, appendix E.7).
const (
	ridLatitude     = 0
	ridLongitude    = 1
	ridAltitude     = 2
	ridRadius       = 3
	ridVelocity     = 4
	ridPositionTime = 5
	ridSpeed        = 6
)

// noTime lets a value have the time at which it is published.
var noTime time.Time

// Location is object 6.
type Location struct {
	model.Plain
	pub *model.Publisher
}

// NewLocation adds object 6 to the tree; its instance appears with the first
// position.
func NewLocation(tree *model.Tree) (*Location, error) {
	l := &Location{}
	var err error
	l.pub, err = tree.AddRegistered(6, l)
	return l, err
}

// Publish enters a position. It is an error if it is nowhere on earth.
func (l *Location) Publish(p Position) error {
	if !(math.Abs(p.Latitude) <= 90) || !(math.Abs(p.Longitude) <= 180) { // NaN as well
		return fmt.Errorf("latitude %v, longitude %v is no position", p.Latitude, p.Longitude)
	}
	var b model.Batch
	b.Create(0)
	set := func(rid uint16, f *float64) {
		if f == nil {
			b.Remove(0, rid)
		} else {
			b.SetAt(0, rid, lwm2m.Float(*f), p.Time, p.Quality)
		}
	}
	set(ridLatitude, &p.Latitude)
	set(ridLongitude, &p.Longitude)
	set(ridAltitude, p.Altitude)
	set(ridRadius, p.Radius)
	set(ridSpeed, p.Speed)
	if p.Speed != nil && p.Bearing != nil {
		b.SetAt(0, ridVelocity, lwm2m.Opaque(horizontalVelocity(*p.Speed, *p.Bearing)), p.Time, p.Quality)
	} else {
		b.Remove(0, ridVelocity)
	}
	b.SetAt(0, ridPositionTime, lwm2m.Time(p.Time), p.Time, p.Quality)
	return l.pub.Publish(&b)
}

// Lost marks the last position as no longer known; it stays readable.
func (l *Location) Lost() error {
	var b model.Batch
	b.Create(0)
	for _, rid := range []uint16{ridLatitude, ridLongitude} {
		b.SetAt(0, rid, lwm2m.Value{}, noTime, model.Invalid)
	}
	return l.pub.Publish(&b)
}

// horizontalVelocity encodes a speed in m/s and a direction in degrees as 3GPP TS
// 23.032, section 8.12 (Horizontal Velocity) does: four bits of type, 0; three
// spare bits; nine bits of bearing in degrees; sixteen bits of km/h, rounded, the
// largest number also for all that is faster.
func horizontalVelocity(speed, bearing float64) []byte {
	degrees := int(math.Mod(math.Round(math.Mod(bearing, 360)+360), 360))
	kmh := int(max(0, min(math.Round(speed*3.6), math.MaxUint16)))
	return []byte{byte(degrees >> 8), byte(degrees), byte(kmh >> 8), byte(kmh)} //nolint:gosec // bounded above
}
