package gpio

import (
	"encoding/binary"
	"errors"
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
		{"rising", edge(1_500_000_000, 1, 7), []Event{{17, true, 1500 * time.Millisecond, 7}}, true},
		{"falling", edge(1, 2, 1<<32-1), []Event{{17, false, 1, 1<<32 - 1}}, true},
		{"two", append(edge(1, 1, 1), edge(2, 2, 2)...), []Event{{17, true, 1, 1}, {17, false, 2, 2}}, true},
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

// Sixteen lines of three kinds are said in three attributes, and what cannot be
// said in ten is refused.
func TestInputConfig(t *testing.T) {
	lines := make([]Input, 64)
	for i := range lines {
		lines[i].Offset = i
	}
	lines[5].Bias = PullUp
	lines[63] = Input{Offset: 63, Bias: PullUp, Debounce: time.Millisecond}
	lines[9].Debounce = time.Millisecond
	lines[10].ActiveLow = true
	c, err := inputConfig(lines)
	if err != nil {
		t.Fatal(err)
	}
	const plain = 1<<2 | 1<<4 | 1<<5 // input, rising and falling edges: enum gpio_v2_line_flag
	got := make(map[[2]uint64]uint64)
	for _, a := range c.Attrs[:c.Num_attrs] {
		got[[2]uint64{uint64(a.Attr.Id), a.Attr.Flags}] = a.Mask
	}
	want := map[[2]uint64]uint64{
		{1, plain | 1<<8}:                    1<<5 | 1<<63,
		{1, plain | 1<<1}:                    1 << 10,
		{3, debounceField(time.Millisecond)}: 1<<9 | 1<<63,
	}
	if diff := cmp.Diff(want, got); c.Flags != plain || diff != "" {
		t.Errorf("flags %#x\n%s", c.Flags, diff)
	}
	for i := range 11 {
		lines[i].Debounce = time.Duration(i+1) * time.Second
	}
	if _, err := inputConfig(lines); !errors.Is(err, ErrAttributes) {
		t.Errorf("eleven periods and more: %v", err)
	}
}
