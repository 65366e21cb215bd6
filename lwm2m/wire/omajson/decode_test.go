package omajson_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire"
	"lwm2m-agent/lwm2m/wire/internal/wiretest"
	"lwm2m-agent/lwm2m/wire/omajson"
)

var (
	battery  = wiretest.Nodes("/3/0/9", lwm2m.Integer(100))
	proxied  = wiretest.Nodes("/dev1/3/0/9", lwm2m.Integer(100))
	voltages = wiretest.Nodes("/3/0/7/0", lwm2m.Integer(3800), "/3/0/7/1", lwm2m.Integer(5000))
	degrees  = wiretest.Nodes("/3303/0/5700", lwm2m.Float(20))
)

// accepted are payloads that others write and this package does not.
var accepted = []struct {
	name, base, json string
	want             []lwm2m.Node
}{
	{"white space", "/3/0", "\n{ \"bn\" : \"/3/0/\" ,\r\n\t\"e\" : [ { \"n\" : \"9\" , \"v\" : 100 } ] }", battery},
	{"members in any order", "/3/0", `{"e":[{"v":100,"n":"9"}],"bn":"/3/0/"}`, battery},
	{"an escaped name and escaped members", "/3/0", `{"\u0062n":"\/3\u002f0/","e":[{"\u006e":"\u0039","v":100}]}`, battery},
	{"unknown members", "/3/0", `{"ver":{"a":[1,"2",null,{}]},"bn":"/3/0/","e":[{"n":"9","v":100,"u":"%","x":[[]],"vs":true}],"z":-1e5}`, battery},
	{"an unknown member twice", "/3/0", `{"z":1,"bn":"/3/0/","z":1,"e":[{"n":"9","u":"%","v":100,"u":"%"}]}`, battery},

	{"a base name without slash at its end", "/3/0", `{"bn":"/3/0","e":[{"n":"9","v":100}]}`, battery},
	{"a base name without slash at its beginning", "/3/0", `{"bn":"3/0/","e":[{"n":"9","v":100}]}`, battery},
	{"the root as base name", "/3/0", `{"bn":"/","e":[{"n":"3/0/9","v":100}]}`, battery},
	{"a base name above the path", "/3/0/9", `{"bn":"/3/0/","e":[{"n":"9","v":100}]}`, battery},
	{"a base name below the path", "/3", `{"bn":"/3/0/7/","e":[{"n":"0","v":3800},{"n":"1","v":5000}]}`, voltages},
	{"a base name that is the whole name", "/3/0", `{"bn":"/3/0/9","e":[{"v":100}]}`, battery},
	{"a base name that is the whole name and a slash", "/3/0", `{"bn":"/3/0/9/","e":[{"n":"","v":100}]}`, battery},
	{"no base name", "/3/0", `{"e":[{"n":"9","v":100}]}`, battery},
	{"an empty base name", "/3/0", `{"bn":"","e":[{"n":"9","v":100}]}`, battery},
	{"neither base name nor name", "/3/0/9", `{"e":[{"v":100}]}`, battery},
	{"no base name for the root", "/", `{"e":[{"n":"3/0/9","v":100}]}`, battery},
	{"no base name for a multiple resource", "/3/0/7", `{"e":[{"n":"0","v":3800},{"n":"1","v":5000}]}`, voltages},
	{"an absolute name", "/3/0", `{"e":[{"n":"/3/0/9","v":100}]}`, battery},
	{"an absolute name after a base name", "/3/0", `{"bn":"/3/0/","e":[{"n":"/3/0/9","v":100}]}`, battery},
	{"an absolute name after a base name elsewhere", "/3/0", `{"bn":"/4/0/","e":[{"n":"/3/0/9","v":100}]}`, battery},
	{"relative after absolute names", "/3/0", `{"e":[{"n":"/3/0/7/0","v":3800},{"n":"7/1","v":5000}]}`, voltages},
	{"a name with a slash at its end", "/3/0", `{"bn":"/3/0/","e":[{"n":"9/","v":100}]}`, battery},
	{"a path twice", "/3/0/9", `{"e":[{"v":1},{"v":2}]}`, wiretest.Nodes("/3/0/9", lwm2m.Integer(1), "/3/0/9", lwm2m.Integer(2))},
	{"any order of names", "/3/0", `{"e":[{"n":"10","v":1},{"n":"9","v":2}]}`, wiretest.Nodes("/3/0/10", lwm2m.Integer(1), "/3/0/9", lwm2m.Integer(2))},

	{"a prefix in the base name", "/dev1/3/0", `{"bn":"/dev1/3/0/","e":[{"n":"9","v":100}]}`, proxied},
	{"a prefix in the name", "/", `{"bn":"/","e":[{"n":"dev1/3/0/9","v":100}]}`, proxied},
	{"a prefix in an absolute name", "/dev1/3", `{"bn":"/","e":[{"n":"/dev1/3/0/9","v":100}]}`, proxied},
	{"a prefix of the path only", "/dev1/3/0", `{"e":[{"n":"9","v":100}]}`, proxied},
	{"a prefix alone as base name", "/", `{"bn":"/dev1","e":[{"n":"3/0/9","v":100}]}`, proxied},

	{"an integer with a fraction of nothing", "/3/0", `{"e":[{"n":"9","v":100.0}]}`, battery},
	{"an integer with an exponent", "/3/0", `{"e":[{"n":"9","v":1e2}]}`, battery},
	{"an integer beyond 2^53 with an exponent", "/3/0", `{"e":[{"n":"9","v":9.007199254740993e15}]}`, wiretest.Nodes("/3/0/9", lwm2m.Integer(9007199254740993))},
	{"an integer for a Float", "/3303/0", `{"e":[{"n":"5700","v":20}]}`, degrees},
	{"a long integer for a Float", "/3303/0", `{"e":[{"n":"5700","v":100000000000000000000000}]}`, wiretest.Nodes("/3303/0/5700", lwm2m.Float(1e23))},
	{"a number for a Boolean", "/3442/0", `{"e":[{"n":"140","v":1}]}`, wiretest.Nodes("/3442/0/140", lwm2m.Boolean(true))},
	{"an object link in sv", "/3442/0", `{"e":[{"n":"170","sv":"66:0"}]}`, wiretest.Nodes("/3442/0/170", lwm2m.Objlnk(66, 0))},
	{"a date in sv", "/3/0", `{"e":[{"n":"13","sv":"2013-05-02T10:40:15Z"}]}`, wiretest.Nodes("/3/0/13", lwm2m.UnixTime(1367491215))},
	{"a text of escapes", "/3/0", `{"e":[{"n":"14","sv":"\u00e4\ud83d\ude00\/\b\f"}]}`, wiretest.Nodes("/3/0/14", lwm2m.String("ä😀/\b\f"))},
	{"Base64 with escapes", "/3442/0", `{"e":[{"n":"150","sv":"+\/8\u003d"}]}`, wiretest.Nodes("/3442/0/150", lwm2m.Opaque([]byte{0xFB, 0xFF}))},
	{"types without a shape", "/9999/0", `{"e":[{"n":"0","v":1},{"n":"1","v":1.5},{"n":"2","ov":"3:0"},{"n":"3","v":18446744073709551615},{"n":"4","bv":true},{"n":"5","sv":"+/8="}]}`, wiretest.Nodes(
		"/9999/0/0", lwm2m.Integer(1), "/9999/0/1", lwm2m.Float(1.5), "/9999/0/2", lwm2m.Objlnk(3, 0),
		"/9999/0/3", lwm2m.Unsigned(math.MaxUint64), "/9999/0/4", lwm2m.Boolean(true), "/9999/0/5", lwm2m.String("+/8="))},
	{"a resource to execute", "/3/0", `{"e":[{"n":"4","sv":"x"}]}`, wiretest.Nodes("/3/0/4", lwm2m.String("x"))},

	{"times before a base time", "/3303/0/5700", `{"e":[{"v":1,"t":-5},{"t":0,"v":2},{"v":3},{"t":99.5,"v":4}],"bt":1777723100.5}`, timed("/3303/0/5700",
		time.UnixMilli(1777723095500), lwm2m.Float(1), time.UnixMilli(1777723100500), lwm2m.Float(2), time.UnixMilli(1777723100500), lwm2m.Float(3), noon, lwm2m.Float(4))},
	{"times without a base time", "/3303/0/5700", `{"e":[{"t":1777723200,"v":1},{"t":1.7777232e9,"v":2},{"t":0,"v":3}]}`, timed("/3303/0/5700",
		noon, lwm2m.Float(1), noon, lwm2m.Float(2), nil, lwm2m.Float(3))},
	{"relative times", "/3303/0/5700", `{"bt":-60,"e":[{"t":60,"v":1},{"v":2},{"t":65,"v":3},{"t":268435515,"v":4}]}`, timed("/3303/0/5700",
		nil, lwm2m.Float(1), time.Unix(-60, 0), lwm2m.Float(2), time.Unix(5, 0), lwm2m.Float(3), time.Unix(1<<28-1, 0), lwm2m.Float(4))},

	{"nothing, without a base name", "/3/0", `{"e":[]}`, nil},
	{"nothing, with a base time", "/3/0", `{"bn":"/3/0/","bt":0,"e":[]}`, nil},
}

