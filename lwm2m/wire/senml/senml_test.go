package senml_test

import (
	"bytes"
	"encoding/hex"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/wiretest"
	"lwm2m-agent/lwm2m/wire/senml"
)

func at(t time.Time, nodes []lwm2m.Node) []lwm2m.Node {
	for i := range nodes {
		nodes[i].Time = t
	}
	return nodes
}

var noon = time.Date(2026, 5, 2, 12, 0, 0, 0, time.UTC) // 1777723200

// examples are packs as this package writes them.
var examples = []struct {
	name  string
	base  string
	json  string
	cbor  string // hexadecimal
	nodes []lwm2m.Node
}{
	{
		"device", "/3/0",
		`[{"bn":"/3/0/","n":"0","vs":"Open Mobile Alliance"},{"n":"1","vs":"Lightweight M2M Client"},` +
			`{"n":"2","vs":"345000123"},{"n":"3","vs":"1.0"},{"n":"6/0","v":1},{"n":"6/1","v":5},{"n":"7/0","v":3800},` +
			`{"n":"7/1","v":5000},{"n":"8/0","v":125},{"n":"8/1","v":900},{"n":"9","v":100},{"n":"10","v":15},` +
			`{"n":"11/0","v":0},{"n":"13","v":1367491215},{"n":"14","vs":"+02:00"},{"n":"16","vs":"U"}]`,
		`90 a3 21 65` + wiretest.Hex("/3/0/") + `00 61 30 03 74` + wiretest.Hex("Open Mobile Alliance") +
			`a2 00 61 31 03 76` + wiretest.Hex("Lightweight M2M Client") + `a2 00 61 32 03 69` + wiretest.Hex("345000123") +
			`a2 00 61 33 03 63` + wiretest.Hex("1.0") + `a2 00 63` + wiretest.Hex("6/0") + `02 01 a2 00 63` + wiretest.Hex("6/1") + `02 05
			a2 00 63` + wiretest.Hex("7/0") + `02 190ed8 a2 00 63` + wiretest.Hex("7/1") + `02 191388 a2 00 63` + wiretest.Hex("8/0") + `02 187d
			a2 00 63` + wiretest.Hex("8/1") + `02 190384 a2 00 61 39 02 1864 a2 00 62` + wiretest.Hex("10") + `02 0f
			a2 00 64` + wiretest.Hex("11/0") + `02 00 a2 00 62` + wiretest.Hex("13") + `02 1a5182428f a2 00 62` + wiretest.Hex("14") +
			`03 66` + wiretest.Hex("+02:00") + `a2 00 62` + wiretest.Hex("16") + `03 61 55`,
		wiretest.Device(),
	},
	{
		"one resource", "/3303/0/5700", `[{"bn":"/3303/0/5700","v":22.4}]`,
		`81 a2 21 6c` + wiretest.Hex("/3303/0/5700") + `02 fb4036666666666666`,
		wiretest.Nodes("/3303/0/5700", lwm2m.Float(22.4)),
	},
	{
		"a multiple resource", "/3/0/7", `[{"bn":"/3/0/7/","n":"0","v":3800},{"n":"1","v":5000}]`,
		`82 a3 21 67` + wiretest.Hex("/3/0/7/") + `00 61 30 02 190ed8 a2 00 61 31 02 191388`,
		wiretest.Nodes("/3/0/7/0", lwm2m.Integer(3800), "/3/0/7/1", lwm2m.Integer(5000)),
	},
	{
		"a resource instance", "/3/0/7/1", `[{"bn":"/3/0/7/1","v":5000}]`, `81 a2 21 68` + wiretest.Hex("/3/0/7/1") + `02 191388`,
		wiretest.Nodes("/3/0/7/1", lwm2m.Integer(5000)),
	},
	{
		"an object", "/3303", `[{"bn":"/3303/","n":"0/5700","v":20},{"n":"1/5700","v":20.1}]`,
		`82 a3 21 66` + wiretest.Hex("/3303/") + `00 66` + wiretest.Hex("0/5700") + `02 fa41a00000 a2 00 66` + wiretest.Hex("1/5700") + `02 fb403419999999999a`,
		wiretest.Nodes("/3303/0/5700", lwm2m.Float(20), "/3303/1/5700", lwm2m.Float(20.1)),
	},
	{
		"the root, behind a gateway too", "/", `[{"bn":"/","n":"3/0/9","v":100},{"n":"dev1/3/0/9","v":99}]`,
		`82 a3 21 61 2f 00 65` + wiretest.Hex("3/0/9") + `02 1864 a2 00 6a` + wiretest.Hex("dev1/3/0/9") + `02 1863`,
		wiretest.Nodes("/3/0/9", lwm2m.Integer(100), "/dev1/3/0/9", lwm2m.Integer(99)),
	},
	{
		"a gateway's device", "/dev1/3/0", `[{"bn":"/dev1/3/0/","n":"9","v":99}]`,
		`81 a3 21 6a` + wiretest.Hex("/dev1/3/0/") + `00 61 39 02 1863`,
		wiretest.Nodes("/dev1/3/0/9", lwm2m.Integer(99)),
	},
	{
		"every type", "/3442/0",
		`[{"bn":"/3442/0/","n":"110","vs":"a\"b"},{"n":"120","v":-9223372036854775808},{"n":"125","v":18446744073709551615},` +
			`{"n":"130","v":-0.0},{"n":"140","vb":true},{"n":"150","vd":"-_8"},{"n":"160","v":1367491215},` +
			`{"n":"170","vlo":"3:0"},{"n":"180","vs":"</3>"}]`,
		`89 a3 21 68` + wiretest.Hex("/3442/0/") + `00 63` + wiretest.Hex("110") + `03 63` + wiretest.Hex("a\"b") +
			`a2 00 63` + wiretest.Hex("120") + `02 3b7fffffffffffffff a2 00 63` + wiretest.Hex("125") + `02 1bffffffffffffffff
			a2 00 63` + wiretest.Hex("130") + `02 fa80000000 a2 00 63` + wiretest.Hex("140") + `04 f5 a2 00 63` + wiretest.Hex("150") + `08 42 fbff
			a2 00 63` + wiretest.Hex("160") + `02 1a5182428f a2 00 63` + wiretest.Hex("170") + `63` + wiretest.Hex("vlo") + `63` + wiretest.Hex("3:0") +
			`a2 00 63` + wiretest.Hex("180") + `03 64` + wiretest.Hex("</3>"),
		wiretest.Nodes(
			"/3442/0/110", lwm2m.String("a\"b"), "/3442/0/120", lwm2m.Integer(math.MinInt64), "/3442/0/125", lwm2m.Unsigned(math.MaxUint64),
			"/3442/0/130", lwm2m.Float(math.Copysign(0, -1)), "/3442/0/140", lwm2m.Boolean(true), "/3442/0/150", lwm2m.Opaque([]byte{0xFB, 0xFF}),
			"/3442/0/160", lwm2m.UnixTime(1367491215), "/3442/0/170", lwm2m.Objlnk(3, 0), "/3442/0/180", lwm2m.Corelnk("</3>")),
	},
	{
		"values of one time", "/3303/0", `[{"bn":"/3303/0/","bt":1777723200,"n":"5601","v":1},{"n":"5700","v":2}]`,
		`82 a4 21 68` + wiretest.Hex("/3303/0/") + `22 1a69f5e740 00 64` + wiretest.Hex("5601") + `02 fa3f800000 a2 00 64` + wiretest.Hex("5700") + `02 fa40000000`,
		at(noon, wiretest.Nodes("/3303/0/5601", lwm2m.Float(1), "/3303/0/5700", lwm2m.Float(2))),
	},
	{
		"a time series", "/3303/0/5700", `[{"bn":"/3303/0/5700","t":1777723200,"v":1},{"t":1777723200.25,"v":2},{"v":3}]`,
		`83 a3 21 6c` + wiretest.Hex("/3303/0/5700") + `06 1a69f5e740 02 fa3f800000 a2 06 fb41da7d79d0100000 02 fa40000000 a1 02 fa40400000`,
		[]lwm2m.Node{
			{Path: lwm2m.MustPath("/3303/0/5700"), Value: lwm2m.Float(1), Time: noon},
			{Path: lwm2m.MustPath("/3303/0/5700"), Value: lwm2m.Float(2), Time: noon.Add(time.Second / 4)},
			{Path: lwm2m.MustPath("/3303/0/5700"), Value: lwm2m.Float(3)},
		},
	},
	{"nothing", "/3442/0", `[]`, `80`, nil},
}

