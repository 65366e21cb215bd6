package senml_test

import (
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/wiretest"
	"lwm2m-agent/lwm2m/wire/senml"
)

// The number of allocations does not grow with the number of records.
func TestAppendAllocates(t *testing.T) {
	nodes := wiretest.Temperatures(1000)
	for name, f := range map[string]appender{"JSON": senml.AppendJSON, "CBOR": senml.AppendCBOR} {
		n := testing.AllocsPerRun(10, func() {
			if _, err := f(nil, lwm2m.NewPath(3303), nodes); err != nil {
				t.Error(err)
			}
		})
		if n > 5 {
			t.Errorf("%s: %v allocations for %d records", name, n, len(nodes))
		}
	}
}

// An object of 1,000 instances with one float each.

func BenchmarkAppendCBOR(b *testing.B) { benchmarkAppend(b, senml.AppendCBOR) }

func BenchmarkAppendJSON(b *testing.B) { benchmarkAppend(b, senml.AppendJSON) }

func BenchmarkDecodeCBOR(b *testing.B) { benchmarkDecode(b, senml.AppendCBOR, senml.DecodeCBOR) }

func BenchmarkDecodeJSON(b *testing.B) { benchmarkDecode(b, senml.AppendJSON, senml.DecodeJSON) }

func benchmarkAppend(b *testing.B, f appender) {
	b.Helper()
	nodes := wiretest.Temperatures(1000)
	size := 0
	b.ReportAllocs()
	for b.Loop() {
		data, err := f(nil, lwm2m.NewPath(3303), nodes)
		if err != nil {
			b.Fatal(err)
		}
		size = len(data)
	}
	b.ReportMetric(float64(size), "payload-B")
}

func benchmarkDecode(b *testing.B, f appender, decode decoder) {
	b.Helper()
	data, err := f(nil, lwm2m.NewPath(3303), wiretest.Temperatures(1000))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decode(data, lwm2m.NewPath(3303), wiretest.Shapes); err != nil {
			b.Fatal(err)
		}
	}
}
