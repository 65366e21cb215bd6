// Package instant is times as SenML and OMA JSON write them: decimal seconds since
// 1970, in which a small number counts from the moment of receiving.
//
// It knows times. It must not know the syntax of a format.
package instant

import (
	"errors"
	"math"
	"strconv"
	"time"
)

// FirstAbsolute is the first second since 1970 that a time can mean; below, it counts
// from now (RFC 8428, section 4.5.3). 1978-07-04 21:24:16 UTC.
const FirstAbsolute = 1 << 28

// Times outside of these seconds are refused: 9999-12-31 and, for relative ones,
// what a time.Duration holds.
const (
	latest   = 253_402_300_799
	earliest = -1 << 33
)

// ErrRange says that a time is out of range.
var ErrRange = errors.New("the time is out of range")

// Millis returns a time in ms since 1970, 0 for one that cannot be told: none, a
// relative one, and one after 9999.
func Millis(t time.Time) int64 {
	if s := t.Unix(); s < FirstAbsolute || s > latest { // the zero time is long before; UnixMilli overflows late
		return 0
	}
	if ms := t.UnixMilli(); ms <= latest*1000 {
		return ms
	}
	return 0
}

// AppendSeconds adds a time in ms, which is not negative, as a decimal number of
// seconds.
func AppendSeconds(dst []byte, ms int64) []byte {
	dst = strconv.AppendInt(dst, ms/1000, 10)
	fraction := ms % 1000
	if fraction == 0 {
		return dst
	}
	dst = append(dst, '.', byte('0'+fraction/100), byte('0'+fraction/10%10), byte('0'+fraction%10))
	for dst[len(dst)-1] == '0' {
		dst = dst[:len(dst)-1]
	}
	return dst
}

// Micros returns a number of seconds in µs, or ErrRange.
func Micros(seconds float64) (int64, error) {
	if !(seconds >= earliest && seconds <= latest) { // NaN neither
		return 0, ErrRange
	}
	return int64(math.Round(seconds * 1e6)), nil
}

// At returns the time of a sum of base time and time in µs, the zero time for none, or
// ErrRange.
func At(us int64) (time.Time, error) {
	if us < earliest*1e6 || us > latest*1e6 {
		return time.Time{}, ErrRange
	}
	if us == 0 {
		return time.Time{}, nil
	}
	return time.UnixMicro(us).UTC(), nil
}
