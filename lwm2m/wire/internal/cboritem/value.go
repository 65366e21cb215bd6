package cboritem

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/fit"
)

// The tags that a value may bear (RFC 8949, section 3.4).
const (
	tagDate    = 0 // text of RFC 3339
	tagEpoch   = 1 // seconds since 1970
	tagDecimal = 4 // [exponent, mantissa]
)

// TagEpoch marks seconds since 1970-01-01 UTC.
const TagEpoch = tagEpoch

// Value reads an item that is a value by itself: a number, a string or a truth
// value, tagged as date, time or decimal fraction or not at all. A tagged date or
// time is of type Time; a time's fraction is cut off.
func (r *Reader) Value() lwm2m.Value {
	switch r.Kind() {
	case KindText:
		return lwm2m.String(string(r.Text()))
	case KindBytes:
		return lwm2m.Opaque(r.Bytes())
	case KindTag:
		return r.tagged()
	case KindInteger:
		return r.integer()
	case KindSimple:
		return r.simple()
	case KindNone, KindArray, KindMap:
	}
	r.Fail(ErrKind)
	return lwm2m.Value{}
}

func (r *Reader) integer() lwm2m.Value {
	major, arg, _ := r.head()
	switch {
	case r.err != nil:
		return lwm2m.Value{}
	case major == majorUnsigned && arg > math.MaxInt64:
		return lwm2m.Unsigned(arg)
	case major == majorUnsigned:
		return lwm2m.Integer(int64(arg)) //nolint:gosec // checked above
	case arg <= math.MaxInt64:
		return lwm2m.Integer(^int64(arg))
	default:
		return lwm2m.Float(-float64(arg) - 1) // below any integer type
	}
}

func (r *Reader) simple() lwm2m.Value {
	first := r.data[0]
	_, arg, _ := r.head()
	switch {
	case r.err != nil:
		return lwm2m.Value{}
	case first == simpleFalse || first == simpleTrue:
		return lwm2m.Boolean(first == simpleTrue)
	case first == float16:
		return lwm2m.Float(half(uint16(arg))) //nolint:gosec // two bytes were read
	case first == float32b:
		return lwm2m.Float(float64(math.Float32frombits(uint32(arg)))) //nolint:gosec // four bytes were read
	case first == float64b:
		return lwm2m.Float(math.Float64frombits(arg))
	default:
		r.Fail(ErrKind)
		return lwm2m.Value{}
	}
}

// half returns the value of a float of 16 bits (RFC 8949, appendix D).
func half(bits uint16) float64 {
	exponent, mantissa := int(bits>>10&0x1F), float64(bits&0x3FF)
	var f float64
	switch {
	case exponent == 0:
		f = math.Ldexp(mantissa, -24)
	case exponent < 31:
		f = math.Ldexp(mantissa+1024, exponent-25)
	case mantissa == 0:
		f = math.Inf(1)
	default:
		f = math.NaN()
	}
	if bits&0x8000 != 0 {
		return -f
	}
	return f
}

func (r *Reader) tagged() lwm2m.Value {
	_, tag, _ := r.head()
	if !r.enter() {
		return lwm2m.Value{}
	}
	defer r.leave()
	switch tag {
	case tagDate:
		return r.date()
	case tagEpoch:
		return r.epoch()
	case tagDecimal:
		return r.decimal()
	default:
		r.Fail(fmt.Errorf("%w: tag %d", ErrKind, tag))
		return lwm2m.Value{}
	}
}

func (r *Reader) date() lwm2m.Value {
	d, err := time.Parse(time.RFC3339, string(r.Text()))
	if err != nil {
		r.Fail(fmt.Errorf("%w: no date of RFC 3339", ErrKind))
		return lwm2m.Value{}
	}
	return lwm2m.Time(d)
}

func (r *Reader) epoch() lwm2m.Value {
	v := r.Value()
	if v.Type() == lwm2m.TypeFloat {
		v = lwm2m.Float(math.Floor(v.Float()))
	}
	t, err := v.Convert(lwm2m.TypeTime)
	if err != nil {
		r.Fail(fmt.Errorf("%w: no number of seconds", ErrKind))
		return lwm2m.Value{}
	}
	return t
}

// decimal reads the two integers of a decimal fraction. Numbers beyond 64 bits are
// refused.
func (r *Reader) decimal() lwm2m.Value {
	var (
		part  [2]int64
		count int
	)
	for i := range r.Array() {
		if i == len(part) {
			r.Fail(fmt.Errorf("%w: a decimal fraction of more than two numbers", ErrKind))
			break
		}
		part[i] = r.Int()
		count++
	}
	literal := strconv.AppendInt(nil, part[1], 10)
	literal = strconv.AppendInt(append(literal, 'e'), part[0], 10)
	v, ok := fit.Number(literal)
	if !ok || count != len(part) {
		r.Fail(fmt.Errorf("%w: no decimal fraction", ErrKind))
		return lwm2m.Value{}
	}
	return v
}
