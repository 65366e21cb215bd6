package iiodev

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseFormat(t *testing.T) {
	for text, want := range map[string]Format{
		"le:s12/16>>4":     {Signed: true, Bits: 12, Storage: 16, Repeat: 1, Shift: 4},
		"be:u24/32>>0":     {BigEndian: true, Bits: 24, Storage: 32, Repeat: 1},
		"le:s64/64>>0":     {Signed: true, Bits: 64, Storage: 64, Repeat: 1},
		"le:s32/32X4>>0":   {Signed: true, Bits: 32, Storage: 32, Repeat: 4},
		"be:u8/8>>0":       {BigEndian: true, Bits: 8, Storage: 8, Repeat: 1},
		"le:u63/64>>1":     {Bits: 63, Storage: 64, Repeat: 1, Shift: 1},
		"le:s12/16X16>>04": {Signed: true, Bits: 12, Storage: 16, Repeat: 16, Shift: 4},
	} {
		got, err := ParseFormat(text)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", text, err, diff)
		}
	}
	for _, text := range []string{
		"", "le", "le:", "xe:s12/16>>4", "le:f32/32>>0", "le:s12>>4", "le:s12/16", "le:s12/16>4", "le:s12/16>>5", "le:s0/16>>0", "le:s17/16>>0",
		"le:s12/24>>0", "le:s12/16X0>>0", "le:s12/16X17>>0", "le:s12/16X>>0", "le:s-2/16>>0", "le:s12/16>>-1", "le:s12/16>>999", "le:u64/64>>0", "le:s12/16>>4 ",
	} {
		if got, err := ParseFormat(text); err == nil {
			t.Errorf("%q was taken as %+v", text, got)
		}
	}
}

func formats(t *testing.T, texts ...string) []Format {
	t.Helper()
	all := make([]Format, len(texts))
	for i, text := range texts {
		var err error
		if all[i], err = ParseFormat(text); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func TestDecode(t *testing.T) {
	const stamp = "le:s64/64>>0"
	tests := []struct {
		name   string
		types  []string
		record []byte
		want   []int64
	}{
		{"one", []string{"le:s12/16>>4"}, []byte{0x50, 0xff}, []int64{-11}},
		{"big", []string{"be:s12/16>>4"}, []byte{0xff, 0x50}, []int64{-11}},
		{"no sign", []string{"be:u12/16>>4"}, []byte{0xff, 0x5f}, []int64{0xff5}},
		{"what is beside the bits does not count", []string{"le:u10/16>>2"}, []byte{0x07, 0xf0}, []int64{1}},
		{
			"three axes and the time stamp, which begins at 8",
			[]string{"le:s16/16>>0", "le:s16/16>>0", "le:s16/16>>0", stamp},
			[]byte{1, 0, 0xfe, 0xff, 0, 0x80, 0xaa, 0xaa, 1, 0, 0, 0, 0, 0, 0, 0},
			[]int64{1, -2, -32768, 1},
		},
		{
			"a hole before a larger one, and at the end",
			[]string{"le:u8/8>>0", "be:u24/32>>8", "le:u8/8>>0"},
			[]byte{7, 0xaa, 0xaa, 0xaa, 0, 1, 2, 0xff, 9, 0xaa, 0xaa, 0xaa},
			[]int64{7, 0x102, 9},
		},
		{
			"several numbers lie at a multiple of all of them",
			[]string{"le:u16/16>>0", "be:s16/16X4>>0"},
			[]byte{5, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 0xff, 0xfd, 0x7f, 0xff},
			[]int64{5, 1, 2, -3, 32767},
		},
		{"all bits", []string{stamp}, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, []int64{1<<63 - 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, err := NewLayout(formats(t, tt.types...))
			if err != nil {
				t.Fatal(err)
			}
			if l.Size() != len(tt.record) || l.Numbers() != len(tt.want) {
				t.Fatalf("%d bytes and %d numbers", l.Size(), l.Numbers())
			}
			got := make([]int64, l.Numbers())
			l.Decode(tt.record, got)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLayoutRefuses(t *testing.T) {
	for name, channels := range map[string][]Format{
		"none":  nil,
		"three": formats(t, "le:s16/16X3>>0"),
		"zero":  {{}},
	} {
		if l, err := NewLayout(channels); err == nil {
			t.Errorf("%s: %+v", name, l)
		}
	}
}

func FuzzParseFormat(f *testing.F) {
	for _, text := range []string{"le:s12/16>>4", "be:u24/32>>0", "le:s32/32X4>>0", "le:s12/16X>>0", ":", "le:s255/255X255>>255"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseFormat(text)
		if err != nil {
			return
		}
		order, sign := "le", "u"
		if got.BigEndian {
			order = "be"
		}
		if got.Signed {
			sign = "s"
		}
		again, err := ParseFormat(fmt.Sprintf("%s:%s%d/%dX%d>>%d", order, sign, got.Bits, got.Storage, got.Repeat, got.Shift))
		if err != nil || again != got {
			t.Errorf("%q is %+v, and that is %+v: %v", text, got, again, err)
		}
	})
}

// What a channel can be said to be is decoded without leaving the record, to a
// number of no more bits than it has.
func FuzzDecode(f *testing.F) {
	f.Add("le:s12/16>>4", "be:u24/32>>0", []byte{1, 2, 3, 4, 5, 6, 7, 8})
	f.Add("le:u8/8>>0", "le:s64/64>>0", []byte{0xff})
	f.Add("le:s16/16X4>>0", "le:u1/8>>7", []byte{})
	f.Fuzz(func(t *testing.T, first, second string, data []byte) {
		a, errA := ParseFormat(first)
		b, errB := ParseFormat(second)
		l, err := NewLayout([]Format{a, b})
		if errA != nil || errB != nil || err != nil {
			return
		}
		record := make([]byte, l.Size())
		copy(record, data)
		numbers := make([]int64, l.Numbers())
		l.Decode(record, numbers)
		for i, n := range numbers {
			format := a
			if i >= a.Repeat {
				format = b
			}
			high := n >> (format.Bits - 1) // the sign alone, or nothing
			if format.Signed && high != 0 && high != -1 || !format.Signed && (n < 0 || high > 1) {
				t.Errorf("%+v gives %d", format, n)
			}
		}
	})
}
