package modbus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Type is how a value lies in registers.
type Type string

// The types.
const (
	Bool    Type = "bool"
	Int16   Type = "int16"
	Uint16  Type = "uint16"
	Int32   Type = "int32"
	Uint32  Type = "uint32"
	Int64   Type = "int64"
	Uint64  Type = "uint64"
	Float32 Type = "float32"
	Float64 Type = "float64"
)

// Types are those of registers.
func Types() []Type {
	return []Type{Int16, Uint16, Int32, Uint32, Int64, Uint64, Float32, Float64}
}

// Words is how many registers, or bits, a value has.
func (t Type) Words() uint16 {
	switch t {
	case Int32, Uint32, Float32:
		return 2
	case Int64, Uint64, Float64:
		return 4
	case Bool, Int16, Uint16:
	}
	return 1
}

// errFits is a number that a type cannot hold.
var errFits = errors.New("is no value of that type")

// Decode returns the number in registers; low says that the lowest word comes
// first.
func (t Type) Decode(words []uint16, low bool) (float64, error) {
	if len(words) != int(t.Words()) {
		return 0, fmt.Errorf("%w: %d registers for %s", ErrFrame, len(words), t)
	}
	bits := join(words, low)
	var x float64
	switch t {
	case Int16:
		x = float64(int16(bits)) //nolint:gosec // two's complement
	case Int32:
		x = float64(int32(bits)) //nolint:gosec // two's complement
	case Int64:
		x = float64(int64(bits)) //nolint:gosec // two's complement
	case Float32:
		x = float64(math.Float32frombits(uint32(bits))) //nolint:gosec // two words
	case Float64:
		x = math.Float64frombits(bits)
	case Bool, Uint16, Uint32, Uint64:
		x = float64(bits)
	}
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return 0, fmt.Errorf("%v %w", x, errFits)
	}
	return x, nil
}

func join(words []uint16, low bool) uint64 {
	bits := uint64(0)
	for i := range words {
		w := words[i]
		if low {
			w = words[len(words)-1-i]
		}
		bits = bits<<16 | uint64(w)
	}
	return bits
}

// Encode returns the registers of a number; integers are rounded.
func (t Type) Encode(x float64, low bool) ([]uint16, error) {
	size := int(t.Words())
	var bits uint64
	switch t {
	case Float32:
		bits = uint64(math.Float32bits(float32(x)))
	case Float64:
		bits = math.Float64bits(x)
	case Bool, Int16, Uint16, Int32, Uint32, Int64, Uint64:
		least, most := 0.0, math.Ldexp(1, 16*size)
		if t == Int16 || t == Int32 || t == Int64 {
			least, most = -most/2, most/2
		}
		if x = math.Round(x); !(x >= least && x < most) {
			return nil, fmt.Errorf("%v %w: %s", x, errFits, t)
		}
		if bits = uint64(int64(x)); x >= math.Ldexp(1, 63) { //nolint:gosec // two's complement
			bits = uint64(x)
		}
	}
	raw := binary.BigEndian.AppendUint64(nil, bits)[8-2*size:]
	words := make([]uint16, 0, size)
	for ; len(raw) > 0; raw = raw[2:] {
		words = append(words, binary.BigEndian.Uint16(raw))
	}
	if low {
		slices.Reverse(words)
	}
	return words, nil
}
