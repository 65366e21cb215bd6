package hw

import (
	"fmt"
	"math"
	"strconv"
)

// Kind is the kind of a [Value].
type Kind uint8

// The kinds of values. The zero Kind belongs to the zero Value: nothing is
// known yet.
const (
	KindNone Kind = iota
	KindFloat
	KindBool
	KindInteger
	KindText
)

var kindNames = [...]string{"none", "float", "bool", "integer", "text"}

// String returns the kind's name: "none", "float", "bool", "integer", "text".
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

// Value is one value of a channel. It is comparable with ==; the zero Value
// holds nothing.
type Value struct {
	text string
	bits uint64
	kind Kind
}

// Float returns a value of KindFloat.
func Float(f float64) Value {
	if f == 0 {
		f = 0 // one zero: -0 would differ from it under ==
	}
	return Value{kind: KindFloat, bits: math.Float64bits(f)}
}

// Bool returns a value of KindBool.
func Bool(b bool) Value {
	if b {
		return Value{kind: KindBool, bits: 1}
	}
	return Value{kind: KindBool}
}

// Integer returns a value of KindInteger.
func Integer(i int64) Value {
	return Value{kind: KindInteger, bits: uint64(i)} //nolint:gosec // two's complement both ways
}

// Text returns a value of KindText.
func Text(s string) Value { return Value{kind: KindText, text: s} }

// Kind returns the kind of v.
func (v Value) Kind() Kind { return v.kind }

// Float returns v as a number: a float or an integer as it is, a bool as 0 or
// 1. ok is false for the other kinds.
func (v Value) Float() (f float64, ok bool) {
	switch v.kind {
	case KindFloat:
		return math.Float64frombits(v.bits), true
	case KindInteger:
		return float64(int64(v.bits)), true //nolint:gosec // two's complement both ways
	case KindBool:
		return float64(v.bits), true
	case KindNone, KindText:
	}
	return 0, false
}

// Bool returns the value of a KindBool; ok is false for the other kinds.
func (v Value) Bool() (b, ok bool) { return v.kind == KindBool && v.bits != 0, v.kind == KindBool }

// Integer returns the value of a KindInteger; ok is false for the other kinds.
func (v Value) Integer() (i int64, ok bool) {
	if v.kind != KindInteger {
		return 0, false
	}
	return int64(v.bits), true //nolint:gosec // two's complement both ways
}

// Text returns the value of a KindText; ok is false for the other kinds.
func (v Value) Text() (s string, ok bool) { return v.text, v.kind == KindText }

// String returns the value in decimal, "true" or "false", or the text itself;
// "" when there is none.
func (v Value) String() string {
	switch v.kind {
	case KindFloat:
		return strconv.FormatFloat(math.Float64frombits(v.bits), 'g', -1, 64)
	case KindBool:
		return strconv.FormatBool(v.bits != 0)
	case KindInteger:
		return strconv.FormatInt(int64(v.bits), 10) //nolint:gosec // two's complement both ways
	case KindText:
		return v.text
	case KindNone:
	}
	return ""
}

// GoString makes test failures readable.
func (v Value) GoString() string { return fmt.Sprintf("hw.%s(%s)", v.kind, v.String()) }
