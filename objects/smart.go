package objects

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// Reading is a value of a source with what is known about it.
type Reading struct {
	Value   lwm2m.Value   // zero: none; the last one stays readable
	Time    time.Time     // when it was measured; zero: now
	Quality model.Quality // Good, or why not; the value of an Invalid one is not taken
}

// Setter drives what is behind an instance. Resources are named by identifier;
// values have the resource's type.
type Setter interface {
	// Check says, without touching anything, whether Set would be tried. An
	// *lwm2m.Error keeps its code; others become 4.00.
	Check(rid uint16, v lwm2m.Value) error
	// Set does it and returns when it is done. For an executable resource the
	// value is the zero Value. An error leaves the old value in force; an
	// *lwm2m.Error keeps its code, others become 5.00.
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
	// Min and Max are what can be measured or set (5603, 5604), if Min < Max. A
	// reading outside is uncertain, a write outside is refused.
	Min, Max float64

	// Feeds are the resources that Publish gives values; nil is the main one.
	Feeds []uint16
	// Drives are the resources that servers write, or execute, through Setter.
	Drives []uint16
	Setter Setter
	// Values are first values of resources, such as settings that Setter takes
	// and that no reading tells.
	Values map[uint16]lwm2m.Value
	// Offsets are added to readings of counting resources (what was counted
	// before the source began at 0; less than 0, where it was when it was set
	// back), and are the first on and off times in seconds.
	Offsets map[uint16]float64
	// Falls says that what counts may also fall, and then has not begun anew: an
	// integral.
	Falls bool
	// Extremes are the lowest and the highest that a resource had before, those
	// of Feeds that have any.
	Extremes map[uint16][2]float64
	// Memory, if not nil, is told what a restart must not lose.
	Memory Memory
}

