package registry

import (
	"errors"
	"strings"
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

func TestKeys(t *testing.T) {
	for name, want := range map[string]string{
		"Sensor Value": "sensor-value", "On/Off": "on-off", "LWM2M  Server URI": "server-uri", "LwM2M": "lwm2m",
		"Validity (MCC, MNC)": "validity-mcc-mnc", " x ": "x", "": "", "5GNR Connectivity": "5gnr-connectivity",
		"SMS Binding Secret Key(s)": "sms-binding-secret-key-s", "AT&T": "at-t", "Größe": "größe",
	} {
		if got := key(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// TestEveryKeyStandsForItsOwn also shows that no two things share a key.
func TestEveryKeyStandsForItsOwn(t *testing.T) {
	r := Definitions()
	for _, e := range r.List() {
		d, err := r.ByName(e.Key)
		if err != nil || d.ID != e.ID {
			t.Errorf("%s: object %v, %v; want %d", e.Key, d, err, e.ID)
			continue
		}
		for i, k := range resourceKeys(d) {
			if res, err := Resource(d, k); err != nil || res.ID != d.Resources[i].ID {
				t.Errorf("%s of object %d: %v, %v; want resource %d", k, e.ID, res, err, d.Resources[i].ID)
			}
			p := lwm2m.NewPath(e.ID, 7, d.Resources[i].ID)
			if back, err := r.ParsePath(r.PathName(p)); err != nil || back != p {
				t.Errorf("%s is called %s, which is %s, %v", p, r.PathName(p), back, err)
			}
		}
	}
}

var meter = &model.Definition{ID: 26300, Name: "Water Meter", Resources: []model.ResourceDefinition{
	{ID: 1, Name: "Volume", Ops: model.OpRead, Type: lwm2m.TypeFloat},
}}

func TestParsePath(t *testing.T) {
	r := Definitions()
	for text, want := range map[string]string{
		"/":                            "/",
		"":                             "/",
		"/3303/0/5700":                 "/3303/0/5700",
		"/temperature":                 "/3303",
		"/temperature/":                "/3303",
		"temperature/0":                "/3303/0",
		"/Temperature/0/Sensor Value":  "/3303/0/5700",
		"/temperature/0/value":         "/3303/0/5700", // ends with it; the others that do have more words
		"/temperature/0/units":         "/3303/0/5701",
		"/temperature/0/max-measured":  "/3303/0/5602", // begins with it
		"/temperature/0/5700":          "/3303/0/5700",
		"/3303/0/value":                "/3303/0/5700",
		"/device/0/error-code/1":       "/3/0/11/1",
		"/device/0/reboot":             "/3/0/4",
		"/security":                    "/0",
		"/server/1/lifetime":           "/1/1/1",
		"/lwm2m-server/1/lifetime":     "/1/1/1",
		"/actuation/0/on-off":          "/3306/0/5850",
		"/digital-input/0/state":       "/3200/0/5500",
		"/digital-input/0/counter":     "/3200/0/5501",
		"/location":                    "/6",
		"/location-3336/0/application": "/3336/0/5750",
		"/firmware/0/state":            "/5/0/3",
		"/5gnr-connectivity/0":         "/27/0",
		"/dev1/3/0":                    "/dev1/3/0",
		"/dev1/temperature/0/value":    "/dev1/3303/0/5700",
		"/gateway/temperature/0/value": "/gateway/3303/0/5700", // object 25, but an instance is a number
		"/water-meter/0/volume":        "/26300/0/1",
		"/26300/0/volume":              "/26300/0/1",
	} {
		got, err := r.ParsePath(text, meter)
		if err != nil || got.String() != want {
			t.Errorf("%q: %s, %v; want %s", text, got, err, want)
		}
	}
}

func TestParsePathRefusals(t *testing.T) {
	r := Definitions()
	for text, want := range map[string]string{
		"/temprature":                      `no object is called "temprature"; near: temperature (3303)`,
		"/temprature/x/value":              `no object is called "temprature"; near: temperature (3303)`,
		"/temperature/0/valu":              `no resource of object 3303 (Temperature) is called "valu"; near: sensor-value (5700), `,
		"/temperature/0/min":               "\"min\" may be more than one resource of object 3303 (Temperature): min-measured-value (5601), min-range-value (5603)",
		"/temperature/0/value/x":           `"x" is no identifier`,
		"/temperature/0/value/1/2":         "more than four identifiers",
		"/temperature/x":                   `instance "x" is not a number`,
		"/temperature/65535":               `"65535" is no identifier`,
		"/65535/0/value":                   "is not known",
		"/17/0/value":                      "object 17 is not known, so its resources have no names",
		"/-":                               `no object is called "-"`,
		"/-/x":                             `no object is called "-"`,
		"/zzzzzzzzzzzz":                    `no object is called "zzzzzzzzzzzz"`,
		"//0":                              "neither identifier nor prefix",
		"/" + strings.Repeat("a", maxPath): "are too many",
	} {
		got, err := r.ParsePath(text)
		if err == nil || !errors.Is(err, lwm2m.ErrPath) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %s, %v; want %s", text, got, err, want)
		}
	}
}

func TestPathName(t *testing.T) {
	r := Definitions()
	for path, want := range map[string]string{
		"/": "/", "/3303": "/temperature", "/3303/0": "/temperature/0", "/3303/0/5700": "/temperature/0/sensor-value",
		"/3/0/11/1": "/device/0/error-code/1", "/17/0/1": "/17/0/1", "/3303/0/9": "/temperature/0/9",
		"/dev1/3303/0": "/dev1/temperature/0", "/3336/0": "/location-3336/0", "/26300/0/1": "/water-meter/0/volume",
	} {
		if got := r.PathName(lwm2m.MustPath(path), meter); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

func FuzzParsePath(f *testing.F) {
	for _, seed := range []string{"/", "/temperature/0/value", "/dev1/3/0", "//", "/-/-", "/3303/0/5700/1", "/ö/1/ä", "/temperature/0/value/"} {
		f.Add(seed)
	}
	r := Definitions()
	f.Fuzz(func(t *testing.T, s string) {
		p, err := r.ParsePath(s)
		if err != nil {
			if !errors.Is(err, lwm2m.ErrPath) {
				t.Errorf("%q: %v does not wrap ErrPath", s, err)
			}
			return
		}
		if p.IsRoot() {
			return
		}
		if back, err := r.ParsePath(r.PathName(p)); err != nil || back != p && p.Prefix() == "" {
			t.Errorf("%q is %s, called %s, which is %s, %v", s, p, r.PathName(p), back, err)
		}
	})
}
