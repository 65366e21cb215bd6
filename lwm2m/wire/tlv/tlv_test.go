package tlv_test

import (
	"bytes"
	"encoding/hex"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/wiretest"
	"lwm2m-agent/lwm2m/wire/tlv"
)

// examples are the payloads of the specification's examples (Core, section 7.5.5)
// and one payload for each boundary of the format.
var examples = []struct {
	name  string
	base  string
	hex   string
	nodes []lwm2m.Node
}{
	{
		"device", "/3/0", `C80014` + wiretest.Hex("Open Mobile Alliance") + `C80116` + wiretest.Hex("Lightweight M2M Client") +
			`C80209` + wiretest.Hex("345000123") + `C303312E30 8606 410001 410105 8807 08 42000ED8 42011388 8708 41007D 42010384
			C10964 C10A0F 830B 410000 C40D5182428F C60E` + wiretest.Hex("+02:00") + `C11055`, wiretest.Device(),
	},
	{
		"device behind a gateway prefix", "/dev1/3/0", `C10964`, wiretest.Nodes("/dev1/3/0/9", lwm2m.Integer(100)),
	},
	{"object of one instance", "/3", `030F C10964`, wiretest.Nodes("/3/15/9", lwm2m.Integer(100))},
	{
		"access control", "/2", `08000E C10001 C10100 830241 7F07 C1037F 080212 C10003 C10100 8702 417F07 61013601 C1037F`,
		wiretest.Nodes(
			"/2/0/0", lwm2m.Integer(1), "/2/0/1", lwm2m.Integer(0), "/2/0/2/127", lwm2m.Integer(7), "/2/0/3", lwm2m.Integer(127),
			"/2/2/0", lwm2m.Integer(3), "/2/2/1", lwm2m.Integer(0), "/2/2/2/127", lwm2m.Integer(7), "/2/2/2/310", lwm2m.Integer(1),
			"/2/2/3", lwm2m.Integer(127)),
	},
	{
		"object links", "/3442/0", `C4AA00420000 A804920C 440000420000 440100420001`, wiretest.Nodes(
			"/3442/0/170", lwm2m.Objlnk(66, 0), "/3442/0/1170/0", lwm2m.Objlnk(66, 0), "/3442/0/1170/1", lwm2m.Objlnk(66, 1)),
	},
	{"one resource", "/3/0/9", `C10964`, wiretest.Nodes("/3/0/9", lwm2m.Integer(100))},
	{"one multiple resource", "/3/0/6", `8606 410001 410105`, wiretest.Nodes("/3/0/6/0", lwm2m.Integer(1), "/3/0/6/1", lwm2m.Integer(5))},
	{"one resource instance", "/3/0/6/1", `410105`, wiretest.Nodes("/3/0/6/1", lwm2m.Integer(5))},
	{"a multiple resource without instances", "/3/0/6", `8006`, wiretest.Nodes("/3/0/6", nil)},
	{"the same inside an instance", "/3/0", `8006 C10964`, wiretest.Nodes("/3/0/6", nil, "/3/0/9", lwm2m.Integer(100))},
	{"object instances without resources", "/3442", `0000 00FF 200100 20FFFE`, wiretest.Nodes("/3442/0", nil, "/3442/255", nil, "/3442/256", nil, "/3442/65534", nil)},
	{"an instance without resources", "/3442/0", ``, wiretest.Nodes("/3442/0", nil)},
	{"an object without instances", "/3442", ``, nil},
	{
		"identifiers of 8 and 16 bits", "/3442/0", `C17801 A70460 41FF01 61010002`, wiretest.Nodes(
			"/3442/0/120", lwm2m.Integer(1), "/3442/0/1120/255", lwm2m.Integer(1), "/3442/0/1120/256", lwm2m.Integer(2)),
	},
	{"length 0", "/3442/0/110", `C06E`, wiretest.Nodes("/3442/0/110", lwm2m.String(""))},
	{"length 1", "/3442/0/110", `C16E61`, wiretest.Nodes("/3442/0/110", lwm2m.String("a"))},
	{"length 7, the longest in the first byte", "/3442/0/110", `C76E` + strings.Repeat("61", 7), wiretest.Nodes("/3442/0/110", lwm2m.String(strings.Repeat("a", 7)))},
	{"length 8, the shortest of 8 bits", "/3442/0/110", `C86E08` + strings.Repeat("61", 8), wiretest.Nodes("/3442/0/110", lwm2m.String(strings.Repeat("a", 8)))},
	{"length 255, the longest of 8 bits", "/3442/0/110", `C86EFF` + strings.Repeat("61", 255), wiretest.Nodes("/3442/0/110", lwm2m.String(strings.Repeat("a", 255)))},
	{"length 256, the shortest of 16 bits", "/3442/0/110", `D06E0100` + strings.Repeat("61", 256), wiretest.Nodes("/3442/0/110", lwm2m.String(strings.Repeat("a", 256)))},
	{"length 65535, the longest of 16 bits", "/3442/0/110", `D06EFFFF` + strings.Repeat("61", 65535), wiretest.Nodes("/3442/0/110", lwm2m.String(strings.Repeat("a", 65535)))},
	{"length 65536, the shortest of 24 bits", "/3442/0/110", `D86E010000` + strings.Repeat("61", 65536), wiretest.Nodes("/3442/0/110", lwm2m.String(strings.Repeat("a", 65536)))},
	{"length of 8 bits and identifier of 16", "/3442/0/1110/256", `68010008` + strings.Repeat("61", 8), wiretest.Nodes("/3442/0/1110/256", lwm2m.String(strings.Repeat("a", 8)))},
}