// Memory keeps what was measured and counted beyond the end of the process. Its
// methods return at once and do not call the object.
type Memory interface {
	// Extremes says that a resource has another lowest or highest value.
	Extremes(rid uint16, lowest, highest float64)
	// Forget says that a server has set the extremes of a resource back, and that
	// it has no value now that they could begin with.
	Forget(rid uint16)
	// Restart says at what of its source a counting resource is 0 from now on: a
	// server has set it back, or, with 0, the source has begun anew since.
	Restart(rid uint16, at float64)
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
//
// Time stamps (5518, 6050) and on and off times are worked out when they are
// read: they raise no event of their own, so that an observed instance is
// reported when something other than the time has changed.
type SmartObject struct {
	tree  *model.Tree
	def   *model.Definition
	pub   *model.Publisher
	main  uint16
	hooks SmartHooks

	mu        sync.RWMutex
	instances map[uint16]*smart
}

// NewSmartObject adds an object of the registry to the tree, without instances.
func NewSmartObject(tree *model.Tree, oid uint16, hooks SmartHooks) (*SmartObject, error) {
	def := tree.Definition(oid)
	if def == nil {
		return nil, fmt.Errorf("object %d is not in the registry", oid)
	}
	main, ok := Main(def)
	if !ok {
		main = lwm2m.MaxID // which is none: instances say what they feed
	}
	if hooks.Now == nil {
		hooks.Now = time.Now
	}
	o := &SmartObject{tree: tree, def: def, main: main, hooks: hooks, instances: make(map[uint16]*smart)}
	var err error
	o.pub, err = tree.Add(def, o)
	return o, err
}

// The resources that all smart objects share, by their registered names.
const (
	ridDigitalInput    = 5500
	ridCounter         = 5501
	ridCounterReset    = 5505
	ridTimestamp       = 5518
	ridResetExtremes   = 5605
	ridUnits           = 5701
	ridApplicationType = 5750
	ridSensorType      = 5751
	ridResetEnergy     = 5822
	ridOnOff           = 5850
	ridDimmer          = 5851
	ridOnTime          = 5852
	ridOffTime         = 5854
	ridQuality         = 6042
	ridQualityLevel    = 6049
	ridFraction        = 6050
)

// mains are the resources that carry a main value, in the order in which they
// are looked for.
var mains = []uint16{
	5700, // Sensor Value
	5600, // Analog Input Current Value
	5500, // Digital Input State
	5550, // Digital Output State
	5650, // Analog Output Current Value
	5547, // Multi-state Input
	5800, // Instantaneous active power
	5850, // On/Off
	5900, // Set Point Value
	5536, // Current Position
	5548, // Level
	5705, // Compass Direction
	5702, // X Value
	5506, // Current Time
	5910, // Bitmap Input
	5706, // Colour
}

// Main returns the resource that carries the main value of an object's
// instances, such as 5700: the first of mains that is mandatory, else the first
// mandatory one that has a value, else the first of mains. It returns false if
// there is none.
func Main(def *model.Definition) (uint16, bool) {
	mandatory := func(r model.ResourceDefinition) bool {
		return r.Mandatory && !r.Multiple && r.Ops.Has(model.OpRead) && r.Type != lwm2m.TypeNone
	}
	optional := -1
	for _, rid := range mains {
		r := def.Resource(rid)
		switch {
		case r == nil:
		case mandatory(*r):
			return rid, true
		case optional < 0:
			optional = int(rid)
		}
	}
	if i := slices.IndexFunc(def.Resources, mandatory); i >= 0 {
		return def.Resources[i].ID, true
	}
	if optional >= 0 {
		return uint16(optional), true
	}
	return 0, false
}

// measured names the resources around a measured value: its extremes since the
// last reset, and the limits of what can be measured. 0 is none.
type measured struct{ value, min, max, low, high uint16 }

var measurements = []measured{
	{value: 5700, min: 5601, max: 5602, low: 5603, high: 5604},
	{value: 5600, min: 5601, max: 5602, low: 5603, high: 5604},
	{value: 5650, low: 5603, high: 5604},
	{value: 5705, min: 5601, max: 5602},
	{value: 5536, min: 5601, max: 5602, low: 5519, high: 5520},
	{value: 5702, min: 5508, max: 5509, low: 5603, high: 5604},
	{value: 5703, min: 5510, max: 5511},
	{value: 5704, min: 5512, max: 5513},
	{value: 5800, min: 5801, max: 5802, low: 5803, high: 5804},
	{value: 5810, min: 5811, max: 5812, low: 5813, high: 5814},
}

// measurement returns what surrounds a value in an object, as far as the object
// defines it.
func measurement(def *model.Definition, rid uint16) (m measured) {
	if i := slices.IndexFunc(measurements, func(m measured) bool { return m.value == rid }); i >= 0 {
		m = measurements[i]
	}
	if def.Resource(m.min) == nil || def.Resource(m.max) == nil {
		m.min, m.max = 0, 0
	}
	if def.Resource(m.low) == nil || def.Resource(m.high) == nil {
		m.low, m.high = 0, 0
	}
	return m
}

// counted returns the resources that an executable one sets back to 0.
func counted(oid, rid uint16) []uint16 {
	switch {
	case rid == ridCounterReset:
		return []uint16{ridCounter}
	case rid == ridResetEnergy && oid == 3331: // Energy
		return []uint16{5700}
	case rid == ridResetEnergy:
		return []uint16{5805, 5815}
	case rid == 11 && oid == 3411: // Battery
		return []uint16{10}
	}
	return nil
}

// instance returns an instance or an error.
func (o *SmartObject) instance(iid uint16) (*smart, error) {
	o.mu.RLock()
	defer o.mu.RUnlock()
	if in := o.instances[iid]; in != nil {
		return in, nil
	}
	return nil, fmt.Errorf("object %d (%s) has no instance %d", o.def.ID, o.def.Name, iid)
}

// Remove takes an instance away, if it is there.
func (o *SmartObject) Remove(iid uint16) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.instances, iid)
	var b model.Batch
	b.Delete(iid)
	return o.pub.Publish(&b)
}
