package lwm2m_test

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"lwm2m-agent/lwm2m"
)

// texts pairs values with their text (Core, section 7.5.1 and appendix C.2).
var texts = []struct {
	value lwm2m.Value
	typ   lwm2m.Type
	text  string
}{
	{lwm2m.String(""), lwm2m.TypeString, ""},
	{lwm2m.String("Open Mobile Alliance"), lwm2m.TypeString, "Open Mobile Alliance"},
	{lwm2m.String("21 °C \x00\n"), lwm2m.TypeString, "21 °C \x00\n"},
	{lwm2m.Integer(0), lwm2m.TypeInteger, "0"},
	{lwm2m.Integer(math.MinInt64), lwm2m.TypeInteger, "-9223372036854775808"},
	{lwm2m.Integer(math.MaxInt64), lwm2m.TypeInteger, "9223372036854775807"},
	{lwm2m.Unsigned(0), lwm2m.TypeUnsigned, "0"},
	{lwm2m.Unsigned(math.MaxUint64), lwm2m.TypeUnsigned, "18446744073709551615"},
	{lwm2m.Float(0), lwm2m.TypeFloat, "0"},
	{lwm2m.Float(math.Copysign(0, -1)), lwm2m.TypeFloat, "-0"},
	{lwm2m.Float(-36.6), lwm2m.TypeFloat, "-36.6"},
	{lwm2m.Float(1e21), lwm2m.TypeFloat, "1000000000000000000000"},
	{lwm2m.Float(5e-324), lwm2m.TypeFloat, "0." + strings.Repeat("0", 323) + "5"},
	{lwm2m.Float(math.MaxFloat64), lwm2m.TypeFloat, "17976931348623157" + strings.Repeat("0", 292)},
	{lwm2m.Boolean(true), lwm2m.TypeBoolean, "1"},
	{lwm2m.Boolean(false), lwm2m.TypeBoolean, "0"},
	{lwm2m.Opaque(nil), lwm2m.TypeOpaque, ""},
	{lwm2m.Opaque([]byte{0, 0xFF, 0x10}), lwm2m.TypeOpaque, "AP8Q"},
	{lwm2m.Opaque([]byte{0xFB}), lwm2m.TypeOpaque, "+w=="},
	{lwm2m.UnixTime(1367491215), lwm2m.TypeTime, "1367491215"},
	{lwm2m.UnixTime(-1), lwm2m.TypeTime, "-1"},
	{lwm2m.Objlnk(3, 0), lwm2m.TypeObjlnk, "3:0"},
	{lwm2m.Objlnk(lwm2m.MaxID, lwm2m.MaxID), lwm2m.TypeObjlnk, "65535:65535"},
	{lwm2m.Corelnk("</3/0>;a"), lwm2m.TypeCorelnk, "</3/0>;a"},
	{lwm2m.Value{}, lwm2m.TypeNone, ""},
}

func TestValueText(t *testing.T) {
	t.Parallel()
	for _, test := range texts {
		if test.value.Type() != test.typ || test.value.IsZero() != (test.typ == lwm2m.TypeNone) {
			t.Errorf("%q is of type %v, want %v", test.text, test.value.Type(), test.typ)
		}
		if got := test.value.String(); got != test.text {
			t.Errorf("text of a %v: %q, want %q", test.typ, got, test.text)
		}
		got, err := lwm2m.ParseValue(test.typ, test.text)
		if err != nil || got != test.value {
			t.Errorf("ParseValue(%v, %q) = %v, %v", test.typ, test.text, got, err)
		}
	}
}

func TestParseValueAccepts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		text string
		want lwm2m.Value
	}{
		{"true", lwm2m.Boolean(true)},
		{"false", lwm2m.Boolean(false)},
		{"1.5e3", lwm2m.Float(1500)},
		{"-1E-2", lwm2m.Float(-0.01)},
		{"+7", lwm2m.Integer(7)},
		{"007", lwm2m.Integer(7)},
	} {
		if got, err := lwm2m.ParseValue(test.want.Type(), test.text); err != nil || got != test.want {
			t.Errorf("ParseValue(%v, %q) = %v, %v", test.want.Type(), test.text, got, err)
		}
	}
}

func TestParseValueRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		typ  lwm2m.Type
		text string
	}{
		{lwm2m.TypeString, "\xff"},
		{lwm2m.TypeString, "a\xc3"},
		{lwm2m.TypeCorelnk, "</3>\xff"},
		{lwm2m.TypeInteger, ""},
		{lwm2m.TypeInteger, " 1"},
		{lwm2m.TypeInteger, "1.0"},
		{lwm2m.TypeInteger, "0x1"},
		{lwm2m.TypeInteger, "1_000"},
		{lwm2m.TypeInteger, "9223372036854775808"},
		{lwm2m.TypeInteger, "-9223372036854775809"},
		{lwm2m.TypeInteger, strings.Repeat("9", 1<<20)},
		{lwm2m.TypeUnsigned, "-1"},
		{lwm2m.TypeUnsigned, "18446744073709551616"},
		{lwm2m.TypeFloat, ""},
		{lwm2m.TypeFloat, "."},
		{lwm2m.TypeFloat, "e"},
		{lwm2m.TypeFloat, "NaN"},
		{lwm2m.TypeFloat, "Inf"},
		{lwm2m.TypeFloat, "-infinity"},
		{lwm2m.TypeFloat, "1e309"},
		{lwm2m.TypeFloat, "0x1p-2"},
		{lwm2m.TypeFloat, "1_0"},
		{lwm2m.TypeFloat, "1,5"},
		{lwm2m.TypeBoolean, ""},
		{lwm2m.TypeBoolean, "2"},
		{lwm2m.TypeBoolean, "TRUE"},
		{lwm2m.TypeOpaque, "A"},
		{lwm2m.TypeOpaque, "AP8Q="},
		{lwm2m.TypeOpaque, "-w=="},
		{lwm2m.TypeTime, "2013-05-02"},
		{lwm2m.TypeTime, "1.5"},
		{lwm2m.TypeObjlnk, ""},
		{lwm2m.TypeObjlnk, "3"},
		{lwm2m.TypeObjlnk, "3:"},
		{lwm2m.TypeObjlnk, ":0"},
		{lwm2m.TypeObjlnk, "3:0:1"},
		{lwm2m.TypeObjlnk, "3:65536"},
		{lwm2m.TypeObjlnk, "-1:0"},
		{lwm2m.TypeNone, "x"},
		{lwm2m.Type(200), "x"},
	} {
		got, err := lwm2m.ParseValue(test.typ, test.text)
		if !errors.Is(err, lwm2m.ErrValue) || !got.IsZero() {
			t.Errorf("ParseValue(%v, %.40q) = %v, %v, want ErrValue", test.typ, test.text, got, err)
		}
		if err != nil && len(err.Error()) > 200 {
			t.Errorf("ParseValue(%v, %.40q): the error takes %d bytes", test.typ, test.text, len(err.Error()))
		}
	}
}

func TestValueIsUTF8(t *testing.T) {
	t.Parallel()
	if got := lwm2m.String("a\xffb").Text(); got != "a\uFFFDb" {
		t.Errorf("String: %q", got)
	}
	if got := lwm2m.Corelnk("a\xc3").Text(); got != "a\uFFFD" {
		t.Errorf("Corelnk: %q", got)
	}
	if got := lwm2m.Opaque([]byte("a\xff")).Bytes(); string(got) != "a\xff" {
		t.Errorf("Opaque: %q", got)
	}
}

// Each accessor answers for its own type and is neutral for all others.
func TestValueAccessors(t *testing.T) {
	t.Parallel()
	date := time.Date(2013, 5, 2, 10, 40, 15, 999, time.FixedZone("", 7200))
	all := []lwm2m.Value{
		lwm2m.String("s"), lwm2m.Integer(-5), lwm2m.Unsigned(5), lwm2m.Float(1.5), lwm2m.Boolean(true),
		lwm2m.Opaque([]byte("o")), lwm2m.Time(date), lwm2m.Objlnk(3, 4), lwm2m.Corelnk("c"),
		{},
	}
	for _, v := range all {
		oid, iid := v.Objlnk()
		number, isNumber := v.Number()
		checks := []struct {
			what      string
			own       bool
			got, want bool
		}{
			{"Text", v.Type() == lwm2m.TypeString || v.Type() == lwm2m.TypeCorelnk, v.Text() != "", true},
			{"Int", v.Type() == lwm2m.TypeInteger || v.Type() == lwm2m.TypeTime, v.Int() != 0, true},
			{"Uint", v.Type() == lwm2m.TypeUnsigned, v.Uint() == 5, true},
			{"Float", v.Type() == lwm2m.TypeFloat, v.Float() == 1.5, true},
			{"Bool", v.Type() == lwm2m.TypeBoolean, v.Bool(), true},
			{"Bytes", v.Type() == lwm2m.TypeOpaque, bytes.Equal(v.Bytes(), []byte("o")), true},
			{"Time", v.Type() == lwm2m.TypeTime, v.Time().Equal(date.Truncate(time.Second)), true},
			{"Objlnk", v.Type() == lwm2m.TypeObjlnk, oid == 3 && iid == 4, true},
			{"no Objlnk", v.Type() != lwm2m.TypeObjlnk, oid == lwm2m.MaxID && iid == lwm2m.MaxID, true},
			{"Len", v.Text() != "" || v.Bytes() != nil, v.Len() == 1 && len(v.AppendBytes(nil)) == 1, true},
			{"Number", number != 0, isNumber, true},
		}
		for _, c := range checks {
			if c.own != c.got {
				t.Errorf("%v %v: %s", v.Type(), v, c.what)
			}
		}
	}
	if got := lwm2m.Time(date).Time(); got.Location() != time.UTC || got.Nanosecond() != 0 {
		t.Errorf("Time returns %v", got)
	}
	if got := (lwm2m.Value{}).Time(); !got.IsZero() {
		t.Errorf("no value has the time %v", got)
	}
}

