// Package text is the Plain Text format, text/plain, content format 0: one value
// (Core, section 7.5.1).
//
// It knows values. It must not know paths, the object tree or a transport.
package text

import (
	"math"
	"unicode/utf8"

	"lwm2m-agent/lwm2m"
)

// Append adds the value's text to dst. A float that is no number is refused with
// 5.00.
func Append(dst []byte, v lwm2m.Value) ([]byte, error) {
	if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
		return dst, lwm2m.Errorf(lwm2m.InternalServerError, "write text: the value is %v", f)
	}
	return v.AppendText(dst), nil
}

// Decode reads a value of the given type. Text that is no such value, or not
// UTF-8, is refused with 4.00.
func Decode(data []byte, t lwm2m.Type) (lwm2m.Value, error) {
	if !utf8.Valid(data) {
		return lwm2m.Value{}, lwm2m.Errorf(lwm2m.BadRequest, "read text: it is not UTF-8")
	}
	v, err := lwm2m.ParseValue(t, string(data))
	if err != nil {
		return lwm2m.Value{}, lwm2m.Errorf(lwm2m.BadRequest, "read text: %w", err)
	}
	return v, nil
}
