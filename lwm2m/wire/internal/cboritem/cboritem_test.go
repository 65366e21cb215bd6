package cboritem_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/cboritem"
	"lwm2m-agent/lwm2m/wire/internal/wiretest"
)

// items pairs values with their shortest data item as this package writes it. The
// numbers are those of RFC 8949, appendix A, and the boundaries of the forms.
var items = []struct {
	name  string
	value lwm2m.Value
	hex   string
}{
	{"0", lwm2m.Integer(0), "00"},
	{"largest in the first byte", lwm2m.Integer(23), "17"},
	{"smallest of 8 bits", lwm2m.Integer(24), "1818"},
	{"largest of 8 bits", lwm2m.Integer(255), "18ff"},
	{"smallest of 16 bits", lwm2m.Integer(256), "190100"},
	{"1000", lwm2m.Integer(1000), "1903e8"},
	{"largest of 16 bits", lwm2m.Integer(65535), "19ffff"},
	{"smallest of 32 bits", lwm2m.Integer(65536), "1a00010000"},
	{"largest of 32 bits", lwm2m.Integer(math.MaxUint32), "1affffffff"},
	{"smallest of 64 bits", lwm2m.Integer(math.MaxUint32 + 1), "1b0000000100000000"},
	{"1000000000000", lwm2m.Integer(1e12), "1b000000e8d4a51000"},
	{"MaxInt64", lwm2m.Integer(math.MaxInt64), "1b7fffffffffffffff"},
	{"beyond MaxInt64", lwm2m.Unsigned(1 << 63), "1b8000000000000000"},
	{"MaxUint64", lwm2m.Unsigned(math.MaxUint64), "1bffffffffffffffff"},
	{"-1", lwm2m.Integer(-1), "20"},
	{"-24", lwm2m.Integer(-24), "37"},
	{"-25", lwm2m.Integer(-25), "3818"},
	{"-100", lwm2m.Integer(-100), "3863"},
	{"-1000", lwm2m.Integer(-1000), "3903e7"},
	{"MinInt64", lwm2m.Integer(math.MinInt64), "3b7fffffffffffffff"},
	{"float 0", lwm2m.Float(0), "fa00000000"},
	{"float -0", lwm2m.Float(math.Copysign(0, -1)), "fa80000000"},
	{"float of 32 bits", lwm2m.Float(100000), "fa47c35000"},
	{"largest float of 32 bits", lwm2m.Float(math.MaxFloat32), "fa7f7fffff"},
	{"smallest float of 32 bits", lwm2m.Float(math.SmallestNonzeroFloat32), "fa00000001"},
	{"float of 64 bits", lwm2m.Float(1.1), "fb3ff199999999999a"},
	{"-4.1", lwm2m.Float(-4.1), "fbc010666666666666"},
	{"1e300", lwm2m.Float(1e300), "fb7e37e43c8800759c"},
	{"largest float", lwm2m.Float(math.MaxFloat64), "fb7fefffffffffffff"},
	{"smallest float", lwm2m.Float(5e-324), "fb0000000000000001"},
	{"false", lwm2m.Boolean(false), "f4"},
	{"true", lwm2m.Boolean(true), "f5"},
	{"empty text", lwm2m.String(""), "60"},
	{"text", lwm2m.String("IETF"), "6449455446"},
	{"text of two bytes", lwm2m.String("ü"), "62c3bc"},
	{"longest text of a short head", lwm2m.String(strings.Repeat("a", 23)), "77" + strings.Repeat("61", 23)},
	{"text of an 8-bit length", lwm2m.String(strings.Repeat("a", 24)), "7818" + strings.Repeat("61", 24)},
	{"text of a 16-bit length", lwm2m.String(strings.Repeat("a", 256)), "790100" + strings.Repeat("61", 256)},
	{"text of a 32-bit length", lwm2m.String(strings.Repeat("a", 65536)), "7a00010000" + strings.Repeat("61", 65536)},
	{"empty bytes", lwm2m.Opaque(nil), "40"},
	{"bytes", lwm2m.Opaque([]byte{1, 2, 3, 4}), "4401020304"},
}

