package objects

import (
	"context"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// Reading is a value of a source with what is known about it.
type Reading struct {
	Value   lwm2m.Value   // zero: none; the last one stays readable
	Time    time.Time     // when it was measured
	Quality model.Quality // Good, or why not
}

// Setter drives what is behind an instance. Resources are named by identifier.
type Setter interface {
	// Check says, without touching anything, whether Set would be tried. An
	// *lwm2m.Error keeps its code; others become 4.00.
	Check(rid uint16, v lwm2m.Value) error
	// Set does it and returns when it is done. An error leaves the old value in
	// force; an *lwm2m.Error keeps its code, others become 5.00.
	Set(ctx context.Context, rid uint16, v lwm2m.Value) error
}

// SmartInstance describes one instance of a SmartObject.
type SmartInstance struct {
	ID   uint16
	Name string // what it is bound to, for messages: "cold room"

	// ApplicationType is the first value of /x/y/5750, which servers may write.
	ApplicationType string
	Unit            string // 5701; "" leaves it out
	SensorType      string // 5751; "" leaves it out
	// Min and Max are what can be measured or set (5603, 5604), if Min < Max.
	Min, Max float64

	// Feeds are the resources that Publish gives values; nil is the main one.
	Feeds []uint16
	// Drives are the resources that servers write through Setter.
	Drives []uint16
	Setter Setter
	// Values are first values of resources, such as settings that Setter takes
	// and that no reading tells.
	Values map[uint16]lwm2m.Value
	// Offsets are added to readings of counting resources: what was counted
	// before the source began at 0.
	Offsets map[uint16]float64
}

// SmartHooks are what a SmartObject asks for.
type SmartHooks struct {
	// Save keeps a value that a server wrote and that drives nothing
	// (Application Type); its error refuses the write. Nil keeps nothing.
	Save func(ctx context.Context, iid, rid uint16, v lwm2m.Value) error
	// Now gives the time for on and off times; nil is time.Now.
	Now func() time.Time
}

// SmartObject is any object of the registry that describes sensors or actuators
// in the manner of the IPSO Smart Objects: 3200 to 3350, 3411 and so on. What an
// instance has and does follows from the definition and from SmartInstance.
type SmartObject struct{ model.Plain }

// NewSmartObject adds an object of the registry to the tree, without instances.
func NewSmartObject(tree *model.Tree, oid uint16, hooks SmartHooks) (*SmartObject, error) {
	return &SmartObject{}, nil
}

// Main returns the resource that carries the main value of an object's
// instances, such as 5700, and false if there is none.
func Main(def *model.Definition) (uint16, bool) { return 0, false }

// Add makes an instance. It is an error if the definition lacks a resource that
// is named.
func (o *SmartObject) Add(in SmartInstance) error { return nil }

// Remove takes an instance away.
func (o *SmartObject) Remove(iid uint16) {}

// Publish enters readings of one resource; 0 is the main one. Numbers are
// brought to the resource's type. It is an error if the instance or the resource
// is not fed.
func (o *SmartObject) Publish(iid, rid uint16, r Reading) error { return nil }
