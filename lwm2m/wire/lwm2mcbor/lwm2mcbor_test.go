package lwm2mcbor_test

import (
	"bytes"
	"math"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/wiretest"
	"lwm2m-agent/lwm2m/wire/lwm2mcbor"
)

// diff is wiretest.Diff for nodes of which there may be none.
func diff(want, got []lwm2m.Node) string {
	if len(want)+len(got) == 0 {
		return ""
	}
	return wiretest.Diff(want, got)
}

// examples are payloads as this package writes them, one for each boundary of the
// format.
var examples = []struct {
	name  string
	base  string
	hex   string
	nodes []lwm2m.Node
}{
	{
		"device", "/3/0", `a1 03 a1 00 ad 00 74` + wiretest.Hex("Open Mobile Alliance") + `01 76` + wiretest.Hex("Lightweight M2M Client") +
			`02 69` + wiretest.Hex("345000123") + `03 63` + wiretest.Hex("1.0") + `06 a2 00 01 01 05 07 a2 00 190ed8 01 191388
			08 a2 00 187d 01 190384 09 1864 0a 0f 0b a1 00 00 0d 1a5182428f 0e 66` + wiretest.Hex("+02:00") + `10 61 55`,
		wiretest.Device(),
	},
	{
		"a server, with the values of the example in section 7.4.4.4", "/1",
		`a1 01 a1 00 a7 00 1865 01 1a00015180 02 19012c 03 191770 05 1a00015180 06 f5 07 61 55`, wiretest.Nodes(
			"/1/0/0", lwm2m.Integer(101), "/1/0/1", lwm2m.Integer(86400), "/1/0/2", lwm2m.Integer(300), "/1/0/3", lwm2m.Integer(6000),
			"/1/0/5", lwm2m.Integer(86400), "/1/0/6", lwm2m.Boolean(true), "/1/0/7", lwm2m.String("U")),
	},
	{"single resource", "/3/0/9", `a1 03 a1 00 a1 09 1864`, wiretest.Nodes("/3/0/9", lwm2m.Integer(100))},
	{"single resource, asked for by its instance", "/3/0", `a1 03 a1 00 a1 09 1864`, wiretest.Nodes("/3/0/9", lwm2m.Integer(100))},
	{"single resource behind a prefix", "/dev1/3/0/9", `a1 03 a1 00 a1 09 1864`, wiretest.Nodes("/dev1/3/0/9", lwm2m.Integer(100))},
	{"multiple resource", "/3/0/6", `a1 03 a1 00 a1 06 a2 00 01 01 05`, wiretest.Nodes("/3/0/6/0", lwm2m.Integer(1), "/3/0/6/1", lwm2m.Integer(5))},
	{"resource instance", "/3/0/6/1", `a1 03 a1 00 a1 06 a1 01 05`, wiretest.Nodes("/3/0/6/1", lwm2m.Integer(5))},
	{
		"object of two instances", "/2", `a1 02 a2 00 a3 00 01 02 a1 18 7f 07 03 18 7f 01 a1 00 03`, wiretest.Nodes(
			"/2/0/0", lwm2m.Integer(1), "/2/0/2/127", lwm2m.Integer(7), "/2/0/3", lwm2m.Integer(127), "/2/1/0", lwm2m.Integer(3)),
	},
	{
		"two objects", "/", `a2 02 a1 00 a1 00 01 03 a1 00 a2 09 1864 0a 0f`,
		wiretest.Nodes("/2/0/0", lwm2m.Integer(1), "/3/0/9", lwm2m.Integer(100), "/3/0/10", lwm2m.Integer(15)),
	},
	{
		"a multiple resource between two of the same instance numbers", "/3/0", `a1 03 a1 00 a3 06 a1 00 01 07 a1 00 02 08 a1 00 03`,
		wiretest.Nodes("/3/0/6/0", lwm2m.Integer(1), "/3/0/7/0", lwm2m.Integer(2), "/3/0/8/0", lwm2m.Integer(3)),
	},
	{
		"identifiers at the ends of their forms", "/3442/0/1120",
		`a1 19 0d72 a1 00 a1 19 0460 a8 00 01 17 02 1818 03 18ff 04 190100 05 197fff 06 198000 07 19fffe 08`, wiretest.Nodes(
			"/3442/0/1120/0", lwm2m.Integer(1), "/3442/0/1120/23", lwm2m.Integer(2), "/3442/0/1120/24", lwm2m.Integer(3),
			"/3442/0/1120/255", lwm2m.Integer(4), "/3442/0/1120/256", lwm2m.Integer(5), "/3442/0/1120/32767", lwm2m.Integer(6),
			"/3442/0/1120/32768", lwm2m.Integer(7), "/3442/0/1120/65534", lwm2m.Integer(8)),
	},
	{
		"identifiers of every form at every level", "/", `a3 17 a1 1818 a1 18ff a1 190100 01 18ff a1 190100 a1 19fffe a1 17 02
			19fffe a1 17 a1 1818 a1 18ff 03`,
		wiretest.Nodes("/23/24/255/256", lwm2m.Integer(1), "/255/256/65534/23", lwm2m.Integer(2), "/65534/23/24/255", lwm2m.Integer(3)),
	},
	{
		"every type", "/3442/0", `a1 19 0d72 a1 00 a9 18 6e 62` + wiretest.Hex("ab") + `18 78 3a 00010000 18 7d 1b ffffffffffffffff
			18 82 fb 4036666666666666 18 8c f5 18 96 42 fbff 18 a0 1a 5182428f 18 aa 64` + wiretest.Hex("66:0") + `18 b4 64` + wiretest.Hex("</3>"),
		wiretest.Nodes(
			"/3442/0/110", lwm2m.String("ab"), "/3442/0/120", lwm2m.Integer(-65537), "/3442/0/125", lwm2m.Unsigned(1<<64-1),
			"/3442/0/130", lwm2m.Float(22.4), "/3442/0/140", lwm2m.Boolean(true), "/3442/0/150", lwm2m.Opaque([]byte{0xFB, 0xFF}),
			"/3442/0/160", lwm2m.UnixTime(1367491215), "/3442/0/170", lwm2m.Objlnk(66, 0), "/3442/0/180", lwm2m.Corelnk("</3>")),
	},
	{"multiple resource without instances", "/3/0/6", `a1 03 a1 00 a1 06 a0`, wiretest.Nodes("/3/0/6", nil)},
	{"the same among others", "/3/0", `a1 03 a1 00 a3 06 a0 07 a1 00 01 09 1864`, wiretest.Nodes("/3/0/6", nil, "/3/0/7/0", lwm2m.Integer(1), "/3/0/9", lwm2m.Integer(100))},
	{"instance without resources", "/3442/0", `a1 19 0d72 a1 00 a0`, wiretest.Nodes("/3442/0", nil)},
	{
		"instances without resources around one", "/3442", `a1 19 0d72 a3 00 a0 18 ff a1 18 78 07 19 fffe a0`,
		wiretest.Nodes("/3442/0", nil, "/3442/255/120", lwm2m.Integer(7), "/3442/65534", nil),
	},
	{"object without instances", "/3442", `a0`, nil},
	{"nothing", "/", `a0`, nil},
}

