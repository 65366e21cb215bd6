package fit_test

import (
	"math"
	"strings"
	"testing"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/fit"
)

func TestNumber(t *testing.T) {
	t.Parallel()
	negativeZero := lwm2m.Float(math.Copysign(0, -1))
	for _, test := range []struct {
		literal string
		want    lwm2m.Value
	}{
		{"0", lwm2m.Integer(0)},
		{"-0", negativeZero},
		{"-0.0", negativeZero},
		{"-0e5", negativeZero},
		{"7", lwm2m.Integer(7)},
		{"-9223372036854775808", lwm2m.Integer(math.MinInt64)},
		{"9223372036854775807", lwm2m.Integer(math.MaxInt64)},
		{"9223372036854775808", lwm2m.Unsigned(1 << 63)},
		{"18446744073709551615", lwm2m.Unsigned(math.MaxUint64)},
		{"18446744073709551616", lwm2m.Float(1 << 64)},
		{"-9223372036854775809", lwm2m.Float(-1 << 63)},
		{"1.0", lwm2m.Float(1)},
		{"1e3", lwm2m.Float(1000)},
		{"1.5", lwm2m.Float(1.5)},
		{"0.1", lwm2m.Float(0.1)},
		{"-36.6E0", lwm2m.Float(-36.6)},
		{"5e-324", lwm2m.Float(5e-324)},
		{"1e-400", lwm2m.Float(0)},
		{"1.7976931348623157e308", lwm2m.Float(math.MaxFloat64)},
		// Beyond 2^53, where a float would round.
		{"9007199254740993.0", lwm2m.Integer(9007199254740993)},
		{"-9007199254740993.000", lwm2m.Integer(-9007199254740993)},
		{"9.007199254740993e15", lwm2m.Integer(9007199254740993)},
		{"9007199254740993000e-3", lwm2m.Integer(9007199254740993)},
		{"9007199254740991.0", lwm2m.Float(9007199254740991)},
		{"0.009223372036854775807e21", lwm2m.Integer(math.MaxInt64)},
		{"1844674407370955161.5e1", lwm2m.Unsigned(math.MaxUint64)},
		{"1.8446744073709551616e19", lwm2m.Float(1 << 64)},
		{"9007199254740993.5", lwm2m.Float(9007199254740994)},
		{"1e18", lwm2m.Integer(1e18)},
		{"1e20", lwm2m.Float(1e20)},
		{"1e300", lwm2m.Float(1e300)},
	} {
		got, ok := fit.Number([]byte(test.literal))
		if !ok || got != test.want {
			t.Errorf("%s: %v %v, %t, want %v %v", test.literal, got.Type(), got, ok, test.want.Type(), test.want)
		}
	}
	for _, literal := range []string{"1e309", "-1e309", "1e999999999999", strings.Repeat("9", 400)} {
		if got, ok := fit.Number([]byte(literal)); ok {
			t.Errorf("%.20s: %v", literal, got)
		}
	}
}

func TestValue(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		from lwm2m.Value
		to   lwm2m.Type
		want lwm2m.Value // the zero Value: refused
	}{
		{lwm2m.Integer(5), lwm2m.TypeNone, lwm2m.Integer(5)},
		{lwm2m.Integer(5), lwm2m.TypeFloat, lwm2m.Float(5)},
		{lwm2m.Float(5), lwm2m.TypeInteger, lwm2m.Integer(5)},
		{lwm2m.Float(5.5), lwm2m.TypeInteger, lwm2m.Value{}},
		{lwm2m.String("3:0"), lwm2m.TypeObjlnk, lwm2m.Objlnk(3, 0)},
		{lwm2m.String("3"), lwm2m.TypeObjlnk, lwm2m.Value{}},
		{lwm2m.String("</3/0>"), lwm2m.TypeCorelnk, lwm2m.Corelnk("</3/0>")},
		{lwm2m.String("2013-05-02T10:40:15Z"), lwm2m.TypeTime, lwm2m.UnixTime(1367491215)},
		{lwm2m.String("2013-05-02T12:40:15.9+02:00"), lwm2m.TypeTime, lwm2m.UnixTime(1367491215)},
		{lwm2m.String("1367491215"), lwm2m.TypeTime, lwm2m.Value{}},
		{lwm2m.String("5"), lwm2m.TypeInteger, lwm2m.Value{}},
		{lwm2m.Boolean(true), lwm2m.TypeInteger, lwm2m.Value{}},
		{lwm2m.Opaque([]byte("a")), lwm2m.TypeString, lwm2m.Value{}},
		{lwm2m.Float(math.NaN()), lwm2m.TypeFloat, lwm2m.Value{}},
		{lwm2m.Float(math.Inf(-1)), lwm2m.TypeFloat, lwm2m.Value{}},
		{lwm2m.Float(math.Inf(1)), lwm2m.TypeNone, lwm2m.Value{}},
	} {
		got, err := fit.Value(test.from, test.to)
		if got != test.want || (err != nil) != test.want.IsZero() {
			t.Errorf("%v %v as %v: %v, %v", test.from.Type(), test.from, test.to, got, err)
		}
		if err != nil && lwm2m.CodeOf(err) != lwm2m.BadRequest {
			t.Errorf("%v %v as %v: code %v", test.from.Type(), test.from, test.to, lwm2m.CodeOf(err))
		}
	}
}

func FuzzNumber(f *testing.F) {
	f.Add("9007199254740993.0")
	f.Add("-0e5")
	f.Add("0.009223372036854775807e21")
	f.Fuzz(func(t *testing.T, literal string) {
		v, ok := fit.Number([]byte(literal))
		if !ok {
			return
		}
		if i, err := v.Convert(lwm2m.TypeInteger); err == nil && v.Type() == lwm2m.TypeInteger {
			if again, ok := fit.Number([]byte(i.String())); !ok || again != i {
				t.Fatalf("%q is %v, which is %v", literal, i, again)
			}
		}
	})
}
