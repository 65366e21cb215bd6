package web

import (
	"encoding/base64"
	"math"
	"slices"
	"strconv"
	"time"

	"lwm2m-agent/lwm2m"
)

// Value is one value as the page shows it.
type Value struct {
	Path lwm2m.Path `json:"path"`
	// Value is a number, a string or a boolean. Opaque is in Base64, a time is RFC
	// 3339, and numbers that JavaScript cannot hold are strings.
	Value any    `json:"value"`
	Time  string `json:"time,omitempty"` // of the value, RFC 3339
}

// ValueOf returns a node as the page shows it.
func ValueOf(n lwm2m.Node) Value {
	v := Value{Path: n.Path}
	switch n.Value.Type() {
	case lwm2m.TypeInteger:
		v.Value = exact(n.Value.Int())
	case lwm2m.TypeUnsigned:
		v.Value = exact(n.Value.Uint())
	case lwm2m.TypeFloat:
		v.Value = float(n.Value.Float())
	case lwm2m.TypeBoolean:
		v.Value = n.Value.Bool()
	case lwm2m.TypeTime:
		v.Value = n.Value.Time().Format(time.RFC3339)
	case lwm2m.TypeOpaque:
		v.Value = base64.StdEncoding.EncodeToString(n.Value.Bytes())
	case lwm2m.TypeNone, lwm2m.TypeString, lwm2m.TypeObjlnk, lwm2m.TypeCorelnk:
		v.Value = n.Value.String()
	}
	if !n.Time.IsZero() {
		v.Time = n.Time.UTC().Format(time.RFC3339Nano)
	}
	return v
}

// exactLimit is the largest number up to which JavaScript holds every integer.
const exactLimit = 1 << 53

func exact[T int64 | uint64](n T) any {
	if f := float64(n); f > exactLimit || f < -exactLimit {
		if n < 0 {
			return strconv.FormatInt(int64(n), 10)
		}
		return strconv.FormatUint(uint64(n), 10)
	}
	return n
}

// float returns what JSON can carry: it knows neither infinity nor NaN.
func float(f float64) any {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return f
}

func valuesOf(nodes []lwm2m.Node) []Value {
	out := make([]Value, 0, len(nodes))
	for _, n := range nodes {
		if !n.Value.IsZero() {
			out = append(out, ValueOf(n))
		}
	}
	slices.SortStableFunc(out, func(a, b Value) int { return a.Path.Compare(b.Path) })
	return out
}