func TestValues(t *testing.T) {
	t.Parallel()
	for _, test := range items {
		want := wiretest.Unhex(t, test.hex)
		got, err := cboritem.AppendValue([]byte{0xAA}, test.value)
		if err != nil || !bytes.Equal(got[1:], want) || got[0] != 0xAA {
			t.Errorf("%s: written as %x, %v", test.name, got, err)
		}
		r := cboritem.NewReader(want)
		if v := r.Value(); v != test.value || r.Err() != nil {
			t.Errorf("%s: read as %v %v, %v", test.name, v.Type(), v, r.Err())
		}
		for n := range want {
			r := cboritem.NewReader(want[:n])
			if r.Value(); r.Err() == nil {
				t.Errorf("%s: cut to %d bytes there is no error", test.name, n)
			}
		}
	}
}

func TestAppendValueOfOtherTypes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		value lwm2m.Value
		hex   string
	}{
		{lwm2m.UnixTime(1367491215), "1a5182428f"},
		{lwm2m.UnixTime(-1), "20"},
		{lwm2m.Unsigned(5), "05"},
		{lwm2m.Objlnk(3, 0), "63333a30"},
		{lwm2m.Objlnk(lwm2m.MaxID, lwm2m.MaxID), "6b36353533353a3635353335"},
		{lwm2m.Corelnk("</3>"), "643c2f333e"},
	} {
		if got, err := cboritem.AppendValue(nil, test.value); err != nil || hex.EncodeToString(got) != test.hex {
			t.Errorf("%v %v: %x, %v", test.value.Type(), test.value, got, err)
		}
	}
	for _, v := range []lwm2m.Value{{}, lwm2m.Float(math.NaN()), lwm2m.Float(math.Inf(1)), lwm2m.Float(math.Inf(-1))} {
		if got, err := cboritem.AppendValue(nil, v); lwm2m.CodeOf(err) != lwm2m.InternalServerError || err == nil {
			t.Errorf("%v %v: %x, %v", v.Type(), v, got, err)
		}
	}
}

// What others write and this package does not.
func TestReadValue(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, hex string
		want      lwm2m.Value
	}{
		{"0 in 8 bits", "1800", lwm2m.Integer(0)},
		{"0 in 64 bits", "1b0000000000000000", lwm2m.Integer(0)},
		{"-1 in 16 bits", "390000", lwm2m.Integer(-1)},
		{"below MinInt64", "3bffffffffffffffff", lwm2m.Float(-1 << 64)},
		{"half 0", "f90000", lwm2m.Float(0)},
		{"half -0", "f98000", lwm2m.Float(math.Copysign(0, -1))},
		{"half 1", "f93c00", lwm2m.Float(1)},
		{"half 1.5", "f93e00", lwm2m.Float(1.5)},
		{"half 65504", "f97bff", lwm2m.Float(65504)},
		{"half 5.960464477539063e-8", "f90001", lwm2m.Float(5.960464477539063e-8)},
		{"half 0.00006103515625", "f90400", lwm2m.Float(0.00006103515625)},
		{"half -4", "f9c400", lwm2m.Float(-4)},
		{"half infinity", "f97c00", lwm2m.Float(math.Inf(1))},
		{"half -infinity", "f9fc00", lwm2m.Float(math.Inf(-1))},
		{"float 1 in 64 bits", "fb3ff0000000000000", lwm2m.Float(1)},
		{"text in chunks", "7f657374726561646d696e67ff", lwm2m.String("streaming")},
		{"text in no chunks", "7fff", lwm2m.String("")},
		{"bytes in chunks", "5f42010243030405ff", lwm2m.Opaque([]byte{1, 2, 3, 4, 5})},
		{"date", "c074323031332d30332d32315432303a30343a30305a", lwm2m.UnixTime(1363896240)},
		{"epoch", "c11a514b67b0", lwm2m.UnixTime(1363896240)},
		{"epoch with fraction", "c1fb41d452d9ec200000", lwm2m.UnixTime(1363896240)},
		{"epoch before 1970 with fraction", "c1fbbff8000000000000", lwm2m.UnixTime(-2)},
		{"decimal 273.15", "c48221196ab3", lwm2m.Float(273.15)},
		{"decimal 1700000000.123456789", "c482281b17979cfe3d85cd15", lwm2m.Float(1700000000.123456789)},
		{"decimal 9007199254740993", "c482001b0020000000000001", lwm2m.Integer(9007199254740993)},
		{"decimal 1e18", "c4821201", lwm2m.Integer(1e18)},
		{"epoch as decimal", "c1c48220191388", lwm2m.UnixTime(500)},
	} {
		r := cboritem.NewReader(wiretest.Unhex(t, test.hex))
		if got := r.Value(); got != test.want || r.Err() != nil {
			t.Errorf("%s: %v %v, %v", test.name, got.Type(), got, r.Err())
		}
	}
	r := cboritem.NewReader(wiretest.Unhex(t, "f97e00"))
	if got := r.Value(); !math.IsNaN(got.Float()) || r.Err() != nil {
		t.Errorf("half NaN: %v, %v", got, r.Err())
	}
}

