package hw

import (
	"fmt"
	"strings"
	"time"
)

// Quantity says what a channel measures or sets, independent of the part that
// does it. A consumer maps channels by their quantity.
type Quantity string

// The quantities and the unit each comes in.
const (
	Temperature   Quantity = "temperature"    // Cel
	Humidity      Quantity = "humidity"       // %RH
	Pressure      Quantity = "pressure"       // Pa
	Illuminance   Quantity = "illuminance"    // lx
	Voltage       Quantity = "voltage"        // V
	Current       Quantity = "current"        // A
	Power         Quantity = "power"          // W
	Energy        Quantity = "energy"         // J
	Resistance    Quantity = "resistance"     // Ohm
	Concentration Quantity = "concentration"  // ppm
	Acidity       Quantity = "acidity"        // pH
	Distance      Quantity = "distance"       // m
	Acceleration  Quantity = "acceleration"   // m/s2
	AngularRate   Quantity = "angular rate"   // rad/s
	MagneticField Quantity = "magnetic field" // T
	Frequency     Quantity = "frequency"      // Hz
	Rotation      Quantity = "rotation"       // 1/min
	Latitude      Quantity = "latitude"       // lat
	Longitude     Quantity = "longitude"      // lon
	Altitude      Quantity = "altitude"       // m
	Speed         Quantity = "speed"          // m/s
	Heading       Quantity = "heading"        // deg
	State         Quantity = "state"          // a bool: true is active
	Count         Quantity = "count"          // a counter that only grows
	Level         Quantity = "level"          // %
	Generic       Quantity = "generic"        // whatever the configuration says
)

// Range is what a channel can measure, or take, in the channel's unit.
type Range struct{ Min, Max float64 }

// Known reports whether a range was stated at all.
func (r Range) Known() bool { return r.Min < r.Max }

// Channel describes one value of a sensor or an actuator.
type Channel struct {
	// Name is unique within its sensor: "temperature", "count", "in0".
	Name string
	// Label is what the kernel or the device calls it, if anything: "Tctl".
	Label string
	// Quantity is what is measured.
	Quantity Quantity
	// Axis is "x", "y" or "z" for one component of a vector.
	Axis string
	// Unit is a SenML unit name (RFC 8428 section 12.1, RFC 8798): "Cel",
	// "%RH", "Pa". It is empty for states and counts.
	Unit string
	// Kind is the kind of the channel's good values.
	Kind Kind
	// Range is what the part measures, where it is known.
	Range Range
}

// Quality says how far a reading can be trusted.
type Quality uint8

// The qualities, from worst to best.
const (
	// Invalid: there is no value. The sensor is absent, hangs or returns
	// garbage, or was never read; Reading.Reason says which.
	Invalid Quality = iota
	// Stale: the value was good at Reading.Time; no newer one could be had yet.
	Stale
	// Uncertain: the value is the best known but something was not right.
	Uncertain
	// Good: measured as it should be.
	Good
)

// String returns "invalid", "stale", "uncertain" or "good".
func (q Quality) String() string {
	return [...]string{"invalid", "stale", "uncertain", "good"}[min(q, Good)]
}

// Reading is one value of one channel.
type Reading struct {
	// Channel is the Channel.Name.
	Channel string
	// Value is what was read; on Invalid the last known value, or none.
	Value Value
	// Time is the wall clock when the sample was taken, for a GPIO edge when
	// the kernel saw it, and for Invalid when the trouble was noticed.
	Time time.Time
	// Quality says how far Value can be trusted.
	Quality Quality
	// Reason says in words why Quality is not Good.
	Reason string
}

// withinRange returns readings, or ErrGarbage if a value lies a fifth of its
// range or more outside of it: no part reports that honestly.
func withinRange(channels []Channel, readings []Reading) ([]Reading, error) {
	for _, r := range readings {
		for _, c := range channels {
			f, ok := r.Value.Float()
			margin := (c.Range.Max - c.Range.Min) / 5
			if c.Name == r.Channel && ok && c.Range.Known() && !(f >= c.Range.Min-margin && f <= c.Range.Max+margin) {
				return nil, fmt.Errorf("%w: %s %v %s", ErrGarbage, c.Name, f, c.Unit)
			}
		}
	}
	return readings, nil
}

func channelNames(channels []Channel) string {
	names := make([]string, len(channels))
	for i, c := range channels {
		names[i] = c.Name
	}
	return strings.Join(names, ", ")
}