func TestDecodeAccepts(t *testing.T) {
	t.Parallel()
	for _, test := range accepted {
		got, err := omajson.Decode([]byte(test.json), lwm2m.MustPath(test.base), wiretest.Shapes)
		if diff := wiretest.Diff(test.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", test.name, err, diff)
		}
	}
	got, err := omajson.Decode([]byte(`{"e":[{"n":"9","v":100}]}`), lwm2m.MustPath("/3/0"), nil)
	if diff := wiretest.Diff(battery, got); err != nil || diff != "" {
		t.Errorf("no shapes: %v\n%s", err, diff)
	}
}

// Times below 2^28 seconds count from when the payload was received.
func TestRelativeTimes(t *testing.T) {
	t.Parallel()
	p := lwm2m.MustPath("/3303/0/5700")
	got, err := omajson.Decode([]byte(`{"e":[{"t":-0.5,"v":1},{"t":268435455,"v":2},{"t":268435456,"v":3},{"v":4}]}`), p, nil)
	wire.ResolveTimes(got, noon)
	want := timed("/3303/0/5700", noon.Add(-time.Second/2), lwm2m.Integer(1), noon.Add((1<<28-1)*time.Second), lwm2m.Integer(2),
		time.Unix(1<<28, 0), lwm2m.Integer(3), nil, lwm2m.Integer(4))
	if diff := wiretest.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, base, json, reason string }{
		{"nothing", "/3/0", ``, "not well-formed"},
		{"an array", "/3/0", `[{"n":"9","v":100}]`, "another type"},
		{"a number", "/3/0", `100`, "another type"},
		{"null", "/3/0", `null`, "another type"},
		{"an object without entries", "/3/0", `{}`, "no list of entries"},
		{"a base name only", "/3/0", `{"bn":"/3/0/"}`, "no list of entries"},
		{"an entry without the list", "/3/0", `{"n":"9","v":100}`, "no list of entries"},
		{"entries that are an object", "/3/0", `{"e":{"n":"9","v":100}}`, "another type"},
		{"entries that are null", "/3/0", `{"e":null}`, "another type"},
		{"an entry that is a number", "/3/0", `{"e":[100]}`, "another type"},
		{"an entry inside an array", "/3/0", `{"e":[[{"n":"9","v":100}]]}`, "another type"},
		{"text after the object", "/3/0", `{"e":[{"n":"9","v":100}]}x`, "left over"},
		{"a second object", "/3/0", `{"e":[{"n":"9","v":100}]}{"e":[]}`, "left over"},
		{"a comma after the last entry", "/3/0", `{"e":[{"n":"9","v":100},]}`, "not well-formed"},
		{"a comma after the last member", "/3/0", `{"e":[{"n":"9","v":100,}]}`, "not well-formed"},

		{"a base name twice", "/3/0", `{"bn":"/3/0/","bn":"/3/0/","e":[]}`, "twice"},
		{"a base time twice", "/3/0", `{"bt":0,"bt":0,"e":[]}`, "twice"},
		{"entries twice", "/3/0", `{"e":[],"e":[]}`, "twice"},
		{"a name twice", "/3/0", `{"e":[{"n":"9","v":100,"n":"9"}]}`, "twice"},
		{"an empty name twice", "/3/0/9", `{"e":[{"n":"","v":100,"n":""}]}`, "twice"},
		{"a time twice", "/3/0", `{"e":[{"n":"9","t":0,"t":0,"v":100}]}`, "twice"},
		{"a value twice", "/3/0", `{"e":[{"n":"9","v":100,"v":100}]}`, "two values"},
		{"a member twice, once escaped", "/3/0", `{"e":[{"n":"9","v":100,"\u006e":"9"}]}`, "twice"},
		{"two values", "/3/0", `{"e":[{"n":"9","v":100,"bv":true}]}`, "two values"},
		{"two values, one of them empty", "/3/0", `{"e":[{"n":"14","sv":"","sv":""}]}`, "two values"},
		{"two values, one of them a link", "/3442/0", `{"e":[{"n":"170","ov":"3:0","sv":"3:0"}]}`, "two values"},
		{"an empty entry", "/3/0/9", `{"e":[{}]}`, "entry 0: /3/0/9: there is no value"},
		{"an entry without a value", "/3/0", `{"e":[{"n":"9","v":100},{"n":"10"}]}`, "entry 1: /3/0/10: there is no value"},
		{"an entry with a time only", "/3/0/9", `{"e":[{"t":5}]}`, "there is no value"},
		{"an entry with the members of SenML", "/3/0", `{"e":[{"n":"14","vs":"a"}]}`, "there is no value"},

		{"a base name that is no path", "/3/0", `{"bn":"/3/x/","e":[]}`, "the base name: not a path"},
		{"a base name too deep", "/3/0", `{"bn":"/3/0/9/0/0","e":[]}`, "the base name: not a path"},
		{"a base name with two slashes at its end", "/3/0", `{"bn":"/3/0//","e":[]}`, "the base name: not a path"},
		{"a base name that is a number", "/3/0", `{"bn":3,"e":[]}`, "another type"},
		{"a base name that is null", "/3/0", `{"bn":null,"e":[]}`, "another type"},
		{"a name that is a number", "/3/0", `{"e":[{"n":9,"v":100}]}`, "another type"},
		{"a name that is null", "/3/0", `{"e":[{"n":null,"v":100}]}`, "another type"},
		{"a name that is no path", "/3/0", `{"e":[{"n":"x","v":100}]}`, "entry 0: not a path"},
		{"a name of two slashes", "/3/0", `{"e":[{"n":"//","v":100}]}`, "not a path"},
		{"a name with a leading zero", "/3/0", `{"e":[{"n":"09","v":100}]}`, "not a path"},
		{"a name with a sign", "/3/0", `{"e":[{"n":"+9","v":100}]}`, "not a path"},
		{"a name with a dot", "/3/0", `{"e":[{"n":"../0/9","v":100}]}`, "not a path"},
		{"the reserved identifier", "/3/0", `{"e":[{"n":"65535","v":100}]}`, "not a path"},
		{"a name too deep", "/3/0", `{"e":[{"n":"9/0/0","v":100}]}`, "not a path"},
		{"a name from the object on below a base name", "/3/0", `{"bn":"/3/0/","e":[{"n":"3/0/9","v":100}]}`, "not a path"},
		{"a prefix in the middle", "/", `{"bn":"/3/0","e":[{"n":"dev1/9","v":100}]}`, "not a path"},
		{"a name of the root", "/", `{"e":[{"n":"/","v":100}]}`, "not that of a resource"},
		{"a name of a gateway's device", "/", `{"e":[{"n":"dev1","v":100}]}`, "not that of a resource"},
		{"a name of an object", "/", `{"e":[{"n":"3","v":100}]}`, "not that of a resource"},
		{"a name of an instance", "/3", `{"e":[{"n":"0","v":100}]}`, "/3/0: the name is not that of a resource"},
		{"no name in an instance", "/3/0", `{"bn":"/3/0/","e":[{"v":100}]}`, "/3/0: the name is not that of a resource"},
		{"a name of another instance", "/3/0", `{"bn":"/3/","e":[{"n":"1/9","v":100}]}`, "/3/1/9: the name is not below"},
		{"a base name of another object", "/3/0", `{"bn":"/4/0/","e":[{"n":"9","v":100}]}`, "/4/0/9: the name is not below"},
		{"a name that only begins the same", "/3/0/1", `{"bn":"/3/0/","e":[{"n":"10","v":1}]}`, "/3/0/10: the name is not below"},
		{"an absolute name that leaves", "/3/0", `{"bn":"/3/0/","e":[{"n":"9","v":100},{"n":"/3/1/9","v":100}]}`, "entry 1: /3/1/9: the name is not below"},
		{"an absolute name that drops the base", "/3/0", `{"bn":"/3/0","e":[{"n":"/9","v":100}]}`, "/9: the name is not below"},
		{"a name above a resource instance", "/3/0/7/1", `{"bn":"/3/0/7","e":[{"v":5000}]}`, "/3/0/7: the name is not below"},
		{"a name of a gateway's device from the own", "/3/0", `{"bn":"/dev1/3/0/","e":[{"n":"9","v":100}]}`, "/dev1/3/0/9: the name is not below"},
		{"a name of the own device from a gateway's", "/dev1/3/0", `{"bn":"/3/0/","e":[{"n":"9","v":100}]}`, "/3/0/9: the name is not below"},
		{"a name of another of the gateway's devices", "/dev1/3/0", `{"e":[{"n":"/dev2/3/0/9","v":100}]}`, "/dev2/3/0/9: the name is not below"},

		{"null as value", "/3/0", `{"e":[{"n":"9","v":null}]}`, "another type"},
		{"an array as value", "/3/0", `{"e":[{"n":"9","v":[100]}]}`, "another type"},
		{"text in v", "/3/0", `{"e":[{"n":"9","v":"100"}]}`, "another type"},
		{"a boolean in v", "/3442/0", `{"e":[{"n":"140","v":true}]}`, "another type"},
		{"a number in sv", "/3/0", `{"e":[{"n":"14","sv":5}]}`, "another type"},
		{"a number in bv", "/3442/0", `{"e":[{"n":"140","bv":1}]}`, "another type"},
		{"text in bv", "/3442/0", `{"e":[{"n":"140","bv":"true"}]}`, "another type"},
		{"a number in ov", "/3442/0", `{"e":[{"n":"170","ov":3}]}`, "another type"},
		{"half a link in ov", "/3442/0", `{"e":[{"n":"170","ov":"3"}]}`, "no Objlnk"},
		{"a link beyond 16 bits in ov", "/3442/0", `{"e":[{"n":"170","ov":"3:65536"}]}`, "no Objlnk"},
		{"no link in sv", "/3442/0", `{"e":[{"n":"170","sv":"3"}]}`, "no Objlnk"},
		{"a link for a String", "/3/0", `{"e":[{"n":"14","ov":"3:0"}]}`, "no String"},
		{"a link in v", "/3442/0", `{"e":[{"n":"170","v":3}]}`, "no Objlnk"},
		{"text for an Integer", "/3/0", `{"e":[{"n":"9","sv":"100"}]}`, `entry 0: /3/0/9: 4.00 Bad Request: not a valid value: String "100" is no Integer`},
		{"a boolean for an Integer", "/3/0", `{"e":[{"n":"9","bv":true}]}`, "no Integer"},
		{"a number for a String", "/3/0", `{"e":[{"n":"14","v":100}]}`, "no String"},
		{"a number for an Opaque", "/3442/0", `{"e":[{"n":"150","v":1}]}`, "no Opaque"},
		{"Base64 without its padding", "/3442/0", `{"e":[{"n":"150","sv":"+w"}]}`, "no Opaque"},
		{"Base64 of the URL alphabet", "/3442/0", `{"e":[{"n":"150","sv":"-_8="}]}`, "no Opaque"},
		{"no Base64", "/3442/0", `{"e":[{"n":"150","sv":"a"}]}`, "no Opaque"},
		{"no date", "/3/0", `{"e":[{"n":"13","sv":"1367491215"}]}`, "not a valid value"},
		{"a fraction for an Integer", "/3/0", `{"e":[{"n":"9","v":100.5}]}`, "no Integer"},
		{"an integer beyond 64 bits", "/3/0", `{"e":[{"n":"9","v":9223372036854775808}]}`, "no Integer"},
		{"an integer below 64 bits", "/3/0", `{"e":[{"n":"9","v":-9223372036854777856}]}`, "no Integer"},
		{"an unsigned integer beyond 64 bits", "/3442/0", `{"e":[{"n":"125","v":18446744073709551616}]}`, "no Unsigned Integer"},
		{"a negative for an unsigned integer", "/3442/0", `{"e":[{"n":"125","v":-1}]}`, "no Unsigned Integer"},
		{"a number beyond a float", "/3303/0", `{"e":[{"n":"5700","v":1e309}]}`, "out of range"},
		{"no number", "/3303/0", `{"e":[{"n":"5700","v":NaN}]}`, "not well-formed"},
		{"a number with a leading zero", "/3/0", `{"e":[{"n":"9","v":0100}]}`, "not well-formed"},

		{"a base time that is text", "/3/0", `{"bt":"0","e":[]}`, "another type"},
		{"a base time that is null", "/3/0", `{"bt":null,"e":[]}`, "another type"},
		{"a time that is text", "/3/0", `{"e":[{"n":"9","t":"now","v":100}]}`, "another type"},
		{"a time after 9999", "/3/0", `{"e":[{"n":"9","t":253402300800,"v":100}]}`, "time is out of range"},
		{"a base time after 9999", "/3/0", `{"bt":253402300799.1,"e":[]}`, "time is out of range"},
		{"a sum of times after 9999", "/3/0", `{"bt":253402300799,"e":[{"n":"9","t":1,"v":100}]}`, "entry 0: /3/0/9: the time is out of range"},
		{"a time long ago", "/3/0", `{"e":[{"n":"9","t":-9e9,"v":100}]}`, "time is out of range"},
		{"a sum of times long ago", "/3/0", `{"bt":-5e9,"e":[{"n":"9","t":-5e9,"v":100}]}`, "time is out of range"},
		{"a time beyond a float", "/3/0", `{"e":[{"n":"9","t":1e309,"v":100}]}`, "out of range"},

		{"text that is not UTF-8", "/3/0", "{\"e\":[{\"n\":\"14\",\"sv\":\"\xff\"}]}", "not UTF-8"},
		{"half a surrogate pair", "/3/0", `{"e":[{"n":"14","sv":"\ud800"}]}`, "surrogate"},
		{"a control character", "/3/0", "{\"e\":[{\"n\":\"14\",\"sv\":\"a\nb\"}]}", "control character"},
	} {
		got, err := omajson.Decode([]byte(test.json), lwm2m.MustPath(test.base), wiretest.Shapes)
		if err == nil || lwm2m.CodeOf(err) != lwm2m.BadRequest || !strings.Contains(err.Error(), test.reason) || got != nil {
			t.Errorf("%s: %v, %v, want %q", test.name, got, err, test.reason)
		}
	}
}

