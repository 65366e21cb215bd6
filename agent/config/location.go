package config

import (
	"math"
	"slices"
	"strings"
	"time"
)

// LocationSource is who knows where the device is.
type LocationSource string

// The sources.
const (
	LocationFixed LocationSource = "fixed" // the configuration
	LocationNMEA  LocationSource = "nmea"  // a receiver that speaks NMEA 0183
	LocationGPSD  LocationSource = "gpsd"  // gpsd, which has the receiver
	LocationModem LocationSource = "modem" // the receiver of a modem
)

// Location is [location].
type Location struct {
	Section
	Source                        LocationSource
	Placed                        bool          // the next three are given
	Latitude, Longitude, Altitude float64       // degrees (WGS 84), metres
	Device                        string        // of "nmea": a port or a file; of "gpsd": which receiver, "" any; of "modem": its name
	Address                       string        // of "gpsd"
	Baud                          uint32        // of "nmea"
	Interval                      time.Duration // between two fixes
	Smart                         bool          // object 3336 too
}

// The defaults of a location.
const (
	DefaultBaud     = 9600
	DefaultFixes    = 10 * time.Second
	DefaultGPSD     = "127.0.0.1:2947"
	DefaultLeeway   = 25.0 // m, the hysteresis of a geofence
	maxFenceRadius  = 1e7
	maxFenceCorners = 64
)

var locationSection = section{
	name: "location", help: "Where the device is: object 6; docs/location.md. Read at the start.", keys: []key{
		{name: "source", kind: oneOf(string(LocationFixed), string(LocationNMEA), string(LocationGPSD), string(LocationModem)), fallback: `"fixed"`, help: "who knows it: this section, a receiver that speaks NMEA 0183, gpsd, a [[modem]]"},
		{name: "latitude", kind: number(-90, 90), help: "degrees north (WGS 84); a fixed one needs it, for others it holds until there is a fix"},
		{name: "longitude", kind: number(-180, 180), help: "degrees east (WGS 84), likewise"},
		{name: "altitude", kind: number(-500, 10000), fallback: "0", help: "metres above sea level, likewise"},
		{name: "device", kind: anyText, help: `of "nmea", which needs it: serial port ("/dev/ttyS1"), "tcp:host:port", or the file of a log; of "gpsd": which of its receivers, any if it is left out; of "modem": the name of the [[modem]], the first one if it is left out`},
		{name: "baud", kind: integer(1200, 4000000), fallback: "9600", help: `of a serial port of "nmea"`},
		{name: "address", kind: gpsdAddress, fallback: `"` + DefaultGPSD + `"`, help: `of "gpsd"`},
		{name: "interval", kind: duration(time.Second, 7*day), fallback: `"` + short(DefaultFixes) + `"`, help: "time between fixes; from one minute on the receiver is switched on only when one is due"},
		{name: "object_3336", kind: boolean, fallback: "false", help: "show it in object 3336 (Location) too"},
	},
}

// gpsdAddress takes where gpsd listens.
var gpsdAddress = kind{`"host:port", or the path of its socket`, func(v any) (any, bool) {
	s, ok := v.(string)
	return s, ok && printable(s) && len(s) <= 255 && (strings.HasPrefix(s, "/") || strings.LastIndexByte(s, ':') > 0)
}}

