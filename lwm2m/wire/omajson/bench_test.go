package omajson_test

import (
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/wiretest"
	"lwm2m-agent/lwm2m/wire/omajson"
)

// The number of allocations does not grow with the number of entries. With room for
// the payload, they are for the base name.
func TestAppendAllocates(t *testing.T) {
	nodes := wiretest.Temperatures(1000)
	for name, test := range map[string]struct {
		dst  []byte
		most float64
	}{"nothing to add to": {nil, 5}, "room for everything": {make([]byte, 0, 1<<16), 2}} {
		n := testing.AllocsPerRun(10, func() {
			if _, err := omajson.Append(test.dst, lwm2m.NewPath(3303), nodes); err != nil {
				t.Error(err)
			}
		})
		if n > test.most {
			t.Errorf("%s: %v allocations for %d entries", name, n, len(nodes))
		}
	}
}

// An object of 1,000 instances with one float each.

func BenchmarkAppend(b *testing.B) {
	nodes := wiretest.Temperatures(1000)
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if dst, err = omajson.Append(dst[:0], lwm2m.NewPath(3303), nodes); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(dst)), "payload-B")
}

func BenchmarkDecode(b *testing.B) {
	data, err := omajson.Append(nil, lwm2m.NewPath(3303), wiretest.Temperatures(1000))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := omajson.Decode(data, lwm2m.NewPath(3303), wiretest.Shapes); err != nil {
			b.Fatal(err)
		}
	}
}
