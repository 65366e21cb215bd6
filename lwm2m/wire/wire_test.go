package wire_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire"
	"lwm2m-agent/lwm2m/wire/internal/wiretest"
)

// Every value of every type comes back from every format that can carry it, as a
// single resource and as a resource instance.
func TestEveryValueInEveryFormat(t *testing.T) {
	t.Parallel()
	for _, f := range wire.Formats() {
		for _, typ := range wiretest.Types() {
			instance := lwm2m.NewPath(wiretest.Object, 300)
			single, multiple := instance.Child(wiretest.Single(typ)), instance.Child(wiretest.Multiple(typ))
			for _, base := range []lwm2m.Path{single, multiple.Child(0), multiple.Child(256), multiple.Child(lwm2m.MaxID - 1)} {
				for _, v := range wiretest.Values(typ) {
					nodes := []lwm2m.Node{{Path: base, Value: v}}
					data, err := wire.Append(nil, f, base, nodes)
					if !wire.CanCarry(f, base.Level(), lwm2m.Shape{Type: typ}) {
						if lwm2m.CodeOf(err) != lwm2m.NotAcceptable {
							t.Errorf("%v writes %v %v: %v", f, typ, v, err)
						}
						continue
					}
					got, err2 := wire.Decode(f, data, base, wiretest.Shapes)
					if diff := wiretest.Diff(nodes, got); err != nil || err2 != nil || diff != "" {
						t.Errorf("%v of %v %.40q as %.80q: %v, %v\n%.2000s", f, typ, v, data, err, err2, diff)
					}
				}
			}
		}
	}
}

// Whatever a Read of an object, an object instance or a multiple resource answers
// comes back; SenML leaves out what is empty.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	bases := []lwm2m.Path{
		lwm2m.NewPath(wiretest.Object),
		lwm2m.NewPath(wiretest.Object, 7),
		lwm2m.NewPath(wiretest.Object, 7).WithPrefix("dev1"),
		lwm2m.NewPath(wiretest.Object).WithPrefix("dev1"),
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, f := range []lwm2m.Format{lwm2m.FormatTLV, lwm2m.FormatSenMLJSON, lwm2m.FormatSenMLCBOR, lwm2m.FormatLwM2MCBOR, lwm2m.FormatOMAJSON} {
		for i := range 60 {
			base := bases[i%len(bases)]
			nodes := wiretest.Random(r, base)
			roundTrip(t, f, base, nodes)
			if wire.CanCarry(f, lwm2m.LevelRoot, lwm2m.Shape{}) && (f != lwm2m.FormatLwM2MCBOR || base.Prefix() == "") { // it tells no prefixes
				roundTrip(t, f, lwm2m.Path{}, nodes)
			}
			for start := range nodes {
				if p := nodes[start].Path; p.Level() >= lwm2m.LevelResource {
					roundTrip(t, f, p.At(lwm2m.LevelResource), below(nodes, p.At(lwm2m.LevelResource)))
				}
			}
		}
	}
}

func below(nodes []lwm2m.Node, p lwm2m.Path) []lwm2m.Node {
	var found []lwm2m.Node
	for _, n := range nodes {
		if p.Contains(n.Path) {
			found = append(found, n)
		}
	}
	return found
}

func roundTrip(t *testing.T, f lwm2m.Format, base lwm2m.Path, nodes []lwm2m.Node) {
	t.Helper()
	data, err := wire.Append([]byte("before"), f, base, nodes)
	if err != nil || !strings.HasPrefix(string(data), "before") {
		t.Fatalf("%v: write %v: %v", f, base, err)
	}
	got, err := wire.Decode(f, data[len("before"):], base, wiretest.Shapes)
	if err != nil {
		t.Fatalf("%v: read %v: %v", f, base, err)
	}
	want := nodes
	if f != lwm2m.FormatTLV && f != lwm2m.FormatLwM2MCBOR {
		want, got = wiretest.Valued(nodes), wiretest.Valued(got)
	}
	if diff := wiretest.Diff(want, got); diff != "" {
		t.Fatalf("%v: %v came back different: %.2000s", f, base, diff)
	}
}

