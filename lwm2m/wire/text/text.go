// Package text is the Plain Text format, text/plain, content format 0: one value
// (Core, section 7.5.1).
//
// It knows values. It must not know paths, the object tree or a transport.
package text

import (
	"unicode/utf8"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/fit"
)

// Append adds the value's text to dst. A float that is no number is refused with
// 5.00.
func Append(dst []byte, v lwm2m.Value) ([]byte, error) {
	if err := fit.Finite(v, lwm2m.InternalServerError); err != nil {
		return dst, err
	}
	return v.AppendText(dst), nil
}

// Decode reads a value of the given type; TypeNone takes it for a String. Text that
// is no such value, or not UTF-8, is refused with 4.00.
func Decode(data []byte, t lwm2m.Type) (lwm2m.Value, error) {
	if t == lwm2m.TypeNone {
		t = lwm2m.TypeString
	}
	if !utf8.Valid(data) {
		return lwm2m.Value{}, lwm2m.Errorf(lwm2m.BadRequest, "read text: it is not UTF-8")
	}
	v, err := lwm2m.ParseValue(t, string(data))
	if err != nil {
		return lwm2m.Value{}, lwm2m.Errorf(lwm2m.BadRequest, "read text: %w", err)
	}
	return v, nil
}
