package lwm2mcbor_test

import (
	"bytes"
	"strings"
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/wiretest"
	"lwm2m-agent/lwm2m/wire/lwm2mcbor"
)

// accepted are payloads that others write and this package does not.
var accepted = []struct {
	name, base, hex string
	want            []lwm2m.Node
}{
	{"an array of two identifiers", "/3/0", `a1 820300 a1 00 61 78`, wiretest.Nodes("/3/0/0", lwm2m.String("x"))},
	{"an array of three", "/3/0/9", `a1 83030009 1864`, wiretest.Nodes("/3/0/9", lwm2m.Integer(100))},
	{"an array of all four", "/3/0", `a1 8403000601 05`, wiretest.Nodes("/3/0/6/1", lwm2m.Integer(5))},
	{"an array of one", "/3/0", `a1 8103 a1 8100 a1 8109 1864`, wiretest.Nodes("/3/0/9", lwm2m.Integer(100))},
	{"an array of indefinite length", "/3/0", `a1 9f0300ff a1 9f09ff 1864`, wiretest.Nodes("/3/0/9", lwm2m.Integer(100))},
	{"an array of identifiers of 16 bits", "/", `a1 84 19fffe 18ff 190100 1818 05`, wiretest.Nodes("/65534/255/256/24", lwm2m.Integer(5))},
	{
		"arrays and identifiers in one map", "/3/0", `a3 820300 a2 09 1864 820601 05 03 a1 00 a1 0a 0f 83030006 a1 00 01`,
		wiretest.Nodes("/3/0/9", lwm2m.Integer(100), "/3/0/6/1", lwm2m.Integer(5), "/3/0/10", lwm2m.Integer(15), "/3/0/6/0", lwm2m.Integer(1)),
	},
	{"an array for an empty map", "/3442", `a1 820d00 a0`, wiretest.Nodes("/3442/13/0", nil)},
	{"maps of indefinite length", "/3/0", `bf 03 bf 00 bf 06 bf 00 01 01 05 ff 09 1864 ff ff ff`, wiretest.Nodes(
		"/3/0/6/0", lwm2m.Integer(1), "/3/0/6/1", lwm2m.Integer(5), "/3/0/9", lwm2m.Integer(100))},
	{"an empty map of indefinite length", "/3/0", `bf 03 bf 00 bf 06 bf ff ff ff ff`, wiretest.Nodes("/3/0/6", nil)},
	{"lengths and identifiers in long forms", "/3/0", `b801 1803 b90001 190000 ba00000001 1b0000000000000009 1864`, wiretest.Nodes("/3/0/9", lwm2m.Integer(100))},
	{"any order, and a path twice", "/3/0", `a1 820300 a3 0a 01 09 02 0a 03`, wiretest.Nodes("/3/0/10", lwm2m.Integer(1), "/3/0/9", lwm2m.Integer(2), "/3/0/10", lwm2m.Integer(3))},

	{"below an instance", "/3/0", `a2 09 1864 06 a1 01 05`, wiretest.Nodes("/3/0/9", lwm2m.Integer(100), "/3/0/6/1", lwm2m.Integer(5))},
	{"below an instance, by an array", "/3/0", `a1 820601 05`, wiretest.Nodes("/3/0/6/1", lwm2m.Integer(5))},
	{"below an instance behind a prefix", "/dev1/3/0", `a1 09 1864`, wiretest.Nodes("/dev1/3/0/9", lwm2m.Integer(100))},
	{"below an object", "/3442", `a2 00 a1 1878 07 18ff a1 1878 08`, wiretest.Nodes("/3442/0/120", lwm2m.Integer(7), "/3442/255/120", lwm2m.Integer(8))},
	{"below a resource", "/3/0/6", `a2 00 01 01 05`, wiretest.Nodes("/3/0/6/0", lwm2m.Integer(1), "/3/0/6/1", lwm2m.Integer(5))},
	{"an empty instance below an object", "/3442", `a1 00 a0`, wiretest.Nodes("/3442/0", nil)},
	{"an empty resource below an instance", "/3/0", `a1 06 a0`, wiretest.Nodes("/3/0/6", nil)},

	{"3/3/3 at /3: from the object on", "/3", `a1 03 a1 03 a1 03 61 33`, wiretest.Nodes("/3/3/3", lwm2m.String("3"))},
	{"3/9 at /3: below the object", "/3", `a1 03 a1 09 03`, wiretest.Nodes("/3/3/9", lwm2m.Integer(3))},
	{"1120/0 at /3442/0: below the instance", "/3442/0", `a1 190460 a1 00 03`, wiretest.Nodes("/3442/0/1120/0", lwm2m.Integer(3))},
	{"3/3/9 at /3/3: from the object on", "/3/3", `a1 820303 a1 09 03`, wiretest.Nodes("/3/3/9", lwm2m.Integer(3))},
	{"3/3/7/0 at /3/3/7: from the object on", "/3/3/7", `a1 03 a1 03 a1 07 a1 00 03`, wiretest.Nodes("/3/3/7/0", lwm2m.Integer(3))},
	{
		"3/6/0 with 4/9 at /3: below the object", "/3", `a2 83030600 01 820409 02`,
		wiretest.Nodes("/3/3/6/0", lwm2m.Integer(1), "/3/4/9", lwm2m.Integer(2)),
	},
	{"an empty 3/0 at /3: from the object on", "/3", `a1 03 a1 00 a0`, wiretest.Nodes("/3/0", nil)},
	{"an empty 3 at /3: the object", "/3", `a1 03 a0`, nil},
	{"an empty 3 at /3/0: below the instance", "/3/0", `a1 03 a0`, wiretest.Nodes("/3/0/3", nil)},
	{"an empty 3/0 at /3/0: from the object on", "/3/0", `a1 820300 a0`, wiretest.Nodes("/3/0", nil)},

	{"an empty map for an instance", "/3442/0", `a0`, nil},
	{"an empty map of indefinite length for everything", "/", `bfff`, nil},
	{"an empty object", "/", `a2 03 a0 04 a1 00 a0`, wiretest.Nodes("/4/0", nil)},

	{"an integer for a Float", "/3303/0", `a1 191644 14`, wiretest.Nodes("/3303/0/5700", lwm2m.Float(20))},
	{"a half float", "/3303/0", `a1 191644 f94d00`, wiretest.Nodes("/3303/0/5700", lwm2m.Float(20))},
	{"a decimal fraction", "/3303/0", `a1 191644 c4822018c9`, wiretest.Nodes("/3303/0/5700", lwm2m.Float(20.1))},
	{"a float for an Integer", "/3/0", `a1 09 f94d00`, wiretest.Nodes("/3/0/9", lwm2m.Integer(20))},
	{"a tagged time", "/3/0", `a1 0d c11a5182428f`, wiretest.Nodes("/3/0/13", lwm2m.UnixTime(1367491215))},
	{"a date", "/3/0", `a1 0d 74` + wiretest.Hex("2013-05-02T10:40:15Z"), wiretest.Nodes("/3/0/13", lwm2m.UnixTime(1367491215))},
	{"text in chunks", "/3/0", `a1 00 7f 61 61 61 62 ff`, wiretest.Nodes("/3/0/0", lwm2m.String("ab"))},
	{"types without a shape", "/9999/0", `a3 00 07 01 63` + wiretest.Hex("3:0") + `02 fa3f800000`, wiretest.Nodes(
		"/9999/0/0", lwm2m.Integer(7), "/9999/0/1", lwm2m.String("3:0"), "/9999/0/2", lwm2m.Float(1))},
	{"a resource to execute", "/3/0", `a1 04 07`, wiretest.Nodes("/3/0/4", lwm2m.Integer(7))},
}

