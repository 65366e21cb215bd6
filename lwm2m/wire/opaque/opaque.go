// Package opaque is the Opaque format, application/octet-stream, content format
// 42: the bytes of one Opaque value and nothing else (Core, section 7.5.2).
//
// It knows values. It must not know paths, the object tree or a transport.
package opaque

import "lwm2m-agent/lwm2m"

// Append adds the bytes of an Opaque value to dst; any other type is refused with
// 4.06.
func Append(dst []byte, v lwm2m.Value) ([]byte, error) {
	if v.Type() != lwm2m.TypeOpaque {
		return dst, lwm2m.Errorf(lwm2m.NotAcceptable, "write opaque: the value is of type %v", v.Type())
	}
	return v.AppendBytes(dst), nil
}

// Decode returns the bytes as a value.
func Decode(data []byte) lwm2m.Value { return lwm2m.Opaque(data) }
