package lwm2mcbor_test

import (
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/wiretest"
	"lwm2m-agent/lwm2m/wire/lwm2mcbor"
)

// Nothing is allocated but room in the destination, which takes slices.Grow two
// allocations under the race detector.
func TestAppendAllocates(t *testing.T) {
	nodes := wiretest.Nodes(
		"/3442/0/110", lwm2m.String("ab"), "/3442/0/120", lwm2m.Integer(1), "/3442/0/130", lwm2m.Float(22.4),
		"/3442/0/140", lwm2m.Boolean(true), "/3442/0/150", lwm2m.Opaque([]byte{1}), "/3442/0/160", lwm2m.UnixTime(1),
		"/3442/0/170", lwm2m.Objlnk(66, 0), "/3442/0/180", lwm2m.Corelnk("</3>"), "/3442/0/1120", nil)
	for i := range uint16(1000) {
		nodes = append(nodes, lwm2m.Node{Path: lwm2m.NewPath(3442, 0, 1170, i), Value: lwm2m.Objlnk(i, i)})
	}
	base := lwm2m.NewPath(3442)
	lwm2m.SortNodes(nodes)
	for name, test := range map[string]struct {
		dst  []byte
		most float64
	}{"nothing to add to": {nil, 2}, "room for everything": {make([]byte, 0, 1<<16), 0}} {
		n := testing.AllocsPerRun(10, func() {
			if _, err := lwm2mcbor.Append(test.dst, base, nodes); err != nil {
				t.Error(err)
			}
		})
		if n > test.most {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// An object of 1,000 instances with one float each, which opens a map for every
// value.

func BenchmarkAppend(b *testing.B) { benchmarkAppend(b, wiretest.Temperatures(1000)) }

func BenchmarkDecode(b *testing.B) { benchmarkDecode(b, wiretest.Temperatures(1000)) }

// One multiple resource of 1,000 instances, whose map is the deepest.

func BenchmarkAppendMultiple(b *testing.B) { benchmarkAppend(b, multiple(1000)) }

func BenchmarkDecodeMultiple(b *testing.B) { benchmarkDecode(b, multiple(1000)) }

func multiple(n uint16) []lwm2m.Node {
	nodes := make([]lwm2m.Node, 0, n)
	for i := range n {
		nodes = append(nodes, lwm2m.Node{Path: lwm2m.NewPath(3442, 0, 1120, i), Value: lwm2m.Integer(int64(i))})
	}
	return nodes
}

func benchmarkAppend(b *testing.B, nodes []lwm2m.Node) {
	b.Helper()
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if dst, err = lwm2mcbor.Append(dst[:0], nodes[0].Path.At(lwm2m.LevelObject), nodes); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(dst)), "payload-B")
}

func benchmarkDecode(b *testing.B, nodes []lwm2m.Node) {
	b.Helper()
	base := nodes[0].Path.At(lwm2m.LevelObject)
	data, err := lwm2mcbor.Append(nil, base, nodes)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := lwm2mcbor.Decode(data, base, wiretest.Shapes); err != nil {
			b.Fatal(err)
		}
	}
}
