// Package wiretest holds what the tests of the formats have in common: nodes,
// shapes and values at the ends of every type.
//
// It knows package lwm2m. It must not know a format.
package wiretest

import (
	"encoding/hex"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lwm2m-agent/lwm2m"
)

// Object is the identifier of the LwM2M v1.1 Test Object, which has a single and a
// multiple resource of every type.
const Object = 3442

// Single and Multiple return the identifier of the test object's resource of a type.
func Single(t lwm2m.Type) uint16 { return singles[t] }

// Multiple is Single for the multiple resources.
func Multiple(t lwm2m.Type) uint16 { return 1000 + singles[t] }

var singles = map[lwm2m.Type]uint16{
	lwm2m.TypeString: 110, lwm2m.TypeInteger: 120, lwm2m.TypeUnsigned: 125, lwm2m.TypeFloat: 130,
	lwm2m.TypeBoolean: 140, lwm2m.TypeOpaque: 150, lwm2m.TypeTime: 160, lwm2m.TypeObjlnk: 170,
	lwm2m.TypeCorelnk: 180,
}

// Types returns every type that has values.
func Types() []lwm2m.Type {
	return []lwm2m.Type{
		lwm2m.TypeString, lwm2m.TypeInteger, lwm2m.TypeUnsigned, lwm2m.TypeFloat, lwm2m.TypeBoolean,
		lwm2m.TypeOpaque, lwm2m.TypeTime, lwm2m.TypeObjlnk, lwm2m.TypeCorelnk,
	}
}

var device = map[uint16]lwm2m.Shape{
	0: {Type: lwm2m.TypeString}, 1: {Type: lwm2m.TypeString}, 2: {Type: lwm2m.TypeString}, 3: {Type: lwm2m.TypeString},
	4: {}, 5: {}, 6: {Type: lwm2m.TypeInteger, Multiple: true}, 7: {Type: lwm2m.TypeInteger, Multiple: true},
	8: {Type: lwm2m.TypeInteger, Multiple: true}, 9: {Type: lwm2m.TypeInteger}, 10: {Type: lwm2m.TypeInteger},
	11: {Type: lwm2m.TypeInteger, Multiple: true}, 12: {}, 13: {Type: lwm2m.TypeTime}, 14: {Type: lwm2m.TypeString},
	15: {Type: lwm2m.TypeString}, 16: {Type: lwm2m.TypeString},
}

var accessControl = map[uint16]lwm2m.Shape{
	0: {Type: lwm2m.TypeInteger}, 1: {Type: lwm2m.TypeInteger}, 2: {Type: lwm2m.TypeInteger, Multiple: true},
	3: {Type: lwm2m.TypeInteger},
}

var temperature = map[uint16]lwm2m.Shape{
	5601: {Type: lwm2m.TypeFloat}, 5602: {Type: lwm2m.TypeFloat}, 5605: {}, 5700: {Type: lwm2m.TypeFloat},
	5701: {Type: lwm2m.TypeString}, 5518: {Type: lwm2m.TypeTime},
}

// Shapes knows the test object and parts of the objects 2, 3 and 3303.
func Shapes(p lwm2m.Path) (lwm2m.Shape, bool) {
	var shape lwm2m.Shape
	known := false
	switch p.Object() {
	case 2:
		shape, known = accessControl[p.Resource()]
	case 3:
		shape, known = device[p.Resource()]
	case 3303:
		shape, known = temperature[p.Resource()]
	case Object:
		for _, t := range Types() {
			if p.Resource()%1000 == singles[t] {
				return lwm2m.Shape{Type: t, Multiple: p.Resource() > 1000}, true
			}
		}
	}
	return shape, known
}

// Device returns the device object instance of the specification's examples (Core,
// section 7.5).
func Device() []lwm2m.Node {
	return Nodes(
		"/3/0/0", lwm2m.String("Open Mobile Alliance"),
		"/3/0/1", lwm2m.String("Lightweight M2M Client"),
		"/3/0/2", lwm2m.String("345000123"),
		"/3/0/3", lwm2m.String("1.0"),
		"/3/0/6/0", lwm2m.Integer(1),
		"/3/0/6/1", lwm2m.Integer(5),
		"/3/0/7/0", lwm2m.Integer(3800),
		"/3/0/7/1", lwm2m.Integer(5000),
		"/3/0/8/0", lwm2m.Integer(125),
		"/3/0/8/1", lwm2m.Integer(900),
		"/3/0/9", lwm2m.Integer(100),
		"/3/0/10", lwm2m.Integer(15),
		"/3/0/11/0", lwm2m.Integer(0),
		"/3/0/13", lwm2m.UnixTime(1367491215),
		"/3/0/14", lwm2m.String("+02:00"),
		"/3/0/16", lwm2m.String("U"),
	)
}

