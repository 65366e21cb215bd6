package omajson_test

import (
	"math"
	"slices"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/wiretest"
)

var noon = time.Date(2026, 5, 2, 12, 0, 0, 0, time.UTC) // 1777723200

// timed returns nodes of one path of alternating times and values; a nil time is none.
func timed(path string, pairs ...any) []lwm2m.Node {
	nodes := make([]lwm2m.Node, 0, len(pairs)/2)
	for pair := range slices.Chunk(pairs, 2) {
		t, _ := pair[0].(time.Time)
		v, _ := pair[1].(lwm2m.Value)
		nodes = append(nodes, lwm2m.Node{Path: lwm2m.MustPath(path), Time: t, Value: v})
	}
	return nodes
}

// at returns nodes with all their times set.
func at(t time.Time, nodes []lwm2m.Node) []lwm2m.Node {
	for i := range nodes {
		nodes[i].Time = t
	}
	return nodes
}

// examples are payloads as this package writes them, one for each boundary of the
// format.
var examples = []struct {
	name  string
	base  string
	json  string
	nodes []lwm2m.Node
}{
	{
		"device object instance", "/3/0",
		`{"bn":"/3/0/","e":[{"n":"0","sv":"Open Mobile Alliance"},{"n":"1","sv":"Lightweight M2M Client"},` +
			`{"n":"2","sv":"345000123"},{"n":"3","sv":"1.0"},{"n":"6/0","v":1},{"n":"6/1","v":5},{"n":"7/0","v":3800},` +
			`{"n":"7/1","v":5000},{"n":"8/0","v":125},{"n":"8/1","v":900},{"n":"9","v":100},{"n":"10","v":15},` +
			`{"n":"11/0","v":0},{"n":"13","v":1367491215},{"n":"14","sv":"+02:00"},{"n":"16","sv":"U"}]}`,
		wiretest.Device(),
	},
	{"single resource", "/3/0/9", `{"bn":"/3/0/9","e":[{"v":100}]}`, wiretest.Nodes("/3/0/9", lwm2m.Integer(100))},
	{"single resource behind a prefix", "/dev1/3/0/9", `{"bn":"/dev1/3/0/9","e":[{"v":99}]}`, wiretest.Nodes("/dev1/3/0/9", lwm2m.Integer(99))},
	{
		"multiple resource", "/3/0/7", `{"bn":"/3/0/7/","e":[{"n":"0","v":3800},{"n":"1","v":5000}]}`,
		wiretest.Nodes("/3/0/7/0", lwm2m.Integer(3800), "/3/0/7/1", lwm2m.Integer(5000)),
	},
	{"resource instance", "/3/0/7/1", `{"bn":"/3/0/7/1","e":[{"v":5000}]}`, wiretest.Nodes("/3/0/7/1", lwm2m.Integer(5000))},
	{
		"object of two instances", "/3303", `{"bn":"/3303/","e":[{"n":"0/5700","v":20},{"n":"1/5700","v":20.1}]}`,
		wiretest.Nodes("/3303/0/5700", lwm2m.Float(20), "/3303/1/5700", lwm2m.Float(20.1)),
	},
	{
		"root, behind a prefix too", "/", `{"bn":"/","e":[{"n":"3/0/9","v":100},{"n":"dev1/3/0/9","v":99}]}`,
		wiretest.Nodes("/3/0/9", lwm2m.Integer(100), "/dev1/3/0/9", lwm2m.Integer(99)),
	},
	{"root of a gateway's device", "/dev1", `{"bn":"/dev1/","e":[{"n":"3/0/9","v":99}]}`, wiretest.Nodes("/dev1/3/0/9", lwm2m.Integer(99))},
	{
		"identifiers at their ends", "/", `{"bn":"/","e":[{"n":"0/0/0/0","v":1},{"n":"65534/65534/65534/65534","v":2}]}`,
		wiretest.Nodes("/0/0/0/0", lwm2m.Integer(1), "/65534/65534/65534/65534", lwm2m.Integer(2)),
	},
	{"object links", "/3442/0/1170", `{"bn":"/3442/0/1170/","e":[{"n":"0","ov":"66:0"},{"n":"1","ov":"0:65534"},{"n":"2","ov":"65535:65535"}]}`, wiretest.Nodes(
		"/3442/0/1170/0", lwm2m.Objlnk(66, 0), "/3442/0/1170/1", lwm2m.Objlnk(0, 65534), "/3442/0/1170/2", lwm2m.Objlnk(lwm2m.MaxID, lwm2m.MaxID))},
	{
		"opaque without, with two, with one and with no padding", "/3442/0/1150",
		`{"bn":"/3442/0/1150/","e":[{"n":"0","sv":""},{"n":"1","sv":"+w=="},{"n":"2","sv":"+/8="},{"n":"3","sv":"AAEC"}]}`, wiretest.Nodes(
			"/3442/0/1150/0", lwm2m.Opaque(nil), "/3442/0/1150/1", lwm2m.Opaque([]byte{0xFB}),
			"/3442/0/1150/2", lwm2m.Opaque([]byte{0xFB, 0xFF}), "/3442/0/1150/3", lwm2m.Opaque([]byte{0, 1, 2})),
	},
	{"booleans", "/3442/0/1140", `{"bn":"/3442/0/1140/","e":[{"n":"0","bv":false},{"n":"1","bv":true}]}`, wiretest.Nodes(
		"/3442/0/1140/0", lwm2m.Boolean(false), "/3442/0/1140/1", lwm2m.Boolean(true))},
	{"Integer at its ends", "/3442/0/1120", `{"bn":"/3442/0/1120/","e":[{"n":"0","v":-9223372036854775808},{"n":"1","v":0},{"n":"2","v":9223372036854775807}]}`, wiretest.Nodes(
		"/3442/0/1120/0", lwm2m.Integer(math.MinInt64), "/3442/0/1120/1", lwm2m.Integer(0), "/3442/0/1120/2", lwm2m.Integer(math.MaxInt64))},
	{"Unsigned Integer at its ends", "/3442/0/1125", `{"bn":"/3442/0/1125/","e":[{"n":"0","v":0},{"n":"1","v":18446744073709551615}]}`, wiretest.Nodes(
		"/3442/0/1125/0", lwm2m.Unsigned(0), "/3442/0/1125/1", lwm2m.Unsigned(math.MaxUint64))},
	{"Time at its ends", "/3442/0/1160", `{"bn":"/3442/0/1160/","e":[{"n":"0","v":-9223372036854775808},{"n":"1","v":9223372036854775807}]}`, wiretest.Nodes(
		"/3442/0/1160/0", lwm2m.UnixTime(math.MinInt64), "/3442/0/1160/1", lwm2m.UnixTime(math.MaxInt64))},
	{
		"Float at its ends", "/3442/0/1130",
		`{"bn":"/3442/0/1130/","e":[{"n":"0","v":-1.7976931348623157e+308},{"n":"1","v":-0.0},{"n":"2","v":5e-324},{"n":"3","v":9.007199254740992e+15}]}`, wiretest.Nodes(
			"/3442/0/1130/0", lwm2m.Float(-math.MaxFloat64), "/3442/0/1130/1", lwm2m.Float(math.Copysign(0, -1)),
			"/3442/0/1130/2", lwm2m.Float(math.SmallestNonzeroFloat64), "/3442/0/1130/3", lwm2m.Float(1<<53)),
	},
	{
		"texts with and without escapes", "/3442/0/1110",
		`{"bn":"/3442/0/1110/","e":[{"n":"0","sv":""},{"n":"1","sv":"\"\\/\n\r\t\u0000\u001f` + "\x7f" + `"},{"n":"2","sv":"21 °C 😀"}]}`, wiretest.Nodes(
			"/3442/0/1110/0", lwm2m.String(""), "/3442/0/1110/1", lwm2m.String("\"\\/\n\r\t\x00\x1f\x7f"), "/3442/0/1110/2", lwm2m.String("21 °C 😀")),
	},
	{"links", "/3442/0/180", `{"bn":"/3442/0/180","e":[{"sv":"</3>;ver=\"1.1\""}]}`, wiretest.Nodes("/3442/0/180", lwm2m.Corelnk(`</3>;ver="1.1"`))},
	{
		"values of one time", "/3303/0", `{"bn":"/3303/0/","bt":1777723200,"e":[{"n":"5601","v":1},{"n":"5700","v":2}]}`,
		at(noon, wiretest.Nodes("/3303/0/5601", lwm2m.Float(1), "/3303/0/5700", lwm2m.Float(2))),
	},
	{
		"time series", "/3303/0/5700", `{"bn":"/3303/0/5700","e":[{"t":1777723200,"v":1},{"t":1777723200.25,"v":2},{"v":3}]}`,
		timed("/3303/0/5700", noon, lwm2m.Float(1), noon.Add(time.Second/4), lwm2m.Float(2), nil, lwm2m.Float(3)),
	},
	{
		"time series that ends as it began", "/3303/0/5700", `{"bn":"/3303/0/5700","e":[{"t":1777723200,"v":1},{"t":1777723201,"v":2},{"t":1777723200,"v":3}]}`,
		timed("/3303/0/5700", noon, lwm2m.Float(1), noon.Add(time.Second), lwm2m.Float(2), noon, lwm2m.Float(3)),
	},
	{"nothing in an instance", "/3442/0", `{"bn":"/3442/0","e":[]}`, nil},
	{"nothing at all", "/", `{"bn":"/","e":[]}`, nil},
}
