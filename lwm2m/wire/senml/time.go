package senml

import (
	"math"
	"strconv"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/cboritem"
)

// firstAbsolute is the first second since 1970 that a time can mean; below, it
// counts from now (RFC 8428, section 4.5.3). 1978-07-04 21:24:16 UTC.
const firstAbsolute = 1 << 28

// Times outside of these seconds are refused: 9999-12-31 and, for relative ones,
// what a time.Duration holds.
const (
	latest   = 253_402_300_799
	earliest = -1 << 33
)

// ResolveTimes replaces the relative times among decoded nodes, in place, by
// counting from when the payload was received. A relative time is one before
// 1978-07-04: so many seconds after, or before, 1970-01-01.
func ResolveTimes(nodes []lwm2m.Node, received time.Time) {
	for i := range nodes {
		if t := &nodes[i].Time; !t.IsZero() && t.Unix() < firstAbsolute {
			*t = received.Add(t.Sub(time.Unix(0, 0)))
		}
	}
}

// millis returns a time in ms since 1970, 0 if SenML cannot express it.
func millis(t time.Time) int64 {
	if t.IsZero() || t.Unix() < firstAbsolute || t.Unix() > latest {
		return 0
	}
	return t.UnixMilli()
}

// appendSeconds adds a time in ms as a decimal number of seconds.
func appendSeconds(dst []byte, ms int64) []byte {
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

func appendCBORSeconds(dst []byte, ms int64) []byte {
	if ms%1000 == 0 {
		return cboritem.AppendInt(dst, ms/1000)
	}
	return cboritem.AppendFloat(dst, float64(ms)/1000)
}

// seconds reads a number of seconds and returns it in µs.
func seconds(src source) int64 {
	f, ok := src.Number().Number()
	if !ok || !(f >= earliest && f <= latest) {
		src.Fail(errTime)
		return 0
	}
	return int64(math.Round(f * 1e6))
}

// instant returns the time of a sum of base time and time in µs; the zero time for
// none.
func instant(us int64) (time.Time, error) {
	if us < earliest*1e6 || us > latest*1e6 {
		return time.Time{}, errTime
	}
	if us == 0 {
		return time.Time{}, nil
	}
	return time.UnixMicro(us).UTC(), nil
}
