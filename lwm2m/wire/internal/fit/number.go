package fit

import (
	"bytes"
	"math"
	"strconv"
	"strings"

	"lwm2m-agent/lwm2m"
)

// maxExact is where a float64 stops holding every integer.
const maxExact = 1 << 53

// Number returns the value of a decimal number in JSON's syntax (RFC 8259, section
// 6): Integer if it is written as one and fits 64 bits, Unsigned if it fits only
// so, else Float. An integer beyond 2^53 that is written with point or exponent is
// exact too. ok is false if the number is beyond the range of a float64.
func Number(literal []byte) (v lwm2m.Value, ok bool) {
	whole := !bytes.ContainsAny(literal, ".eE")
	if whole {
		if v, ok := integer(string(literal)); ok {
			return v, true
		}
	}
	f, err := strconv.ParseFloat(string(literal), 64)
	if err != nil {
		return lwm2m.Value{}, false
	}
	if !whole && math.Abs(f) >= maxExact {
		if v, ok := integer(expand(string(literal))); ok {
			return v, true
		}
	}
	return lwm2m.Float(f), true
}

// integer reads a whole number of up to 64 bits. "-0" is none: as an integer it
// would lose the sign.
func integer(s string) (lwm2m.Value, bool) {
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return lwm2m.Integer(i), i != 0 || s[0] != '-'
	}
	u, err := strconv.ParseUint(s, 10, 64)
	return lwm2m.Unsigned(u), err == nil
}

// expand writes a number with point or exponent as a whole number, "" if it has a
// fraction or is longer than an integer of 64 bits.
func expand(s string) string {
	const most = 20 // digits of 2^64
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	mantissa, exponent, _ := strings.Cut(strings.ToLower(s), "e")
	before, after, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimRight(strings.TrimLeft(before+after, "0"), "0")
	// The digits cut off on the right count towards the exponent.
	shift := len(before) - (len(before+after) - len(strings.TrimLeft(before+after, "0"))) - len(digits)
	if exponent != "" {
		e, err := strconv.Atoi(exponent)
		if err != nil || e > 1<<20 || e < -1<<20 {
			return ""
		}
		shift += e
	}
	if shift < 0 || len(digits)+shift > most {
		return ""
	}
	return sign + digits + strings.Repeat("0", shift)
}
