package wire_test

import (
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire"
	"lwm2m-agent/lwm2m/wire/internal/wiretest"
)

var fuzzBases = []string{
	"/", "/3", "/3/0", "/3/0/9", "/3/0/6", "/3/0/6/1", "/3442", "/3442/0", "/3442/0/180", "/9999/1", "/dev1/3/0",
}

// What Decode accepts, Append writes in the same format, and it says the same.
func FuzzDecode(f *testing.F) {
	formats := wire.Formats()
	for i, format := range formats {
		for j, base := range fuzzBases {
			nodes := wiretest.Device()
			if j == 3 {
				nodes = nodes[10:11]
			}
			if data, err := wire.Append(nil, format, lwm2m.MustPath(base), nodes); err == nil {
				f.Add(uint8(i), uint8(j), data)
			}
		}
	}
	f.Add(uint8(1), uint8(8), []byte(`[{"bn":"/3442/0/180","vs":"</3/0>;a"}]`))
	f.Fuzz(func(t *testing.T, which, where uint8, data []byte) {
		format, base := formats[int(which)%len(formats)], lwm2m.MustPath(fuzzBases[int(where)%len(fuzzBases)])
		if base.Level() == lwm2m.LevelObject {
			create(t, format, data, base)
		}
		nodes, err := wire.Decode(format, data, base, wiretest.Shapes)
		if err != nil {
			refused(t, err)
			return
		}
		again, err := wire.Append(nil, format, base, nodes)
		if err != nil {
			t.Fatalf("%v %q at %v: %v", format, data, base, err)
		}
		back, err := wire.Decode(format, again, base, wiretest.Shapes)
		want := nodes
		if format != lwm2m.FormatTLV {
			want, back = wiretest.Valued(nodes), wiretest.Valued(back)
		}
		if err != nil || len(back) != len(want) {
			t.Fatalf("%v %q at %v, written as %q: %v, %v", format, data, base, again, back, err)
		}
		for i, n := range want {
			_, known := lwm2m.Shapes(wiretest.Shapes).Of(n.Path)
			if back[i].Path != n.Path || known && back[i].Value != n.Value {
				t.Fatalf("%v %q at %v: %v came back as %v", format, data, base, n, back[i])
			}
		}
	})
}

func create(t *testing.T, format lwm2m.Format, data []byte, object lwm2m.Path) {
	t.Helper()
	const free = 17
	nodes, named, err := wire.DecodeCreate(format, data, object, free, wiretest.Shapes)
	if err != nil {
		refused(t, err)
		return
	}
	for _, n := range nodes {
		if !object.Contains(n.Path) || n.Path.Level() < lwm2m.LevelInstance || !named && n.Path.Instance() != free {
			t.Fatalf("%v %q creates %v", format, data, n.Path)
		}
	}
}

func refused(t *testing.T, err error) {
	t.Helper()
	switch lwm2m.CodeOf(err) {
	case lwm2m.BadRequest, lwm2m.RequestEntityTooLarge, lwm2m.UnsupportedContentFormat:
	default:
		t.Fatal(err)
	}
}
