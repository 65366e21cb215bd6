package apps

import (
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// Kind is what a program says about a place.
type Kind uint8

// The kinds of update.
const (
	// Make has an object instance be there, with the mandatory resources of its
	// object; one that is there stays as it is.
	Make Kind = iota
	// Remove takes an object instance away.
	Remove
	// Clear has a resource be there without a value: one to execute or to write
	// only. The instances of a multiple resource that no other Update sets go. A
	// resource instance goes itself.
	Clear
	// Set gives a resource, or a resource instance, a value.
	Set
	// Judge changes the quality of a resource or resource instance; its last value
	// stays, with its time.
	Judge
)

// Update is what a program says about one place.
type Update struct {
	Kind    Kind
	Path    lwm2m.Path
	Value   lwm2m.Value   // for Set
	Time    time.Time     // for Set: when it was measured; zero: now
	Quality model.Quality // for Set and Judge
}

// Registration is all that a program serves.
type Registration struct {
	Objects []Object
	// Whole says that Updates name all instances: others go. If it is not set, what
	// is there stays.
	Whole   bool
	Updates []Update
}
