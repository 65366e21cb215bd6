package hw

import (
	"math"
	"testing"
)

func TestValue(t *testing.T) {
	tests := []struct {
		v      Value
		kind   Kind
		text   string
		number float64
		isNum  bool
	}{
		{Value{}, KindNone, "", 0, false},
		{Float(21.5), KindFloat, "21.5", 21.5, true},
		{Float(math.Copysign(0, -1)), KindFloat, "0", 0, true},
		{Bool(true), KindBool, "true", 1, true},
		{Bool(false), KindBool, "false", 0, true},
		{Integer(-1), KindInteger, "-1", -1, true},
		{Integer(math.MinInt64), KindInteger, "-9223372036854775808", math.MinInt64, true},
		{Text("open"), KindText, "open", 0, false},
	}
	for _, tt := range tests {
		f, ok := tt.v.Float()
		if tt.v.Kind() != tt.kind || tt.v.String() != tt.text || f != tt.number || ok != tt.isNum {
			t.Errorf("%#v: kind %v, %q, %v, %v", tt.v, tt.v.Kind(), tt.v.String(), f, ok)
		}
		if b, ok := tt.v.Bool(); ok != (tt.kind == KindBool) || b && tt.text != "true" {
			t.Errorf("%#v: Bool %v, %v", tt.v, b, ok)
		}
		if i, ok := tt.v.Integer(); ok != (tt.kind == KindInteger) || ok && float64(i) != tt.number {
			t.Errorf("%#v: Integer %v, %v", tt.v, i, ok)
		}
		if s, ok := tt.v.Text(); ok != (tt.kind == KindText) || ok && s != tt.text {
			t.Errorf("%#v: Text %v, %v", tt.v, s, ok)
		}
	}
	if Float(0) != Float(math.Copysign(0, -1)) || Float(1) == Integer(1) || Bool(true) == Integer(1) || Text("") == (Value{}) {
		t.Error("values compare wrongly")
	}
	if KindText.String() != "text" || Kind(77).String() != "kind 77" || Quality(77).String() != "good" {
		t.Error("names")
	}
}
