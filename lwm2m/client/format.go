package client

import (
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/wire"
)

// shapeAt returns what is known about the resource that a path names or lies in;
// above resource level, the zero Shape.
func shapeAt(defs model.Definitions, p lwm2m.Path) lwm2m.Shape {
	if p.Level() < lwm2m.LevelResource {
		return lwm2m.Shape{}
	}
	if d, ok := defs.Object(p.Object()); ok {
		if r := d.Resource(p.Resource()); r != nil {
			return lwm2m.Shape{Type: r.Type, Multiple: r.Multiple}
		}
	}
	return lwm2m.Shape{}
}

// answerFormat returns the format in which a Read or Observe is answered: that of
// Accept, else the version's own choice. The error is a 4.06.
func (r *request) answerFormat(v lwm2m.Version, s lwm2m.Shape) (lwm2m.Format, error) {
	if r.paths != nil {
		return r.compositeFormat(v)
	}
	if !r.accepts {
		return defaultFormat(v, r.path.Level(), s), nil
	}
	if !speaks(v, r.accept) || !wire.CanCarry(r.accept, r.path.Level(), s) {
		return 0, lwm2m.Errorf(lwm2m.NotAcceptable, "%s cannot be answered in %s", r.path, r.accept)
	}
	return r.accept, nil
}

// speaks reports whether a version has a format: OMA JSON ended with 1.0, LwM2M CBOR
// came with 1.2. What 1.1 brought is good for 1.0 servers that ask for it.
func speaks(v lwm2m.Version, f lwm2m.Format) bool {
	switch f {
	case lwm2m.FormatOMAJSON:
		return v == lwm2m.Version10
	case lwm2m.FormatLwM2MCBOR:
		return !v.Less(lwm2m.Version12)
	default:
		return true
	}
}

// defaultFormat is the format of an answer to a request without Accept. 1.0 knows
// TLV for more than one value (Core 1.0, section 6.4); from 1.1 on the client
// chooses (Core, section 7.5).
func defaultFormat(v lwm2m.Version, l lwm2m.Level, s lwm2m.Shape) lwm2m.Format {
	switch {
	case l == lwm2m.LevelResourceInstance || l == lwm2m.LevelResource && !s.Multiple:
		if s.Type == lwm2m.TypeOpaque {
			return lwm2m.FormatOpaque
		}
		return lwm2m.FormatText
	case v == lwm2m.Version10:
		return lwm2m.FormatTLV
	}
	return lwm2m.FormatSenMLCBOR
}

// payloadFormat returns the format of a Write's payload; a single value without one
// is taken for text, as 1.0 servers may leave it out. The error is a 4.15.
func (r *request) payloadFormat(s lwm2m.Shape) (lwm2m.Format, error) {
	switch {
	case r.given && wire.Supported(r.format):
		return r.format, nil
	case r.given:
		return 0, lwm2m.Errorf(lwm2m.UnsupportedContentFormat, "%s is not supported", r.format)
	case wire.CanCarry(lwm2m.FormatText, r.path.Level(), s):
		return lwm2m.FormatText, nil
	}
	return 0, lwm2m.Errorf(lwm2m.UnsupportedContentFormat, "the Content-Format is missing")
}
