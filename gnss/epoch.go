package gnss

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// epoch is what the sentences of one instant say together.
type epoch struct {
	clock  string // as the first one with a time has it, "092725.00"
	seen   kind
	last   kind
	length int
	told   bool

	void, placed bool
	f            Fix
	hdop         float64
	corrected    bool
	sigma        *float64 // m, of the position, as GST has it
}

// take enters a sentence whose first field is its name.
func (e *epoch) take(k kind, f []string) {
	e.length++
	e.last = k
	if k&timed != 0 && e.seen&timed == 0 {
		e.clock = field(f, 1)
	}
	e.seen |= k
	switch k {
	case gga:
		e.gga(f)
	case gns:
		e.gns(f)
	case rmc:
		e.rmc(f)
	case vtg:
		e.vtg(f)
	case gsa:
		e.gsa(f)
	case gst:
		e.gst(f)
	case timed: // several, no kind
	}
}

// fix returns the fix, nil if there is none.
func (e *epoch) fix() *Fix {
	if e.void || !e.placed {
		return nil
	}
	f := e.f
	f.Radius = Radius(e.hdop, e.corrected)
	if e.sigma != nil {
		f.Radius = e.sigma
	}
	return &f
}

// place enters a latitude and a longitude, which void sentences do not have.
func (e *epoch) place(f []string, at int) {
	lat, north := degrees(field(f, at), field(f, at+1), "N", "S", 90)
	lon, east := degrees(field(f, at+2), field(f, at+3), "E", "W", 180)
	if !north || !east {
		e.void = true
		return
	}
	e.f.Latitude, e.f.Longitude, e.placed = lat, lon, true
}

// gga is time, latitude, N, longitude, E, quality, satellites, HDOP, altitude, M, geoid, M,
// age and station of corrections. Of quality, 0 is void, 2, 4 and 5 corrected, 6 dead
// reckoning, 8 simulated.
func (e *epoch) gga(f []string) {
	switch field(f, 6) {
	case "", "0":
		e.void = true
		return
	case "2", "4", "5":
		e.corrected = true
	case "6", "8":
		e.f.Estimated = true
	}
	e.place(f, 2)
	e.dilution(field(f, 8))
	e.altitude(field(f, 9))
}

// gns is time, latitude, N, longitude, E, a letter for each system, satellites, HDOP,
// altitude, geoid, age and station. N is no fix, D, F and R corrected, E dead reckoning, S
// simulated.
func (e *epoch) gns(f []string) {
	modes := field(f, 6)
	if strings.Trim(modes, "N") == "" {
		e.void = true
		return
	}
	e.corrected = e.corrected || strings.ContainsAny(modes, "DFR")
	e.f.Estimated = e.f.Estimated || strings.Trim(modes, "NES") == ""
	e.place(f, 2)
	e.dilution(field(f, 8))
	e.altitude(field(f, 9))
}

// rmc is time, A or V, latitude, N, longitude, E, knots, course, date, magnetic variation, E,
// and since version 2.3 the mode of GNS. V is a warning not to use it.
func (e *epoch) rmc(f []string) {
	if field(f, 2) != "A" || field(f, 12) == "N" {
		e.void = true
		return
	}
	e.f.Estimated = e.f.Estimated || field(f, 12) == "E" || field(f, 12) == "S"
	e.place(f, 3)
	e.motion(field(f, 8), field(f, 7), knot)
	e.f.Time = instant(field(f, 9), field(f, 1))
}

// vtg is course, T, magnetic course, M, knots, N, km/h, K, and the mode.
func (e *epoch) vtg(f []string) {
	if field(f, 9) != "N" && e.f.Speed == nil {
		e.motion(field(f, 1), field(f, 7), kmh)
	}
}

// gsa is how it is chosen, 1 for no fix, twelve satellites, PDOP, HDOP, VDOP.
func (e *epoch) gsa(f []string) {
	if field(f, 2) == "1" {
		e.void = true
	}
	if e.hdop == 0 {
		e.dilution(field(f, 16))
	}
}

// gst is time, RMS, the ellipse's axes and direction, and the standard deviations of
// latitude, longitude and altitude in m. Twice the distance that the first two make is
// what 95 to 98 of 100 fixes are within (2DRMS).
func (e *epoch) gst(f []string) {
	north, ok := decimal(field(f, 6))
	east, also := decimal(field(f, 7))
	if r := 2 * math.Hypot(north, east); ok && also && r > 0 {
		e.sigma = &r
	}
}

func (e *epoch) dilution(s string) {
	if v, ok := decimal(s); ok {
		e.hdop = v
	}
}

func (e *epoch) altitude(s string) {
	if v, ok := decimal(s); ok {
		e.f.Altitude = &v
	}
}

// In m/s.
const (
	knot = 1852.0 / 3600
	kmh  = 1 / 3.6
)

func (e *epoch) motion(course, speed string, unit float64) {
	if v, ok := decimal(speed); ok && v >= 0 {
		e.f.Speed = new(v * unit)
	}
	if v, ok := decimal(course); ok && v >= 0 && v <= 360 {
		e.f.Course = &v
	}
}

// maxNumber bounds a number, in bytes.
const maxNumber = 20

// decimal reads a number without exponent. strconv takes more: "Inf", "0x1p3".
func decimal(s string) (float64, bool) {
	if s == "" || len(s) > maxNumber || strings.Trim(s, "0123456789.+-") != "" {
		return 0, false
	}
	v, err := strconv.ParseFloat(s, 64)
	return v, err == nil
}

// degrees reads "4717.11399" and "N": whole degrees, and two digits and more of minutes.
func degrees(s, hemisphere, positive, negative string, limit float64) (float64, bool) {
	v, ok := decimal(s)
	whole := math.Floor(v / 100)
	minutes := v - 100*whole
	d := whole + minutes/60
	switch {
	case !ok || v < 0 || minutes >= 60 || d > limit:
		return 0, false
	case hemisphere == positive:
		return d, true
	case hemisphere == negative:
		return -d, true
	}
	return 0, false
}

// instant reads "230394" and "092725.00"; zero if it is none. Receivers that count weeks in
// ten bits may be wrong by 1024 of them; whoever uses the time has to judge it.
func instant(date, clock string) time.Time {
	t, err := time.Parse("020106 150405", date+" "+clock) // takes a fraction behind the seconds too
	if err != nil {
		return time.Time{}
	}
	return t
}
