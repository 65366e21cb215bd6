package omajson

import (
	"slices"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/instant"
	"lwm2m-agent/lwm2m/wire/internal/jsontext"
	"lwm2m-agent/lwm2m/wire/internal/outline"
)

// Append adds what a Read of base answers to dst (Core 1.0, section 6.4.4). The nodes
// lie at or below base, or behind a gateway prefix if base is the root of the own
// device; those without a value are left out. The base name is base, with a slash at
// the end if there are values below it.
//
// The error is an *lwm2m.Error with 5.00 if the nodes are not as described, have a
// value above a resource or at base and below it too, or hold a float that is no
// number; dst is then returned as it was.
func Append(dst []byte, base lwm2m.Path, nodes []lwm2m.Node) ([]byte, error) {
	o, err := outline.Of("OMA JSON", base, nodes)
	if err != nil {
		return dst, err
	}
	return plan(o).appendPayload(dst, nodes), nil
}

// plan is how a payload is written.
type plan outline.Outline

func (p plan) appendPayload(dst []byte, nodes []lwm2m.Node) []byte {
	const usual = 32 // bytes of an entry
	dst = slices.Grow(dst, len(p.BaseName)+usual*(1+p.Count))
	dst = jsontext.AppendText(append(dst, `{"bn":`...), p.BaseName)
	if p.BaseTime != 0 {
		dst = instant.AppendSeconds(append(dst, `,"bt":`...), p.BaseTime)
	}
	dst = append(dst, `,"e":[`...)
	first := true
	for i := range nodes {
		if nodes[i].Value.IsZero() {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = p.appendEntry(dst, &nodes[i])
	}
	return append(dst, "]}"...)
}

func (p plan) appendEntry(dst []byte, n *lwm2m.Node) []byte {
	dst = append(dst, '{')
	var buffer [64]byte // a path without a long prefix
	if name := n.Path.Append(buffer[:0])[len(p.BaseName):]; len(name) > 0 {
		dst = append(jsontext.AppendText(append(dst, `"n":`...), name), ',')
	}
	// Without a base time, a time counts from 1970.
	if t := instant.Millis(n.Time); t != p.BaseTime {
		dst = append(instant.AppendSeconds(append(dst, `"t":`...), t), ',')
	}
	return append(appendValue(dst, n.Value), '}')
}