func TestReadValueRefuses(t *testing.T) {
	t.Parallel()
	for name, hexa := range map[string]string{
		"nothing":                      "",
		"two items":                    "0000",
		"reserved information 28":      "1c",
		"reserved information 30":      "fe",
		"integer of indefinite length": "1f",
		"a break":                      "ff",
		"null":                         "f6",
		"undefined":                    "f7",
		"simple 255":                   "f8ff",
		"array":                        "80",
		"map":                          "a0",
		"text that is not UTF-8":       "61ff",
		"half a character in a chunk":  "7f61c3ff",
		"bytes chunk in text":          "7f4100ff",
		"text of chunks of chunks":     "7f7f6161ffff",
		"text without end":             "7f6161",
		"text longer than memory":      "7bffffffffffffffff",
		"bytes longer than data":       "5affffffff00",
		"unknown tag":                  "d82a00",
		"bignum":                       "c249010000000000000000",
		"tag without content":          "c1",
		"date that is none":            "c0613a",
		"date of a number":             "c000",
		"epoch of a text":              "c16130",
		"epoch beyond 64 bits":         "c1fb7e37e43c8800759c",
		"epoch NaN":                    "c1f97e00",
		"decimal of nothing":           "c480",
		"decimal of one number":        "c48101",
		"decimal of three numbers":     "c483010101",
		"decimal of a float":           "c48201f93c00",
		"decimal beyond a float":       "c4821903e801",
		"decimal beyond 64 bits":       "c482011b8000000000000000",
		"decimal that is no array":     "c401",
		"deep tags":                    strings.Repeat("c1", 9) + "00",
	} {
		r := cboritem.NewReader(wiretest.Unhex(t, hexa))
		if v := r.Value(); r.Err() == nil {
			t.Errorf("%s: %v", name, v)
		}
		if !r.Failed() {
			t.Errorf("%s: Failed says no", name)
		}
	}
}

func TestContainers(t *testing.T) {
	t.Parallel()
	for name, hexa := range map[string]string{
		"definite":   "82 01 a2 61 61 02 03 80",
		"indefinite": "9f 01 bf 61 61 02 03 9f ff ff ff",
	} {
		r := cboritem.NewReader(wiretest.Unhex(t, hexa))
		var got []string
		for i := range r.Array() {
			if i == 0 {
				got = append(got, "int", r.Value().String())
				continue
			}
			for j := range r.Map() {
				if j == 0 {
					got = append(got, string(r.Text()), r.Value().String())
					continue
				}
				got = append(got, r.Value().String())
				for range r.Array() {
					t.Errorf("%s: the empty array has an item", name)
				}
			}
		}
		if want := "int 1 a 2 3"; strings.Join(got, " ") != want || r.Err() != nil {
			t.Errorf("%s: %v, %v", name, got, r.Err())
		}
	}
	dst := cboritem.AppendMap(cboritem.AppendArray(nil, 2), 300)
	dst = cboritem.AppendTag(cboritem.AppendText(dst, []byte("a")), cboritem.TagEpoch)
	if got := hex.EncodeToString(dst); got != "82b9012c6161c1" {
		t.Errorf("heads: %s", got)
	}
}

func TestContainersRefuse(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		hex  string
		want error
	}{
		"array cut off":                {"8201", cboritem.ErrSyntax},
		"array without end":            {"9f01", cboritem.ErrSyntax},
		"array of 2^64-1 items":        {"9bffffffffffffffff01", cboritem.ErrSyntax},
		"map where an array is":        {"a0", cboritem.ErrKind},
		"text where an array is":       {"60", cboritem.ErrKind},
		"nothing":                      {"", cboritem.ErrSyntax},
		"break in a definite array":    {"81ff", cboritem.ErrSyntax},
		"more than the array":          {"8000", cboritem.ErrSyntax},
		"depth":                        {strings.Repeat("81", 9) + "00", cboritem.ErrDepth},
		"depth of indefinite length":   {strings.Repeat("9f", 9), cboritem.ErrDepth},
		"depth of maps":                {"81" + strings.Repeat("a100", 8) + "00", cboritem.ErrDepth},
		"depth of tags":                {"81" + strings.Repeat("c0", 9) + "00", cboritem.ErrDepth},
		"reserved inside":              {"811c", cboritem.ErrSyntax},
		"text that is not UTF-8":       {"8161ff", cboritem.ErrSyntax},
		"map with a key and no value":  {"81a100", cboritem.ErrSyntax},
		"map with an odd item count":   {"81bf00ff", cboritem.ErrSyntax},
		"chunks that are cut off":      {"817f61", cboritem.ErrSyntax},
		"simple value that is cut off": {"81f8", cboritem.ErrSyntax},
	} {
		r := cboritem.NewReader(wiretest.Unhex(t, test.hex))
		for range r.Array() {
			r.Skip()
		}
		if err := r.Err(); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
}

