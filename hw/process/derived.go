package process

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"lwm2m-agent/hw"
)

// Derived is a sensor that follows from channels of others. It has one channel,
// ChannelValue.
type Derived struct {
	Name   string
	Kind   Kind
	Inputs []Input
	Scale  float64       // of the result; 0 is 1
	Unit   string        // SenML unit of the result; "" is what follows from the inputs
	Window time.Duration // of the kinds that look back
	MaxGap time.Duration // of an integral: over longer ones nothing is added
}

// ChannelValue is the channel of a derived sensor.
const ChannelValue = "value"

// Input is one channel of a sensor, or of a derived one that is made before.
type Input struct{ Sensor, Channel string }

// Kind is what a derived sensor does.
type Kind string

// The kinds. Those from Integral on have one input.
const (
	DewPoint   Kind = "dew_point"  // of a temperature and a relative humidity
	Difference Kind = "difference" // the first less the second
	Sum        Kind = "sum"
	Integral   Kind = "integral" // over time, kept over restarts
	Total      Kind = "total"    // of an hw.Count as the driver has it, kept over restarts
	Minimum    Kind = "minimum"  // within the window
	Maximum    Kind = "maximum"  // within the window
	Mean       Kind = "mean"     // within the window
	RMS        Kind = "rms"      // of the deviations from the window's mean
	Peak       Kind = "peak"     // the largest deviation from the window's mean
)

// Kinds are all of them.
func Kinds() []string {
	return []string{
		string(DewPoint), string(Difference), string(Sum), string(Integral), string(Total),
		string(Minimum), string(Maximum), string(Mean), string(RMS), string(Peak),
	}
}

func (k Kind) looksBack() bool { return slices.Contains([]Kind{Minimum, Maximum, Mean, RMS, Peak}, k) }

// maxInputs bounds a sum.
const maxInputs = 32

// DefaultGap is the longest time between two readings that an integral bridges
// where nothing is configured.
const DefaultGap = 10 * time.Minute

// Check says what is wrong with d, and with which key of the configuration.
func (d Derived) Check() (key string, err error) {
	n := len(d.Inputs)
	switch {
	case !slices.Contains(Kinds(), string(d.Kind)):
		return "kind", fmt.Errorf("there is no kind %q", string(d.Kind))
	case d.Kind == DewPoint && n != 2:
		return "inputs", fmt.Errorf("a dew point has two inputs, a temperature and a humidity, not %d", n)
	case d.Kind == Difference && n != 2:
		return "inputs", fmt.Errorf("a difference has two inputs, not %d", n)
	case d.Kind == Sum && (n < 2 || n > maxInputs):
		return "inputs", fmt.Errorf("a sum has 2 to %d inputs, not %d", maxInputs, n)
	case d.Kind != DewPoint && d.Kind != Difference && d.Kind != Sum && n != 1:
		return "inputs", fmt.Errorf("%s has one input, not %d", d.Kind, n)
	case d.Kind.looksBack() && d.Window <= 0:
		return "window", fmt.Errorf("%s needs window, how far it looks back", d.Kind)
	case !d.Kind.looksBack() && d.Window != 0:
		return "window", fmt.Errorf("%s takes no window", d.Kind)
	case d.Kind != Integral && d.MaxGap != 0:
		return "max_gap", errors.New("max_gap belongs to an integral")
	}
	return "", nil
}

// Describe returns the channel of d, given those of its inputs, and what leads
// from each of them to what d computes with. An error says which units do not
// go together.
func (d Derived) Describe(inputs []hw.Channel) (hw.Channel, error) {
	c, _, _, err := d.plan(inputs)
	return c, err
}

// plan is Describe, with the conversions of the inputs and of the result.
func (d Derived) plan(inputs []hw.Channel) (c hw.Channel, in []line, out line, err error) {
	c = hw.Channel{Name: ChannelValue, Quantity: inputs[0].Quantity, Unit: inputs[0].Unit, Kind: hw.KindFloat}
	wanted := make([]string, len(inputs))
	for i := range inputs {
		wanted[i] = inputs[0].Unit
	}
	switch d.Kind {
	case DewPoint:
		c.Quantity, c.Unit = hw.Temperature, "Cel"
		wanted[0], wanted[1] = "Cel", "%RH"
	case Integral:
		c.Quantity, c.Unit = hw.Generic, ""
		if p, ok := products[inputs[0].Unit]; ok {
			c.Quantity, c.Unit = p.quantity, p.unit
		} else if _, err := conversion(inputs[0].Unit, "W"); err == nil { // kW
			wanted[0], c.Quantity, c.Unit = "W", hw.Energy, "J"
		}
	case Total:
		if inputs[0].Quantity != hw.Count || inputs[0].Kind != hw.KindInteger {
			return c, in, out, fmt.Errorf("%s: %w", inputs[0].Name, errNoCount)
		}
		c.Quantity = hw.Generic
	case Minimum, Maximum, Mean:
		c.Range = inputs[0].Range
	case Difference, Sum, RMS, Peak:
	}
	for i, input := range inputs {
		if input.Kind != hw.KindFloat && input.Kind != hw.KindInteger {
			return c, in, out, fmt.Errorf("%s is no number", input.Name)
		}
		l, err := conversion(input.Unit, wanted[i])
		if err != nil {
			return c, in, out, fmt.Errorf("%s: %w", input.Name, err)
		}
		in = append(in, l)
	}
	if c, out, err = d.result(c); err != nil {
		return c, in, out, err
	}
	return c, in, out, nil
}

// errNoCount: what is scaled may begin anew anywhere, and a register of a meter does not begin at 0 with the agent.
var errNoCount = errors.New("a total is of a count as the driver has it; scale and unit belong to the total, not to the count")

// result applies scale and unit of d to the channel.
func (d Derived) result(c hw.Channel) (hw.Channel, line, error) {
	out := line{1, 0}
	if d.Unit != "" && c.Unit != "" {
		var err error
		if out, err = conversion(c.Unit, d.Unit); err != nil {
			return c, out, err
		}
	}
	if d.Kind == Difference || d.Kind == RMS || d.Kind == Peak {
		out.offset = 0 // of differences
	}
	if d.Unit != "" {
		c.Unit = d.Unit
	}
	if d.Scale != 0 {
		out.scale *= d.Scale
		out.offset *= d.Scale
	}
	if c.Range.Known() {
		low, high := out.at(c.Range.Min), out.at(c.Range.Max)
		c.Range = hw.Range{Min: min(low, high), Max: max(low, high)}
	}
	return c, out, nil
}

// dewPoint is the temperature at which air of that temperature (Cel) and
// relative humidity (%RH) is saturated over water: the Magnus formula with the
// coefficients of the WMO (Guide to Instruments, WMO-No. 8, annex 4.B), inverted.
func dewPoint(celsius, humidity float64) (float64, bool) {
	const a, b = 17.62, 243.12
	if !(humidity > 0 && humidity <= 100) || celsius <= -b {
		return 0, false
	}
	g := math.Log(humidity/100) + a*celsius/(b+celsius)
	return b * g / (a - g), true
}
