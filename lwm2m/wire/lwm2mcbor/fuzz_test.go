package lwm2mcbor_test

import (
	"slices"
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/wiretest"
	"lwm2m-agent/lwm2m/wire/lwm2mcbor"
)

var fuzzBases = []string{
	"/", "/3", "/3/0", "/3/0/9", "/3/0/6", "/3/0/6/1", "/3442", "/3442/0", "/9999/1", "/dev1/3/0", "/dev1/3",
}

// What can be read lies below the path and can be written, unless it contradicts
// itself, and reads back as the same.
func FuzzDecode(f *testing.F) {
	for i := range fuzzBases {
		for _, example := range examples {
			f.Add(uint8(i), wiretest.Unhex(f, example.hex))
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		base := lwm2m.MustPath(fuzzBases[int(which)%len(fuzzBases)])
		nodes, err := lwm2mcbor.Decode(data, base, wiretest.Shapes)
		if err != nil {
			if c := lwm2m.CodeOf(err); c != lwm2m.BadRequest && c != lwm2m.RequestEntityTooLarge || nodes != nil {
				t.Fatal(nodes, err)
			}
			return
		}
		order := func(a, b lwm2m.Node) int { return a.Path.Compare(b.Path) }
		if again, err := lwm2mcbor.Append(nil, base, nodes); err == nil && !slices.IsSortedFunc(nodes, order) {
			t.Fatalf("%x of %v, which is in no order, is written as %x", data, base, again)
		}
		lwm2m.SortNodes(nodes)
		again, err := lwm2mcbor.Append(nil, base, nodes)
		if !consistent(nodes) {
			if err == nil || lwm2m.CodeOf(err) != lwm2m.InternalServerError {
				t.Fatalf("%x of %v is written as %x, %v", data, base, again, err)
			}
			return
		}
		back, err2 := lwm2mcbor.Decode(again, base, shapesOf(nodes))
		if diff := diff(withoutContainers(nodes), back); err != nil || err2 != nil || diff != "" {
			t.Fatalf("%x of %v is written as %x: %v, %v\n%s", data, base, again, err, err2, diff)
		}
	})
}

// consistent reports whether sorted nodes say no path twice, and no value above
// another node.
func consistent(nodes []lwm2m.Node) bool {
	for i := range nodes[min(1, len(nodes)):] {
		a, b := nodes[i], nodes[i+1]
		if a.Path == b.Path || !a.Value.IsZero() && a.Path.Contains(b.Path) {
			return false
		}
	}
	return true
}

// withoutContainers returns sorted nodes but for those without a value that have
// others below: these say the same without them.
func withoutContainers(nodes []lwm2m.Node) []lwm2m.Node {
	var kept []lwm2m.Node
	for i, n := range nodes {
		if i+1 == len(nodes) || !n.Path.Contains(nodes[i+1].Path) {
			kept = append(kept, n)
		}
	}
	return kept
}

// shapesOf returns the shapes of the nodes as they are: data items say no more of a
// Time than that it is a number.
func shapesOf(nodes []lwm2m.Node) lwm2m.Shapes {
	types := map[lwm2m.Path]lwm2m.Type{}
	for _, n := range nodes {
		types[n.Path] = n.Value.Type()
	}
	return func(p lwm2m.Path) (lwm2m.Shape, bool) { return lwm2m.Shape{Type: types[p]}, true }
}
