// Package fit brings a value as a format tells it to the type that the resource
// has: SenML knows one kind of number, CBOR and JSON write an object link as text.
//
// It knows values. It must not know the syntax of a format.
package fit

import (
	"math"
	"time"

	"lwm2m-agent/lwm2m"
)

// Value returns v as a value of type t; TypeNone keeps v's own. A float that is no
// number fits no type. The error is an *lwm2m.Error with 4.00.
func Value(v lwm2m.Value, t lwm2m.Type) (lwm2m.Value, error) {
	if err := Finite(v, lwm2m.BadRequest); err != nil {
		return lwm2m.Value{}, err
	}
	if t == lwm2m.TypeNone || v.Type() == t {
		return v, nil
	}
	var err error
	switch {
	case v.Type() == lwm2m.TypeString && t == lwm2m.TypeObjlnk:
		v, err = lwm2m.ParseValue(t, v.Text())
	case v.Type() == lwm2m.TypeString && t == lwm2m.TypeTime:
		v, err = date(v)
	default:
		v, err = v.Convert(t)
	}
	if err != nil {
		return lwm2m.Value{}, lwm2m.Errorf(lwm2m.BadRequest, "%w", err)
	}
	return v, nil
}

// date reads the date and time string that Core, appendix C.2 allows in CBOR.
func date(v lwm2m.Value) (lwm2m.Value, error) {
	d, err := time.Parse(time.RFC3339, v.Text())
	if err != nil {
		return lwm2m.Value{}, lwm2m.ErrValue
	}
	return lwm2m.Time(d), nil
}

// Finite returns an error with the given code if v is a float that is no number:
// Core, appendix C knows neither infinities nor NaN.
func Finite(v lwm2m.Value, code lwm2m.Code) error {
	if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
		return lwm2m.Errorf(code, "the value is %v", f)
	}
	return nil
}