func TestExamples(t *testing.T) {
	t.Parallel()
	for _, test := range examples {
		base := lwm2m.MustPath(test.base)
		got, err := senml.AppendJSON([]byte("x"), base, test.nodes)
		if diff := cmp.Diff("x"+test.json, string(got)); err != nil || diff != "" {
			t.Errorf("%s: written in JSON: %v\n%s", test.name, err, diff)
		}
		nodes, err := senml.DecodeJSON([]byte(test.json), base, wiretest.Shapes)
		if diff := wiretest.Diff(test.nodes, nodes); err != nil || diff != "" {
			t.Errorf("%s: read from JSON: %v\n%s", test.name, err, diff)
		}
		data := wiretest.Unhex(t, test.cbor)
		got, err = senml.AppendCBOR([]byte("x"), base, test.nodes)
		if err != nil || !bytes.Equal(got[1:], data) || got[0] != 'x' {
			t.Errorf("%s: written in CBOR: %v\n got %x\nwant   %x", test.name, err, got, data)
		}
		nodes, err = senml.DecodeCBOR(data, base, wiretest.Shapes)
		if diff := wiretest.Diff(test.nodes, nodes); err != nil || diff != "" {
			t.Errorf("%s: read from CBOR: %v\n%s", test.name, err, diff)
		}
		for n := range data {
			if got, err := senml.DecodeCBOR(data[:n], base, wiretest.Shapes); lwm2m.CodeOf(err) != lwm2m.BadRequest || got != nil {
				t.Errorf("%s: CBOR cut to %d bytes: %v, %v", test.name, n, got, err)
			}
		}
		for n := range test.json {
			if got, err := senml.DecodeJSON([]byte(test.json[:n]), base, wiretest.Shapes); lwm2m.CodeOf(err) != lwm2m.BadRequest || got != nil {
				t.Errorf("%s: JSON cut to %d bytes: %v, %v", test.name, n, got, err)
			}
		}
	}
}