func TestExamples(t *testing.T) {
	t.Parallel()
	for _, test := range examples {
		base, data := lwm2m.MustPath(test.base), wiretest.Unhex(t, test.hex)
		got, err := tlv.Append([]byte{0xAA}, base, test.nodes)
		if err != nil || !bytes.Equal(got[1:], data) || got[0] != 0xAA {
			t.Errorf("%s: written as %.200X, %v\nwant %.200X", test.name, got, err, data)
		}
		nodes, err := tlv.Decode(data, base, wiretest.Shapes)
		if diff := wiretest.Diff(test.nodes, nodes); err != nil || diff != "" {
			t.Errorf("%s: %v\n%.2000s", test.name, err, diff)
		}
	}
}

// Values in bytes (Core, appendix C.2), named by boundary.
func TestValues(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		value lwm2m.Value
		hex   string
	}{
		{lwm2m.Integer(0), "00"},
		{lwm2m.Integer(-1), "ff"},
		{lwm2m.Integer(math.MaxInt8), "7f"},
		{lwm2m.Integer(math.MinInt8), "80"},
		{lwm2m.Integer(math.MaxInt8 + 1), "0080"},
		{lwm2m.Integer(math.MinInt8 - 1), "ff7f"},
		{lwm2m.Integer(math.MaxInt16), "7fff"},
		{lwm2m.Integer(math.MinInt16), "8000"},
		{lwm2m.Integer(math.MaxInt16 + 1), "00008000"},
		{lwm2m.Integer(math.MinInt16 - 1), "ffff7fff"},
		{lwm2m.Integer(math.MaxInt32), "7fffffff"},
		{lwm2m.Integer(math.MinInt32), "80000000"},
		{lwm2m.Integer(math.MaxInt32 + 1), "0000000080000000"},
		{lwm2m.Integer(math.MinInt32 - 1), "ffffffff7fffffff"},
		{lwm2m.Integer(math.MaxInt64), "7fffffffffffffff"},
		{lwm2m.Integer(math.MinInt64), "8000000000000000"},
		{lwm2m.Unsigned(0), "00"},
		{lwm2m.Unsigned(127), "7f"},
		{lwm2m.Unsigned(128), "0080"},
		{lwm2m.Unsigned(32767), "7fff"},
		{lwm2m.Unsigned(32768), "00008000"},
		{lwm2m.Unsigned(math.MaxUint32), "00000000ffffffff"},
		{lwm2m.Unsigned(math.MaxInt64), "7fffffffffffffff"},
		{lwm2m.Unsigned(math.MaxInt64 + 1), "8000000000000000"},
		{lwm2m.Unsigned(math.MaxUint64), "ffffffffffffffff"},
		{lwm2m.Float(0), "00000000"},
		{lwm2m.Float(math.Copysign(0, -1)), "80000000"},
		{lwm2m.Float(22.5), "41b40000"},
		{lwm2m.Float(22.4), "4036666666666666"},
		{lwm2m.Float(math.MaxFloat32), "7f7fffff"},
		{lwm2m.Float(math.SmallestNonzeroFloat32), "00000001"},
		{lwm2m.Float(math.SmallestNonzeroFloat64), "0000000000000001"},
		{lwm2m.Float(math.MaxFloat64), "7fefffffffffffff"},
		{lwm2m.Boolean(false), "00"},
		{lwm2m.Boolean(true), "01"},
		{lwm2m.Opaque(nil), ""},
		{lwm2m.Opaque([]byte{0, 1, 0xFF}), "0001ff"},
		{lwm2m.UnixTime(1367491215), "5182428f"},
		{lwm2m.UnixTime(-1), "ff"},
		{lwm2m.Objlnk(3, 0), "00030000"},
		{lwm2m.Objlnk(lwm2m.MaxID, lwm2m.MaxID), "ffffffff"},
		{lwm2m.Corelnk("</3>"), wiretest.Hex("</3>")},
	} {
		path := lwm2m.NewPath(wiretest.Object, 0, wiretest.Single(test.value.Type()))
		data, err := tlv.Append(nil, path, []lwm2m.Node{{Path: path, Value: test.value}})
		if err != nil || len(data) < 2 || hex.EncodeToString(value(data)) != test.hex {
			t.Errorf("%v %v: %x, %v, want the value %s", test.value.Type(), test.value, data, err, test.hex)
		}
	}
}

