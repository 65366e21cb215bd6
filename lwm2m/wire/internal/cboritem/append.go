// Package cboritem writes and reads the data items of CBOR (RFC 8949) that LwM2M's
// formats are made of.
//
// It knows items and values. It must not know what an item stands for.
package cboritem

import (
	"encoding/binary"
	"math"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/fit"
)

// The major types (RFC 8949, section 3.1), in the place they have in an item's
// first byte.
const (
	majorUnsigned = 0 << 5
	majorNegative = 1 << 5
	majorBytes    = 2 << 5
	majorText     = 3 << 5
	majorArray    = 4 << 5
	majorMap      = 5 << 5
	majorTag      = 6 << 5
	majorSimple   = 7 << 5
)

// First bytes of the simple values and floats (RFC 8949, section 3.3).
const (
	simpleFalse = majorSimple | 20
	simpleTrue  = majorSimple | 21
	simpleNull  = majorSimple | 22
	float16     = majorSimple | 25
	float32b    = majorSimple | 26
	float64b    = majorSimple | 27
	breakByte   = majorSimple | 31
)

// AppendArray adds the head of an array of n items.
func AppendArray(dst []byte, n int) []byte { return appendHead(dst, majorArray, uint64(n)) } //nolint:gosec // a length

// AppendMap adds the head of a map of n pairs.
func AppendMap(dst []byte, n int) []byte { return appendHead(dst, majorMap, uint64(n)) } //nolint:gosec // a length

// AppendTag adds the head of a tag.
func AppendTag(dst []byte, tag uint64) []byte { return appendHead(dst, majorTag, tag) }

// AppendInt adds an integer.
func AppendInt(dst []byte, i int64) []byte {
	if i < 0 {
		return appendHead(dst, majorNegative, uint64(^i)) //nolint:gosec // ^i is not negative
	}
	return appendHead(dst, majorUnsigned, uint64(i))
}

// AppendText adds a text string.
func AppendText[T string | []byte](dst []byte, s T) []byte {
	return append(appendHead(dst, majorText, uint64(len(s))), s...)
}

// AppendFloat adds a float of 32 bits if that loses nothing, else of 64. Half
// precision is left alone: common decoders of small devices do not know it.
func AppendFloat(dst []byte, f float64) []byte {
	if s := float32(f); float64(s) == f {
		return binary.BigEndian.AppendUint32(append(dst, float32b), math.Float32bits(s))
	}
	return binary.BigEndian.AppendUint64(append(dst, float64b), math.Float64bits(f))
}

// AppendValue adds a value: Time as an integer, Objlnk as text (Core, appendix
// C.2). A float that is no number is refused with 5.00.
func AppendValue(dst []byte, v lwm2m.Value) ([]byte, error) {
	switch v.Type() {
	case lwm2m.TypeString, lwm2m.TypeCorelnk:
		return v.AppendBytes(appendHead(dst, majorText, uint64(v.Len()))), nil //nolint:gosec // a length
	case lwm2m.TypeOpaque:
		return v.AppendBytes(appendHead(dst, majorBytes, uint64(v.Len()))), nil //nolint:gosec // a length
	case lwm2m.TypeInteger, lwm2m.TypeTime:
		return AppendInt(dst, v.Int()), nil
	case lwm2m.TypeUnsigned:
		return appendHead(dst, majorUnsigned, v.Uint()), nil
	case lwm2m.TypeFloat:
		return AppendFloat(dst, v.Float()), fit.Finite(v, lwm2m.InternalServerError)
	case lwm2m.TypeBoolean:
		if v.Bool() {
			return append(dst, simpleTrue), nil
		}
		return append(dst, simpleFalse), nil
	case lwm2m.TypeObjlnk:
		var text [11]byte // 65535:65535
		return AppendText(dst, v.AppendText(text[:0])), nil
	case lwm2m.TypeNone:
	}
	return dst, lwm2m.Errorf(lwm2m.InternalServerError, "there is no value")
}

// appendHead adds an item's first byte and its argument in the shortest form.
func appendHead(dst []byte, major byte, arg uint64) []byte {
	switch {
	case arg < 24:
		return append(dst, major|byte(arg))
	case arg <= math.MaxUint8:
		return append(dst, major|24, byte(arg))
	case arg <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, major|25), uint16(arg))
	case arg <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, major|26), uint32(arg))
	default:
		return binary.BigEndian.AppendUint64(append(dst, major|27), arg)
	}
}