// Nodes returns the nodes of alternating paths and values; a nil value is none.
func Nodes(pairs ...any) []lwm2m.Node {
	nodes := make([]lwm2m.Node, 0, len(pairs)/2)
	for pair := range slices.Chunk(pairs, 2) {
		path, _ := pair[0].(string)
		value, _ := pair[1].(lwm2m.Value)
		nodes = append(nodes, lwm2m.Node{Path: lwm2m.MustPath(path), Value: value})
	}
	return nodes
}

// Temperatures returns what an object of n temperature sensors answers.
func Temperatures(n uint16) []lwm2m.Node {
	nodes := make([]lwm2m.Node, 0, n)
	for i := range n {
		nodes = append(nodes, lwm2m.Node{Path: lwm2m.NewPath(3303, i, 5700), Value: lwm2m.Float(20 + float64(i)/10)})
	}
	return nodes
}

// Values returns the values at the ends of a type, and some between.
func Values(t lwm2m.Type) []lwm2m.Value {
	var values []lwm2m.Value
	add := func(v ...lwm2m.Value) { values = append(values, v...) }
	switch t {
	case lwm2m.TypeString:
		add(lwm2m.String(""), lwm2m.String("a"), lwm2m.String("21 °C \"\\/\x00\n\r\t\x7f\u2028😀"))
		for _, n := range []int{7, 8, 23, 24, 255, 256, 65535, 65536} {
			add(lwm2m.String(strings.Repeat("x", n)))
		}
	case lwm2m.TypeCorelnk:
		add(lwm2m.Corelnk(""), lwm2m.Corelnk(`</3/0>,</1>;ver=1.1;a="b\"c"`))
	case lwm2m.TypeInteger, lwm2m.TypeTime:
		for shift := range 64 {
			for d := int64(-1); d <= 1; d++ {
				i := int64(1)<<shift + d
				for _, i := range []int64{i, -i} {
					v, _ := lwm2m.Integer(i).Convert(t)
					add(v)
				}
			}
		}
	case lwm2m.TypeUnsigned:
		for shift := range 64 {
			add(lwm2m.Unsigned(1<<shift-1), lwm2m.Unsigned(1<<shift), lwm2m.Unsigned(1<<shift+1))
		}
		add(lwm2m.Unsigned(math.MaxUint64))
	case lwm2m.TypeFloat:
		for _, f := range []float64{
			0, 1, 0.1, 1.5, 22.4, 1e6, 1e21, 1e-7, 1 << 53, 1<<53 + 2, 1 << 63, 1 << 64, math.MaxFloat32,
			math.SmallestNonzeroFloat32, math.MaxFloat32 * 2, math.MaxFloat64, math.SmallestNonzeroFloat64,
			0x1p-1022, 0x1p-1022 - 0x1p-1074, math.Pi, 65504, 16777217,
		} {
			add(lwm2m.Float(f), lwm2m.Float(-f), lwm2m.Float(math.Copysign(f, -1)))
		}
	case lwm2m.TypeBoolean:
		add(lwm2m.Boolean(false), lwm2m.Boolean(true))
	case lwm2m.TypeOpaque:
		for _, n := range []int{0, 1, 2, 3, 7, 8, 255, 256, 65535, 65536} {
			b := make([]byte, n)
			for i := range b {
				b[i] = byte(i * 7)
			}
			add(lwm2m.Opaque(b))
		}
	case lwm2m.TypeObjlnk:
		add(lwm2m.Objlnk(0, 0), lwm2m.Objlnk(3, 65534), lwm2m.Objlnk(lwm2m.MaxID, lwm2m.MaxID))
	case lwm2m.TypeNone:
	}
	return values
}

