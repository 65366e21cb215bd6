package process

import (
	"errors"
	"fmt"
	"math"
	"time"

	"lwm2m-agent/hw"
)

// Channel is what is done to one channel of a sensor, in the order of the
// fields. The zero value of a field does nothing.
type Channel struct {
	Scale, Offset float64      // value*Scale + Offset; a Scale of 0 is 1
	Calibration   [][2]float64 // what is read, what it is: rising in both or falling in the second; straight lines between and beyond
	From          string       // the unit of what is read, where the driver says none or the wrong one
	Unit          string       // SenML unit to convert to
	MaxRate       float64      // per second: what changes faster is uncertain
	Filter        Filter
	Size          int           // of the median and the average: samples
	Constant      time.Duration // of the exponential filter
	DeadBand      float64       // smaller changes are not told
	Alarm         Alarm
}

// Filter is a kind of filter.
type Filter string

// The filters.
const (
	Median      Filter = "median"      // of the last Size samples
	Average     Filter = "average"     // of the last Size samples
	Exponential Filter = "exponential" // first order, of the time Constant
)

// Alarm watches a channel. It is a channel of its own, called by the channel's
// name and AlarmSuffix, that is true while the value is beyond a limit.
type Alarm struct {
	Low, High  *float64
	Hysteresis float64 // how far the value must come back
}

// AlarmSuffix ends the names of alarms.
const AlarmSuffix = " alarm"

// Given reports whether there is something to watch for.
func (a Alarm) Given() bool { return a.Low != nil || a.High != nil }

// narrow reports whether there is no value within both limits.
func (a Alarm) narrow() bool {
	return a.Low != nil && a.High != nil && !(*a.Low+a.Hysteresis < *a.High-a.Hysteresis)
}

// side returns -1 for a value below, 1 for one above the limits, and 0 for one
// within; before is the side of the value before.
func (a Alarm) side(x float64, before int) int {
	switch {
	case a.Low != nil && (x < *a.Low || before < 0 && x < *a.Low+a.Hysteresis):
		return -1
	case a.High != nil && (x > *a.High || before > 0 && x > *a.High-a.Hysteresis):
		return 1
	}
	return 0
}

// MaxSize bounds filters by samples.
const MaxSize = 255

// maxPoints bounds calibrations.
const maxPoints = 64

// Check says what is wrong with c, and with which key of the configuration.
func (c Channel) Check() (key string, err error) {
	switch {
	case c.Filter != "" && c.Filter != Median && c.Filter != Average && c.Filter != Exponential:
		return "filter", fmt.Errorf(`filter is "median", "average" or "exponential", not %q`, string(c.Filter))
	case c.Filter == Exponential && c.Constant <= 0:
		return "filter_time", errors.New("an exponential filter needs filter_time, its time constant")
	case c.Filter != Exponential && c.Constant != 0:
		return "filter_time", errors.New(`filter_time belongs to filter = "exponential"`)
	case (c.Filter == Median || c.Filter == Average) && (c.Size < 2 || c.Size > MaxSize):
		return "filter_size", fmt.Errorf("this filter needs filter_size, 2 to %d samples", MaxSize)
	case c.Size != 0 && c.Filter != Median && c.Filter != Average:
		return "filter_size", errors.New(`filter_size belongs to filter = "median" or "average"`)
	case c.DeadBand < 0:
		return "dead_band", errors.New("dead_band is not negative")
	case c.MaxRate < 0:
		return "max_rate", errors.New("max_rate is not negative")
	case c.Alarm.Hysteresis != 0 && !c.Alarm.Given():
		return "alarm_hysteresis", errors.New("alarm_hysteresis belongs to alarm_low or alarm_high")
	case c.Alarm.Hysteresis < 0:
		return "alarm_hysteresis", errors.New("alarm_hysteresis is not negative")
	case c.Alarm.narrow():
		return "alarm_high", errors.New("alarm_low and alarm_high leave no room between them for a value without alarm")
	case c.From != "" && c.Unit != "":
		if _, err := conversion(c.From, c.Unit); err != nil {
			return "unit", err
		}
	}
	return "calibration", checkCalibration(c.Calibration)
}

func checkCalibration(points [][2]float64) error {
	switch {
	case len(points) == 0:
		return nil
	case len(points) == 1:
		return errors.New("one point is no calibration; offset does that")
	case len(points) > maxPoints:
		return fmt.Errorf("a calibration has %d points at most", maxPoints)
	}
	for i, p := range points {
		if i == 0 {
			continue
		}
		before := points[i-1]
		if !(p[0] > before[0]) {
			return fmt.Errorf("what is read must rise from point to point: %v is not above %v", p[0], before[0])
		}
		if p[1] == before[1] || (p[1] > before[1]) != (points[1][1] > points[0][1]) {
			return fmt.Errorf("two readings cannot stand for one value: %v after %v; what it is must rise from point to point, or fall", p[1], before[1])
		}
	}
	return nil
}

// correct brings what is read to what it is.
func (c *Channel) correct(x float64) float64 {
	if c.Scale != 0 {
		x *= c.Scale
	}
	return c.calibrate(x + c.Offset)
}

