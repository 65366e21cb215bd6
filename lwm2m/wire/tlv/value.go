package tlv

import (
	"encoding/binary"
	"math"
	"unicode/utf8"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/fit"
)

// appendNumber adds the bytes of a value that is not made of bytes already (Core,
// appendix C.2).
func appendNumber(dst []byte, v lwm2m.Value) ([]byte, error) {
	switch v.Type() {
	case lwm2m.TypeInteger, lwm2m.TypeTime:
		return appendInteger(dst, v.Int()), nil
	case lwm2m.TypeUnsigned:
		return appendUnsigned(dst, v.Uint()), nil
	case lwm2m.TypeFloat:
		return appendFloat(dst, v.Float()), fit.Finite(v, lwm2m.InternalServerError)
	case lwm2m.TypeBoolean:
		if v.Bool() {
			return append(dst, 1), nil
		}
		return append(dst, 0), nil
	case lwm2m.TypeObjlnk:
		oid, iid := v.Objlnk()
		return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(dst, oid), iid), nil
	case lwm2m.TypeString, lwm2m.TypeCorelnk, lwm2m.TypeOpaque:
		return dst, nil
	case lwm2m.TypeNone:
	}
	return dst, lwm2m.Errorf(lwm2m.InternalServerError, "there is no value")
}

// appendInteger adds an integer in two's complement of 1, 2, 4 or 8 bytes.
func appendInteger(dst []byte, i int64) []byte {
	var b [longestValue]byte
	binary.BigEndian.PutUint64(b[:], uint64(i)) //nolint:gosec // kept as bits
	n := longestValue
	switch {
	case math.MinInt8 <= i && i <= math.MaxInt8:
		n = 1
	case math.MinInt16 <= i && i <= math.MaxInt16:
		n = 2
	case math.MinInt32 <= i && i <= math.MaxInt32:
		n = 4
	}
	return append(dst, b[longestValue-n:]...)
}

// appendUnsigned adds an unsigned integer of 1, 2, 4 or 8 bytes. As long as there
// is a longer form, the first bit stays clear: peers are about that read unsigned
// integers as signed ones.
func appendUnsigned(dst []byte, u uint64) []byte {
	if u <= math.MaxInt64 {
		return appendInteger(dst, int64(u))
	}
	return binary.BigEndian.AppendUint64(dst, u)
}

// appendFloat adds a float of 4 bytes if that loses nothing, else of 8.
func appendFloat(dst []byte, f float64) []byte {
	if s := float32(f); float64(s) == f {
		return binary.BigEndian.AppendUint32(dst, math.Float32bits(s))
	}
	return binary.BigEndian.AppendUint64(dst, math.Float64bits(f))
}

// value returns the value in the bytes of a TLV; without a type, Opaque.
func value(b []byte, t lwm2m.Type) (lwm2m.Value, error) {
	switch t {
	case lwm2m.TypeNone, lwm2m.TypeOpaque:
		return lwm2m.Opaque(b), nil
	case lwm2m.TypeString, lwm2m.TypeCorelnk:
		if !utf8.Valid(b) {
			return lwm2m.Value{}, errUTF8
		}
		return lwm2m.String(string(b)).Convert(t)
	case lwm2m.TypeFloat:
		return float(b)
	case lwm2m.TypeBoolean:
		if len(b) == 1 && b[0] <= 1 {
			return lwm2m.Boolean(b[0] == 1), nil
		}
	case lwm2m.TypeObjlnk:
		const links = 4
		if len(b) == links {
			return lwm2m.Objlnk(binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])), nil
		}
	case lwm2m.TypeInteger, lwm2m.TypeTime, lwm2m.TypeUnsigned:
		return integer(b, t)
	}
	return lwm2m.Value{}, errValue
}

func float(b []byte) (lwm2m.Value, error) {
	var f float64
	switch len(b) {
	case 4:
		f = float64(math.Float32frombits(binary.BigEndian.Uint32(b)))
	case 8:
		f = math.Float64frombits(binary.BigEndian.Uint64(b))
	default:
		return lwm2m.Value{}, errValue
	}
	return fit.Value(lwm2m.Float(f), lwm2m.TypeFloat)
}

// integer reads an integer of 1, 2, 4 or 8 bytes.
func integer(b []byte, t lwm2m.Type) (lwm2m.Value, error) {
	switch len(b) {
	case 1, 2, 4, 8:
	default:
		return lwm2m.Value{}, errValue
	}
	n := number(b)
	if t == lwm2m.TypeUnsigned {
		return lwm2m.Unsigned(n), nil
	}
	unused := 64 - 8*len(b)
	i := int64(n<<unused) >> unused //nolint:gosec // brings the sign to its place
	if t == lwm2m.TypeTime {
		return lwm2m.UnixTime(i), nil
	}
	return lwm2m.Integer(i), nil
}
