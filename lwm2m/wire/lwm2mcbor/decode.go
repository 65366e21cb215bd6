package lwm2mcbor

import (
	"errors"
	"fmt"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/cboritem"
	"lwm2m-agent/lwm2m/wire/internal/fit"
)

// Errors of a payload.
var (
	errTooMany = fmt.Errorf("there are more than %d values", MaxNodes)
	errKey     = errors.New("a key is neither an identifier nor an array of identifiers")
	errNoKey   = errors.New("a key is an array without an identifier")
	errLevels  = errors.New("there are more than four identifiers")
)

// Decode reads what a Write to base says, or the answer to a Read of base (Core
// 1.2, section 7.4.4). The nodes are in the payload's order. An empty map is a node
// without a value; those for the payload as a whole and for an object, which no node
// can say, are none. A resource without a shape, or with one of TypeNone, keeps the
// type of the data item.
//
// The identifiers begin with the object's. Those of a payload that makes no sense
// so, because a value is above the resource or outside of base, begin below base, as
// they may in a Write and a Create.
//
// The error is an *lwm2m.Error: 4.00, or 4.13 for too many values.
func Decode(data []byte, base lwm2m.Path, shapes lwm2m.Shapes) ([]lwm2m.Node, error) {
	r := reader{Reader: cboritem.NewReader(data)}
	r.pairs(lwm2m.Path{})
	if err := r.Err(); err != nil {
		return nil, refused(base, fmt.Errorf("after %v: %w", r.at, err))
	}
	if err := place(base, r.nodes); err != nil {
		return nil, refused(base, err)
	}
	return valued(base, r.nodes, shapes)
}

// DecodeCreate reads what a Create on an object says. If the payload begins with
// resources, which leaves the instance to the client, named is false and the nodes are
// those of the instance free. A payload that can be taken for one with an instance is.
// The error is that of Decode.
func DecodeCreate(data []byte, object lwm2m.Path, free uint16, shapes lwm2m.Shapes) (nodes []lwm2m.Node, named bool, err error) {
	if nodes, err = Decode(data, object, shapes); err == nil {
		return nodes, len(nodes) > 0, nil
	}
	if nodes, err2 := Decode(data, object.Child(free), shapes); err2 == nil {
		return nodes, false, nil
	}
	return nil, false, err
}

func refused(base lwm2m.Path, err error) error {
	code := lwm2m.BadRequest
	if errors.Is(err, errTooMany) {
		code = lwm2m.RequestEntityTooLarge
	}
	return lwm2m.Errorf(code, "read LwM2M CBOR of %v: %w", base, err)
}

// reader collects what a payload says, at the paths that it says.
type reader struct {
	*cboritem.Reader
	nodes []lwm2m.Node
	at    lwm2m.Path // the last key, for errors
}

// pairs reads the map of what lies below p and reports whether there is anything.
// Maps inside each other take an identifier each, which end with the resource
// instance, and so does the recursion.
func (r *reader) pairs(p lwm2m.Path) bool {
	some := false
	for range r.Map() {
		some = true
		r.at = r.key(p)
		r.pair(r.at)
	}
	return some
}

// pair reads what comes after the key of p.
func (r *reader) pair(p lwm2m.Path) {
	switch {
	case r.Kind() != cboritem.KindMap:
		r.add(p, r.Value())
	case !r.pairs(p):
		r.add(p, lwm2m.Value{})
	}
}

func (r *reader) add(p lwm2m.Path, v lwm2m.Value) {
	if len(r.nodes) == MaxNodes {
		r.Fail(errTooMany)
	}
	if !r.Failed() {
		r.nodes = append(r.nodes, lwm2m.Node{Path: p, Value: v})
	}
}

// key reads a key inside the map of parent and returns the path that it leads to.
func (r *reader) key(parent lwm2m.Path) lwm2m.Path {
	if r.Kind() != cboritem.KindArray {
		return r.identifier(parent)
	}
	p := parent
	for range r.Array() {
		p = r.identifier(p)
	}
	if p == parent {
		r.Fail(errNoKey)
	}
	return p
}

// identifier reads an identifier and returns the path one level below parent.
func (r *reader) identifier(parent lwm2m.Path) lwm2m.Path {
	if k := r.Kind(); k != cboritem.KindInteger && k != cboritem.KindNone {
		r.Fail(errKey)
	}
	id := r.Int()
	if r.Failed() {
		return parent
	}
	if parent.Level() == lwm2m.LevelResourceInstance {
		r.Fail(errLevels)
		return parent
	}
	if id < 0 || id >= lwm2m.MaxID {
		r.Fail(fmt.Errorf("%d is no identifier", id))
		return parent
	}
	return parent.Child(uint16(id))
}

// valued brings the values to the types of their resources, and takes out the
// objects without instances.
func valued(base lwm2m.Path, nodes []lwm2m.Node, shapes lwm2m.Shapes) ([]lwm2m.Node, error) {
	kept := nodes[:0]
	for _, n := range nodes {
		if n.Path.Level() == lwm2m.LevelObject {
			continue
		}
		if !n.Value.IsZero() {
			shape, _ := shapes.Of(n.Path)
			v, err := fit.Value(n.Value, shape.Type)
			if err != nil {
				return nil, refused(base, fmt.Errorf("%v: %w", n.Path, err))
			}
			n.Value = v
		}
		kept = append(kept, n)
	}
	return kept, nil
}