// A cut payload is refused whatever way it is written.
func TestTruncation(t *testing.T) {
	t.Parallel()
	cut := func(name, base, json string) {
		for n := range json {
			got, err := omajson.Decode([]byte(json[:n]), lwm2m.MustPath(base), wiretest.Shapes)
			if err == nil || lwm2m.CodeOf(err) != lwm2m.BadRequest || got != nil {
				t.Errorf("%s: cut to %d bytes: %v, %v", name, n, got, err)
			}
		}
	}
	for _, test := range examples {
		cut(test.name, test.base, test.json)
	}
	for _, test := range accepted {
		cut(test.name, test.base, test.json)
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	base := lwm2m.MustPath("/3303/0/5700")
	full := `{"e":[{"v":1}` + strings.Repeat(`,{"v":1}`, omajson.MaxEntries-1)
	if got, err := omajson.Decode([]byte(full+"]}"), base, nil); err != nil || len(got) != omajson.MaxEntries {
		t.Errorf("%d entries: %v", len(got), err)
	}
	for name, json := range map[string]string{
		"values":        full + `,{"v":1}]}`,
		"empty entries": `{"e":[{}` + strings.Repeat(`,{}`, omajson.MaxEntries) + `]}`,
	} {
		if got, err := omajson.Decode([]byte(json), base, nil); err == nil || lwm2m.CodeOf(err) != lwm2m.RequestEntityTooLarge || got != nil {
			t.Errorf("%s: %d nodes, %v", name, len(got), err)
		}
	}
	long := strings.Repeat("0", 1<<20)
	for name, json := range map[string]string{
		"a long base name":               `{"bn":"/3303/0/5700` + long + `","e":[{"v":1}]}`,
		"a long base name after entries": full + `],"bn":"/3303/0/5700` + long + `"}`,
		"a long name":                    `{"e":[{"n":"` + long + `","v":1}]}`,
		"a long number":                  `{"e":[{"v":1` + long + `}]}`,
		"a long link":                    `{"e":[{"ov":"3:` + long + `x"}]}`,
		"a long text for a number":       `{"e":[{"sv":"` + long + `"}]}`,
		"objects inside each other":      strings.Repeat(`{"x":`, 1e5),
		"arrays inside each other":       `{"e":` + strings.Repeat(`[`, 1e5),
		"arrays inside an entry":         `{"e":[{"v":1,"x":` + strings.Repeat(`[`, 1e5) + strings.Repeat(`]`, 1e5) + `}]}`,
	} {
		got, err := omajson.Decode([]byte(json), base, wiretest.Shapes)
		if err == nil || lwm2m.CodeOf(err) != lwm2m.BadRequest || got != nil || len(err.Error()) > 300 {
			t.Errorf("%s: %v, %.400v", name, got, err)
		}
	}
}
