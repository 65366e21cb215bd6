// Package cbor is the CBOR format, application/cbor, content format 60: one value
// as one data item of RFC 8949 (Core, section 7.5.3 and appendix C.2).
//
// It knows values. It must not know paths, the object tree or a transport.
package cbor

import (
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/cboritem"
	"lwm2m-agent/lwm2m/wire/internal/fit"
)

// Append adds the value's data item to dst. Time bears tag 1 (RFC 8949, section
// 3.4.2), without which peers take it for an Integer. A float that is no number is
// refused with 5.00.
func Append(dst []byte, v lwm2m.Value) ([]byte, error) {
	item := dst
	if v.Type() == lwm2m.TypeTime {
		item = cboritem.AppendTag(item, cboritem.TagEpoch)
	}
	item, err := cboritem.AppendValue(item, v)
	if err != nil {
		return dst, err
	}
	return item, nil
}

// Decode reads a value of the given type; TypeNone takes the type of the data
// item. A Time may also be a date string, tagged or not, a Float an integer.
// Anything else, or bytes left over, is refused with 4.00.
func Decode(data []byte, t lwm2m.Type) (lwm2m.Value, error) {
	r := cboritem.NewReader(data)
	v := r.Value()
	if err := r.Err(); err != nil {
		return lwm2m.Value{}, lwm2m.Errorf(lwm2m.BadRequest, "read CBOR: %w", err)
	}
	return fit.Value(v, t)
}
