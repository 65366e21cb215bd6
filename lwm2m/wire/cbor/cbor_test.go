package cbor_test

import (
	"encoding/hex"
	"math"
	"strings"
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/cbor"
	"lwm2m-agent/lwm2m/wire/internal/wiretest"
)

func TestExamples(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		value lwm2m.Value
		hex   string
	}{
		{lwm2m.String("Open Mobile Alliance"), "74" + hex.EncodeToString([]byte("Open Mobile Alliance"))},
		{lwm2m.Integer(-100), "3863"},
		{lwm2m.Unsigned(math.MaxUint64), "1bffffffffffffffff"},
		{lwm2m.Float(22.5), "fa41b40000"},
		{lwm2m.Float(20), "fa41a00000"},
		{lwm2m.Float(22.4), "fb4036666666666666"},
		{lwm2m.Boolean(true), "f5"},
		{lwm2m.Opaque([]byte{1, 2, 3}), "43010203"},
		{lwm2m.UnixTime(1367491215), "c11a5182428f"},
		{lwm2m.UnixTime(-1), "c120"},
		{lwm2m.Objlnk(3, 0), "63333a30"},
		{lwm2m.Corelnk("</3>"), "643c2f333e"},
	} {
		got, err := cbor.Append([]byte("x"), test.value)
		if err != nil || hex.EncodeToString(got[1:]) != test.hex || got[0] != 'x' {
			t.Errorf("%v %v is written as %x, %v", test.value.Type(), test.value, got, err)
		}
		data, _ := hex.DecodeString(test.hex)
		if v, err := cbor.Decode(data, test.value.Type()); err != nil || v != test.value {
			t.Errorf("%s as %v: %v, %v", test.hex, test.value.Type(), v, err)
		}
		for n := range data {
			if v, err := cbor.Decode(data[:n], test.value.Type()); lwm2m.CodeOf(err) != lwm2m.BadRequest || err == nil {
				t.Errorf("%s cut to %d bytes: %v, %v", test.hex, n, v, err)
			}
		}
	}
	for _, v := range []lwm2m.Value{{}, lwm2m.Float(math.NaN()), lwm2m.Float(math.Inf(1))} {
		if got, err := cbor.Append([]byte("x"), v); string(got) != "x" || lwm2m.CodeOf(err) != lwm2m.InternalServerError || err == nil {
			t.Errorf("%v %v is written as %x, %v", v.Type(), v, got, err)
		}
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		hex  string
		typ  lwm2m.Type
		want lwm2m.Value // the zero Value: refused
	}{
		{"14", lwm2m.TypeFloat, lwm2m.Float(20)},
		{"f94d00", lwm2m.TypeInteger, lwm2m.Integer(20)},
		{"14", lwm2m.TypeUnsigned, lwm2m.Unsigned(20)},
		{"14", lwm2m.TypeTime, lwm2m.UnixTime(20)},
		{"c074323031332d30352d30325431303a34303a31355a", lwm2m.TypeTime, lwm2m.UnixTime(1367491215)},
		{"74323031332d30352d30325431303a34303a31355a", lwm2m.TypeTime, lwm2m.UnixTime(1367491215)},
		{"c11a5182428f", lwm2m.TypeNone, lwm2m.UnixTime(1367491215)},
		{"01", lwm2m.TypeBoolean, lwm2m.Boolean(true)},
		{"14", lwm2m.TypeNone, lwm2m.Integer(20)},
		{"1bffffffffffffffff", lwm2m.TypeNone, lwm2m.Unsigned(math.MaxUint64)},
		{"6161", lwm2m.TypeNone, lwm2m.String("a")},
		{"20", lwm2m.TypeUnsigned, lwm2m.Value{}},
		{"02", lwm2m.TypeBoolean, lwm2m.Value{}},
		{"f5", lwm2m.TypeInteger, lwm2m.Value{}},
		{"14", lwm2m.TypeString, lwm2m.Value{}},
		{"6131", lwm2m.TypeInteger, lwm2m.Value{}},
		{"6131", lwm2m.TypeOpaque, lwm2m.Value{}},
		{"4131", lwm2m.TypeString, lwm2m.Value{}},
		{"6133", lwm2m.TypeObjlnk, lwm2m.Value{}},
		{"f6", lwm2m.TypeInteger, lwm2m.Value{}},
		{"80", lwm2m.TypeNone, lwm2m.Value{}},
		{"8114", lwm2m.TypeInteger, lwm2m.Value{}},
		{"a0", lwm2m.TypeNone, lwm2m.Value{}},
		{"1414", lwm2m.TypeInteger, lwm2m.Value{}},
		{"f97e00", lwm2m.TypeFloat, lwm2m.Value{}},
		{"f97c00", lwm2m.TypeNone, lwm2m.Value{}},
		{"61ff", lwm2m.TypeString, lwm2m.Value{}},
		{"1bffffffffffffffff", lwm2m.TypeInteger, lwm2m.Value{}},
		{"3bffffffffffffffff", lwm2m.TypeInteger, lwm2m.Value{}},
		{"7b7fffffffffffffff61", lwm2m.TypeString, lwm2m.Value{}},
		{strings.Repeat("c1", 50) + "14", lwm2m.TypeTime, lwm2m.Value{}},
	} {
		data, err := hex.DecodeString(test.hex)
		if err != nil {
			t.Fatal(err)
		}
		got, err := cbor.Decode(data, test.typ)
		if got != test.want || (err != nil) != test.want.IsZero() {
			t.Errorf("%s as %v: %v, %v, want %v", test.hex, test.typ, got, err, test.want)
		}
		if err != nil && lwm2m.CodeOf(err) != lwm2m.BadRequest {
			t.Errorf("%s as %v: %v", test.hex, test.typ, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, typ := range wiretest.Types() {
		for _, v := range wiretest.Values(typ) {
			if v.Len() > 100 {
				continue
			}
			data, err := cbor.Append(nil, v)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(uint8(typ), data)
		}
	}
	f.Add(uint8(lwm2m.TypeTime), []byte("\xc0\x742013-05-02T10:40:15Z"))
	f.Add(uint8(lwm2m.TypeFloat), []byte("\xc4\x82\x20\x18\xc9"))
	f.Fuzz(func(t *testing.T, typ uint8, data []byte) {
		v, err := cbor.Decode(data, lwm2m.Type(typ%10))
		if err != nil {
			if lwm2m.CodeOf(err) != lwm2m.BadRequest {
				t.Fatal(err)
			}
			return
		}
		again, err := cbor.Append(nil, v)
		if err != nil {
			t.Fatalf("%x is %v %v: %v", data, v.Type(), v, err)
		}
		if back, err := cbor.Decode(again, v.Type()); err != nil || back != v {
			t.Fatalf("%x is %v %v, written as %x, which is %v, %v", data, v.Type(), v, again, back, err)
		}
	})
}