// A payload that is cut off is refused, or says less: never something else.
func TestTruncation(t *testing.T) {
	t.Parallel()
	for _, f := range []lwm2m.Format{lwm2m.FormatTLV, lwm2m.FormatSenMLJSON, lwm2m.FormatSenMLCBOR, lwm2m.FormatLwM2MCBOR, lwm2m.FormatOMAJSON} {
		base := lwm2m.MustPath("/3/0")
		data, err := wire.Append(nil, f, base, wiretest.Device())
		if err != nil {
			t.Fatal(err)
		}
		whole := 0
		for n := range data {
			got, err := wire.Decode(f, data[:n], base, wiretest.Shapes)
			if err != nil {
				if lwm2m.CodeOf(err) != lwm2m.BadRequest {
					t.Errorf("%v cut to %d bytes: %v", f, n, err)
				}
				continue
			}
			whole++
			if got = wiretest.Valued(got); len(got) > 0 && wiretest.Diff(wiretest.Device()[:len(got)], got) != "" {
				t.Errorf("%v cut to %d bytes: %v", f, n, got)
			}
		}
		want := 0
		if f == lwm2m.FormatTLV {
			want = 13 // the TLVs of /3/0 stand one after the other
		}
		if whole != want {
			t.Errorf("%v: %d of %d beginnings are taken for whole, want %d", f, whole, len(data), want)
		}
	}
}

func TestFormats(t *testing.T) {
	t.Parallel()
	if got := wire.Formats(); len(got) != 8 || got[0] != lwm2m.FormatSenMLCBOR {
		t.Errorf("formats %v", got)
	}
	for f, want := range map[lwm2m.Format]bool{
		lwm2m.FormatText: true, lwm2m.FormatOpaque: true, lwm2m.FormatCBOR: true, lwm2m.FormatSenMLJSON: true,
		lwm2m.FormatSenMLCBOR: true, lwm2m.FormatTLV: true, lwm2m.FormatOldText: true, lwm2m.FormatOldTLV: true,
		lwm2m.FormatLink: false, lwm2m.FormatSenMLETCHJSON: false, lwm2m.FormatOMAJSON: true, lwm2m.FormatOldJSON: true,
		lwm2m.FormatLwM2MCBOR: true, 50: false,
	} {
		if got := wire.Supported(f); got != want {
			t.Errorf("%v supported: %t", f, got)
		}
	}
}