func TestSkip(t *testing.T) {
	t.Parallel()
	for _, hexa := range []string{
		"00", "20", "1bffffffffffffffff", "40", "4101", "60", "6161", "7f6161ff", "5f4101ff", "80", "8101", "9f01ff",
		"a0", "a10102", "bf0102ff", "c100", "d9d9f780", "f4", "f5", "f6", "f7", "f8ff", "f93c00", "fa00000000",
		"fb0000000000000000", "8283010203a161618101",
	} {
		r := cboritem.NewReader(append(wiretest.Unhex(t, hexa), 0x07))
		r.Skip()
		if got := r.Int(); got != 7 || r.Err() != nil {
			t.Errorf("%s: then %d, %v", hexa, got, r.Err())
		}
	}
}

func TestReadersOfOneKind(t *testing.T) {
	t.Parallel()
	for name, read := range map[string]func(*cboritem.Reader){
		"Int of text":         func(r *cboritem.Reader) { r.Int() },
		"Bytes of text":       func(r *cboritem.Reader) { r.Bytes() },
		"Map of text":         func(r *cboritem.Reader) { readAll(r) },
		"Text after an error": func(r *cboritem.Reader) { r.Fail(cboritem.ErrKind); r.Text() },
	} {
		r := cboritem.NewReader(wiretest.Unhex(t, "6161"))
		if read(r); !errors.Is(r.Err(), cboritem.ErrKind) {
			t.Errorf("%s: %v", name, r.Err())
		}
	}
	r := cboritem.NewReader(wiretest.Unhex(t, "1b8000000000000000"))
	if r.Int(); !errors.Is(r.Err(), cboritem.ErrKind) {
		t.Errorf("Int beyond 63 bits: %v", r.Err())
	}
	kinds := map[string]cboritem.Kind{
		"": cboritem.KindNone, "ff": cboritem.KindNone, "00": cboritem.KindInteger, "20": cboritem.KindInteger,
		"40": cboritem.KindBytes, "60": cboritem.KindText, "80": cboritem.KindArray, "a0": cboritem.KindMap,
		"c0": cboritem.KindTag, "f4": cboritem.KindSimple, "fb": cboritem.KindSimple,
	}
	for hexa, want := range kinds {
		if got := cboritem.NewReader(wiretest.Unhex(t, hexa)).Kind(); got != want {
			t.Errorf("the kind of %q is %d, want %d", hexa, got, want)
		}
	}
}

func readAll(r *cboritem.Reader) {
	for range r.Map() {
		r.Skip()
		r.Skip()
	}
}

func FuzzReader(f *testing.F) {
	for _, item := range items {
		if len(item.hex) < 100 {
			b, _ := hex.DecodeString(item.hex)
			f.Add(b)
		}
	}
	for _, s := range []string{"9f01bf61610203ffff", "c48221196ab3", "7f657374726561646d696e67ff", "c1c48220191388", "d9d9f780"} {
		b, _ := hex.DecodeString(s)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		skip := cboritem.NewReader(data)
		skip.Skip()
		r := cboritem.NewReader(data)
		v := r.Value()
		if r.Err() != nil {
			return
		}
		if skip.Err() != nil {
			t.Fatalf("%x is %v, but cannot be skipped: %v", data, v, skip.Err())
		}
		if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			return
		}
		again, err := cboritem.AppendValue(nil, v)
		if err != nil {
			t.Fatal(err)
		}
		r = cboritem.NewReader(again)
		back := r.Value()
		if v.Type() == lwm2m.TypeTime {
			back, _ = back.Convert(lwm2m.TypeTime)
		}
		if back != v || r.Err() != nil {
			t.Fatalf("%x is %v %v, written as %x, read as %v, %v", data, v.Type(), v, again, back, r.Err())
		}
	})
}
