package tlv

import (
	"errors"
	"fmt"

	"lwm2m-agent/lwm2m"
)

// MaxNodes bounds what Decode returns: a payload of more is refused with 4.13.
const MaxNodes = 10_000

// Errors of a payload.
var (
	errCut      = errors.New("a TLV is cut off")
	errID       = fmt.Errorf("the identifier %d is reserved", lwm2m.MaxID)
	errTooMany  = fmt.Errorf("there are more than %d values", MaxNodes)
	errLevel    = errors.New("a TLV of this type has no place there")
	errOther    = errors.New("the identifier is not that of the path")
	errMissing  = errors.New("there is no TLV")
	errSeveral  = errors.New("there is more than one TLV")
	errValue    = errors.New("the length or content does not fit the type")
	errUTF8     = errors.New("the text is not UTF-8")
	errNoObject = errors.New("it cannot carry more than an object")
)

// Decode reads the TLVs of a Write to base, or of the answer to a Read of base. The
// nodes are in the payload's order. TLVs say no type: a resource without a shape,
// or with one of TypeNone, is Opaque. An instance or a multiple resource with
// nothing in it is a node without a value.
//
// At an object, resource TLVs without an object instance TLV are those of instance
// 0, as they may be for a single-instance object. Deeper, an object instance TLV of
// the path's own instance is accepted around the resource TLVs.
//
// The error is an *lwm2m.Error: 4.00, 4.13 for too many values, 4.15 if base is the
// root.
func Decode(data []byte, base lwm2m.Path, shapes lwm2m.Shapes) ([]lwm2m.Node, error) {
	d := decoder{shapes: shapes}
	var err error
	switch base.Level() {
	case lwm2m.LevelRoot:
		return nil, lwm2m.Errorf(lwm2m.UnsupportedContentFormat, "read TLV: %w", errNoObject)
	case lwm2m.LevelObject:
		_, err = d.object(data, base, 0)
	case lwm2m.LevelInstance:
		err = d.unwrapped(data, base, d.instance)
	case lwm2m.LevelResource:
		err = d.unwrapped(data, base, d.resource)
	case lwm2m.LevelResourceInstance:
		err = d.resourceInstance(data, base)
	}
	if err != nil {
		return nil, refused(base, err)
	}
	return d.nodes, nil
}

// DecodeCreate reads the TLVs of a Create on an object. Resource TLVs without an
// object instance TLV around them, or nothing at all, leave the choice of the
// identifier to the client: named is then false and the nodes are those of the
// instance free. Errors are as with Decode.
func DecodeCreate(
	data []byte, object lwm2m.Path, free uint16, shapes lwm2m.Shapes,
) (nodes []lwm2m.Node, named bool, err error) {
	d := decoder{shapes: shapes}
	if len(data) == 0 {
		return []lwm2m.Node{{Path: object.Child(free)}}, false, nil
	}
	if named, err = d.object(data, object, free); err != nil {
		return nil, false, refused(object, err)
	}
	return d.nodes, named, nil
}

func refused(base lwm2m.Path, err error) error {
	code := lwm2m.BadRequest
	if errors.Is(err, errTooMany) {
		code = lwm2m.RequestEntityTooLarge
	}
	return lwm2m.Errorf(code, "read TLV of %v: %w", base, err)
}

// decoder collects the nodes of TLVs.
type decoder struct {
	shapes lwm2m.Shapes
	nodes  []lwm2m.Node
}

func (d *decoder) add(p lwm2m.Path, v lwm2m.Value) error {
	if len(d.nodes) == MaxNodes {
		return errTooMany
	}
	d.nodes = append(d.nodes, lwm2m.Node{Path: p, Value: v})
	return nil
}

