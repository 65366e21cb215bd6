package config

import (
	"math"
	"slices"
	"strconv"
	"time"
)

// Processing is what is done to the values of a channel. The zero value of a
// field means that it was not given.
type Processing struct {
	Scale, Offset       float64
	Calibration         [][2]float64 // what is read, what it is
	FromUnit, Unit      string
	MaxRate             float64 // per second
	Filter              string
	FilterSize          int
	FilterTime          time.Duration
	DeadBand            float64
	AlarmLow, AlarmHigh *float64
	AlarmHysteresis     float64
}

// Derived is one [[derived]]: a sensor that follows from others.
type Derived struct {
	Section
	Name            string
	Kind            string
	Inputs          []string // "sensor/channel", or a derived one's name
	Scale           float64
	Unit            string
	Window, MaxGap  time.Duration
	Object          uint16 // 0: the one that suits
	Resource        int    // NoResource: the one that suits
	Instance        int
	ApplicationType string
}

var anyNumber = number(-math.MaxFloat64, math.MaxFloat64)

// channelKeys are those of a channel.
var channelKeys = append(slices.Clip(mappingKeys), []key{
	{name: "register", kind: integer(0, math.MaxUint16), help: "of a Modbus device: number of the register or bit, from 0"},
	{name: "table", kind: modbusTable, fallback: `"input"`, help: "of a Modbus device: where it is"},
	{name: "type", kind: modbusType, fallback: `"uint16"`, help: "of a Modbus device: how it lies in registers"},
	{name: "word_order", kind: oneOf("big", "little"), fallback: `"big"`, help: "of a Modbus device: big is the highest word first"},
	{name: "scale", kind: factor, fallback: "1", help: "what a value is multiplied with; what follows is done in this order"},
	{name: "offset", kind: anyNumber, fallback: "0", help: "what is added then"},
	{name: "calibration", kind: pointList, help: "[[what is read, what it is], …], 2 to 64 points, rising; straight lines between and beyond"},
	{name: "unit", kind: text(16), fallback: "the driver's", help: `SenML unit to convert to, such as "K", "hPa", "kWh"`},
	{name: "from_unit", kind: text(16), fallback: "the driver's", help: "unit that it is in before, where the driver does not know"},
	{name: "max_rate", kind: number(0, math.MaxFloat64), fallback: "none", help: "most that a value can change per second; what changes faster is uncertain"},
	{name: "filter", kind: oneOf("median", "average", "exponential"), fallback: "none", help: "what smooths it"},
	{name: "filter_size", kind: integer(2, 255), help: "samples of a median or an average"},
	{name: "filter_time", kind: duration(time.Millisecond, day), help: "time constant of an exponential filter"},
	{name: "dead_band", kind: number(0, math.MaxFloat64), fallback: "0", help: "smaller changes are not told"},
	{name: "alarm_low", kind: anyNumber, help: "below is an alarm: a Digital Input (3200) of its own"},
	{name: "alarm_high", kind: anyNumber, help: "above is an alarm"},
	{name: "alarm_hysteresis", kind: number(0, math.MaxFloat64), fallback: "0", help: "how far a value must come back to end an alarm"},
}...)

var derivedSection = section{
	name: "derived", identity: "name", help: "A sensor that follows from others. One bad input makes it bad. Integrals and totals outlive restarts.", keys: []key{
		{name: "name", kind: uniqueFor, required: true, help: "unique among sensors; instance numbers and totals are bound to it"},
		{
			name: "kind", kind: oneOf("dew_point", "difference", "sum", "integral", "total", "minimum", "maximum", "mean", "rms", "peak"), required: true,
			help: "dew point of a temperature and a humidity; first less second; sum; integral over time (energy of a power, volume of a flow); " +
				"total of a count as the driver has it (its scale and unit belong here); minimum, maximum, mean, root mean square and peak (of the deviations from the mean) within window",
		},
		{name: "inputs", kind: textList, required: true, help: `"sensor/channel" each; a derived one above by its name`},
		{name: "scale", kind: factor, fallback: "1", help: "what the result is multiplied with"},
		{name: "unit", kind: text(16), fallback: "what follows from the inputs", help: "SenML unit of the result"},
		{name: "window", kind: duration(time.Millisecond, 7*day), help: "how far minimum, maximum, mean, rms and peak look back, at most 4096 samples"},
		{name: "max_gap", kind: duration(time.Millisecond, 7*day), fallback: `"10m"`, help: "longest time between two values that an integral bridges"},
		{name: "object", kind: integer(1, maxID), fallback: "the one that suits what is measured", help: "object that it feeds"},
		{name: "resource", kind: integer(0, maxID), fallback: "5700 or the one that suits", help: "resource that it feeds"},
		{name: "instance", kind: integer(0, maxID), fallback: "the next free one, then kept for this name", help: "object instance"},
		{name: "application_type", kind: anyText, fallback: "the name", help: "Application Type (5750), until a server writes it"},
	},
}