func (b *builder) location(root *node) {
	n := root.table["location"]
	if n == nil {
		return
	}
	l := &Location{
		Section: Section{n, "location"}, Source: LocationSource(get(n, "source", string(LocationFixed))),
		Latitude: get(n, "latitude", 0.0), Longitude: get(n, "longitude", 0.0), Altitude: get(n, "altitude", 0.0),
		Device: get(n, "device", ""), Address: get(n, "address", DefaultGPSD),
		Baud:     uint32(min(get(n, "baud", int64(DefaultBaud)), math.MaxUint32)), //nolint:gosec // within range, says its kind
		Interval: get(n, "interval", DefaultFixes), Smart: get(n, "object_3336", false),
	}
	missing := func(keys ...string) {
		for _, key := range keys {
			if !l.Given(key) {
				b.problems = append(b.problems, l.Problem("", "%s is missing; source %q needs it", key, string(l.Source)))
			}
		}
	}
	l.Placed = l.Source == LocationFixed || l.Given("latitude") || l.Given("longitude")
	if l.Placed && l.Source != LocationFixed && l.Given("latitude") != l.Given("longitude") {
		key := "longitude"
		if l.Given(key) {
			key = "latitude"
		}
		b.problems = append(b.problems, l.Problem("", "%s is missing; latitude and longitude belong together", key))
	}
	switch l.Source {
	case LocationFixed:
		missing("latitude", "longitude")
		if l.Given("device") || l.Given("interval") {
			b.problems = append(b.problems, l.Problem("", `a fixed position has no device and no interval; say source = "nmea", "gpsd" or "modem"`))
		}
	case LocationNMEA:
		missing("device")
	case LocationModem:
		b.locationModem(l)
	case LocationGPSD:
	}
	b.cfg.Location = l
}

// locationModem looks for the modem that has the receiver.
func (b *builder) locationModem(l *Location) {
	names := b.modemNames()
	switch {
	case len(names) == 0:
		b.problems = append(b.problems, l.Problem("source", "there is no [[modem]] that could know it"))
	case l.Device == "":
		l.Device = names[0]
	case !slices.Contains(names, l.Device):
		b.problems = append(b.problems, l.Problem("device", "there is no [[modem]] %q; there are: %s", l.Device, strings.Join(names, ", ")))
	}
}

// Geofence is one [[geofence]].
type Geofence struct {
	Section
	Name                string
	Latitude, Longitude float64      // of a circle's middle
	Radius              float64      // m; 0: a polygon
	Polygon             [][2]float64 // latitude, longitude
	Hysteresis          float64      // m
	Instance            int          // of object 3200
	ApplicationType     string
}

var geofenceSection = section{
	name: "geofence", identity: "name", help: "An area: whether the device is inside of it is a Digital Input (3200); docs/location.md.", keys: []key{
		{name: "name", kind: uniqueFor, required: true, help: "unique among sensors; the instance number is bound to it"},
		{name: "latitude", kind: number(-90, 90), help: "of a circle: its middle, degrees north"},
		{name: "longitude", kind: number(-180, 180), help: "of a circle: its middle, degrees east"},
		{name: "radius", kind: number(1, maxFenceRadius), help: "of a circle, in metres"},
		{name: "polygon", kind: pointList, help: "[[latitude, longitude], …], 3 to 64 corners at most 5 degrees apart"},
		{name: "hysteresis", kind: number(0, 1e6), fallback: "25", help: "how far outside it is left, in metres"},
		{name: "instance", kind: integer(0, maxID), fallback: "the next free one, then kept for this name", help: "object instance"},
		{name: "application_type", kind: anyText, fallback: "the name", help: "Application Type (5750), until a server writes it"},
	},
}

func (b *builder) geofences(root *node) {
	for _, n := range elements(root, "geofence") {
		g := Geofence{
			Section: Section{n, geofenceSection.title(n)}, Name: get(n, "name", ""),
			Latitude: get(n, "latitude", 0.0), Longitude: get(n, "longitude", 0.0), Radius: get(n, "radius", 0.0),
			Polygon: get(n, "polygon", [][2]float64(nil)), Hysteresis: get(n, "hysteresis", DefaultLeeway),
			Instance: optional(n, "instance"), ApplicationType: get(n, "application_type", ""),
		}
		circle := 0
		for _, key := range []string{"latitude", "longitude", "radius"} {
			if g.Given(key) {
				circle++
			}
		}
		switch {
		case g.Given("polygon") && circle > 0, !g.Given("polygon") && circle < 3:
			b.problems = append(b.problems, g.Problem("", "needs either polygon, or latitude, longitude and radius"))
		case len(g.Polygon) > maxFenceCorners:
			b.problems = append(b.problems, g.Problem("polygon", "has %d corners; allowed: %d", len(g.Polygon), maxFenceCorners))
		}
		b.cfg.Geofences = append(b.cfg.Geofences, g)
	}
}
