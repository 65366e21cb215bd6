package bind

import (
	"strings"
	"testing"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/objects"
)

// TestGeofences: areas come and go with the configuration, know where the device is at once, and
// are left only beyond their hysteresis.
func TestGeofences(t *testing.T) {
	f := newFixture(t, t.TempDir(), nil, nil)
	circle := config.Geofence{Name: "yard", Latitude: 47, Longitude: 8, Radius: 1000, Hysteresis: 100, Instance: config.NoInstance}
	polygon := config.Geofence{Name: "route", Polygon: [][2]float64{{46, 7}, {46, 9}, {48, 9}, {48, 7}}, Instance: 7, ApplicationType: "the route"}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	locate := func(lat float64) {
		t.Helper()
		if err := f.Locate(objects.Position{Latitude: lat, Longitude: 8, Time: at, Quality: model.Good}); err != nil {
			t.Fatal(err)
		}
	}
	want := func(path string, inside bool) {
		t.Helper()
		if got := f.value(path); got != lwm2m.Boolean(inside) {
			t.Errorf("%s is %v, want %v", path, got, inside)
		}
	}
	apply := func(c *config.Config) {
		t.Helper()
		if err := f.Apply(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	apply(&config.Config{Geofences: []config.Geofence{circle}})
	if got := f.value("/3200/0/5500"); !got.IsZero() {
		t.Errorf("%v before there is a position", got)
	}
	const metre = 1 / 111195.0
	for _, c := range []struct {
		north  float64
		inside bool
	}{{1050, false}, {990, true}, {1050, true}, {1110, false}, {1050, false}} {
		locate(47 + c.north*metre)
		want("/3200/0/5500", c.inside)
	}
	locate(47)
	both := &config.Config{Geofences: []config.Geofence{circle, polygon}, Location: &config.Location{Smart: true}}
	apply(both)
	want("/3200/0/5500", true)
	want("/3200/7/5500", true)
	if got := f.value("/3200/7/5750"); got != lwm2m.String("the route") {
		t.Error(got)
	}
	if got := f.value("/3336/0/6051"); got != lwm2m.Float(47) {
		t.Error(got)
	}
	sub := f.tree.Subscribe()
	defer sub.Close()
	apply(both) // nothing new
	if p := sub.Take(nil); p.Structure {
		t.Errorf("instances came or went: %+v", p.Changes)
	}
	apply(&config.Config{Geofences: []config.Geofence{polygon}})
	if got := f.tree.Instances(3200); len(got) != 1 || got[0] != 7 {
		t.Errorf("instances %v", got)
	}
	if got := f.tree.Instances(3336); len(got) != 0 {
		t.Errorf("instances %v of object 3336", got)
	}
}

// TestGeofencesRefused: names that are taken, and areas that are none.
func TestGeofencesRefused(t *testing.T) {
	for want, cfg := range map[string]*config.Config{
		"name of a sensor":   {Sensors: []config.Sensor{{Name: "yard"}}, Geofences: []config.Geofence{{Name: "yard", Radius: 1}}},
		"that of [location]": {Sensors: []config.Sensor{{Name: "location"}}, Location: &config.Location{Smart: true}},
		"on one line":        {Geofences: []config.Geofence{{Name: "yard", Polygon: [][2]float64{{1, 1}, {1, 2}, {1, 3}}}}},
	} {
		if got := checkGeofences(cfg); len(got) != 1 || !strings.Contains(got.Error(), want) {
			t.Errorf("%v, want %q", got, want)
		}
	}
}
