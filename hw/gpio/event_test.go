package gpio

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// edge is struct gpio_v2_line_event in the machine's byte order.
func edge(ns uint64, id, seq uint32) []byte {
	raw := make([]byte, 48)
	binary.NativeEndian.PutUint64(raw, ns)
	binary.NativeEndian.PutUint32(raw[8:], id)
	binary.NativeEndian.PutUint32(raw[12:], 17)    // offset
	binary.NativeEndian.PutUint32(raw[16:], seq+9) // of the request
	binary.NativeEndian.PutUint32(raw[20:], seq)   // of the line
	return raw
}

func TestDecodeEvents(t *testing.T) {
	tests := []struct {
		name string
		raw  []byte
		want []Event
		ok   bool
	}{
		{"none", nil, nil, true},
		{"rising", edge(1_500_000_000, 1, 7), []Event{{true, 1500 * time.Millisecond, 7}}, true},
		{"falling", edge(1, 2, 1<<32-1), []Event{{false, 1, 1<<32 - 1}}, true},
		{"two", append(edge(1, 1, 1), edge(2, 2, 2)...), []Event{{true, 1, 1}, {false, 2, 2}}, true},
		{"one byte short", edge(1, 1, 1)[:47], nil, false},
		{"one byte more", append(edge(1, 1, 1), 0), nil, false},
		{"unknown kind 0", edge(1, 0, 1), nil, false},
		{"unknown kind 3", edge(1, 3, 1), nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decodeEvents(nil, tt.raw)
			if (err == nil) != tt.ok {
				t.Fatalf("error %v, want ok %v", err, tt.ok)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzDecodeEvents(f *testing.F) {
	f.Add([]byte{})
	f.Add(edge(1, 1, 1))
	f.Add(append(edge(1, 1, 1), edge(2, 2, 2)...))
	f.Add(edge(1<<64-1, 2, 1<<32-1)[:40])
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := decodeEvents(nil, raw)
		if err == nil && len(got)*48 != len(raw) {
			t.Errorf("%d edges of %d bytes", len(got), len(raw))
		}
	})
}

func TestDebounceField(t *testing.T) {
	for d, want := range map[time.Duration]uint32{
		time.Microsecond: 1, 20 * time.Millisecond: 20000, 100 * time.Hour: 1<<32 - 1,
	} {
		var raw [8]byte
		binary.NativeEndian.PutUint64(raw[:], debounceField(d))
		if got := binary.NativeEndian.Uint32(raw[:]); got != want {
			t.Errorf("%v: %d µs, want %d", d, got, want)
		}
	}
}
