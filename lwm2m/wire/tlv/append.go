package tlv

import (
	"slices"

	"lwm2m-agent/lwm2m"
)

// Append adds the TLVs of what a Read of base answers to dst; base is an object or
// deeper. The nodes lie at or below base, are in path order, and no path is there
// twice. Times are not told.
//
// The object instance TLV is written only if base is an object. The error is an
// *lwm2m.Error: 4.06 if base is the root or the nodes differ in time only, 5.00 if
// they are not as described, hold a float that is no number, or 16 MiB are
// exceeded.
func Append(dst []byte, base lwm2m.Path, nodes []lwm2m.Node) ([]byte, error) {
	if base.Level() == lwm2m.LevelRoot {
		return dst, lwm2m.Errorf(lwm2m.NotAcceptable, "write TLV: it cannot carry more than an object")
	}
	for i := range nodes {
		if err := writable(base, nodes[:i+1]); err != nil {
			return dst, err
		}
	}
	const usual = 12 // bytes of a node
	w := writer{data: slices.Grow(dst, usual*len(nodes))}
	w.level(nodes, outermost(base.Level()))
	if w.err != nil {
		return dst, w.err
	}
	return w.data, nil
}

// outermost returns the level of the outermost TLVs for a base of the given level:
// what is inside an object or object instance, but a resource or resource instance
// itself.
func outermost(base lwm2m.Level) lwm2m.Level {
	if base <= lwm2m.LevelInstance {
		return base + 1
	}
	return base
}

// writable returns an error if the last node cannot come after the others.
func writable(base lwm2m.Path, nodes []lwm2m.Node) error {
	n := &nodes[len(nodes)-1]
	if !base.Contains(n.Path) {
		return lwm2m.Errorf(lwm2m.InternalServerError, "write TLV: %v is not below %v", n.Path, base)
	}
	if !n.Value.IsZero() && n.Path.Level() < lwm2m.LevelResource {
		return lwm2m.Errorf(lwm2m.InternalServerError, "write TLV: %v has a value", n.Path)
	}
	if len(nodes) == 1 {
		return nil
	}
	previous := nodes[len(nodes)-2].Path
	switch c := previous.Compare(n.Path); {
	case c == 0:
		return lwm2m.Errorf(lwm2m.NotAcceptable, "write TLV: it cannot carry several values of %v", n.Path)
	case c > 0:
		return lwm2m.Errorf(lwm2m.InternalServerError, "write TLV: %v comes after %v", n.Path, previous)
	case previous.Level() >= lwm2m.LevelResource && previous.Contains(n.Path) && !nodes[len(nodes)-2].Value.IsZero():
		return lwm2m.Errorf(lwm2m.InternalServerError, "write TLV: %v has a value and %v too", previous, n.Path)
	}
	return nil
}

// writer adds TLVs to data until the first error.
type writer struct {
	data []byte
	err  error
}

// level writes the TLVs of one level; the nodes have the path above it in common.
// A node of a higher level only says that its container is there.
func (w *writer) level(nodes []lwm2m.Node, l lwm2m.Level) {
	for len(nodes) > 0 && w.err == nil {
		if nodes[0].Path.Level() < l {
			nodes = nodes[1:]
			continue
		}
		p := nodes[0].Path.At(l)
		n := 1
		for n < len(nodes) && p.Contains(nodes[n].Path) {
			n++
		}
		w.element(p, nodes[:n])
		nodes = nodes[n:]
	}
}

// element writes the TLV of p, at or below which all the nodes are.
func (w *writer) element(p lwm2m.Path, nodes []lwm2m.Node) {
	switch p.Level() {
	case lwm2m.LevelInstance:
		w.container(kindInstance, p.Instance(), nodes, lwm2m.LevelResource)
	case lwm2m.LevelResource:
		if single := nodes[0].Path == p && !nodes[0].Value.IsZero(); single {
			w.value(kindResource, p.Resource(), nodes[0].Value)
			return
		}
		w.container(kindMultiple, p.Resource(), nodes, lwm2m.LevelResourceInstance)
	case lwm2m.LevelResourceInstance:
		w.value(kindResourceInstance, p.ResourceInstance(), nodes[0].Value)
	case lwm2m.LevelRoot, lwm2m.LevelObject:
	}
}

// container writes a TLV of TLVs. Its head, whose size depends on what is inside,
// is put before them afterwards.
func (w *writer) container(k kind, id uint16, nodes []lwm2m.Node, inside lwm2m.Level) {
	start := len(w.data)
	w.level(nodes, inside)
	end := len(w.data)
	if end-start > maxValue {
		w.err = lwm2m.Errorf(lwm2m.InternalServerError, "write TLV: %v %d takes %d bytes", k, id, end-start)
		return
	}
	var buffer [maxHead]byte
	head := appendHead(buffer[:0], k, id, uint32(end-start)) //nolint:gosec // up to maxValue
	w.data = append(w.data, head...)
	copy(w.data[start+len(head):], w.data[start:end])
	copy(w.data[start:], head)
}

// value writes a TLV with a value.
func (w *writer) value(k kind, id uint16, v lwm2m.Value) {
	var number [longestValue]byte
	content, err := appendNumber(number[:0], v)
	if err != nil {
		w.err = lwm2m.Errorf(lwm2m.InternalServerError, "write TLV: %v %d: %w", k, id, err)
		return
	}
	length := len(content) + v.Len()
	if length > maxValue {
		w.err = lwm2m.Errorf(lwm2m.InternalServerError, "write TLV: %v %d takes %d bytes", k, id, length)
		return
	}
	w.data = appendHead(w.data, k, id, uint32(length)) //nolint:gosec // up to maxValue
	w.data = v.AppendBytes(append(w.data, content...))
}
