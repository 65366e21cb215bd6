package hw

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Setup is all sensors and actuators of a board.
type Setup struct {
	Sensors   []Config
	Actuators []Config
}

// Config is one sensor or one actuator. The names in quotes are the keys of
// the configuration file; [Driver].Settings says which of them a driver takes.
// The zero value of a field means that it was not given.
type Config struct {
	Name   string // "name": unique among sensors, and among actuators
	Driver string // "driver"

	Bus     string // "bus": "/dev/i2c-1"
	Address uint16 // "address": 7-bit I2C address
	Chip    string // "chip": "/dev/gpiochip0", "gpiochip0"
	Line    Line   // "line": number or name
	Device  string // "device": an IIO, hwmon or thermal device by name, or by folder ("iio:device0", "hwmon2", "thermal_zone0")

	Trigger string // "trigger" of an IIO device with a buffer

	Interval time.Duration // "interval" between samples; 0 is DefaultInterval
	Shortest time.Duration // "interval_min": Board.Pace goes no lower; 0 is Interval
	Longest  time.Duration // "interval_max": Board.Pace goes no higher; 0 is Interval
	Debounce time.Duration // "debounce" of an input line
	Active   Active        // "active" level of a line
	Bias     Bias          // "bias" of a line
	Edge     Edge          // "edge" that is counted
	Drive    Drive         // "drive" of an output line
	Safe     Safe          // "safe" state of an actuator
	Watchdog time.Duration // "watchdog" of an actuator: how long it stays as set without being set again; 0 is for ever

	// Interlocked actuators stay in their safe state until [Board.Interlock] releases them.
	Interlocked bool

	// Channels are those that the configuration speaks of. A device whose
	// channels vary has them before it is seen, and must have them then. All
	// others it has are fed as well.
	Channels []ChannelConfig

	Shunt     float64 // "shunt" of a current sensor, in Ohm
	Frequency float64 // "frequency" of a PWM output or of the samples of a buffer, in Hz
	Range     float64 // "range" of an accelerometer, in g

	Baud     int           // "baud" of a serial line
	Parity   string        // "parity" of a serial line: "none", "even", "odd"
	StopBits int           // "stop_bits" of a serial line
	Timeout  time.Duration // "timeout" of an answer
	Register *Register     // "register", "table", "type", "word_order" of a Modbus actuator; nil: none

	Unit   string        // "unit" of a simulated value; the number of a Modbus device
	Wave   Wave          // "wave" of a simulated sensor
	Min    float64       // "min" of a simulated value
	Max    float64       // "max" of a simulated value
	Period time.Duration // "period" of a simulated wave
	Seed   uint64        // "seed" of a simulated random sequence
	File   string        // "file" of a simulated recording
}

// ChannelConfig is what the configuration says of one channel.
type ChannelConfig struct {
	Name     string    // "name": the Channel.Name
	Register *Register // "register", "table", "type", "word_order" of a Modbus device's; nil: none
}

// DefaultInterval is the sampling interval where none is configured.
const DefaultInterval = 60 * time.Second

// wants reports whether the configuration wants a channel: all, if it speaks of
// none.
func (c Config) wants(channel string) bool {
	return len(c.Channels) == 0 || slices.ContainsFunc(c.Channels, func(w ChannelConfig) bool { return w.Name == channel })
}

func (c Config) interval() time.Duration { return cmp.Or(c.Interval, DefaultInterval) }

// paced is the interval that comes of one that is asked for.
func (c Config) paced(asked time.Duration) time.Duration {
	usual := c.interval()
	return min(max(cmp.Or(asked, usual), cmp.Or(c.Shortest, usual)), cmp.Or(c.Longest, usual))
}

// Where says where the device is, for messages: "/dev/i2c-1 0x76",
// "/dev/gpiochip0 line 17", "dps310"; "" for a simulated one.
func (c Config) Where() string {
	switch {
	case c.Bus != "" && c.Address != 0 && c.Line.Given():
		return fmt.Sprintf("%s 0x%02x line %s", c.Bus, c.Address, c.Line)
	case c.Bus != "" && c.Address != 0:
		return strings.TrimSpace(fmt.Sprintf("%s 0x%02x %s", c.Bus, c.Address, c.Device))
	case c.Bus != "" && c.Driver == "modbus":
		return c.Bus + " unit " + cmp.Or(c.Unit, "1")
	case c.Bus != "":
		return c.Bus
	case c.Line.Given() && c.Chip != "":
		return c.Chip + " line " + c.Line.String()
	case c.Line.Given():
		return "line " + c.Line.String()
	case c.Device != "":
		return c.Device
	}
	return c.File
}

// Line names a GPIO line by its offset on the chip or by its name.
type Line struct {
	name   string
	offset int
	given  bool
}

// LineOffset is the line with that offset on its chip.
func LineOffset(offset int) Line { return Line{offset: offset, given: true} }

// LineName is the line that the device tree or firmware gave that name.
func LineName(name string) Line { return Line{name: name, given: name != ""} }

// Given reports whether a line was configured.
func (l Line) Given() bool { return l.given }

// String returns the offset in decimal or the name.
func (l Line) String() string {
	if l.name != "" || !l.given {
		return l.name
	}
	return strconv.Itoa(l.offset)
}

// Active is the electrical level at which a line counts as active.
type Active string

// The active levels; not given is high.
const (
	ActiveHigh Active = "high"
	ActiveLow  Active = "low"
)

// Bias is the pull of an input line; not given leaves it as it is.
type Bias string

// The biases.
const (
	BiasOff      Bias = "off"
	BiasPullUp   Bias = "pull-up"
	BiasPullDown Bias = "pull-down"
)

// Edge is the change of an input line that is counted; not given is EdgeActive.
type Edge string

// The edges, in terms of the line's active level.
const (
	EdgeActive   Edge = "active"   // becoming active
	EdgeInactive Edge = "inactive" // becoming inactive
	EdgeBoth     Edge = "both"
)

// Drive is how an output line is driven; not given is push-pull.
type Drive string

// The drives.
const (
	DrivePushPull   Drive = "push-pull"
	DriveOpenDrain  Drive = "open-drain"
	DriveOpenSource Drive = "open-source"
)

// Wave is the course of a simulated sensor; not given is WaveSine.
type Wave string

// The waves. All but WaveContact and WaveTrack feed one channel "value"; a CSV
// file feeds one channel for each column.
const (
	WaveSine    Wave = "sine"
	WaveRamp    Wave = "ramp"
	WaveSquare  Wave = "square"
	WaveWalk    Wave = "walk"    // a random walk between min and max
	WaveCSV     Wave = "csv"     // the rows of a file, one for each period
	WaveContact Wave = "contact" // a door: "state" and "count"
	WaveTrack   Wave = "track"   // a receiver moving round a course: "latitude", "longitude", "altitude", "speed", "heading"
)

// Safe is the state of an actuator when nobody is in charge of it: at start,
// when its condition is lost, and after an orderly end. Not given is off.
type Safe struct {
	// Keep leaves the output as it is instead.
	Keep bool
	// Value is the state to take: a Bool, or a Float for a level. The zero
	// Value stands for off, and 0.
	Value Value
}
