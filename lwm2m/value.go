package lwm2m

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Type is the data type of a resource (Core, appendix C).
type Type uint8

// The data types. TypeNone is the type of what can only be executed, and of the
// zero Value.
const (
	TypeNone Type = iota
	TypeString
	TypeInteger
	TypeUnsigned
	TypeFloat
	TypeBoolean
	TypeOpaque
	TypeTime
	TypeObjlnk
	TypeCorelnk
)

var typeNames = [...]string{
	"None", "String", "Integer", "Unsigned Integer", "Float", "Boolean", "Opaque", "Time", "Objlnk", "Corelnk",
}

// String returns the specification's word for the type.
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return "type " + strconv.Itoa(int(t))
}

// ParseType reads the word that the object registry uses; "" is TypeNone.
func ParseType(s string) (Type, error) {
	s = strings.TrimSpace(s)
	if s == "" {
		return TypeNone, nil
	}
	for t, name := range typeNames {
		if strings.EqualFold(s, name) {
			return Type(t), nil
		}
	}
	return TypeNone, fmt.Errorf("%q is not an LwM2M data type", s)
}

// Value is one value of one resource or resource instance. Values are immutable
// and comparable; the zero Value is "no value". A float compares by its bits.
type Value struct {
	text string // String, Corelnk: UTF-8; Opaque: the bytes
	bits uint64 // the rest
	typ  Type
}

// ErrValue reports text or a number that a data type cannot hold.
var ErrValue = errors.New("not a valid value")

// String returns a String value. What is not UTF-8 in s is replaced by U+FFFD, so
// that every format can carry the value.
func String(s string) Value { return Value{typ: TypeString, text: strings.ToValidUTF8(s, "\uFFFD")} }

// Integer returns an Integer value.
func Integer(i int64) Value { return Value{typ: TypeInteger, bits: uint64(i)} } //nolint:gosec // kept as bits

// Unsigned returns an Unsigned Integer value.
func Unsigned(u uint64) Value { return Value{typ: TypeUnsigned, bits: u} }

// Float returns a Float value.
func Float(f float64) Value { return Value{typ: TypeFloat, bits: math.Float64bits(f)} }

// Boolean returns a Boolean value.
func Boolean(b bool) Value {
	v := Value{typ: TypeBoolean}
	if b {
		v.bits = 1
	}
	return v
}

// Opaque returns an Opaque value with a copy of b.
func Opaque(b []byte) Value { return Value{typ: TypeOpaque, text: string(b)} }

// Time returns a Time value: seconds since 1970-01-01 UTC, the fraction cut off.
func Time(t time.Time) Value { return UnixTime(t.Unix()) }

// UnixTime returns a Time value of the given seconds since 1970-01-01 UTC.
func UnixTime(s int64) Value { return Value{typ: TypeTime, bits: uint64(s)} } //nolint:gosec // kept as bits

// Objlnk returns an object link; MaxID:MaxID is the null link.
func Objlnk(oid, iid uint16) Value {
	return Value{typ: TypeObjlnk, bits: uint64(oid)<<16 | uint64(iid)}
}

// Corelnk returns a value in CoRE Link Format (RFC 6690). UTF-8 is seen to as by
// String; the links are not looked at.
func Corelnk(s string) Value { return Value{typ: TypeCorelnk, text: strings.ToValidUTF8(s, "\uFFFD")} }

// Type returns the value's data type.
func (v Value) Type() Type { return v.typ }

// IsZero reports whether there is no value.
func (v Value) IsZero() bool { return v.typ == TypeNone }

// Text returns a String or Corelnk value's text, "" for any other type.
func (v Value) Text() string {
	if v.typ == TypeString || v.typ == TypeCorelnk {
		return v.text
	}
	return ""
}

// Int returns an Integer or a Time (seconds since 1970), 0 for any other type.
func (v Value) Int() int64 {
	if v.typ == TypeInteger || v.typ == TypeTime {
		return int64(v.bits) //nolint:gosec // kept as bits
	}
	return 0
}

