package senml

import (
	"fmt"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/cboritem"
)

// linkName is the label of an object link, in CBOR too (Core, section 7.5.6).
const linkName = "vlo"

// cborSource reads a pack in CBOR.
type cborSource struct{ *cboritem.Reader }

func (s cborSource) records(done func(*record)) {
	var rec record
	for i := range s.Array() {
		if i == MaxRecords {
			s.Fail(errTooMany)
			return
		}
		rec = record{index: i}
		for range s.Map() {
			rec.read(s, s.label())
		}
		done(&rec)
	}
}

func (s cborSource) label() label {
	if s.Kind() == cboritem.KindInteger {
		l := label(s.Int())
		if l < labelBaseSum || l > labelData {
			return labelUnknown
		}
		return l
	}
	name := s.Text()
	if string(name) == linkName {
		return labelLink
	}
	if mustUnderstand(name) {
		s.Fail(fmt.Errorf("the field %q is not known", name))
	}
	return labelUnknown
}

// Number reads a number.
func (s cborSource) Number() lwm2m.Value {
	v := s.Value()
	if _, ok := v.Number(); !ok {
		s.Fail(cboritem.ErrKind)
	}
	return v
}

// Bool reads true or false.
func (s cborSource) Bool() bool {
	v := s.Value()
	if v.Type() != lwm2m.TypeBoolean {
		s.Fail(cboritem.ErrKind)
	}
	return v.Bool()
}

// Null reads a null, if there is one.
func (s cborSource) Null() bool { return s.Reader.Null() }

// Data reads bytes.
func (s cborSource) Data() []byte { return s.Bytes() }