var (
	modbusTable = oneOf("input", "holding", "coil", "discrete")
	modbusType  = oneOf("int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64")
)

// unitName takes a unit of measurement, or the number of a device.
var unitName = kind{"text of 1 to 255 bytes, or a number from 0 to 255", func(v any) (any, bool) {
	if i, ok := v.(int64); ok {
		return strconv.FormatInt(i, 10), i >= 0 && i <= 255
	}
	return anyText.read(v)
}}

// Register says where a value is in a Modbus device; "" is not given.
type Register struct {
	Number                 uint16
	Table, Type, WordOrder string
}

// register returns nil where there is none.
func (b *builder) register(n *node, title string) *Register {
	r := Register{id(n, "register"), get(n, "table", ""), get(n, "type", ""), get(n, "word_order", "")}
	if n.table["register"] == nil && r == (Register{}) {
		return nil
	}
	if n.table["register"] == nil {
		b.add(n, within(title, "register"), "missing; table, type and word_order belong to one")
	}
	return &r
}

// factor takes a number that something can be multiplied with.
var factor = kind{"a number that is not 0", func(v any) (any, bool) {
	f, ok := anyNumber.read(v)
	return f, ok && f != 0.0
}}

// pointList takes a list of pairs of numbers and returns a [][2]float64.
var pointList = kind{"a list of pairs of numbers", func(v any) (any, bool) {
	list, ok := v.([]any)
	points := make([][2]float64, 0, len(list))
	for _, element := range list {
		pair, _ := element.([]any)
		if len(pair) != 2 {
			return nil, false
		}
		a, first := anyNumber.read(pair[0])
		b, second := anyNumber.read(pair[1])
		if !first || !second {
			return nil, false
		}
		points = append(points, [2]float64{a.(float64), b.(float64)})
	}
	return points, ok && len(points) > 0
}}

// textList takes a list of texts and returns a []string.
var textList = kind{"a list of texts", func(v any) (any, bool) {
	list, ok := v.([]any)
	texts := make([]string, 0, len(list))
	for _, element := range list {
		t, fits := anyText.read(element)
		if !fits {
			return nil, false
		}
		texts = append(texts, t.(string))
	}
	return texts, ok && len(texts) > 0
}}

func processing(n *node) Processing {
	p := Processing{
		Scale: get(n, "scale", 0.0), Offset: get(n, "offset", 0.0), Calibration: get(n, "calibration", [][2]float64(nil)),
		FromUnit: get(n, "from_unit", ""), Unit: get(n, "unit", ""), MaxRate: get(n, "max_rate", 0.0),
		Filter: get(n, "filter", ""), FilterSize: int(get(n, "filter_size", int64(0))), FilterTime: get(n, "filter_time", time.Duration(0)),
		DeadBand: get(n, "dead_band", 0.0), AlarmHysteresis: get(n, "alarm_hysteresis", 0.0),
	}
	p.AlarmLow, p.AlarmHigh = limit(n, "alarm_low"), limit(n, "alarm_high")
	return p
}

// limit returns a number, nil where it is not given.
func limit(n *node, key string) *float64 {
	if n.table[key] == nil {
		return nil
	}
	return new(get(n, key, 0.0))
}

func (b *builder) derived(root *node) {
	section := schema.section("derived")
	for _, n := range elements(root, "derived") {
		b.cfg.Derived = append(b.cfg.Derived, Derived{
			Section: Section{n, section.title(n)},
			Name:    get(n, "name", ""), Kind: get(n, "kind", ""), Inputs: get(n, "inputs", []string(nil)),
			Scale: get(n, "scale", 0.0), Unit: get(n, "unit", ""),
			Window: get(n, "window", time.Duration(0)), MaxGap: get(n, "max_gap", time.Duration(0)),
			Object: id(n, "object"), Resource: optional(n, "resource"), Instance: optional(n, "instance"),
			ApplicationType: get(n, "application_type", ""),
		})
	}
}