func TestCanCarry(t *testing.T) {
	t.Parallel()
	text, bytes := lwm2m.Shape{Type: lwm2m.TypeString}, lwm2m.Shape{Type: lwm2m.TypeOpaque}
	several := lwm2m.Shape{Type: lwm2m.TypeOpaque, Multiple: true}
	for _, test := range []struct {
		format lwm2m.Format
		level  lwm2m.Level
		shape  lwm2m.Shape
		want   bool
	}{
		{lwm2m.FormatText, lwm2m.LevelResource, text, true},
		{lwm2m.FormatText, lwm2m.LevelResource, bytes, true},
		{lwm2m.FormatText, lwm2m.LevelResource, several, false},
		{lwm2m.FormatText, lwm2m.LevelResourceInstance, several, true},
		{lwm2m.FormatText, lwm2m.LevelInstance, lwm2m.Shape{}, false},
		{lwm2m.FormatOldText, lwm2m.LevelResource, text, true},
		{lwm2m.FormatCBOR, lwm2m.LevelResource, text, true},
		{lwm2m.FormatCBOR, lwm2m.LevelObject, lwm2m.Shape{}, false},
		{lwm2m.FormatOpaque, lwm2m.LevelResource, bytes, true},
		{lwm2m.FormatOpaque, lwm2m.LevelResource, lwm2m.Shape{}, true},
		{lwm2m.FormatOpaque, lwm2m.LevelResource, text, false},
		{lwm2m.FormatOpaque, lwm2m.LevelResource, several, false},
		{lwm2m.FormatOpaque, lwm2m.LevelResourceInstance, several, true},
		{lwm2m.FormatTLV, lwm2m.LevelRoot, lwm2m.Shape{}, false},
		{lwm2m.FormatTLV, lwm2m.LevelObject, lwm2m.Shape{}, true},
		{lwm2m.FormatOldTLV, lwm2m.LevelResource, several, true},
		{lwm2m.FormatSenMLJSON, lwm2m.LevelRoot, lwm2m.Shape{}, true},
		{lwm2m.FormatSenMLCBOR, lwm2m.LevelResourceInstance, several, true},
		{lwm2m.FormatLink, lwm2m.LevelObject, lwm2m.Shape{}, false},
		{lwm2m.FormatOMAJSON, lwm2m.LevelObject, lwm2m.Shape{}, true},
		{lwm2m.FormatOMAJSON, lwm2m.LevelRoot, lwm2m.Shape{}, false},
	} {
		if got := wire.CanCarry(test.format, test.level, test.shape); got != test.want {
			t.Errorf("%v carries %v of %v: %t", test.format, test.level, test.shape, got)
		}
	}
}

func TestAppendRefuses(t *testing.T) {
	t.Parallel()
	one, zero := lwm2m.Integer(1), lwm2m.Value{}
	for _, test := range []struct {
		what   string
		format lwm2m.Format
		base   string
		nodes  []lwm2m.Node
		want   lwm2m.Code
	}{
		{"an unknown format", 50, "/3/0/9", wiretest.Nodes("/3/0/9", one), lwm2m.NotAcceptable},
		{"a format of lists of paths", lwm2m.FormatSenMLETCHJSON, "/3/0/9", wiretest.Nodes("/3/0/9", one), lwm2m.NotAcceptable},
		{"text of an instance", lwm2m.FormatText, "/3/0", wiretest.Device(), lwm2m.NotAcceptable},
		{"text of an instance of one resource", lwm2m.FormatText, "/3/0", wiretest.Nodes("/3/0/9", one), lwm2m.NotAcceptable},
		{"text of no value", lwm2m.FormatText, "/3/0/6", wiretest.Nodes("/3/0/6", zero), lwm2m.NotAcceptable},
		{"CBOR of several instances", lwm2m.FormatCBOR, "/3/0/6", wiretest.Nodes("/3/0/6/0", one, "/3/0/6/1", one), lwm2m.NotAcceptable},
		{"opaque of a number", lwm2m.FormatOpaque, "/3/0/9", wiretest.Nodes("/3/0/9", one), lwm2m.NotAcceptable},
		{"TLV of the root", lwm2m.FormatTLV, "/", wiretest.Nodes("/3/0/9", one), lwm2m.NotAcceptable},
		{"TLV of a time series", lwm2m.FormatTLV, "/3/0/9", wiretest.Nodes("/3/0/9", one, "/3/0/9", one), lwm2m.NotAcceptable},
		{"TLV out of order", lwm2m.FormatTLV, "/3/0", wiretest.Nodes("/3/0/9", one, "/3/0/8/0", one), lwm2m.InternalServerError},
		{"TLV of another object", lwm2m.FormatTLV, "/3/0", wiretest.Nodes("/4/0/9", one), lwm2m.InternalServerError},
		{"TLV of a value and instances", lwm2m.FormatTLV, "/3/0", wiretest.Nodes("/3/0/6", one, "/3/0/6/0", one), lwm2m.InternalServerError},
		{"TLV of an instance's value", lwm2m.FormatTLV, "/3", wiretest.Nodes("/3/0", one), lwm2m.InternalServerError},
		{"TLV of a resource instance without value", lwm2m.FormatTLV, "/3/0", wiretest.Nodes("/3/0/6/0", zero), lwm2m.InternalServerError},
		{"SenML of another object", lwm2m.FormatSenMLJSON, "/3/0", wiretest.Nodes("/4/0/9", one), lwm2m.InternalServerError},
		{"SenML of another device", lwm2m.FormatSenMLCBOR, "/3", wiretest.Nodes("/dev1/3/0/9", one), lwm2m.InternalServerError},
		{"SenML of an instance's value", lwm2m.FormatSenMLCBOR, "/3", wiretest.Nodes("/3/0", one), lwm2m.InternalServerError},
		{"SenML of a value and instances", lwm2m.FormatSenMLJSON, "/3/0/6", wiretest.Nodes("/3/0/6", one, "/3/0/6/0", one), lwm2m.InternalServerError},
	} {
		got, err := wire.Append([]byte("before"), test.format, lwm2m.MustPath(test.base), test.nodes)
		if err == nil || lwm2m.CodeOf(err) != test.want || string(got) != "before" {
			t.Errorf("%s: %q, %v, want %v", test.what, got, err, test.want)
		}
	}
}

