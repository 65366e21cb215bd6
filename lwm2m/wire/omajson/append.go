package omajson

import (
	"slices"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/fit"
	"lwm2m-agent/lwm2m/wire/internal/instant"
	"lwm2m-agent/lwm2m/wire/internal/jsontext"
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
	p, err := layout(base, nodes)
	if err != nil {
		return dst, err
	}
	return p.appendPayload(dst, nodes), nil
}

// plan is what the entries of a payload have in common.
type plan struct {
	bn    []byte // base name; an entry's name is its path's text after as many bytes
	bt    int64  // base time in ms, 0 if the entries' times differ
	count int    // of entries
}

// layout looks at what is to be written.
func layout(base lwm2m.Path, nodes []lwm2m.Node) (plan, error) {
	p := plan{bn: base.Append(nil)}
	below := 0
	for i := range nodes {
		n := &nodes[i]
		if err := writable(base, n); err != nil {
			return plan{}, err
		}
		if n.Value.IsZero() {
			continue
		}
		if n.Path != base {
			below++
		}
		if t := instant.Millis(n.Time); p.count == 0 {
			p.bt = t
		} else if p.bt != t {
			p.bt = 0
		}
		p.count++
	}
	if below > 0 && below < p.count {
		return plan{}, lwm2m.Errorf(lwm2m.InternalServerError, "write OMA JSON: %v has a value and more below it", base)
	}
	if below > 0 {
		p.bn = withSlash(p.bn)
	}
	return p, nil
}

// writable returns an error if a node cannot be in the payload of base.
func writable(base lwm2m.Path, n *lwm2m.Node) error {
	if !within(base, n.Path) {
		return lwm2m.Errorf(lwm2m.InternalServerError, "write OMA JSON: %v is not below %v", n.Path, base)
	}
	if !n.Value.IsZero() && n.Path.Level() < lwm2m.LevelResource {
		return lwm2m.Errorf(lwm2m.InternalServerError, "write OMA JSON: %v has a value", n.Path)
	}
	if err := fit.Finite(n.Value, lwm2m.InternalServerError); err != nil {
		return lwm2m.Errorf(lwm2m.InternalServerError, "write OMA JSON: %v: %w", n.Path, err)
	}
	return nil
}

func (p plan) appendPayload(dst []byte, nodes []lwm2m.Node) []byte {
	const usual = 32 // bytes of an entry
	dst = slices.Grow(dst, len(p.bn)+usual*(1+p.count))
	dst = jsontext.AppendText(append(dst, `{"bn":`...), p.bn)
	if p.bt != 0 {
		dst = instant.AppendSeconds(append(dst, `,"bt":`...), p.bt)
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
	if name := n.Path.Append(buffer[:0])[len(p.bn):]; len(name) > 0 {
		dst = append(jsontext.AppendText(append(dst, `"n":`...), name), ',')
	}
	// Without a base time, a time counts from 1970.
	if t := instant.Millis(n.Time); t != p.bt {
		dst = append(instant.AppendSeconds(append(dst, `"t":`...), t), ',')
	}
	return append(appendValue(dst, n.Value), '}')
}
