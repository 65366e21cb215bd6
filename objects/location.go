package objects

import (
	"time"

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

// Location is object 6.
type Location struct{ model.Plain }

// NewLocation adds object 6 to the tree; its instance appears with the first
// position.
func NewLocation(tree *model.Tree) (*Location, error) { return &Location{}, nil }

// Publish enters a position.
func (l *Location) Publish(p Position) error { return nil }

// Lost marks the last position as no longer known; it stays readable.
func (l *Location) Lost() error { return nil }
