package senml

import (
	"iter"
	"slices"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/cboritem"
	"lwm2m-agent/lwm2m/wire/internal/instant"
	"lwm2m-agent/lwm2m/wire/internal/jsontext"
	"lwm2m-agent/lwm2m/wire/internal/outline"
)

// plan is how a pack is written.
type plan outline.Outline

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
			e := entry{n: n.Path.Append(buffer[:0])[len(p.BaseName):], value: n.Value}
			if t := instant.Millis(n.Time); t != p.BaseTime {
				e.t = t
			}
			if first {
				e.bn, e.bt = p.BaseName, p.BaseTime
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
	dst = append(slices.Grow(dst, len(p.BaseName)+usual*(1+p.Count)), '[')
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
	dst = cboritem.AppendArray(slices.Grow(dst, len(p.BaseName)+usual*(1+p.Count)), p.Count)
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