// Random returns nodes of the test object, in path order, as a Read of base may
// answer, down to empty instances and empty multiple resources.
func Random(r *rand.Rand, base lwm2m.Path) []lwm2m.Node {
	var nodes []lwm2m.Node
	instances := []uint16{base.Object()}
	if base.Level() >= lwm2m.LevelInstance {
		instances[0] = base.Instance()
	} else {
		instances = ids(r, 4)
	}
	for _, iid := range instances {
		instance := lwm2m.NewPath(Object, iid).WithPrefix(base.Prefix())
		before := len(nodes)
		for _, t := range Types() {
			values := Values(t)
			pick := func() lwm2m.Value { return values[r.IntN(len(values))] }
			if r.IntN(2) == 0 {
				nodes = append(nodes, lwm2m.Node{Path: instance.Child(Single(t)), Value: pick()})
			}
			if r.IntN(2) == 0 {
				continue
			}
			multiple := instance.Child(Multiple(t))
			riids := ids(r, 3)
			if len(riids) == 0 {
				nodes = append(nodes, lwm2m.Node{Path: multiple})
			}
			for _, riid := range riids {
				nodes = append(nodes, lwm2m.Node{Path: multiple.Child(riid), Value: pick()})
			}
		}
		if len(nodes) == before {
			nodes = append(nodes, lwm2m.Node{Path: instance})
		}
	}
	lwm2m.SortNodes(nodes)
	return nodes
}

// ids returns up to most identifiers in rising order.
func ids(r *rand.Rand, most int) []uint16 {
	n := r.IntN(most + 1)
	ids := make([]uint16, 0, n)
	next := uint32(0)
	for range n {
		next += 1 + r.Uint32N(1<<r.IntN(14))
		ids = append(ids, uint16(next-1)) //nolint:gosec // at most 4 times 2^13
	}
	return ids
}

// Trees calls f eighty times with a base, with and without a gateway prefix, and Random
// nodes of it; the seed makes them the same each time.
func Trees(seed uint64, f func(base lwm2m.Path, nodes []lwm2m.Node)) {
	bases := []lwm2m.Path{
		lwm2m.NewPath(Object), lwm2m.NewPath(Object, 7),
		lwm2m.NewPath(Object).WithPrefix("dev1"), lwm2m.NewPath(Object, 7).WithPrefix("dev1"),
	}
	r := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // repeatable
	for i := range 80 {
		base := bases[i%len(bases)]
		f(base, Random(r, base))
	}
}

// Resources calls f with the path of each resource of nodes and what lies there.
func Resources(nodes []lwm2m.Node, f func(p lwm2m.Path, nodes []lwm2m.Node)) {
	for _, n := range nodes {
		p := n.Path.At(lwm2m.LevelResource)
		f(p, slices.DeleteFunc(slices.Clone(nodes), func(n lwm2m.Node) bool { return !p.Contains(n.Path) }))
	}
}

// Singles calls f with every value of every type, as a single resource and as resource
// instances.
func Singles(f func(p lwm2m.Path, nodes []lwm2m.Node)) {
	for _, typ := range Types() {
		in := lwm2m.NewPath(Object, 300)
		single, multiple := in.Child(Single(typ)), in.Child(Multiple(typ))
		for _, p := range []lwm2m.Path{single, multiple.Child(0), multiple.Child(256), multiple.Child(lwm2m.MaxID - 1)} {
			for _, v := range Values(typ) {
				f(p, []lwm2m.Node{{Path: p, Value: v}})
			}
		}
	}
}

// TypesOf returns the shapes of the nodes as they are: not every format says the type of
// a value. ok is false if a path has values of several types.
func TypesOf(nodes []lwm2m.Node) (shapes lwm2m.Shapes, ok bool) {
	types := map[lwm2m.Path]lwm2m.Type{}
	for _, n := range nodes {
		if t, seen := types[n.Path]; seen && t != n.Value.Type() {
			return nil, false
		}
		types[n.Path] = n.Value.Type()
	}
	return func(p lwm2m.Path) (lwm2m.Shape, bool) { return lwm2m.Shape{Type: types[p]}, true }, true
}

// Unhex returns the bytes of a hexadecimal text, in which space does not count.
func Unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// Hex is the hexadecimal form of a text.
func Hex(s string) string { return hex.EncodeToString([]byte(s)) }

// Valued returns the nodes that have a value.
func Valued(nodes []lwm2m.Node) []lwm2m.Node {
	var valued []lwm2m.Node
	for _, n := range nodes {
		if !n.Value.IsZero() {
			valued = append(valued, n)
		}
	}
	return valued
}

// Diff describes how got differs from want, "" if it does not.
func Diff(want, got []lwm2m.Node) string {
	return cmp.Diff(want, got,
		cmp.Comparer(func(a, b lwm2m.Path) bool { return a == b }),
		cmp.Comparer(func(a, b lwm2m.Value) bool { return a == b }),
		cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) }))
}