func TestExamples(t *testing.T) {
	t.Parallel()
	for _, test := range examples {
		base, data := lwm2m.MustPath(test.base), wiretest.Unhex(t, test.hex)
		got, err := lwm2mcbor.Append([]byte{0xAA}, base, test.nodes)
		if err != nil || !bytes.Equal(got[1:], data) || got[0] != 0xAA {
			t.Errorf("%s: written as %x, %v\nwant %x", test.name, got, err, data)
		}
		nodes, err := lwm2mcbor.Decode(data, base, wiretest.Shapes)
		if diff := diff(test.nodes, nodes); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", test.name, err, diff)
		}
		for n := range data {
			if got, err := lwm2mcbor.Decode(data[:n], base, wiretest.Shapes); err == nil || lwm2m.CodeOf(err) != lwm2m.BadRequest || got != nil {
				t.Errorf("%s: cut to %d bytes: %v, %v", test.name, n, got, err)
			}
		}
		if got, err := lwm2mcbor.Decode(append(data, 0), base, wiretest.Shapes); err == nil || got != nil {
			t.Errorf("%s and a byte more: %v, %v", test.name, got, err)
		}
	}
}

// Whatever a Read of an object, an object instance or a resource answers comes back.
func TestRandomNodes(t *testing.T) {
	t.Parallel()
	wiretest.Trees(5, func(base lwm2m.Path, nodes []lwm2m.Node) {
		comesBack(t, base, nodes)
		comesBack(t, lwm2m.Path{}.WithPrefix(base.Prefix()), nodes)
		wiretest.Resources(nodes, func(p lwm2m.Path, nodes []lwm2m.Node) { comesBack(t, p, nodes) })
	})
}