// Uint returns an Unsigned Integer, 0 for any other type.
func (v Value) Uint() uint64 {
	if v.typ == TypeUnsigned {
		return v.bits
	}
	return 0
}

// Float returns a Float, 0 for any other type. See Number.
func (v Value) Float() float64 {
	if v.typ == TypeFloat {
		return math.Float64frombits(v.bits)
	}
	return 0
}

// Number returns the value of a numeric type (Integer, Unsigned Integer, Float,
// Time) as a float, which rounds integers beyond 2^53.
func (v Value) Number() (f float64, ok bool) {
	switch v.typ {
	case TypeInteger, TypeTime:
		return float64(v.Int()), true
	case TypeUnsigned:
		return float64(v.bits), true
	case TypeFloat:
		return v.Float(), true
	case TypeNone, TypeString, TypeBoolean, TypeOpaque, TypeObjlnk, TypeCorelnk:
	}
	return 0, false
}

// Bool returns a Boolean, false for any other type.
func (v Value) Bool() bool { return v.typ == TypeBoolean && v.bits != 0 }

// Bytes returns a copy of an Opaque value's bytes, nil for any other type.
func (v Value) Bytes() []byte {
	if v.typ != TypeOpaque {
		return nil
	}
	return []byte(v.text)
}

// AppendBytes adds the bytes of an Opaque value, or the text of a String or
// Corelnk, to dst.
func (v Value) AppendBytes(dst []byte) []byte { return append(dst, v.text...) }

// Len returns the length in bytes of a String, Corelnk or Opaque value, else 0.
func (v Value) Len() int { return len(v.text) }

// Time returns a Time value in UTC, the zero time for any other type.
func (v Value) Time() time.Time {
	if v.typ != TypeTime {
		return time.Time{}
	}
	return time.Unix(v.Int(), 0).UTC()
}

// Objlnk returns the object and object instance a link points to, MaxID twice
// for the null link and for any other type.
func (v Value) Objlnk() (oid, iid uint16) {
	if v.typ != TypeObjlnk {
		return MaxID, MaxID
	}
	return uint16(v.bits >> 16), uint16(v.bits) //nolint:gosec // kept as bits
}

// String returns the value as the Plain Text format writes it (Core, section
// 7.5.1): Boolean as 1 or 0, Time as seconds, Opaque in Base64, Objlnk as "3:0".
func (v Value) String() string { return string(v.AppendText(nil)) }

// AppendText adds what String returns to dst.
func (v Value) AppendText(dst []byte) []byte {
	switch v.typ {
	case TypeString, TypeCorelnk:
		return append(dst, v.text...)
	case TypeInteger, TypeTime:
		return strconv.AppendInt(dst, v.Int(), 10)
	case TypeUnsigned, TypeBoolean:
		return strconv.AppendUint(dst, v.bits, 10)
	case TypeFloat:
		return strconv.AppendFloat(dst, v.Float(), 'f', -1, 64)
	case TypeOpaque:
		return base64.StdEncoding.AppendEncode(dst, []byte(v.text))
	case TypeObjlnk:
		oid, iid := v.Objlnk()
		dst = strconv.AppendUint(dst, uint64(oid), 10)
		return strconv.AppendUint(append(dst, ':'), uint64(iid), 10)
	case TypeNone:
	}
	return dst
}

// ParseValue reads what String returns. Booleans may also be "true" and "false",
// floats have an exponent. The error wraps ErrValue.
func ParseValue(t Type, s string) (Value, error) {
	v, ok := parseValue(t, s)
	if !ok {
		return Value{}, fmt.Errorf("%w: %s is no %v", ErrValue, excerpt(s), t)
	}
	return v, nil
}