// What has no value is left out; the base is what the others need.
func TestAppendLeavesOutWhatIsEmpty(t *testing.T) {
	t.Parallel()
	nodes := wiretest.Nodes("/3442/0", nil, "/3442/1/1110", nil, "/3442/2/110", lwm2m.String("a"), "/3442/3", nil)
	got, err := senml.AppendJSON(nil, lwm2m.NewPath(3442), nodes)
	if want := `[{"bn":"/3442/","n":"2/110","vs":"a"}]`; err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
	cbor, err := senml.AppendCBOR(nil, lwm2m.NewPath(3442), nodes)
	if want := `81a32167` + wiretest.Hex("/3442/") + `0065` + wiretest.Hex("2/110") + `036161`; err != nil || hex.EncodeToString(cbor) != strings.Replace(want, "2167", "2166", 1) {
		t.Errorf("%x, %v", cbor, err)
	}
}

// Times that SenML cannot tell are left out.
func TestAppendTimes(t *testing.T) {
	t.Parallel()
	p := lwm2m.MustPath("/3303/0/5700")
	for _, test := range []struct {
		time time.Time
		want string
	}{
		{time.Time{}, ``},
		{time.Unix(0, 0), ``},
		{time.Unix(1<<28-1, 0), ``},
		{time.Unix(1<<28, 0), `"bt":268435456,`},
		{time.Unix(1<<28, 999_999), `"bt":268435456,`},
		{time.Unix(1<<28, 1_999_999), `"bt":268435456.001,`},
		{time.Unix(1<<28, 120_000_000), `"bt":268435456.12,`},
		{time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), `"bt":253402300799,`},
		{time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), ``},
	} {
		got, err := senml.AppendJSON(nil, p, []lwm2m.Node{{Path: p, Value: lwm2m.Integer(1), Time: test.time}})
		if want := `[{"bn":"/3303/0/5700",` + test.want + `"v":1}]`; err != nil || string(got) != want {
			t.Errorf("%v: %s, %v", test.time, got, err)
		}
	}
}