func TestDecodeAccepts(t *testing.T) {
	t.Parallel()
	for _, test := range accepted {
		got, err := lwm2mcbor.Decode(wiretest.Unhex(t, test.hex), lwm2m.MustPath(test.base), wiretest.Shapes)
		if diff := diff(test.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", test.name, err, diff)
		}
	}
	got, err := lwm2mcbor.Decode(wiretest.Unhex(t, `a1 03 a1 00 a1 09 1864`), lwm2m.Path{}, nil)
	if diff := diff(wiretest.Nodes("/3/0/9", lwm2m.Integer(100)), got); err != nil || diff != "" {
		t.Errorf("no shapes: %v\n%s", err, diff)
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, base, hex, reason string }{
		{"nothing", "/3/0", ``, "not well-formed"},
		{"a value", "/3/0/9", `1864`, "another type"},
		{"an array", "/3/0", `81 1864`, "another type"},
		{"a tagged map", "/3/0", `c1 a1 09 1864`, "another type"},
		{"a map without end", "/3/0", `bf 09 1864`, "cut off"},
		{"a break in a map of one", "/3/0", `a1 ff`, "not well-formed"},
		{"a break for a value", "/3/0", `bf 09 ff`, "another type"},
		{"a map of 2^64-1", "/3/0", `bbffffffffffffffff 09 1864`, "cut off"},
		{"bytes left over", "/3/0", `a1 09 1864 00`, "left over"},
		{"a second map", "/3/0", `a1 09 1864 a0`, "left over"},

		{"a negative identifier", "/3/0", `a1 28 1864`, "-9 is no identifier"},
		{"the reserved identifier", "/3/0", `a1 19ffff 1864`, "65535 is no identifier"},
		{"the reserved identifier in an array", "/3/0", `a1 820019ffff 1864`, "65535 is no identifier"},
		{"an identifier beyond 16 bits", "/3/0", `a1 1a00010009 1864`, "65545 is no identifier"},
		{"an identifier beyond 63 bits", "/3/0", `a1 1b8000000000000009 1864`, "another type"},
		{"a text as key", "/3/0", `a1 61 39 1864`, "a key is neither"},
		{"bytes as key", "/3/0", `a1 41 39 1864`, "a key is neither"},
		{"a float as key", "/3/0", `a1 f94880 1864`, "a key is neither"},
		{"an empty map as key", "/3/0", `a1 a0 1864`, "a key is neither"},
		{"null as key", "/3/0", `a1 f6 1864`, "a key is neither"},
		{"a tagged key", "/3/0", `a1 c1 09 1864`, "a key is neither"},
		{"an array without identifiers", "/3/0", `a1 80 a1 09 1864`, "an array without"},
		{"an array inside an array", "/3/0", `a1 818109 1864`, "a key is neither"},
		{"a text inside an array", "/3/0", `a1 8206 6130 1864`, "a key is neither"},
		{"a negative identifier inside an array", "/3/0", `a1 820620 1864`, "-1 is no identifier"},
		{"an array of five", "/3/0", `a1 850300060100 05`, "more than four"},
		{"an array of three and a map of two levels", "/3/0", `a1 83030006 a1 01 a1 00 05`, "more than four"},
		{"a map below a resource instance", "/3/0", `a1 84030006 01 a1 00 05`, "more than four"},
		{"four identifiers below an instance", "/4/0", `a1 8403000601 05`, "more than four"},
		{"two identifiers below a resource", "/3/0/6", `a1 820001 05`, "more than four"},
		{"anything below a resource instance", "/3/0/6/1", `a1 00 05`, "more than four"},

		{"a value of an object", "/", `a1 03 05`, "above the resource"},
		{"a value of an instance", "/", `a1 03 a1 00 05`, "above the resource"},
		{"a value of an instance, below the object", "/3", `a1 00 05`, "above the resource"},
		{"another object", "/3/0", `a1 04 a1 00 a1 09 1864`, "/4/0/9: it is not below"},
		{"another instance", "/3/0", `a1 03 a1 01 a1 09 1864`, "/3/1/9: it is not below"},
		{"another resource", "/3/0/9", `a1 03 a1 00 a1 0a 1864`, "/3/0/10: it is not below"},
		{"another resource of the device", "/dev1/3/0/9", `a1 03 a1 00 a1 0a 1864`, "/3/0/10: it is not below"},
		{"one of two outside", "/3/0", `a2 83030009 01 83030109 02`, "/3/1/9: it is not below"},
		{"an instance outside that is empty", "/3/0", `a2 83030009 01 820301 a0`, "/3/1: it is not below"},
		{"from the object on and below the instance", "/3/0", `a2 83030009 01 09 02`, "/9: it is not below"},
		{"a resource instance without a value", "/3/0", `a1 84 03 00 06 00 a0`, "there is no value"},
		{"the same below its resource", "/3/0/6", `a1 00 a0`, "there is no value"},

		{"null", "/3/0", `a1 09 f6`, "after /9: it has another type"},
		{"undefined", "/3/0", `a1 09 f7`, "another type"},
		{"an array as value", "/3/0", `a1 06 82 01 05`, "another type"},
		{"a text for an Integer", "/3/0", `a1 09 61 31`, `String "1" is no Integer`},
		{"a number for a String", "/3/0", `a1 00 01`, `Integer "1" is no String`},
		{"a fraction for an Integer", "/3/0", `a1 09 f93e00`, "not a valid value"},
		{"a text that is no object link", "/3442/0", `a1 18aa 61 33`, "not a valid value"},
		{"infinity", "/3303/0", `a1 191644 f97c00`, "the value is"},
		{"no number, without a shape", "/9999/0", `a1 00 f97e00`, "the value is"},
		{"text that is not UTF-8", "/3/0", `a1 00 61 ff`, "not UTF-8"},
		{"a text beyond the payload", "/3/0", `a1 00 7bffffffffffffffff`, "cut off"},
		{"an unknown tag", "/3/0", `a1 09 d82a 01`, "tag 42"},
	} {
		got, err := lwm2mcbor.Decode(wiretest.Unhex(t, test.hex), lwm2m.MustPath(test.base), wiretest.Shapes)
		if err == nil || lwm2m.CodeOf(err) != lwm2m.BadRequest || !strings.Contains(err.Error(), test.reason) || got != nil {
			t.Errorf("%s: %v, %v, want %q", test.name, got, err, test.reason)
		}
	}
}