// No format carries a float that is no number (Core, appendix C).
func TestNoNumber(t *testing.T) {
	t.Parallel()
	base := lwm2m.MustPath("/3303/0/5700")
	for _, f := range []lwm2m.Format{
		lwm2m.FormatText, lwm2m.FormatCBOR, lwm2m.FormatTLV, lwm2m.FormatSenMLJSON, lwm2m.FormatSenMLCBOR, lwm2m.FormatLwM2MCBOR,
		lwm2m.FormatOMAJSON,
	} {
		for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			got, err := wire.Append([]byte("before"), f, base, []lwm2m.Node{{Path: base, Value: lwm2m.Float(v)}})
			if err == nil || lwm2m.CodeOf(err) != lwm2m.InternalServerError || string(got) != "before" {
				t.Errorf("%v writes %v: %q, %v", f, v, got, err)
			}
		}
	}
	for _, test := range []struct {
		format lwm2m.Format
		data   string
	}{
		{lwm2m.FormatText, "NaN"},
		{lwm2m.FormatText, "Inf"},
		{lwm2m.FormatCBOR, "\xf9\x7e\x00"},
		{lwm2m.FormatCBOR, "\xfa\x7f\x80\x00\x00"},
		{lwm2m.FormatTLV, "\xe4\x16\x44\x7f\xc0\x00\x00"},
		{lwm2m.FormatTLV, "\xe8\x16\x44\x08\xff\xf0\x00\x00\x00\x00\x00\x00"},
		{lwm2m.FormatSenMLJSON, `[{"n":"/3303/0/5700","v":NaN}]`},
		{lwm2m.FormatSenMLJSON, `[{"n":"/3303/0/5700","v":1e400}]`},
		{lwm2m.FormatSenMLCBOR, "\x81\xa2\x00\x6c/3303/0/5700\x02\xf9\x7e\x00"},
	} {
		for _, shapes := range []lwm2m.Shapes{nil, wiretest.Shapes} {
			if shapes == nil && (test.format == lwm2m.FormatText || test.format == lwm2m.FormatTLV) {
				continue // text and bytes then
			}
			got, err := wire.Decode(test.format, []byte(test.data), base, shapes)
			if err == nil || lwm2m.CodeOf(err) != lwm2m.BadRequest {
				t.Errorf("%v reads %q: %v, %v", test.format, test.data, got, err)
			}
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		what   string
		format lwm2m.Format
		base   string
		data   string
		want   lwm2m.Code
	}{
		{"an unknown format", 50, "/3/0/9", "1", lwm2m.UnsupportedContentFormat},
		{"links", lwm2m.FormatLink, "/3/0", "</3/0>", lwm2m.UnsupportedContentFormat},
		{"text of an instance", lwm2m.FormatText, "/3/0", "1", lwm2m.UnsupportedContentFormat},
		{"text of a multiple resource", lwm2m.FormatText, "/3/0/6", "1", lwm2m.UnsupportedContentFormat},
		{"bytes of a text", lwm2m.FormatOpaque, "/3/0/14", "1", lwm2m.UnsupportedContentFormat},
		{"TLV of the root", lwm2m.FormatTLV, "/", "\xc1\x00\x01", lwm2m.UnsupportedContentFormat},
		{"no number", lwm2m.FormatText, "/3/0/9", "full", lwm2m.BadRequest},
		{"no UTF-8", lwm2m.FormatText, "/3/0/14", "\xff", lwm2m.BadRequest},
		{"a text for a number", lwm2m.FormatCBOR, "/3/0/9", "\x6131", lwm2m.BadRequest},
		{"an instance of a single resource", lwm2m.FormatText, "/3/0/9/0", "1", lwm2m.BadRequest},
		{"an instance of a single resource", lwm2m.FormatTLV, "/3/0", "\x83\x09\x41\x00\x01", lwm2m.BadRequest},
		{"a single resource without value", lwm2m.FormatTLV, "/3/0", "\x80\x09", lwm2m.BadRequest},
		{"a value of a multiple resource", lwm2m.FormatTLV, "/3/0", "\xc1\x06\x01", lwm2m.BadRequest},
		{"a value of a multiple resource", lwm2m.FormatSenMLJSON, "/3/0", `[{"n":"/3/0/6","v":1}]`, lwm2m.BadRequest},
		{"a resource twice", lwm2m.FormatTLV, "/3/0", "\xc1\x09\x01\xc1\x09\x02", lwm2m.BadRequest},
		{"a resource twice", lwm2m.FormatSenMLJSON, "/3/0", `[{"bn":"/3/0/9","v":1},{"v":2}]`, lwm2m.BadRequest},
		{"a value and instances", lwm2m.FormatSenMLJSON, "/9999/0", `[{"n":"/9999/0/6","v":1},{"n":"/9999/0/6/0","v":2}]`, lwm2m.BadRequest},
		{"nothing for a single resource", lwm2m.FormatSenMLJSON, "/3/0/9", `[]`, lwm2m.BadRequest},
		{"nothing for a resource instance", lwm2m.FormatSenMLCBOR, "/3/0/6/0", "\x80", lwm2m.BadRequest},
		{"nothing for a resource instance", lwm2m.FormatTLV, "/3/0/6/0", "", lwm2m.BadRequest},
		{"links that are none", lwm2m.FormatText, "/3442/0/180", "3/0", lwm2m.BadRequest},
	} {
		got, err := wire.Decode(test.format, []byte(test.data), lwm2m.MustPath(test.base), wiretest.Shapes)
		if err == nil || lwm2m.CodeOf(err) != test.want || got != nil {
			t.Errorf("%s: %v, %v, want %v", test.what, got, err, test.want)
		}
		if _, ok := errors.AsType[*lwm2m.Error](err); !ok {
			t.Errorf("%s: %T", test.what, err)
		}
	}
}