func TestOpaqueIsCopied(t *testing.T) {
	t.Parallel()
	b := []byte("abc")
	v := lwm2m.Opaque(b)
	b[0] = 'x'
	got := v.Bytes()
	got[1] = 'x'
	if v.String() != "YWJj" {
		t.Errorf("the value changed to %v", v)
	}
}

func TestConvert(t *testing.T) {
	t.Parallel()
	nan, inf := lwm2m.Float(math.NaN()), lwm2m.Float(math.Inf(1))
	for _, test := range []struct {
		from lwm2m.Value
		to   lwm2m.Type
		want lwm2m.Value // the zero Value: refused
	}{
		{lwm2m.Integer(5), lwm2m.TypeInteger, lwm2m.Integer(5)},
		{lwm2m.Integer(5), lwm2m.TypeUnsigned, lwm2m.Unsigned(5)},
		{lwm2m.Integer(-5), lwm2m.TypeUnsigned, lwm2m.Value{}},
		{lwm2m.Integer(-5), lwm2m.TypeTime, lwm2m.UnixTime(-5)},
		{lwm2m.Integer(5), lwm2m.TypeFloat, lwm2m.Float(5)},
		{lwm2m.Integer(math.MaxInt64), lwm2m.TypeFloat, lwm2m.Float(1 << 63)},
		{lwm2m.Integer(1), lwm2m.TypeBoolean, lwm2m.Boolean(true)},
		{lwm2m.Integer(0), lwm2m.TypeBoolean, lwm2m.Boolean(false)},
		{lwm2m.Integer(2), lwm2m.TypeBoolean, lwm2m.Value{}},
		{lwm2m.Integer(5), lwm2m.TypeString, lwm2m.Value{}},
		{lwm2m.Integer(5), lwm2m.TypeObjlnk, lwm2m.Value{}},
		{lwm2m.Unsigned(math.MaxInt64), lwm2m.TypeInteger, lwm2m.Integer(math.MaxInt64)},
		{lwm2m.Unsigned(math.MaxInt64 + 1), lwm2m.TypeInteger, lwm2m.Value{}},
		{lwm2m.Unsigned(math.MaxUint64), lwm2m.TypeTime, lwm2m.Value{}},
		{lwm2m.Unsigned(1), lwm2m.TypeBoolean, lwm2m.Boolean(true)},
		{lwm2m.Float(5), lwm2m.TypeInteger, lwm2m.Integer(5)},
		{lwm2m.Float(5.5), lwm2m.TypeInteger, lwm2m.Value{}},
		{lwm2m.Float(-1 << 63), lwm2m.TypeInteger, lwm2m.Integer(math.MinInt64)},
		{lwm2m.Float(1 << 63), lwm2m.TypeInteger, lwm2m.Value{}},
		{lwm2m.Float(math.Copysign(0, -1)), lwm2m.TypeInteger, lwm2m.Integer(0)},
		{lwm2m.Float(1 << 63), lwm2m.TypeUnsigned, lwm2m.Unsigned(1 << 63)},
		{lwm2m.Float(1 << 64), lwm2m.TypeUnsigned, lwm2m.Value{}},
		{lwm2m.Float(-1), lwm2m.TypeUnsigned, lwm2m.Value{}},
		{lwm2m.Float(0.5), lwm2m.TypeUnsigned, lwm2m.Value{}},
		{lwm2m.Float(1), lwm2m.TypeBoolean, lwm2m.Boolean(true)},
		{lwm2m.Float(0.5), lwm2m.TypeBoolean, lwm2m.Value{}},
		{nan, lwm2m.TypeInteger, lwm2m.Value{}},
		{nan, lwm2m.TypeUnsigned, lwm2m.Value{}},
		{nan, lwm2m.TypeBoolean, lwm2m.Value{}},
		{inf, lwm2m.TypeInteger, lwm2m.Value{}},
		{inf, lwm2m.TypeUnsigned, lwm2m.Value{}},
		{lwm2m.UnixTime(5), lwm2m.TypeInteger, lwm2m.Integer(5)},
		{lwm2m.UnixTime(5), lwm2m.TypeFloat, lwm2m.Float(5)},
		{lwm2m.String("</1>"), lwm2m.TypeCorelnk, lwm2m.Corelnk("</1>")},
		{lwm2m.Corelnk("</1>"), lwm2m.TypeString, lwm2m.String("</1>")},
		{lwm2m.String("1"), lwm2m.TypeInteger, lwm2m.Value{}},
		{lwm2m.String("1"), lwm2m.TypeOpaque, lwm2m.Value{}},
		{lwm2m.Boolean(true), lwm2m.TypeInteger, lwm2m.Value{}},
		{lwm2m.Opaque([]byte("1")), lwm2m.TypeString, lwm2m.Value{}},
		{lwm2m.Objlnk(1, 2), lwm2m.TypeInteger, lwm2m.Value{}},
		{lwm2m.Value{}, lwm2m.TypeInteger, lwm2m.Value{}},
		{lwm2m.Integer(1), lwm2m.TypeNone, lwm2m.Value{}},
	} {
		got, err := test.from.Convert(test.to)
		if got != test.want {
			t.Errorf("%v %v to %v: %v, want %v", test.from.Type(), test.from, test.to, got, test.want)
		}
		if errors.Is(err, lwm2m.ErrValue) != test.want.IsZero() {
			t.Errorf("%v %v to %v: %v", test.from.Type(), test.from, test.to, err)
		}
	}
	if _, err := lwm2m.String(strings.Repeat("x", 1<<20)).Convert(lwm2m.TypeFloat); len(err.Error()) > 200 {
		t.Errorf("the error takes %d bytes", len(err.Error()))
	}
}