// calibrate follows the straight line through the two points around x.
func (c *Channel) calibrate(x float64) float64 {
	p := c.Calibration
	if len(p) < 2 {
		return x
	}
	i := 1
	for i < len(p)-1 && x > p[i][0] {
		i++
	}
	a, b := p[i-1], p[i]
	return a[1] + (x-a[0])*(b[1]-a[1])/(b[0]-a[0])
}

// changes reports whether c does arithmetic: then integers become floats.
func (c *Channel) changes() bool {
	return c.Scale != 0 || c.Offset != 0 || len(c.Calibration) > 0 || c.Unit != "" || c.Filter != "" || c.DeadBand != 0
}

// chain is a channel at work.
type chain struct {
	Channel
	line    line // conversion of the unit
	last    sample
	filter  filter
	told    float64
	hasTold bool
	alarmed int    // -1, 0, 1: low, none, high
	broken  string // why there can be no value
}

type sample struct {
	value float64
	time  time.Time
}

// newChain begins with a channel that the driver describes, and returns it as it
// is afterwards. In a unit that cannot be had there is no value.
func newChain(c Channel, d hw.Channel) (*chain, hw.Channel) {
	ch := &chain{Channel: c, line: line{1, 0}}
	if c.From != "" {
		d.Unit = c.From
	}
	if c.Unit != "" && d.Unit != "" {
		var err error
		if ch.line, err = conversion(d.Unit, c.Unit); err != nil {
			ch.line, ch.broken = line{1, 0}, err.Error()
		}
	}
	if c.Unit != "" {
		d.Unit = c.Unit
	}
	if q, ok := quantities[d.Unit]; ok && (d.Quantity == "" || d.Quantity == hw.Generic) {
		d.Quantity = q
	}
	if d.Kind == hw.KindInteger && c.changes() {
		d.Kind = hw.KindFloat
	}
	if d.Range.Known() {
		low, high := ch.line.at(ch.correct(d.Range.Min)), ch.line.at(ch.correct(d.Range.Max))
		d.Range = hw.Range{Min: min(low, high), Max: max(low, high)}
	}
	ch.filter = filter{kind: c.Filter, size: c.Size, constant: c.Constant}
	return ch, d
}

// Describe returns what becomes of a channel of the driver. The error says that
// it cannot be converted to the unit.
func (c Channel) Describe(d hw.Channel) (hw.Channel, error) {
	ch, out := newChain(c, d)
	if ch.broken != "" {
		return out, errors.New(ch.broken)
	}
	return out, nil
}

// step takes one reading through the chain. What is not a number passes as it
// is; what is not known makes the filter begin anew.
func (c *chain) step(r hw.Reading) hw.Reading {
	x, ok := number(r.Value)
	switch {
	case r.Quality == hw.Invalid:
		c.filter.reset()
		c.last = sample{}
		return r
	case c.broken != "":
		r.Value, r.Quality, r.Reason = hw.Value{}, hw.Invalid, c.broken
		return r
	case !ok, !c.changes() && c.MaxRate == 0:
		return r
	}
	x = c.line.at(c.correct(x))
	if reason := c.tooFast(sample{x, r.Time}); reason != "" && r.Quality == hw.Good {
		r.Quality, r.Reason = hw.Uncertain, reason
	}
	x = c.filter.step(sample{x, r.Time})
	if math.IsNaN(x) || math.IsInf(x, 0) {
		c.filter.reset()
		r.Value, r.Quality, r.Reason = hw.Value{}, hw.Invalid, "scale, calibration or filter lead to no number"
		return r
	}
	if c.hasTold && math.Abs(x-c.told) < c.DeadBand {
		x = c.told
	}
	c.told, c.hasTold = x, true
	if c.changes() {
		r.Value = hw.Float(x)
	}
	return r
}

// tooFast says in words that a value changed faster than it can, or "".
func (c *chain) tooFast(s sample) string {
	before := c.last
	c.last = s
	passed := s.time.Sub(before.time).Seconds()
	if c.MaxRate == 0 || before.time.IsZero() || passed <= 0 {
		return ""
	}
	if rate := math.Abs(s.value-before.value) / passed; rate > c.MaxRate {
		return fmt.Sprintf("it changed by %.4g per second; %v is the most that it can", rate, c.MaxRate)
	}
	return ""
}

// alarm returns the alarm that follows from a reading that has been through step.
func (c *chain) alarm(r hw.Reading) hw.Reading {
	x, ok := number(r.Value)
	r.Channel += AlarmSuffix
	if r.Quality == hw.Invalid || !ok {
		r.Value, r.Quality = hw.Value{}, hw.Invalid
		return r
	}
	c.alarmed = c.Alarm.side(x, c.alarmed)
	r.Value = hw.Bool(c.alarmed != 0)
	return r
}

// number returns a value as a number, if it is one.
func number(v hw.Value) (float64, bool) {
	if v.Kind() == hw.KindBool {
		return 0, false
	}
	return v.Float()
}
