package objects

import (
	"slices"
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/objects/registry"
)

func TestMainResource(t *testing.T) {
	defs := registry.Definitions()
	for oid, want := range map[uint16]uint16{
		3200: 5500, 3201: 5550, 3202: 5600, 3203: 5650, 3303: 5700, 3305: 5800, 3306: 5850, 3308: 5900, 3311: 5850, 3312: 5850,
		3313: 5702, 3314: 5702, 3332: 5705, 3333: 5506, 3336: 6051, 3337: 5536, 3341: 5527, 3342: 5500, 3343: 5548, 3345: 5500,
		3348: 5547, 3349: 5910, 3350: 5544, 3411: 1, 3424: 1,
	} {
		def, _ := defs.Object(oid)
		if got, ok := Main(def); !ok || got != want {
			t.Errorf("object %d (%s): %d, want %d", oid, def.Name, got, want)
		}
	}
}

func TestFit(t *testing.T) {
	def := func(typ lwm2m.Type) *model.ResourceDefinition {
		return &model.ResourceDefinition{ID: 1, Name: "x", Type: typ}
	}
	for _, c := range []struct {
		in   lwm2m.Value
		to   lwm2m.Type
		want string // "" for refused
	}{
		{lwm2m.Float(20.5), lwm2m.TypeInteger, "21"},
		{lwm2m.Float(-20.5), lwm2m.TypeInteger, "-21"},
		{lwm2m.Float(-1), lwm2m.TypeUnsigned, ""},
		{lwm2m.Float(1e300), lwm2m.TypeInteger, ""},
		{lwm2m.Boolean(true), lwm2m.TypeFloat, "1"},
		{lwm2m.Boolean(true), lwm2m.TypeInteger, "1"},
		{lwm2m.Boolean(false), lwm2m.TypeString, "0"},
		{lwm2m.Float(0.2), lwm2m.TypeBoolean, "1"},
		{lwm2m.Integer(0), lwm2m.TypeBoolean, "0"},
		{lwm2m.Integer(7), lwm2m.TypeFloat, "7"},
		{lwm2m.Float(1.5), lwm2m.TypeString, "1.5"},
		{lwm2m.String("on"), lwm2m.TypeBoolean, ""},
		{lwm2m.String("7"), lwm2m.TypeInteger, ""},
		{lwm2m.Opaque([]byte("x")), lwm2m.TypeString, ""},
		{lwm2m.Opaque([]byte("x")), lwm2m.TypeFloat, ""},
	} {
		got, err := fit(def(c.to), c.in)
		if (err == nil) != (c.want != "") || err == nil && (got.Type() != c.to || got.String() != c.want) {
			t.Errorf("%v %s as %v: %v %s, %v; want %q", c.in.Type(), c.in, c.to, got.Type(), got, err, c.want)
		}
	}
}

// TestEveryIPSOObject makes an instance of each object that has the time stamp
// all IPSO objects share or is one of the older ones, and feeds it.
func TestEveryIPSOObject(t *testing.T) {
	defs := registry.Definitions()
	value := map[lwm2m.Type]lwm2m.Value{
		lwm2m.TypeFloat: lwm2m.Float(1), lwm2m.TypeInteger: lwm2m.Integer(1), lwm2m.TypeBoolean: lwm2m.Boolean(true),
		lwm2m.TypeString: lwm2m.String("x"), lwm2m.TypeTime: lwm2m.UnixTime(1), lwm2m.TypeOpaque: lwm2m.Opaque([]byte("x")),
		lwm2m.TypeUnsigned: lwm2m.Unsigned(1),
	}
	served := 0
	for _, e := range defs.List() {
		if e.ID < 3200 || e.ID > 3350 && e.ID != 3411 {
			continue
		}
		f := newFixture(t)
		def, _ := defs.Object(e.ID)
		main, ok := Main(def)
		if !ok {
			t.Errorf("object %d (%s) has no main resource", e.ID, e.Name)
			continue
		}
		in := SmartInstance{Values: map[uint16]lwm2m.Value{}, Setter: &board{}, Feeds: []uint16{main}, Min: 0, Max: 2}
		for _, r := range def.Resources {
			if r.Mandatory && r.ID != main && r.Ops.Has(model.OpRead) {
				in.Values[r.ID] = value[r.Type]
			}
			if !r.Multiple && r.Ops.Has(model.OpWrite) && !slices.Contains([]uint16{5750, 5852, 5854}, r.ID) {
				in.Drives = append(in.Drives, r.ID)
			}
		}
		o := f.smart(e.ID, SmartHooks{}, in)
		f.check(o.Publish(0, o.main, good(value[def.Resource(main).Type], start)))
		if _, err := f.tree.Read(model.FromServer(1), lwm2m.NewPath(e.ID, 0), nil); err != nil {
			t.Errorf("object %d (%s): %v", e.ID, e.Name, err)
		}
		served++
	}
	if served == 0 {
		t.Error("no object was served")
	}
}
