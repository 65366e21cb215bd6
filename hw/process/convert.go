package process

import (
	"fmt"
	"slices"
	"strings"

	"lwm2m-agent/hw"
)

// unit is what a SenML unit is worth in its dimension's first one:
// first = value*scale + offset.
type unit struct {
	scale, offset float64
}

// dimensions are the units that can be converted, by those of RFC 8428 section
// 12.1 and RFC 8798 section 3.
var dimensions = []map[string]unit{
	{"Cel": {1, 0}, "K": {1, -273.15}},
	{"Pa": {1, 0}, "hPa": {100, 0}},
	{"m": {1, 0}, "mm": {1e-3, 0}, "cm": {1e-2, 0}, "km": {1e3, 0}},
	{"m/s": {1, 0}, "km/h": {1 / 3.6, 0}, "mm/h": {1e-3 / 3600, 0}, "m/h": {1.0 / 3600, 0}},
	{"s": {1, 0}, "ms": {1e-3, 0}, "min": {60, 0}, "h": {3600, 0}},
	{"Hz": {1, 0}, "MHz": {1e6, 0}, "1/s": {1, 0}, "1/min": {1.0 / 60, 0}, "beat/min": {1.0 / 60, 0}},
	{"W": {1, 0}, "kW": {1e3, 0}},
	{"J": {1, 0}, "Wh": {3600, 0}, "kWh": {3.6e6, 0}},
	{"VA": {1, 0}, "kVA": {1e3, 0}},
	{"var": {1, 0}, "kvar": {1e3, 0}},
	{"VAs": {1, 0}, "kVAh": {3.6e6, 0}},
	{"vars": {1, 0}, "varh": {3600, 0}, "kvarh": {3.6e6, 0}},
	{"C": {1, 0}, "Ah": {3600, 0}},
	{"V": {1, 0}, "mV": {1e-3, 0}},
	{"A": {1, 0}, "mA": {1e-3, 0}},
	{"m3": {1, 0}, "l": {1e-3, 0}},
	{"m3/s": {1, 0}, "l/s": {1e-3, 0}},
	{"/": {1, 0}, "%": {1e-2, 0}, "/100": {1e-2, 0}, "/1000": {1e-3, 0}, "ppm": {1e-6, 0}},
	{"%RH": {1, 0}},
	{"lx": {1, 0}},
	{"m/s2": {1, 0}},
	{"kg": {1, 0}, "g": {1e-3, 0}},
}

// line is y = x*scale + offset.
type line struct{ scale, offset float64 }

func (l line) at(x float64) float64 { return x*l.scale + l.offset }

// conversion returns what leads from one unit to another.
func conversion(from, to string) (line, error) {
	for _, d := range dimensions {
		a, known := d[from]
		b, fits := d[to]
		switch {
		case known && fits:
			return line{a.scale / b.scale, (a.offset - b.offset) / b.scale}, nil
		case known:
			return line{}, fmt.Errorf("%q cannot be told in %q; allowed: %s", from, to, names(d))
		}
	}
	if from == to {
		return line{1, 0}, nil
	}
	return line{}, fmt.Errorf("%q cannot be converted; scale and offset can", from)
}

func names(d map[string]unit) string {
	quoted := make([]string, 0, len(d))
	for name := range d {
		quoted = append(quoted, fmt.Sprintf("%q", name))
	}
	slices.Sort(quoted)
	return strings.Join(quoted, ", ")
}

// products are the units that come of one over time in seconds.
var products = map[string]struct {
	unit     string
	quantity hw.Quantity
}{
	"W":    {"J", hw.Energy},
	"VA":   {"VAs", hw.Generic},
	"var":  {"vars", hw.Generic},
	"A":    {"C", hw.Generic},
	"m3/s": {"m3", hw.Generic},
	"l/s":  {"l", hw.Generic},
	"m/s":  {"m", hw.Distance},
}

// quantities are what a driver that does not know it measures in a unit.
var quantities = map[string]hw.Quantity{
	"Cel": hw.Temperature, "K": hw.Temperature,
	"%RH": hw.Humidity,
	"Pa":  hw.Pressure, "hPa": hw.Pressure,
	"lx": hw.Illuminance,
	"V":  hw.Voltage, "mV": hw.Voltage,
	"A": hw.Current, "mA": hw.Current,
	"W": hw.Power, "kW": hw.Power,
	"J": hw.Energy, "Wh": hw.Energy, "kWh": hw.Energy,
	"Hz":  hw.Frequency,
	"ppm": hw.Concentration,
	"pH":  hw.Acidity,
	"m":   hw.Distance, "mm": hw.Distance, "cm": hw.Distance, "km": hw.Distance,
}
