package model

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/lwm2m"
)

func TestParseRange(t *testing.T) {
	for text, want := range map[string]string{
		"0..255": "0..255", "-5..5.5": "-5..5.5", "0..100 /100": "0..100", "16,32,48": "16,32,48",
		"": "", "6": "", "binding list": "", "9..1": "", "a..b": "", "1,x": "",
	} {
		if got := ParseRange(text).String(); got != want {
			t.Errorf("ParseRange(%q) = %q, want %q", text, got, want)
		}
	}
	if r := ParseRange("1..3"); r.Contains(lwm2m.String("")) || !r.Contains(lwm2m.String("äöü")) || r.Contains(lwm2m.Opaque(make([]byte, 4))) {
		t.Error("a range limits the length of strings in characters and of opaque values in bytes")
	}
}

func TestAttributes(t *testing.T) {
	var a Attributes
	if err := a.Apply([]string{"pmin=10", "gt=50.5", "lt=-3"}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"pmin=10", "gt=50.5", "lt=-3"}, a.Queries()); d != "" {
		t.Error(d)
	}
	if err := a.Apply([]string{"pmin", "pmax=60"}); err != nil {
		t.Fatal(err)
	}
	above := Attributes{}
	above.Set(Pmin, 1)
	above.Set(Pmax, 5)
	a.Inherit(&above)
	if d := cmp.Diff([]string{"pmin=1", "pmax=60", "gt=50.5", "lt=-3"}, a.Queries()); d != "" {
		t.Error(d)
	}
	before := a
	for _, q := range []string{"foo=1", "pmin=-1", "pmin=x", "pmin=1.5", "pmax=NaN", "gt=Inf", "pmin=0x1p4", "gt=0x_1p0", "st=-1", "con=2", "=", ""} {
		mustCode(t, lwm2m.BadRequest, a.Apply([]string{"pmin=3", q}))
	}
	if a != before {
		t.Error("a refused Write-Attributes changed something")
	}
}

func TestAttributesValidate(t *testing.T) {
	for _, c := range []struct {
		queries []string
		level   lwm2m.Level
		typ     lwm2m.Type
		ok      bool
	}{
		{[]string{"pmin=1", "pmax=0"}, lwm2m.LevelObject, lwm2m.TypeNone, true},
		{[]string{"pmin=10", "pmax=5"}, lwm2m.LevelResource, lwm2m.TypeFloat, true}, // pmax is ignored, not refused
		{[]string{"gt=1"}, lwm2m.LevelInstance, lwm2m.TypeNone, false},
		{[]string{"gt=1"}, lwm2m.LevelResource, lwm2m.TypeString, false},
		{[]string{"gt=1", "lt=1"}, lwm2m.LevelResource, lwm2m.TypeFloat, false},
		{[]string{"gt=10", "lt=0", "st=5"}, lwm2m.LevelResource, lwm2m.TypeFloat, false},
		{[]string{"gt=10", "lt=0", "st=4.9"}, lwm2m.LevelResourceInstance, lwm2m.TypeInteger, true},
		{[]string{"edge=1"}, lwm2m.LevelResource, lwm2m.TypeBoolean, true},
		{[]string{"edge=1"}, lwm2m.LevelResource, lwm2m.TypeInteger, false},
		{[]string{"epmin=5", "epmax=5"}, lwm2m.LevelResource, lwm2m.TypeInteger, false},
		{[]string{"pmin=1"}, lwm2m.LevelRoot, lwm2m.TypeNone, false},
	} {
		var a Attributes
		if err := a.Apply(c.queries); err != nil {
			t.Fatal(err)
		}
		if err := a.Validate(c.level, c.typ); (err == nil) != c.ok {
			t.Errorf("%v at %v %v: %v, want ok=%v", c.queries, c.level, c.typ, err, c.ok)
		}
	}
}