func TestTypes(t *testing.T) {
	t.Parallel()
	for typ := lwm2m.TypeString; typ <= lwm2m.TypeCorelnk; typ++ {
		for _, word := range []string{typ.String(), strings.ToUpper(typ.String()), " " + typ.String() + "\n"} {
			if got, err := lwm2m.ParseType(word); err != nil || got != typ {
				t.Errorf("ParseType(%q) = %v, %v, want %v", word, got, err, typ)
			}
		}
	}
	if got, err := lwm2m.ParseType("  "); err != nil || got != lwm2m.TypeNone {
		t.Errorf("ParseType of nothing: %v, %v", got, err)
	}
	if got, err := lwm2m.ParseType("Double"); err == nil {
		t.Errorf("ParseType(Double) = %v", got)
	}
	if got := lwm2m.Type(200).String(); got != "type 200" {
		t.Errorf("an unknown type is called %q", got)
	}
}

func FuzzParseValue(f *testing.F) {
	for _, seed := range texts {
		f.Add(uint8(seed.typ), seed.text)
	}
	f.Fuzz(func(t *testing.T, typ uint8, text string) {
		v, err := lwm2m.ParseValue(lwm2m.Type(typ), text)
		if err != nil {
			if !v.IsZero() || !errors.Is(err, lwm2m.ErrValue) {
				t.Fatalf("ParseValue(%v, %q) = %v, %v", typ, text, v, err)
			}
			return
		}
		if v.Type() != lwm2m.Type(typ) {
			t.Fatalf("ParseValue(%v, %q) is of type %v", typ, text, v.Type())
		}
		again, err := lwm2m.ParseValue(v.Type(), v.String())
		if err != nil || again != v {
			t.Fatalf("%v %q reads back as %q, %v", v.Type(), v, again, err)
		}
		for to := lwm2m.TypeString; to <= lwm2m.TypeCorelnk; to++ {
			c, err := v.Convert(to)
			if err != nil {
				continue
			}
			back, err := c.Convert(v.Type())
			rounded := to == lwm2m.TypeFloat || to == lwm2m.TypeBoolean || v.Type() == lwm2m.TypeFloat
			if !rounded && (err != nil || back != v) {
				t.Fatalf("%v %v to %v and back: %v, %v", v.Type(), v, to, back, err)
			}
		}
	})
}
