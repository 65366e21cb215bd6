package text_test

import (
	"math"
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/wiretest"
	"lwm2m-agent/lwm2m/wire/text"
)

// The texts themselves are lwm2m.Value's matter and tested there.
func TestExamples(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		value lwm2m.Value
		text  string
	}{
		{lwm2m.String("Open Mobile Alliance"), "Open Mobile Alliance"},
		{lwm2m.String(""), ""},
		{lwm2m.Integer(math.MinInt64), "-9223372036854775808"},
		{lwm2m.Float(-32.5), "-32.5"},
		{lwm2m.Boolean(true), "1"},
		{lwm2m.UnixTime(1367491215), "1367491215"},
		{lwm2m.Opaque([]byte{0xFB, 0xFF}), "+/8="},
		{lwm2m.Objlnk(66, 0), "66:0"},
		{lwm2m.Corelnk("</3/0>"), "</3/0>"},
	} {
		got, err := text.Append([]byte("x"), test.value)
		if err != nil || string(got) != "x"+test.text {
			t.Errorf("%v %v is written as %q, %v", test.value.Type(), test.value, got, err)
		}
		if v, err := text.Decode([]byte(test.text), test.value.Type()); err != nil || v != test.value {
			t.Errorf("%q as %v: %v, %v", test.text, test.value.Type(), v, err)
		}
	}
}

func TestAppendRefuses(t *testing.T) {
	t.Parallel()
	for _, f := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if got, err := text.Append([]byte("x"), lwm2m.Float(f)); string(got) != "x" || lwm2m.CodeOf(err) != lwm2m.InternalServerError || err == nil {
			t.Errorf("%v is written as %q, %v", f, got, err)
		}
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	if v, err := text.Decode([]byte("100"), lwm2m.TypeNone); err != nil || v != lwm2m.String("100") {
		t.Errorf("without a type: %v, %v", v, err)
	}
	for _, test := range []struct {
		text string
		typ  lwm2m.Type
	}{
		{"", lwm2m.TypeInteger},
		{"1.5", lwm2m.TypeInteger},
		{"NaN", lwm2m.TypeFloat},
		{"\xff", lwm2m.TypeString},
		{"\xff", lwm2m.TypeNone},
		{"yes", lwm2m.TypeBoolean},
		{"*", lwm2m.TypeOpaque},
		{"3/0", lwm2m.TypeObjlnk},
	} {
		if v, err := text.Decode([]byte(test.text), test.typ); lwm2m.CodeOf(err) != lwm2m.BadRequest || err == nil {
			t.Errorf("%q as %v: %v, %v", test.text, test.typ, v, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, typ := range wiretest.Types() {
		for _, v := range wiretest.Values(typ) {
			if v.Len() < 100 {
				f.Add(uint8(typ), v.AppendText(nil))
			}
		}
	}
	f.Fuzz(func(t *testing.T, typ uint8, data []byte) {
		v, err := text.Decode(data, lwm2m.Type(typ))
		if err != nil {
			if lwm2m.CodeOf(err) != lwm2m.BadRequest {
				t.Fatal(err)
			}
			return
		}
		again, err := text.Append(nil, v)
		if err != nil {
			t.Fatalf("%q is %v %v: %v", data, v.Type(), v, err)
		}
		if back, err := text.Decode(again, v.Type()); err != nil || back != v {
			t.Fatalf("%q is %v %v, written as %q, which is %v, %v", data, v.Type(), v, again, back, err)
		}
	})
}
