package senml

import (
	"iter"
	"slices"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/cboritem"
	"lwm2m-agent/lwm2m/wire/internal/fit"
	"lwm2m-agent/lwm2m/wire/internal/instant"
	"lwm2m-agent/lwm2m/wire/internal/jsontext"
)

// plan is what the records of a pack have in common.
type plan struct {
	bn    []byte // base name; a record's name is its path's text after as many bytes
	bt    int64  // base time in ms, 0 if the records' times differ
	count int    // of records
}

// layout looks at what is to be written. The base name is the path that was asked
// for, with a slash at the end if the nodes lie below it: what other
// implementations write, and some expect.
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
		return plan{}, lwm2m.Errorf(lwm2m.InternalServerError, "write SenML: %v has a value and more below it", base)
	}
	if below > 0 && p.bn[len(p.bn)-1] != '/' {
		p.bn = append(p.bn, '/')
	}
	return p, nil
}

// writable returns an error if a node cannot be in the payload of base.
func writable(base lwm2m.Path, n *lwm2m.Node) error {
	if !within(base, n.Path) {
		return lwm2m.Errorf(lwm2m.InternalServerError, "write SenML: %v is not below %v", n.Path, base)
	}
	if !n.Value.IsZero() && n.Path.Level() < lwm2m.LevelResource {
		return lwm2m.Errorf(lwm2m.InternalServerError, "write SenML: %v has a value", n.Path)
	}
	if err := fit.Finite(n.Value, lwm2m.InternalServerError); err != nil {
		return lwm2m.Errorf(lwm2m.InternalServerError, "write SenML: %v: %w", n.Path, err)
	}
	return nil
}

// within reports whether a name may occur in the payload of an operation on base.
// The composite operations, on the root, also reach behind gateway prefixes.
func within(base, p lwm2m.Path) bool { return base == lwm2m.Path{} || base.Contains(p) }

// entry is a record to be written. Empty fields are left out.
type entry struct {
	bn, n []byte
	bt, t int64 // ms
	value lwm2m.Value
}

// entries returns the records of the nodes. The names are overwritten in the next
// round.
func (p plan) entries(nodes []lwm2m.Node) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		var buffer [64]byte // a path without a long prefix
		first := true
		for i := range nodes {
			n := &nodes[i]
			if n.Value.IsZero() {
				continue
			}
			e := entry{n: n.Path.Append(buffer[:0])[len(p.bn):], value: n.Value}
			if t := instant.Millis(n.Time); t != p.bt {
				e.t = t
			}
			if first {
				e.bn, e.bt = p.bn, p.bt
				first = false
			}
			if !yield(e) {
				return
			}
		}
	}
}

func (p plan) appendJSON(dst []byte, nodes []lwm2m.Node) []byte {
	const usual = 32 // bytes of a record
	dst = append(slices.Grow(dst, len(p.bn)+usual*(1+p.count)), '[')
	for e := range p.entries(nodes) {
		if len(e.bn) == 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '{')
		if len(e.bn) > 0 {
			dst = append(jsontext.AppendText(append(dst, `"bn":`...), e.bn), ',')
		}
		if e.bt != 0 {
			dst = append(instant.AppendSeconds(append(dst, `"bt":`...), e.bt), ',')
		}
		if len(e.n) > 0 {
			dst = append(jsontext.AppendText(append(dst, `"n":`...), e.n), ',')
		}
		if e.t != 0 {
			dst = append(instant.AppendSeconds(append(dst, `"t":`...), e.t), ',')
		}
		dst = append(appendJSONValue(dst, e.value), '}')
	}
	return append(dst, ']')
}

func (p plan) appendCBOR(dst []byte, nodes []lwm2m.Node) ([]byte, error) {
	const usual = 20 // bytes of a record
	dst = cboritem.AppendArray(slices.Grow(dst, len(p.bn)+usual*(1+p.count)), p.count)
	var err error
	for e := range p.entries(nodes) {
		fields := 1 + one(len(e.bn) > 0) + one(e.bt != 0) + one(len(e.n) > 0) + one(e.t != 0)
		dst = cboritem.AppendMap(dst, fields)
		if len(e.bn) > 0 {
			dst = cboritem.AppendText(cboritem.AppendInt(dst, int64(labelBaseName)), e.bn)
		}
		if e.bt != 0 {
			dst = appendCBORSeconds(cboritem.AppendInt(dst, int64(labelBaseTime)), e.bt)
		}
		if len(e.n) > 0 {
			dst = cboritem.AppendText(cboritem.AppendInt(dst, int64(labelName)), e.n)
		}
		if e.t != 0 {
			dst = appendCBORSeconds(cboritem.AppendInt(dst, int64(labelTime)), e.t)
		}
		if l := valueLabel(e.value.Type()); l == labelLink {
			dst = cboritem.AppendText(dst, linkName)
		} else {
			dst = cboritem.AppendInt(dst, int64(l))
		}
		if dst, err = cboritem.AppendValue(dst, e.value); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// valueLabel returns the label under which a record has a value of type t.
func valueLabel(t lwm2m.Type) label {
	switch t {
	case lwm2m.TypeInteger, lwm2m.TypeUnsigned, lwm2m.TypeFloat, lwm2m.TypeTime:
		return labelValue
	case lwm2m.TypeString, lwm2m.TypeCorelnk:
		return labelString
	case lwm2m.TypeBoolean:
		return labelBoolean
	case lwm2m.TypeOpaque:
		return labelData
	case lwm2m.TypeObjlnk:
		return labelLink
	case lwm2m.TypeNone:
	}
	return labelUnknown
}
