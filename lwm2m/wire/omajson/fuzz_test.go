package omajson_test

import (
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/wiretest"
	"lwm2m-agent/lwm2m/wire/omajson"
)

var fuzzBases = []string{
	"/", "/3", "/3/0", "/3/0/9", "/3/0/7", "/3/0/7/1", "/3303/0/5700", "/3442", "/3442/0", "/9999/1", "/dev1", "/dev1/3/0",
}

// What can be read lies below the path and can be written, unless it contradicts
// itself, and reads back as the same but for relative times and what is beyond a
// millisecond.
func FuzzDecode(f *testing.F) {
	for i := range fuzzBases {
		for _, example := range examples {
			f.Add(uint8(i), []byte(example.json))
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		base := lwm2m.MustPath(fuzzBases[int(which)%len(fuzzBases)])
		nodes, err := omajson.Decode(data, base, wiretest.Shapes)
		if err != nil {
			if c := lwm2m.CodeOf(err); c != lwm2m.BadRequest && c != lwm2m.RequestEntityTooLarge || nodes != nil {
				t.Fatal(nodes, err)
			}
			return
		}
		again, err := omajson.Append(nil, base, nodes)
		if contradicts(base, nodes) {
			if err == nil || lwm2m.CodeOf(err) != lwm2m.InternalServerError {
				t.Fatalf("%q of %v is written as %q, %v", data, base, again, err)
			}
			return
		}
		if err != nil {
			t.Fatalf("%q of %v: %v", data, base, err)
		}
		shapes, ok := wiretest.TypesOf(nodes)
		if !ok {
			return
		}
		back, err := omajson.Decode(again, base, shapes)
		for i := range back {
			back[i].Time = back[i].Time.Round(time.Millisecond) // decimal fractions are not exact
		}
		if diff := wiretest.Diff(told(nodes), back); err != nil || diff != "" {
			t.Fatalf("%q of %v is written as %q: %v\n%s", data, base, again, err, diff)
		}
	})
}

// contradicts reports whether the path of the operation has a value and more below.
func contradicts(base lwm2m.Path, nodes []lwm2m.Node) bool {
	own := 0
	for _, n := range nodes {
		if n.Path == base {
			own++
		}
	}
	return own > 0 && own < len(nodes)
}

// told returns the nodes with the times that a payload tells.
func told(nodes []lwm2m.Node) []lwm2m.Node {
	for i := range nodes {
		if t := &nodes[i].Time; t.Unix() < 1<<28 {
			*t = time.Time{}
		} else {
			*t = t.Truncate(time.Millisecond)
		}
	}
	return nodes
}