func parseValue(t Type, s string) (Value, bool) {
	switch t {
	case TypeString, TypeCorelnk:
		return Value{typ: t, text: s}, utf8.ValidString(s)
	case TypeInteger, TypeTime:
		i, err := strconv.ParseInt(s, 10, 64)
		return Value{typ: t, bits: uint64(i)}, err == nil //nolint:gosec // kept as bits
	case TypeUnsigned:
		u, err := strconv.ParseUint(s, 10, 64)
		return Unsigned(u), err == nil
	case TypeFloat:
		// ParseFloat alone would take "Inf", "NaN" and the hexadecimal form.
		f, err := strconv.ParseFloat(s, 64)
		return Float(f), err == nil && strings.Trim(s, "0123456789+-.eE") == ""
	case TypeBoolean:
		switch s {
		case "1", "true":
			return Boolean(true), true
		case "0", "false":
			return Boolean(false), true
		}
		return Value{}, false
	case TypeOpaque:
		b, err := base64.StdEncoding.DecodeString(s)
		return Opaque(b), err == nil
	case TypeObjlnk:
		return parseObjlnk(s)
	case TypeNone:
		return Value{}, s == ""
	}
	return Value{}, false
}

func parseObjlnk(s string) (Value, bool) {
	o, i, ok := strings.Cut(s, ":")
	oid, err1 := strconv.ParseUint(o, 10, 16)
	iid, err2 := strconv.ParseUint(i, 10, 16)
	if !ok || err1 != nil || err2 != nil {
		return Value{}, false
	}
	return Objlnk(uint16(oid), uint16(iid)), true
}

// Convert returns the value as another type where it means the same: among the
// numeric types, String to Corelnk and back, and numbers 0 and 1 to Boolean. Only
// an integer beyond 2^53 made a Float is rounded. Decoders whose format says less
// than the definition use it. The error wraps ErrValue.
func (v Value) Convert(t Type) (Value, error) {
	if v.typ == t {
		return v, nil
	}
	if c, ok := v.convert(t); ok {
		return c, nil
	}
	return Value{}, fmt.Errorf("%w: %v %s is no %v", ErrValue, v.typ, excerpt(v.String()), t)
}

// excerpt quotes text for an error, cut so that a large payload does not end up
// in a log.
func excerpt(s string) string {
	const most = 40
	if len(s) > most {
		return strconv.Quote(s[:most]) + "…"
	}
	return strconv.Quote(s)
}

func (v Value) convert(t Type) (Value, bool) {
	switch t {
	case TypeString, TypeCorelnk:
		return Value{typ: t, text: v.text}, v.typ == TypeString || v.typ == TypeCorelnk
	case TypeFloat:
		f, ok := v.Number()
		return Float(f), ok
	case TypeInteger, TypeTime:
		i, ok := v.integer()
		return Value{typ: t, bits: uint64(i)}, ok //nolint:gosec // kept as bits
	case TypeUnsigned:
		if v.typ == TypeFloat {
			f := v.Float()
			return Unsigned(uint64(f)), f >= 0 && f < 1<<64 && f == math.Trunc(f)
		}
		i, ok := v.integer()
		return Unsigned(uint64(i)), ok && i >= 0 //nolint:gosec // checked
	case TypeBoolean:
		f, ok := v.Number()
		return Boolean(f == 1), ok && (f == 0 || f == 1)
	case TypeNone, TypeOpaque, TypeObjlnk:
	}
	return Value{}, false
}

// integer returns a numeric value that is whole and fits 64 bits.
func (v Value) integer() (int64, bool) {
	switch v.typ {
	case TypeInteger, TypeTime:
		return v.Int(), true
	case TypeUnsigned:
		return int64(v.bits), v.bits <= math.MaxInt64 //nolint:gosec // checked
	case TypeFloat:
		f := v.Float()
		return int64(f), f >= -1<<63 && f < 1<<63 && f == math.Trunc(f)
	case TypeNone, TypeString, TypeBoolean, TypeOpaque, TypeObjlnk, TypeCorelnk:
	}
	return 0, false
}
