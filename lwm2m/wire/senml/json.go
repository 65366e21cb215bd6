package senml

import (
	"encoding/base64"
	"fmt"
	"strconv"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/fit"
	"lwm2m-agent/lwm2m/wire/internal/jsontext"
)

// appendJSONValue adds the value field of a record.
func appendJSONValue(dst []byte, v lwm2m.Value) []byte {
	switch v.Type() {
	case lwm2m.TypeString, lwm2m.TypeCorelnk:
		return jsontext.AppendText(append(dst, `"vs":`...), v.Text())
	case lwm2m.TypeInteger, lwm2m.TypeUnsigned, lwm2m.TypeTime:
		return v.AppendText(append(dst, `"v":`...))
	case lwm2m.TypeFloat:
		return jsontext.AppendFloat(append(dst, `"v":`...), v.Float())
	case lwm2m.TypeBoolean:
		return strconv.AppendBool(append(dst, `"vb":`...), v.Bool())
	case lwm2m.TypeOpaque:
		dst = base64.RawURLEncoding.AppendEncode(append(dst, `"vd":"`...), v.Bytes())
		return append(dst, '"')
	case lwm2m.TypeObjlnk:
		return append(v.AppendText(append(dst, `"vlo":"`...)), '"')
	case lwm2m.TypeNone:
	}
	return dst
}

// jsonSource reads a pack in JSON.
type jsonSource struct{ *jsontext.Reader }

func (s jsonSource) records(done func(*record)) {
	var rec record
	for i := range s.Array() {
		if i == MaxRecords {
			s.Fail(errTooMany)
			return
		}
		rec = record{index: i}
		for name := range s.Object() {
			rec.read(s, s.label(name))
		}
		done(&rec)
	}
}

// label returns the label of a field (RFC 8428, section 5, table 2).
func (s jsonSource) label(name []byte) label {
	switch string(name) {
	case "bn":
		return labelBaseName
	case "bt":
		return labelBaseTime
	case "bu":
		return labelBaseUnit
	case "bv":
		return labelBaseValue
	case "bs":
		return labelBaseSum
	case "bver":
		return labelBaseVersion
	case "n":
		return labelName
	case "u":
		return labelUnit
	case "v":
		return labelValue
	case "vs":
		return labelString
	case "vb":
		return labelBoolean
	case "vd":
		return labelData
	case linkName:
		return labelLink
	case "s":
		return labelSum
	case "t":
		return labelTime
	case "ut":
		return labelUpdateTime
	}
	return s.unknown(name)
}

// unknown returns the label of a field of another name. A name that ends in "_"
// must be understood (RFC 8428, section 4.4).
func (s jsonSource) unknown(name []byte) label {
	if mustUnderstand(name) {
		s.Fail(fmt.Errorf("the field %q is not known", name))
	}
	return labelUnknown
}

// Number reads a number.
func (s jsonSource) Number() lwm2m.Value {
	literal := s.Reader.Number()
	if literal == nil {
		return lwm2m.Value{}
	}
	v, ok := fit.Number(literal)
	if !ok {
		s.Fail(fmt.Errorf("the number %.40s is out of range", literal))
	}
	return v
}

// Null reads a null, if there is one.
func (s jsonSource) Null() bool {
	if s.Kind() != jsontext.KindNull {
		return false
	}
	s.Skip()
	return true
}

// Data reads bytes: base64url without padding (RFC 8428, section 5). Padding and
// the common alphabet, which some peers use, are accepted.
func (s jsonSource) Data() []byte {
	text := s.Text()
	for len(text) > 0 && text[len(text)-1] == '=' {
		text = text[:len(text)-1]
	}
	data := make([]byte, base64.RawURLEncoding.DecodedLen(len(text)))
	for i := range text {
		if text[i] == '+' || text[i] == '/' {
			_, err := base64.RawStdEncoding.Decode(data, text)
			return s.decoded(data, err)
		}
	}
	_, err := base64.RawURLEncoding.Decode(data, text)
	return s.decoded(data, err)
}

func (s jsonSource) decoded(data []byte, err error) []byte {
	if err != nil {
		s.Fail(fmt.Errorf("a data value: %w", err))
		return nil
	}
	return data
}
