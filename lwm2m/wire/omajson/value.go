package omajson

import (
	"encoding/base64"
	"fmt"
	"strconv"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/fit"
	"lwm2m-agent/lwm2m/wire/internal/instant"
	"lwm2m-agent/lwm2m/wire/internal/jsontext"
)

// appendValue adds the member of an entry that has the value.
func appendValue(dst []byte, v lwm2m.Value) []byte {
	switch v.Type() {
	case lwm2m.TypeInteger, lwm2m.TypeUnsigned, lwm2m.TypeTime:
		return v.AppendText(append(dst, `"v":`...))
	case lwm2m.TypeFloat:
		return jsontext.AppendFloat(append(dst, `"v":`...), v.Float())
	case lwm2m.TypeBoolean:
		return strconv.AppendBool(append(dst, `"bv":`...), v.Bool())
	case lwm2m.TypeObjlnk:
		return append(v.AppendText(append(dst, `"ov":"`...)), '"')
	case lwm2m.TypeString, lwm2m.TypeCorelnk:
		return jsontext.AppendText(append(dst, `"sv":`...), v.Text())
	case lwm2m.TypeOpaque:
		dst = base64.StdEncoding.AppendEncode(append(dst, `"sv":"`...), v.Bytes())
		return append(dst, '"')
	case lwm2m.TypeNone:
	}
	return dst
}

// number reads a number.
func (r reader) number() lwm2m.Value {
	literal := r.Number()
	if literal == nil {
		return lwm2m.Value{}
	}
	v, ok := fit.Number(literal)
	if !ok {
		r.Fail(fmt.Errorf("the number %.40s is out of range", literal))
	}
	return v
}

// seconds reads a number of seconds and returns it in µs.
func (r reader) seconds() int64 {
	f, ok := r.number().Number()
	us, err := instant.Micros(f)
	if !ok || err != nil {
		r.Fail(instant.ErrRange)
		return 0
	}
	return us
}

// objectLink reads "66:0".
func (r reader) objectLink() lwm2m.Value {
	v, err := lwm2m.ParseValue(lwm2m.TypeObjlnk, string(r.Text()))
	if err != nil {
		r.Fail(err)
	}
	return v
}

// fitted returns an entry's value as one of type t. That the text in sv is Base64,
// only the type tells.
func fitted(v lwm2m.Value, t lwm2m.Type) (lwm2m.Value, error) {
	if t == lwm2m.TypeOpaque && v.Type() == lwm2m.TypeString {
		return lwm2m.ParseValue(t, v.Text())
	}
	return fit.Value(v, t)
}