// What other implementations write.
func TestDecodeAccepts(t *testing.T) {
	t.Parallel()
	value := wiretest.Nodes("/3/0/9", lwm2m.Integer(100))
	for _, test := range []struct {
		name, base, json string
		want             []lwm2m.Node
	}{
		{"white space", "/3/0", " [\n{ \"bn\" : \"/3/0/\" ,\t\"n\":\"9\" , \"v\" : 100 } ]\r\n", value},
		{"full names", "/3/0", `[{"n":"/3/0/9","v":100}]`, value},
		{"names without the first slash", "/3/0", `[{"n":"3/0/9","v":100}]`, value},
		{"a base name for each record", "/3/0", `[{"bn":"/3/0/9","v":100},{"bn":"/3/0/10","v":1}]`, wiretest.Nodes("/3/0/9", lwm2m.Integer(100), "/3/0/10", lwm2m.Integer(1))},
		{"a base name without slash at its end", "/3/0", `[{"bn":"/3/0","n":"/9","v":100}]`, value},
		{"a base name in the middle of a number", "/3/0", `[{"bn":"/3/0/1","n":"0","v":1},{"n":"3","v":5}]`, wiretest.Nodes("/3/0/10", lwm2m.Integer(1), "/3/0/13", lwm2m.UnixTime(5))},
		{"an empty base name", "/3/0", `[{"bn":"","n":"/3/0/9","v":100}]`, value},
		{"a record of base fields only", "/3/0", `[{"bn":"/3/0/","bt":0,"bver":10},{"n":"9","v":100}]`, value},
		{"fields in any order", "/3/0", `[{"v":100,"n":"9","bn":"/3/0/"}]`, value},
		{"an escaped name", "/3/0", `[{"n":"\/3\u002f0/9","v":100}]`, value},
		{"units and update times", "/3/0", `[{"bn":"/3/0/","bu":"%","n":"9","u":"%","v":100,"ut":5}]`, value},
		{"unknown fields", "/3/0", `[{"n":"/3/0/9","v":100,"x":{"y":[1,"2",null,true]},"z":-1e5}]`, value},
		{"an integer with a fraction of nothing", "/3/0", `[{"n":"/3/0/9","v":100.0}]`, value},
		{"an integer with an exponent", "/3/0", `[{"n":"/3/0/9","v":1e2}]`, value},
		{"an integer beyond 2^53", "/3/0", `[{"n":"/3/0/9","v":9007199254740993}]`, wiretest.Nodes("/3/0/9", lwm2m.Integer(9007199254740993))},
		{"the same with an exponent", "/3/0", `[{"n":"/3/0/9","v":9.007199254740993e15}]`, wiretest.Nodes("/3/0/9", lwm2m.Integer(9007199254740993))},
		{"an integer for a float", "/3303/0", `[{"n":"/3303/0/5700","v":20}]`, wiretest.Nodes("/3303/0/5700", lwm2m.Float(20))},
		{"a long integer for a float", "/3303/0", `[{"n":"/3303/0/5700","v":100000000000000000000000}]`, wiretest.Nodes("/3303/0/5700", lwm2m.Float(1e23))},
		{"a link in vs", "/3442/0", `[{"n":"/3442/0/170","vs":"3:0"}]`, wiretest.Nodes("/3442/0/170", lwm2m.Objlnk(3, 0))},
		{"a date in vs", "/3/0", `[{"n":"/3/0/13","vs":"2013-05-02T10:40:15Z"}]`, wiretest.Nodes("/3/0/13", lwm2m.UnixTime(1367491215))},
		{"padded data", "/3442/0", `[{"n":"/3442/0/150","vd":"-w=="}]`, wiretest.Nodes("/3442/0/150", lwm2m.Opaque([]byte{0xFB}))},
		{"data in the common alphabet", "/3442/0", `[{"n":"/3442/0/150","vd":"+/8="}]`, wiretest.Nodes("/3442/0/150", lwm2m.Opaque([]byte{0xFB, 0xFF}))},
		{"no data", "/3442/0", `[{"n":"/3442/0/150","vd":""}]`, wiretest.Nodes("/3442/0/150", lwm2m.Opaque(nil))},
		{"a number for a boolean", "/3442/0", `[{"n":"/3442/0/140","v":1}]`, wiretest.Nodes("/3442/0/140", lwm2m.Boolean(true))},
		{"unknown resources", "/9999/0", `[{"bn":"/9999/0/","n":"0","v":1},{"n":"1","v":1.5},{"n":"2","vlo":"3:0"},{"n":"3","v":18446744073709551615}]`, wiretest.Nodes(
			"/9999/0/0", lwm2m.Integer(1), "/9999/0/1", lwm2m.Float(1.5), "/9999/0/2", lwm2m.Objlnk(3, 0), "/9999/0/3", lwm2m.Unsigned(math.MaxUint64))},
		{"a base time and times", "/3303/0/5700", `[{"bn":"/3303/0/5700","bt":1777723100.5,"t":99.5,"v":1},{"t":-5,"v":2},{"bt":1777723200,"v":3},{"bt":0,"t":0,"v":4}]`, []lwm2m.Node{
			{Path: lwm2m.MustPath("/3303/0/5700"), Value: lwm2m.Float(1), Time: noon},
			{Path: lwm2m.MustPath("/3303/0/5700"), Value: lwm2m.Float(2), Time: time.UnixMilli(1777723095500)},
			{Path: lwm2m.MustPath("/3303/0/5700"), Value: lwm2m.Float(3), Time: noon},
			{Path: lwm2m.MustPath("/3303/0/5700"), Value: lwm2m.Float(4)},
		}},
	} {
		got, err := senml.DecodeJSON([]byte(test.json), lwm2m.MustPath(test.base), wiretest.Shapes)
		if diff := wiretest.Diff(test.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", test.name, err, diff)
		}
	}
	for _, test := range []struct {
		name, base, cbor string
		want             []lwm2m.Node
	}{
		{"indefinite lengths", "/3/0", `9f bf 21 7f 63` + wiretest.Hex("/3/") + `62` + wiretest.Hex("0/") + `ff 00 61 39 02 1864 ff ff`, value},
		{"numbers in longer forms", "/3/0", `98 01 b8 02 18 00 66` + wiretest.Hex("/3/0/9") + `18 02 1b0000000000000064`, value},
		{"a float of half precision", "/3303/0", `81 a2 00 6c` + wiretest.Hex("/3303/0/5700") + `02 f94d00`, wiretest.Nodes("/3303/0/5700", lwm2m.Float(20))},
		{"an integer for a float", "/3303/0", `81 a2 00 6c` + wiretest.Hex("/3303/0/5700") + `02 14`, wiretest.Nodes("/3303/0/5700", lwm2m.Float(20))},
		{"a decimal fraction", "/3303/0", `81 a2 00 6c` + wiretest.Hex("/3303/0/5700") + `02 c48220 18c9`, wiretest.Nodes("/3303/0/5700", lwm2m.Float(20.1))},
		{"a tagged time", "/3/0", `81 a2 00 67` + wiretest.Hex("/3/0/13") + `02 c11a5182428f`, wiretest.Nodes("/3/0/13", lwm2m.UnixTime(1367491215))},
		{"a base time as decimal fraction", "/3/0", `81 a3 21 66` + wiretest.Hex("/3/0/9") + `22 c482 22 1b 0000019de88f52fa 02 1864`, []lwm2m.Node{
			{Path: lwm2m.MustPath("/3/0/9"), Value: lwm2m.Integer(100), Time: noon.Add(250 * time.Millisecond)},
		}},
		{"a link in vs", "/3442/0", `81 a2 00 6b` + wiretest.Hex("/3442/0/170") + `03 63` + wiretest.Hex("3:0"), wiretest.Nodes("/3442/0/170", lwm2m.Objlnk(3, 0))},
		{"unknown labels", "/3/0", `81 a5 00 66` + wiretest.Hex("/3/0/9") + `02 1864 63` + wiretest.Hex("foo") + `82 01 a1 02 f6 18 63 d82a 00 3903e7 f93c00`, value},
		{"units", "/3/0", `81 a4 00 66` + wiretest.Hex("/3/0/9") + `02 1864 01 61 25 23 61 25`, value},
	} {
		got, err := senml.DecodeCBOR(wiretest.Unhex(t, test.cbor), lwm2m.MustPath(test.base), wiretest.Shapes)
		if diff := wiretest.Diff(test.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", test.name, err, diff)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, base, json string }{
		{"nothing", "/3/0", ``},
		{"an object", "/3/0", `{"n":"/3/0/9","v":100}`},
		{"a number", "/3/0", `[1]`},
		{"nested arrays", "/3/0", `[[{"n":"/3/0/9","v":100}]]`},
		{"text after the pack", "/3/0", `[{"n":"/3/0/9","v":100}]x`},
		{"a second pack", "/3/0", `[{"n":"/3/0/9","v":100}][]`},
		{"an empty record", "/3/0", `[{}]`},
		{"a record without value", "/3/0", `[{"n":"/3/0/9"}]`},
		{"a record with a unit only", "/3/0", `[{"u":"%"}]`},
		{"a record with a time only", "/3/0", `[{"bn":"/3/0/9","t":5}]`},
		{"two values", "/3/0", `[{"n":"/3/0/9","v":100,"vs":"a"}]`},
		{"a value twice", "/3/0", `[{"n":"/3/0/9","v":100,"v":100}]`},
		{"a name twice", "/3/0", `[{"n":"/3/0/9","v":100,"n":"/3/0/9"}]`},
		{"a value without name", "/3/0", `[{"v":100}]`},
		{"a name of an instance", "/3/0", `[{"n":"/3/0","v":100}]`},
		{"a name that is no path", "/3/0", `[{"n":"/3/0/x","v":100}]`},
		{"a name too deep", "/3/0", `[{"n":"/3/0/9/0/0","v":100}]`},
		{"a name of another instance", "/3/0", `[{"n":"/3/1/9","v":100}]`},
		{"a name of another device", "/3/0", `[{"n":"/dev1/3/0/9","v":100}]`},
		{"a name with a base name and its own", "/3/0", `[{"bn":"/3/0/","n":"/3/0/9","v":100}]`},
		{"the reserved identifier", "/3/0", `[{"n":"/3/0/65535","v":100}]`},
		{"a name that is a number", "/3/0", `[{"n":9,"v":100}]`},
		{"a base name that is null", "/3/0", `[{"bn":null,"n":"/3/0/9","v":100}]`},
		{"null as value", "/3/0", `[{"n":"/3/0/9","v":null}]`},
		{"text in v", "/3/0", `[{"n":"/3/0/9","v":"100"}]`},
		{"a number in vs", "/3/0", `[{"n":"/3/0/14","vs":5}]`},
		{"a number in vb", "/3442/0", `[{"n":"/3442/0/140","vb":1}]`},
		{"a number in vd", "/3442/0", `[{"n":"/3442/0/150","vd":1}]`},
		{"data that is none", "/3442/0", `[{"n":"/3442/0/150","vd":"a"}]`},
		{"data of two alphabets", "/3442/0", `[{"n":"/3442/0/150","vd":"-+-+"}]`},
		{"a link that is none", "/3442/0", `[{"n":"/3442/0/170","vlo":"3"}]`},
		{"a link in a number", "/3442/0", `[{"n":"/3442/0/170","v":3}]`},
		{"text for a number", "/3/0", `[{"n":"/3/0/9","vs":"100"}]`},
		{"a boolean for a number", "/3/0", `[{"n":"/3/0/9","vb":true}]`},
		{"a number for text", "/3/0", `[{"n":"/3/0/14","v":100}]`},
		{"a fraction for an integer", "/3/0", `[{"n":"/3/0/9","v":100.5}]`},
		{"an integer beyond 64 bits", "/3/0", `[{"n":"/3/0/9","v":9223372036854775808}]`},
		{"a negative for an unsigned", "/3442/0", `[{"n":"/3442/0/125","v":-1}]`},
		{"a number beyond a float", "/3303/0", `[{"n":"/3303/0/5700","v":1e309}]`},
		{"a base value", "/3/0", `[{"bv":1,"n":"/3/0/9","v":100}]`},
		{"a base sum", "/3/0", `[{"bs":1,"n":"/3/0/9","v":100}]`},
		{"a sum", "/3/0", `[{"n":"/3/0/9","s":100}]`},
		{"a later version", "/3/0", `[{"bver":11,"n":"/3/0/9","v":100}]`},
		{"a version that is none", "/3/0", `[{"bver":"10","n":"/3/0/9","v":100}]`},
		{"a field to be understood", "/3/0", `[{"n":"/3/0/9","v":100,"x_":1}]`},
		{"a time that is none", "/3/0", `[{"n":"/3/0/9","t":"now","v":100}]`},
		{"a time after 9999", "/3/0", `[{"n":"/3/0/9","t":253402300800,"v":100}]`},
		{"a sum of times after 9999", "/3/0", `[{"n":"/3/0/9","bt":253402300799,"t":1,"v":100}]`},
		{"a time long ago", "/3/0", `[{"n":"/3/0/9","t":-9e9,"v":100}]`},
		{"text that is not UTF-8", "/3/0", "[{\"n\":\"/3/0/14\",\"vs\":\"\xff\"}]"},
		{"half a surrogate pair", "/3/0", `[{"n":"/3/0/14","vs":"\ud800"}]`},
		{"deep nesting", "/3/0", `[{"n":"/3/0/9","v":100,"x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}]`},
		{"a long name", "/3/0", `[{"n":"/3/0/9` + strings.Repeat("0", 1<<20) + `","v":100}]`},
	} {
		got, err := senml.DecodeJSON([]byte(test.json), lwm2m.MustPath(test.base), wiretest.Shapes)
		if err == nil || lwm2m.CodeOf(err) != lwm2m.BadRequest || got != nil {
			t.Errorf("%s: %v, %v", test.name, got, err)
		}
		if err != nil && len(err.Error()) > 300 {
			t.Errorf("%s: the error takes %d bytes", test.name, len(err.Error()))
		}
	}
	for name, cbor := range map[string]string{
		"nothing":                        ``,
		"a map":                          `a0`,
		"bytes after the pack":           `80 00`,
		"a number":                       `81 01`,
		"an empty record":                `81 a0`,
		"more records than there are":    `9b 7fffffffffffffff a2 00 66` + wiretest.Hex("/3/0/9") + `02 1864`,
		"more fields than there are":     `81 bb 7fffffffffffffff 00 66` + wiretest.Hex("/3/0/9") + `02 1864`,
		"two values":                     `81 a3 00 66` + wiretest.Hex("/3/0/9") + `02 1864 03 60`,
		"a label twice":                  `81 a3 00 66` + wiretest.Hex("/3/0/9") + `02 1864 02 1864`,
		"a name in bytes":                `81 a2 00 46` + wiretest.Hex("/3/0/9") + `02 1864`,
		"a label in bytes":               `81 a3 00 66` + wiretest.Hex("/3/0/9") + `02 1864 41 61 01`,
		"a label that is a float":        `81 a3 00 66` + wiretest.Hex("/3/0/9") + `02 1864 f93c00 01`,
		"a field to be understood":       `81 a3 00 66` + wiretest.Hex("/3/0/9") + `02 1864 62` + wiretest.Hex("x_") + `01`,
		"text in v":                      `81 a2 00 66` + wiretest.Hex("/3/0/9") + `02 63` + wiretest.Hex("100"),
		"null in v":                      `81 a2 00 66` + wiretest.Hex("/3/0/9") + `02 f6`,
		"a number in vb":                 `81 a2 00 6b` + wiretest.Hex("/3442/0/140") + `04 01`,
		"a number in vs":                 `81 a2 00 67` + wiretest.Hex("/3/0/14") + `03 01`,
		"text in vd":                     `81 a2 00 6b` + wiretest.Hex("/3442/0/150") + `08 60`,
		"bytes in vlo":                   `81 a2 00 6b` + wiretest.Hex("/3442/0/170") + `63` + wiretest.Hex("vlo") + `43` + wiretest.Hex("3:0"),
		"text that is not UTF-8":         `81 a2 00 67` + wiretest.Hex("/3/0/14") + `03 61 ff`,
		"a base value":                   `81 a3 24 01 00 66` + wiretest.Hex("/3/0/9") + `02 1864`,
		"a base sum":                     `81 a3 25 01 00 66` + wiretest.Hex("/3/0/9") + `02 1864`,
		"a sum":                          `81 a2 00 66` + wiretest.Hex("/3/0/9") + `05 1864`,
		"a later version":                `81 a3 20 0b 00 66` + wiretest.Hex("/3/0/9") + `02 1864`,
		"a time that is NaN":             `81 a3 06 f97e00 00 66` + wiretest.Hex("/3/0/9") + `02 1864`,
		"a time that is infinite":        `81 a3 06 f97c00 00 66` + wiretest.Hex("/3/0/9") + `02 1864`,
		"a value that is NaN":            `81 a2 00 6c` + wiretest.Hex("/3303/0/5700") + `02 f97e00`,
		"an unknown tag":                 `81 a2 00 66` + wiretest.Hex("/3/0/9") + `02 d82a1864`,
		"deep nesting":                   `81 a3 00 66` + wiretest.Hex("/3/0/9") + `02 1864 18 63` + strings.Repeat("81", 100) + `00`,
		"an integer below 64 bits":       `81 a2 00 66` + wiretest.Hex("/3/0/9") + `02 3bffffffffffffffff`,
		"a name of another instance":     `81 a2 00 66` + wiretest.Hex("/3/1/9") + `02 1864`,
		"a decimal fraction out of hand": `81 a2 00 66` + wiretest.Hex("/3/0/9") + `02 c482 1b7fffffffffffffff 01`,
	} {
		got, err := senml.DecodeCBOR(wiretest.Unhex(t, cbor), lwm2m.MustPath("/3/0"), wiretest.Shapes)
		if strings.Contains(cbor, wiretest.Hex("/3442/")) || strings.Contains(cbor, wiretest.Hex("/3303/")) {
			got, err = senml.DecodeCBOR(wiretest.Unhex(t, cbor), lwm2m.Path{}, wiretest.Shapes)
		}
		if err == nil || lwm2m.CodeOf(err) != lwm2m.BadRequest || got != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	base := lwm2m.MustPath("/3303/0/5700")
	json := `[{"bn":"/3303/0/5700","v":1}` + strings.Repeat(`,{"v":1}`, senml.MaxRecords-1)
	cbor := append(wiretest.Unhex(t, `9f a2 21 6c`+wiretest.Hex("/3303/0/5700")+`02 01`), bytes.Repeat([]byte{0xA1, 0x02, 0x01}, senml.MaxRecords-1)...)
	if got, err := senml.DecodeJSON([]byte(json+"]"), base, nil); err != nil || len(got) != senml.MaxRecords {
		t.Errorf("%d records in JSON: %v", len(got), err)
	}
	if got, err := senml.DecodeCBOR(append(cbor, 0xFF), base, nil); err != nil || len(got) != senml.MaxRecords {
		t.Errorf("%d records in CBOR: %v", len(got), err)
	}
	if got, err := senml.DecodeJSON([]byte(json+`,{"v":1}]`), base, nil); lwm2m.CodeOf(err) != lwm2m.RequestEntityTooLarge || got != nil {
		t.Errorf("too many records in JSON: %v", err)
	}
	if got, err := senml.DecodeCBOR(append(cbor, 0xA1, 0x02, 0x01, 0xFF), base, nil); lwm2m.CodeOf(err) != lwm2m.RequestEntityTooLarge || got != nil {
		t.Errorf("too many records in CBOR: %v", err)
	}
	if got, err := senml.DecodePathsJSON([]byte(json + `,{"v":1}]`)); lwm2m.CodeOf(err) != lwm2m.RequestEntityTooLarge || got != nil {
		t.Errorf("too many paths in JSON: %v", err)
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	paths := []lwm2m.Path{lwm2m.MustPath("/3/0/0"), lwm2m.MustPath("/1"), lwm2m.MustPath("/dev1/3/0")}
	comparer := cmp.Comparer(func(a, b lwm2m.Path) bool { return a == b })
	const json = `[{"n":"/3/0/0"},{"n":"/1"},{"n":"/dev1/3/0"}]`
	if got := senml.AppendPathsJSON(nil, paths); string(got) != json {
		t.Errorf("written as %s", got)
	}
	cbor := wiretest.Unhex(t, `83 a1 00 66`+wiretest.Hex("/3/0/0")+`a1 00 62`+wiretest.Hex("/1")+`a1 00 69`+wiretest.Hex("/dev1/3/0"))
	if got := senml.AppendPathsCBOR(nil, paths); !bytes.Equal(got, cbor) {
		t.Errorf("written as %x", got)
	}
	for _, text := range []string{json, `[{"bn":"/","n":"3/0/0"},{"n":"1"},{"n":"dev1/3/0"}]`, `[{"bn":"/3/0/0"},{"bn":"/1","v":5},{"bn":"/dev1/3/0"}]`} {
		got, err := senml.DecodePathsJSON([]byte(text))
		if diff := cmp.Diff(paths, got, comparer); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", text, err, diff)
		}
	}
	if got, err := senml.DecodePathsCBOR(cbor); err != nil || cmp.Diff(paths, got, comparer) != "" {
		t.Errorf("%v, %v", got, err)
	}
	for _, text := range []string{"", "{}", `[{"n":"/x/y"}]`, `[{"n":5}]`, `[{"n":"/3"`} {
		if got, err := senml.DecodePathsJSON([]byte(text)); lwm2m.CodeOf(err) != lwm2m.BadRequest || got != nil {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for n := range cbor {
		if got, err := senml.DecodePathsCBOR(cbor[:n]); lwm2m.CodeOf(err) != lwm2m.BadRequest || got != nil {
			t.Errorf("cut to %d bytes: %v, %v", n, got, err)
		}
	}
}