func TestDecodeAccepts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		what   string
		format lwm2m.Format
		base   string
		data   string
		shapes lwm2m.Shapes
		want   []lwm2m.Node
	}{
		{"the old number of TLV", lwm2m.FormatOldTLV, "/3/0", "\xc1\x09\x64", wiretest.Shapes, wiretest.Nodes("/3/0/9", lwm2m.Integer(100))},
		{"the old number of text", lwm2m.FormatOldText, "/3/0/9", "100", wiretest.Shapes, wiretest.Nodes("/3/0/9", lwm2m.Integer(100))},
		{"text without a shape", lwm2m.FormatText, "/9999/0/1", "100", nil, wiretest.Nodes("/9999/0/1", lwm2m.String("100"))},
		{"bytes without a shape", lwm2m.FormatOpaque, "/9999/0/1", "100", nil, wiretest.Nodes("/9999/0/1", lwm2m.Opaque([]byte("100")))},
		{"CBOR without a shape", lwm2m.FormatCBOR, "/9999/0/1", "\x18\x64", nil, wiretest.Nodes("/9999/0/1", lwm2m.Integer(100))},
		{"TLV without a shape", lwm2m.FormatTLV, "/9999/0/1", "\xc1\x01\x64", nil, wiretest.Nodes("/9999/0/1", lwm2m.Opaque([]byte("d")))},
		{"SenML without a shape", lwm2m.FormatSenMLJSON, "/9999/0/1", `[{"bn":"/9999/0/1","v":1.5}]`, nil, wiretest.Nodes("/9999/0/1", lwm2m.Float(1.5))},
		{"nodes out of order", lwm2m.FormatTLV, "/3/0", "\xc1\x10U\xc1\x09\x64", wiretest.Shapes, wiretest.Nodes("/3/0/9", lwm2m.Integer(100), "/3/0/16", lwm2m.String("U"))},
		{"an empty instance", lwm2m.FormatTLV, "/3442/0", "", wiretest.Shapes, wiretest.Nodes("/3442/0", nil)},
		{"an empty instance", lwm2m.FormatSenMLJSON, "/3442/0", "[]", wiretest.Shapes, wiretest.Nodes("/3442/0", nil)},
		{"an empty multiple resource", lwm2m.FormatSenMLCBOR, "/3/0/6", "\x80", wiretest.Shapes, wiretest.Nodes("/3/0/6", nil)},
		{"an empty resource of unknown shape", lwm2m.FormatSenMLCBOR, "/9999/0/6", "\x80", nil, wiretest.Nodes("/9999/0/6", nil)},
		{"an object without instances", lwm2m.FormatSenMLCBOR, "/3442", "\x80", wiretest.Shapes, nil},
		{"an object without instances", lwm2m.FormatTLV, "/3442", "", wiretest.Shapes, nil},
	} {
		got, err := wire.Decode(test.format, []byte(test.data), lwm2m.MustPath(test.base), test.shapes)
		if diff := wiretest.Diff(test.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", test.what, err, diff)
		}
	}
}

