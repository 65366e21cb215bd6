// Package cbor is the CBOR format, application/cbor, content format 60: one value
// as one data item of RFC 8949 (Core, section 7.5.3).
//
// It knows values. It must not know paths, the object tree or a transport.
package cbor

import "lwm2m-agent/lwm2m"

// Append adds the value's data item to dst. A float that is no number is refused
// with 5.00.
func Append(dst []byte, v lwm2m.Value) ([]byte, error) {
	return dst, lwm2m.Errorf(lwm2m.NotImplemented, "write CBOR: not yet")
}

// Decode reads a value of the given type; TypeNone takes the type of the data
// item. Anything else, or bytes left over, is refused with 4.00.
func Decode(data []byte, t lwm2m.Type) (lwm2m.Value, error) {
	return lwm2m.Value{}, lwm2m.Errorf(lwm2m.NotImplemented, "read CBOR: not yet")
}
