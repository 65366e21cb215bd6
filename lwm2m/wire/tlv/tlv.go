// Package tlv is the TLV format, application/vnd.oma.lwm2m+tlv, content format
// 11542 (Core, section 7.5.5).
//
// It knows nodes and shapes. It must not know the object tree or a transport.
package tlv

import "lwm2m-agent/lwm2m"

// MaxNodes bounds what Decode returns.
const MaxNodes = 10_000

// Append adds the TLVs of what a Read of base answers to dst; base is an object or
// deeper. The nodes are below base, in path order, no path twice.
func Append(dst []byte, base lwm2m.Path, nodes []lwm2m.Node) ([]byte, error) {
	return dst, lwm2m.Errorf(lwm2m.NotImplemented, "write TLV: not yet")
}

// Decode reads the TLVs of a Write to base, or of the answer to a Read of base.
// TLVs say no type: a resource without a shape is Opaque.
func Decode(data []byte, base lwm2m.Path, shapes lwm2m.Shapes) ([]lwm2m.Node, error) {
	return nil, lwm2m.Errorf(lwm2m.NotImplemented, "read TLV: not yet")
}

// DecodeCreate reads the TLVs of a Create on an object. Resource TLVs without an
// object instance TLV around them leave the choice of the identifier to the client:
// named is then false and the nodes are below the instance free.
func DecodeCreate(
	data []byte, object lwm2m.Path, free uint16, shapes lwm2m.Shapes,
) (nodes []lwm2m.Node, named bool, err error) {
	return nil, false, lwm2m.Errorf(lwm2m.NotImplemented, "read TLV: not yet")
}
