package senml

import (
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/cboritem"
	"lwm2m-agent/lwm2m/wire/internal/instant"
)

// ResolveTimes replaces the relative times among decoded nodes, in place, by
// counting from when the payload was received. A relative time is one before
// 1978-07-04: so many seconds after, or before, 1970-01-01.
func ResolveTimes(nodes []lwm2m.Node, received time.Time) {
	for i := range nodes {
		if t := &nodes[i].Time; !t.IsZero() && t.Unix() < instant.FirstAbsolute {
			*t = received.Add(t.Sub(time.Unix(0, 0)))
		}
	}
}

// appendCBORSeconds adds a time in ms as a number of seconds.
func appendCBORSeconds(dst []byte, ms int64) []byte {
	if ms%1000 == 0 {
		return cboritem.AppendInt(dst, ms/1000)
	}
	return cboritem.AppendFloat(dst, float64(ms)/1000)
}

// seconds reads a number of seconds and returns it in µs.
func seconds(src source) int64 {
	f, ok := src.Number().Number()
	us, err := instant.Micros(f)
	if !ok || err != nil {
		src.Fail(instant.ErrRange)
		return 0
	}
	return us
}