// value cuts the head off a TLV with an 8-bit identifier and up to 8 bits of length.
func value(data []byte) []byte {
	if data[0]&0x18 == 0 {
		return data[2:]
	}
	return data[3:]
}

// What others write and this package does not.
func TestDecodeAccepts(t *testing.T) {
	t.Parallel()
	seven := lwm2m.Integer(7)
	for _, test := range []struct {
		name, base, hex string
		want            []lwm2m.Node
	}{
		{"integer of 2 bytes", "/3442/0", "C2780007", wiretest.Nodes("/3442/0/120", seven)},
		{"integer of 4 bytes", "/3442/0", "C478FFFFFFFF", wiretest.Nodes("/3442/0/120", lwm2m.Integer(-1))},
		{"integer of 8 bytes", "/3442/0", "C87808 0000000000000007", wiretest.Nodes("/3442/0/120", seven)},
		{"unsigned of 1 byte", "/3442/0", "C17DFF", wiretest.Nodes("/3442/0/125", lwm2m.Unsigned(255))},
		{"unsigned of 2 bytes", "/3442/0", "C27DFFFF", wiretest.Nodes("/3442/0/125", lwm2m.Unsigned(65535))},
		{"unsigned of 4 bytes", "/3442/0", "C47DFFFFFFFF", wiretest.Nodes("/3442/0/125", lwm2m.Unsigned(math.MaxUint32))},
		{"time of 8 bytes", "/3442/0", "C8A008 000000005182428F", wiretest.Nodes("/3442/0/160", lwm2m.UnixTime(1367491215))},
		{"float 1 in 8 bytes", "/3442/0", "C88208 3FF0000000000000", wiretest.Nodes("/3442/0/130", lwm2m.Float(1))},
		{"8-bit length of a short value", "/3442/0", "C8780107", wiretest.Nodes("/3442/0/120", seven)},
		{"16-bit length of a short value", "/3442/0", "D078000107", wiretest.Nodes("/3442/0/120", seven)},
		{"24-bit length of a short value", "/3442/0", "D87800000107", wiretest.Nodes("/3442/0/120", seven)},
		{"16-bit form of a short identifier", "/3442/0", "E1007807", wiretest.Nodes("/3442/0/120", seven)},
		{"an instance around resources", "/3442/0", "0300 C17807", wiretest.Nodes("/3442/0/120", seven)},
		{"an empty instance in an instance", "/3442/0", "0000", wiretest.Nodes("/3442/0", nil)},
		{"an instance around a resource", "/3442/0/120", "0300 C17807", wiretest.Nodes("/3442/0/120", seven)},
		{"resources where an object is", "/3", "C10964", wiretest.Nodes("/3/0/9", lwm2m.Integer(100))},
		{"instances without their multiple resource", "/3/0/6", "410001 410105", wiretest.Nodes("/3/0/6/0", lwm2m.Integer(1), "/3/0/6/1", lwm2m.Integer(5))},
		{"nothing for a multiple resource", "/3/0/6", "", wiretest.Nodes("/3/0/6", nil)},
		{"nothing for an unknown resource", "/9999/0/6", "", wiretest.Nodes("/9999/0/6", nil)},
		{"an unknown resource", "/9999/0", "C10007", wiretest.Nodes("/9999/0/0", lwm2m.Opaque([]byte{7}))},
		{"a resource to execute", "/3/0", "C10407", wiretest.Nodes("/3/0/4", lwm2m.Opaque([]byte{7}))},
		{"resources in any order", "/3442/0", "C17807 C06E", wiretest.Nodes("/3442/0/120", seven, "/3442/0/110", lwm2m.String(""))},
	} {
		got, err := tlv.Decode(wiretest.Unhex(t, test.hex), lwm2m.MustPath(test.base), wiretest.Shapes)
		if diff := wiretest.Diff(test.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", test.name, err, diff)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, base, hex string }{
		{"no identifier", "/3442/0", "C1"},
		{"half an identifier", "/3442/0", "E100"},
		{"no length", "/3442/0", "C878"},
		{"half a length", "/3442/0", "D07800"},
		{"two thirds of a length", "/3442/0", "D8780000"},
		{"no value", "/3442/0", "C178"},
		{"part of a value", "/3442/0", "C4780000"},
		{"a length beyond the payload", "/3442/0", "D878FFFFFF00"},
		{"a value beyond its container", "/3/0", "8306420201C10964"},
		{"half a second TLV", "/3442/0", "C17807C1"},
		{"the reserved identifier", "/3442/0", "E1FFFF07"},
		{"the reserved identifier of an instance", "/3442", "20FFFF"},
		{"the reserved identifier of a resource instance", "/3/0", "84 06 61FFFF01"},
		{"integer of 0 bytes", "/3442/0", "C078"},
		{"integer of 3 bytes", "/3442/0", "C378000007"},
		{"integer of 5 bytes", "/3442/0", "C5780000000007"},
		{"integer of 9 bytes", "/3442/0", "C87809 000000000000000007"},
		{"unsigned of 3 bytes", "/3442/0", "C37D000007"},
		{"time of 6 bytes", "/3442/0", "C6A0000000000007"},
		{"float of 2 bytes", "/3442/0", "C2823C00"},
		{"float of 0 bytes", "/3442/0", "C082"},
		{"boolean of 0 bytes", "/3442/0", "C08C"},
		{"boolean of 2 bytes", "/3442/0", "C28C0001"},
		{"boolean 2", "/3442/0", "C18C02"},
		{"object link of 3 bytes", "/3442/0", "C3AA000300"},
		{"object link of 5 bytes", "/3442/0", "C5AA0003000000"},
		{"string that is not UTF-8", "/3442/0", "C16EFF"},
		{"links that are not UTF-8", "/3442/0", "C1B4FF"},
		{"a resource instance in an instance", "/3442/0", "417807"},
		{"an instance in an instance", "/3442", "0500 0300 C17807"},
		{"a resource in a multiple resource", "/3/0", "8306 C10007"},
		{"a multiple resource in a multiple resource", "/3/0", "8206 8000"},
		{"an instance in a multiple resource", "/3/0", "8206 0000"},
		{"an instance after a resource", "/3442", "C17807 0300 C17807"},
		{"a resource after an instance", "/3442", "0300 C17807 C17807"},
		{"another instance", "/3442/0", "0301 C17807"},
		{"another instance around a resource", "/3442/0/120", "0301 C17807"},
		{"two instances in an instance", "/3442/0", "0300 C17807 0301 C17807"},
		{"another resource", "/3442/0/120", "C17907"},
		{"two resources", "/3442/0/120", "C17807 C17807"},
		{"a cut instance", "/3442/0", "0300 C178"},
		{"a cut resource", "/3442/0/120", "C178"},
		{"a cut resource instance", "/3/0/6/0", "4100"},
		{"a resource for a resource instance", "/3/0/6/0", "C10001"},
		{"another resource instance", "/3/0/6/0", "410101"},
		{"two resource instances", "/3/0/6/0", "410001 410101"},
		{"nothing for a resource instance", "/3/0/6/0", ""},
		{"nothing for a single resource", "/3/0/9", ""},
	} {
		got, err := tlv.Decode(wiretest.Unhex(t, test.hex), lwm2m.MustPath(test.base), wiretest.Shapes)
		if err == nil || lwm2m.CodeOf(err) != lwm2m.BadRequest || got != nil {
			t.Errorf("%s: %v, %v", test.name, got, err)
		}
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	full := bytes.Repeat([]byte{0xC0, 0x00}, tlv.MaxNodes)
	if got, err := tlv.Decode(full, lwm2m.NewPath(9999, 0), nil); err != nil || len(got) != tlv.MaxNodes {
		t.Errorf("%d nodes: %v", len(got), err)
	}
	for name, data := range map[string][]byte{
		"resources": append(full, 0xC0, 0x00),
		"instances": bytes.Repeat([]byte{0x00, 0x00}, tlv.MaxNodes+1),
	} {
		base := lwm2m.NewPath(9999, 0)
		if name == "instances" {
			base = base.Parent()
		}
		if got, err := tlv.Decode(data, base, nil); lwm2m.CodeOf(err) != lwm2m.RequestEntityTooLarge || err == nil {
			t.Errorf("%d %s too many: %v", len(got), name, err)
		}
	}
	p := lwm2m.MustPath("/3442/0/150")
	longest := lwm2m.Node{Path: p, Value: lwm2m.Opaque(make([]byte, 1<<24-1))}
	data, err := tlv.Append(nil, p, []lwm2m.Node{longest})
	if err != nil || !bytes.HasPrefix(data, []byte{0xD8, 0x96, 0xFF, 0xFF, 0xFF}) {
		t.Errorf("the longest value: %.8x, %v", data, err)
	}
	for name, test := range map[string]struct {
		base string
		node lwm2m.Node
	}{
		"a value of 16 MiB":     {"/3442/0/150", lwm2m.Node{Path: p, Value: lwm2m.Opaque(make([]byte, 1<<24))}},
		"an instance of 16 MiB": {"/3442", longest},
	} {
		if _, err := tlv.Append(nil, lwm2m.MustPath(test.base), []lwm2m.Node{test.node}); lwm2m.CodeOf(err) != lwm2m.InternalServerError {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDecodeCreate(t *testing.T) {
	t.Parallel()
	got, named, err := tlv.DecodeCreate(wiretest.Unhex(t, "0301 C17807"), lwm2m.NewPath(3442), 9, wiretest.Shapes)
	if diff := wiretest.Diff(wiretest.Nodes("/3442/1/120", lwm2m.Integer(7)), got); err != nil || !named || diff != "" {
		t.Errorf("named: %t, %v\n%s", named, err, diff)
	}
	got, named, err = tlv.DecodeCreate(wiretest.Unhex(t, "C17807"), lwm2m.NewPath(3442), 9, wiretest.Shapes)
	if diff := wiretest.Diff(wiretest.Nodes("/3442/9/120", lwm2m.Integer(7)), got); err != nil || named || diff != "" {
		t.Errorf("unnamed: %t, %v\n%s", named, err, diff)
	}
	if got, named, err = tlv.DecodeCreate(wiretest.Unhex(t, "417807"), lwm2m.NewPath(3442), 9, nil); lwm2m.CodeOf(err) != lwm2m.BadRequest || named {
		t.Errorf("a resource instance: %v, %t, %v", got, named, err)
	}
}

// What can be read can be written, and reads back as the same.
func FuzzDecode(f *testing.F) {
	bases := []lwm2m.Path{
		lwm2m.MustPath("/3442"), lwm2m.MustPath("/3442/0"), lwm2m.MustPath("/3442/0/120"), lwm2m.MustPath("/3442/0/1120"),
		lwm2m.MustPath("/3442/0/1120/0"), lwm2m.MustPath("/3"), lwm2m.MustPath("/3/0"), lwm2m.MustPath("/9999/1"),
	}
	for _, example := range examples {
		if len(example.hex) < 2000 {
			for i := range bases {
				f.Add(uint8(i), wiretest.Unhex(f, example.hex))
			}
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		base := bases[int(which)%len(bases)]
		nodes, err := tlv.Decode(data, base, wiretest.Shapes)
		if err != nil {
			if lwm2m.CodeOf(err) != lwm2m.BadRequest && lwm2m.CodeOf(err) != lwm2m.RequestEntityTooLarge {
				t.Fatal(err)
			}
			return
		}
		lwm2m.SortNodes(nodes)
		again, err := tlv.Append(nil, base, nodes)
		if err != nil {
			return // the payload said a path twice
		}
		back, err := tlv.Decode(again, base, wiretest.Shapes)
		if diff := wiretest.Diff(nodes, back); err != nil || diff != "" {
			t.Fatalf("%x at %v: %v\n%s", data, base, err, diff)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	nodes := wiretest.Temperatures(1000)
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst, _ = tlv.Append(dst[:0], lwm2m.NewPath(3303), nodes)
	}
	b.ReportMetric(float64(len(dst)), "payload-B")
}

func BenchmarkDecode(b *testing.B) {
	data, _ := tlv.Append(nil, lwm2m.NewPath(3303), wiretest.Temperatures(1000))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tlv.Decode(data, lwm2m.NewPath(3303), wiretest.Shapes); err != nil {
			b.Fatal(err)
		}
	}
}

func TestRandomNodes(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		base := lwm2m.NewPath(wiretest.Object)
		nodes := wiretest.Random(r, base)
		data, err := tlv.Append(nil, base, nodes)
		if err != nil {
			t.Fatal(err)
		}
		got, err := tlv.Decode(data, base, wiretest.Shapes)
		if diff := wiretest.Diff(nodes, got); err != nil || diff != "" {
			t.Fatalf("%v\n%.2000s", err, diff)
		}
	}
}