// object reads object instance TLVs, or the resource TLVs of the instance unnamed,
// and reports which of the two it were.
func (d *decoder) object(data []byte, p lwm2m.Path, unnamed uint16) (named bool, err error) {
	if len(data) == 0 {
		return true, nil
	}
	if kind(data[0]&maskKind) != kindInstance {
		return false, d.instance(data, p.Child(unnamed))
	}
	return true, each(data, func(e element) error {
		if e.kind != kindInstance {
			return fmt.Errorf("%v %d: %w", e.kind, e.id, errLevel)
		}
		return d.instance(e.value, p.Child(e.id))
	})
}

// unwrapped reads data, which may be inside an object instance TLV, with read.
func (d *decoder) unwrapped(data []byte, p lwm2m.Path, read func([]byte, lwm2m.Path) error) error {
	if len(data) == 0 || kind(data[0]&maskKind) != kindInstance {
		return read(data, p)
	}
	e, rest, err := next(data)
	switch {
	case err != nil:
		return err
	case e.id != p.Instance():
		return fmt.Errorf("%v %d: %w", e.kind, e.id, errOther)
	case len(rest) > 0:
		return errSeveral
	}
	return read(e.value, p)
}

// instance reads the resources of an object instance.
func (d *decoder) instance(data []byte, p lwm2m.Path) error {
	if len(data) == 0 {
		return d.add(p, lwm2m.Value{})
	}
	return each(data, func(e element) error { return d.element(e, p) })
}

// element reads a resource or multiple resource of the instance p.
func (d *decoder) element(e element, p lwm2m.Path) error {
	switch e.kind {
	case kindResource:
		return d.value(e, p.Child(e.id))
	case kindMultiple:
		return d.multiple(e.value, p.Child(e.id))
	case kindInstance, kindResourceInstance:
	}
	return fmt.Errorf("%v %d: %w", e.kind, e.id, errLevel)
}

// resource reads what a payload says of the resource p: its TLV, or those of its
// instances, none of which may be there.
func (d *decoder) resource(data []byte, p lwm2m.Path) error {
	if len(data) == 0 {
		if shape, known := d.shapes.Of(p); known && !shape.Multiple {
			return errMissing
		}
		return d.add(p, lwm2m.Value{})
	}
	if kind(data[0]&maskKind) == kindResourceInstance {
		return d.multiple(data, p)
	}
	e, rest, err := next(data)
	switch {
	case err != nil:
		return err
	case e.id != p.Resource():
		return fmt.Errorf("%v %d: %w", e.kind, e.id, errOther)
	case len(rest) > 0:
		return errSeveral
	}
	return d.element(e, p.Parent())
}

// multiple reads the instances of the resource p.
func (d *decoder) multiple(data []byte, p lwm2m.Path) error {
	if len(data) == 0 {
		return d.add(p, lwm2m.Value{})
	}
	return each(data, func(e element) error {
		if e.kind != kindResourceInstance {
			return fmt.Errorf("%v %d: %w", e.kind, e.id, errLevel)
		}
		return d.value(e, p.Child(e.id))
	})
}

// resourceInstance reads the TLV of the one resource instance p.
func (d *decoder) resourceInstance(data []byte, p lwm2m.Path) error {
	e, rest, err := next(data)
	switch {
	case len(data) == 0:
		return errMissing
	case err != nil:
		return err
	case e.kind != kindResourceInstance:
		return fmt.Errorf("%v %d: %w", e.kind, e.id, errLevel)
	case e.id != p.ResourceInstance():
		return fmt.Errorf("%v %d: %w", e.kind, e.id, errOther)
	case len(rest) > 0:
		return errSeveral
	}
	return d.value(e, p)
}

// value reads the value of the resource or resource instance p.
func (d *decoder) value(e element, p lwm2m.Path) error {
	shape, _ := d.shapes.Of(p)
	v, err := value(e.value, shape.Type)
	if err != nil {
		return fmt.Errorf("%v: %w", p, err)
	}
	return d.add(p, v)
}

// each takes the TLVs off data one after the other.
func each(data []byte, use func(element) error) error {
	for len(data) > 0 {
		e, rest, err := next(data)
		if err != nil {
			return err
		}
		if err := use(e); err != nil {
			return err
		}
		data = rest
	}
	return nil
}