// Every value of every type comes back, as a single resource and as a resource
// instance.
func TestValues(t *testing.T) {
	t.Parallel()
	wiretest.Singles(func(p lwm2m.Path, nodes []lwm2m.Node) { comesBack(t, p, nodes) })
}

func comesBack(t *testing.T, base lwm2m.Path, nodes []lwm2m.Node) {
	t.Helper()
	data, err := lwm2mcbor.Append([]byte("before"), base, nodes)
	if err != nil || !bytes.HasPrefix(data, []byte("before")) {
		t.Fatalf("write %v: %.80x, %v", base, data, err)
	}
	got, err := lwm2mcbor.Decode(data[len("before"):], base, wiretest.Shapes)
	if diff := diff(nodes, got); err != nil || diff != "" {
		t.Fatalf("%v came back different: %v\n%.2000s", base, err, diff)
	}
}

// A node without a value above others says nothing that they do not, and times are
// left out.
func TestAppendLeavesOut(t *testing.T) {
	t.Parallel()
	nodes := wiretest.Nodes("/", nil, "/3", nil, "/3/0", nil, "/3/0/6", nil, "/3/0/6/0", lwm2m.Integer(1), "/3/0/9", lwm2m.Integer(100), "/4", nil)
	nodes[4].Time = time.Unix(1e9, 0)
	got, err := lwm2mcbor.Append(nil, lwm2m.Path{}, nodes)
	if want := wiretest.Unhex(t, `a2 03 a1 00 a2 06 a1 00 01 09 1864 04 a0`); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%x, %v, want %x", got, err, want)
	}
}

func TestAppendRefuses(t *testing.T) {
	t.Parallel()
	one := lwm2m.Integer(1)
	for _, test := range []struct {
		name, base string
		nodes      []lwm2m.Node
	}{
		{"another object", "/3", wiretest.Nodes("/4/0/0", one)},
		{"a path above", "/3/0/9", wiretest.Nodes("/3/0", nil)},
		{"a gateway's device", "/", wiretest.Nodes("/dev1/3/0/9", one)},
		{"another device of the gateway", "/dev1/3/0", wiretest.Nodes("/dev2/3/0/9", one)},
		{"the own device", "/dev1/3/0", wiretest.Nodes("/3/0/9", one)},
		{"a value of everything", "/", wiretest.Nodes("/", one)},
		{"a value of an object", "/3", wiretest.Nodes("/3", one)},
		{"a value of an instance", "/3", wiretest.Nodes("/3/0", one)},
		{"a resource instance without a value", "/3", wiretest.Nodes("/3/0/6/0", nil)},
		{"equal paths", "/3", wiretest.Nodes("/3/0/9", one, "/3/0/9", one)},
		{"equal resource instances", "/3", wiretest.Nodes("/3/0/6/0", one, "/3/0/6/0", one, "/3/0/6/0", one)},
		{"equal paths without values", "/3", wiretest.Nodes("/3/0", nil, "/3/0", nil)},
		{"resources in falling order", "/3", wiretest.Nodes("/3/0/9", one, "/3/0/8", one)},
		{"an instance after its resource", "/3", wiretest.Nodes("/3/0/9", one, "/3/0", nil)},
		{"a value and more below it", "/3", wiretest.Nodes("/3/0/6", one, "/3/0/6/0", one)},
		{"no number", "/3", wiretest.Nodes("/3/0/9", one, "/3/0/10", lwm2m.Float(math.NaN()))},
		{"infinity", "/3", wiretest.Nodes("/3/0/9", one, "/3/0/10", lwm2m.Float(math.Inf(-1)))},
	} {
		dst := append(make([]byte, 0, 100), 'x')
		got, err := lwm2mcbor.Append(dst, lwm2m.MustPath(test.base), test.nodes)
		if err == nil || lwm2m.CodeOf(err) != lwm2m.InternalServerError || string(got) != "x" {
			t.Errorf("%s: %x, %v", test.name, got, err)
		}
	}
}