func TestDecodeCreate(t *testing.T) {
	t.Parallel()
	value := lwm2m.Integer(5)
	for _, test := range []struct {
		what   string
		format lwm2m.Format
		data   string
		named  bool
		want   []lwm2m.Node
	}{
		{"TLV with two instances", lwm2m.FormatTLV, "\x03\x01\xc1\x78\x05\x03\x02\xc1\x78\x05", true, wiretest.Nodes("/3442/1/120", value, "/3442/2/120", value)},
		{"TLV with an empty instance", lwm2m.FormatTLV, "\x00\x01", true, wiretest.Nodes("/3442/1", nil)},
		{"TLV with resources", lwm2m.FormatTLV, "\xc1\x78\x05", false, wiretest.Nodes("/3442/9/120", value)},
		{"TLV with nothing", lwm2m.FormatTLV, "", false, wiretest.Nodes("/3442/9", nil)},
		{"SenML", lwm2m.FormatSenMLJSON, `[{"bn":"/3442/1/","n":"120","v":5}]`, true, wiretest.Nodes("/3442/1/120", value)},
		{"SenML with nothing", lwm2m.FormatSenMLCBOR, "\x80", false, wiretest.Nodes("/3442/9", nil)},
	} {
		got, named, err := wire.DecodeCreate(test.format, []byte(test.data), lwm2m.NewPath(3442), 9, wiretest.Shapes)
		if diff := wiretest.Diff(test.want, got); err != nil || named != test.named || diff != "" {
			t.Errorf("%s: named %t, %v\n%s", test.what, named, err, diff)
		}
	}
	for _, test := range []struct {
		what   string
		format lwm2m.Format
		object string
		data   string
		want   lwm2m.Code
	}{
		{"on an instance", lwm2m.FormatTLV, "/3442/1", "\xc1\x78\x05", lwm2m.MethodNotAllowed},
		{"in text", lwm2m.FormatText, "/3442", "5", lwm2m.UnsupportedContentFormat},
		{"in an unknown format", 50, "/3442", "5", lwm2m.UnsupportedContentFormat},
		{"of another object", lwm2m.FormatSenMLJSON, "/3442", `[{"n":"/3/0/9","v":5}]`, lwm2m.BadRequest},
		{"with instances and resources", lwm2m.FormatTLV, "/3442", "\x03\x01\xc1\x78\x05\xc1\x78\x05", lwm2m.BadRequest},
		{"with resources and instances", lwm2m.FormatTLV, "/3442", "\xc1\x78\x05\x03\x01\xc1\x78\x05", lwm2m.BadRequest},
		{"with a resource twice", lwm2m.FormatTLV, "/3442", "\xc1\x78\x05\xc1\x78\x05", lwm2m.BadRequest},
		{"with a value of a multiple resource", lwm2m.FormatTLV, "/3442", "\xe1\x04\x60\x05", lwm2m.BadRequest},
		{"cut off", lwm2m.FormatTLV, "/3442", "\xc1\x78", lwm2m.BadRequest},
	} {
		got, named, err := wire.DecodeCreate(test.format, []byte(test.data), lwm2m.MustPath(test.object), 9, wiretest.Shapes)
		if err == nil || lwm2m.CodeOf(err) != test.want || named || got != nil {
			t.Errorf("create %s: %v, %t, %v, want %v", test.what, got, named, err, test.want)
		}
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	want := []lwm2m.Path{{}, lwm2m.MustPath("/3"), lwm2m.MustPath("/dev1/3/0"), lwm2m.MustPath("/3/0/7/1"), lwm2m.MustPath("/1/0/1")}
	for _, f := range []lwm2m.Format{lwm2m.FormatSenMLJSON, lwm2m.FormatSenMLCBOR} {
		data, err := wire.AppendPaths([]byte("before"), f, want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := wire.DecodePaths(f, data[len("before"):])
		if err != nil || len(got) != len(want) {
			t.Fatalf("%v: %v, %v", f, got, err)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%v: %v, want %v", f, got[i], want[i])
			}
		}
	}
	if _, err := wire.AppendPaths(nil, lwm2m.FormatTLV, want); lwm2m.CodeOf(err) != lwm2m.UnsupportedContentFormat {
		t.Errorf("paths in TLV: %v", err)
	}
	if _, err := wire.DecodePaths(lwm2m.FormatTLV, nil); lwm2m.CodeOf(err) != lwm2m.UnsupportedContentFormat {
		t.Errorf("paths in TLV: %v", err)
	}
}

func TestResolveTimes(t *testing.T) {
	t.Parallel()
	received := time.Date(2026, 5, 2, 12, 0, 0, 0, time.UTC)
	nodes, err := wire.Decode(lwm2m.FormatSenMLJSON, []byte(
		`[{"bn":"/3303/0/5700","t":-60,"v":1},{"t":-0.5,"v":2},{"v":3},{"t":5,"v":4},{"t":1700000000,"v":5}]`),
		lwm2m.MustPath("/3303/0/5700"), wiretest.Shapes)
	if err != nil {
		t.Fatal(err)
	}
	wire.ResolveTimes(nodes, received)
	want := []time.Time{
		received.Add(-time.Minute), received.Add(-time.Second / 2), {}, received.Add(5 * time.Second), time.Unix(1700000000, 0),
	}
	for i, n := range nodes {
		if !n.Time.Equal(want[i]) || n.Value != lwm2m.Float(float64(i+1)) {
			t.Errorf("%v at %v, want %v", n.Value, n.Time, want[i])
		}
	}
}