// A cut payload is refused whatever way it is written.
func TestTruncation(t *testing.T) {
	t.Parallel()
	for _, test := range accepted {
		data, base := wiretest.Unhex(t, test.hex), lwm2m.MustPath(test.base)
		for n := range data {
			if got, err := lwm2mcbor.Decode(data[:n], base, wiretest.Shapes); err == nil || lwm2m.CodeOf(err) != lwm2m.BadRequest || got != nil {
				t.Errorf("%s: cut to %d bytes: %v, %v", test.name, n, got, err)
			}
		}
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	values := []byte{0xBF, 0x18, 0x78, 0x07, 0xFF}
	full := append([]byte{0xBF}, bytes.Repeat(values[1:4], lwm2mcbor.MaxNodes)...)
	base := lwm2m.NewPath(wiretest.Object, 0)
	if got, err := lwm2mcbor.Decode(append(bytes.Clone(full), 0xFF), base, nil); err != nil || len(got) != lwm2mcbor.MaxNodes {
		t.Errorf("%d nodes: %v", len(got), err)
	}
	for name, data := range map[string][]byte{
		"values":     append(append(bytes.Clone(full), values[1:4]...), 0xFF),
		"empty maps": append(append([]byte{0xBF}, bytes.Repeat([]byte{0x06, 0xA0}, lwm2mcbor.MaxNodes+1)...), 0xFF),
	} {
		if got, err := lwm2mcbor.Decode(data, base, nil); err == nil || lwm2m.CodeOf(err) != lwm2m.RequestEntityTooLarge || got != nil {
			t.Errorf("%s: %d nodes, %v", name, len(got), err)
		}
	}
	for name, data := range map[string][]byte{
		"maps inside each other":     bytes.Repeat([]byte{0xA1, 0x00}, 1e5),
		"maps of indefinite length":  bytes.Repeat([]byte{0xBF, 0x00}, 1e5),
		"arrays inside each other":   append([]byte{0xA1}, bytes.Repeat([]byte{0x81}, 1e5)...),
		"maps as keys of each other": bytes.Repeat([]byte{0xA1}, 1e5),
		"tags inside each other":     append([]byte{0xA1, 0x00}, bytes.Repeat([]byte{0xC1}, 1e5)...),
		"an array of identifiers":    append([]byte{0xA1, 0x9F}, make([]byte, 1e5)...),
	} {
		if got, err := lwm2mcbor.Decode(data, lwm2m.Path{}, nil); err == nil || lwm2m.CodeOf(err) != lwm2m.BadRequest || got != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// A Create names the instance, or leaves it to the client.
func TestDecodeCreate(t *testing.T) {
	t.Parallel()
	object := lwm2m.NewPath(wiretest.Object)
	for _, test := range []struct {
		name, data string
		named      bool
		want       string // path of the only node, "" for a refusal
	}{
		{"with the object", "\xa1\x19\x0d\x72\xa1\x07\xa1\x18\x78\x05", true, "/3442/7/120"},
		{"with the instance", "\xa1\x07\xa1\x18\x78\x05", true, "/3442/7/120"},
		{"with resources alone", "\xa1\x18\x78\x05", false, "/3442/17/120"},
		{"with a resource instance that may be a resource", "\xa1\x19\x04\x60\xa1\x00\x05", true, "/3442/1120/0"},
		{"a value alone", "\x05", false, ""},
		{"too deep", "\xa1\x84\x01\x02\x03\x04\x05", false, ""},
	} {
		nodes, named, err := lwm2mcbor.DecodeCreate([]byte(test.data), object, 17, nil)
		switch {
		case test.want == "" && (err == nil || lwm2m.CodeOf(err) != lwm2m.BadRequest):
			t.Errorf("%s: %v, %v", test.name, nodes, err)
		case test.want != "" && (err != nil || len(nodes) != 1 || nodes[0].Path != lwm2m.MustPath(test.want) || named != test.named):
			t.Errorf("%s: %v, named %t, %v", test.name, nodes, named, err)
		}
	}
	if nodes, named, err := lwm2mcbor.DecodeCreate([]byte("\xa0"), object, 17, nil); len(nodes) > 0 || named || err != nil {
		t.Errorf("an empty map: %v, %t, %v", nodes, named, err)
	}
}
