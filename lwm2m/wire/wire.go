package wire

import (
	"slices"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/cbor"
	"lwm2m-agent/lwm2m/wire/lwm2mcbor"
	"lwm2m-agent/lwm2m/wire/omajson"
	"lwm2m-agent/lwm2m/wire/opaque"
	"lwm2m-agent/lwm2m/wire/senml"
	"lwm2m-agent/lwm2m/wire/text"
	"lwm2m-agent/lwm2m/wire/tlv"
)

// Formats returns the formats that carry values, most preferred first: what
// Append and Decode take, in the order in which a client announces them.
func Formats() []lwm2m.Format {
	return []lwm2m.Format{
		lwm2m.FormatSenMLCBOR, lwm2m.FormatLwM2MCBOR, lwm2m.FormatSenMLJSON, lwm2m.FormatTLV,
		lwm2m.FormatOMAJSON, lwm2m.FormatCBOR, lwm2m.FormatText, lwm2m.FormatOpaque,
	}
}

// Supported reports whether Append and Decode take the format, under its own or
// its older number.
func Supported(f lwm2m.Format) bool { return slices.Contains(Formats(), f.Canonical()) }

// CanCarry reports whether the format can carry the answer to a Read of a path
// of the given level (Core, section 7.5). The shape is that of the resource and
// matters from resource level on; its zero Type stands for any type.
func CanCarry(f lwm2m.Format, l lwm2m.Level, s lwm2m.Shape) bool {
	switch f.Canonical() {
	case lwm2m.FormatText, lwm2m.FormatCBOR:
		return single(l, s)
	case lwm2m.FormatOpaque:
		return single(l, s) && (s.Type == lwm2m.TypeOpaque || s.Type == lwm2m.TypeNone)
	case lwm2m.FormatTLV, lwm2m.FormatOMAJSON:
		return l >= lwm2m.LevelObject
	case lwm2m.FormatSenMLJSON, lwm2m.FormatSenMLCBOR, lwm2m.FormatLwM2MCBOR:
		return true
	default:
		return false
	}
}

// single reports whether the level and shape are those of one value.
func single(l lwm2m.Level, s lwm2m.Shape) bool {
	return l == lwm2m.LevelResource && !s.Multiple || l == lwm2m.LevelResourceInstance
}

// Append adds to dst what a Read of base answers: the nodes, which lie at or
// below base and are in path order. Times are told by SenML and OMA JSON only;
// equal paths, which only times tell apart, too.
//
// The error is an *lwm2m.Error: 4.06 if the format is unknown or cannot carry
// the nodes, 5.00 if the nodes are not as described or hold a float that is no
// number. dst is then returned as it was.
func Append(dst []byte, f lwm2m.Format, base lwm2m.Path, nodes []lwm2m.Node) ([]byte, error) {
	switch f.Canonical() {
	case lwm2m.FormatTLV:
		return tlv.Append(dst, base, nodes)
	case lwm2m.FormatSenMLJSON:
		return senml.AppendJSON(dst, base, nodes)
	case lwm2m.FormatSenMLCBOR:
		return senml.AppendCBOR(dst, base, nodes)
	case lwm2m.FormatLwM2MCBOR:
		return lwm2mcbor.Append(dst, base, nodes)
	case lwm2m.FormatOMAJSON:
		return omajson.Append(dst, base, nodes)
	case lwm2m.FormatText, lwm2m.FormatCBOR, lwm2m.FormatOpaque:
		return appendSingle(dst, f.Canonical(), base, nodes)
	default:
		return dst, lwm2m.Errorf(lwm2m.NotAcceptable, "format %v is not known", f)
	}
}

func appendSingle(dst []byte, f lwm2m.Format, base lwm2m.Path, nodes []lwm2m.Node) ([]byte, error) {
	if len(nodes) != 1 || nodes[0].Path != base || nodes[0].Value.IsZero() {
		return dst, lwm2m.Errorf(lwm2m.NotAcceptable, "%v carries one value, not all of %v", f, base)
	}
	v := nodes[0].Value
	switch f {
	case lwm2m.FormatCBOR:
		return cbor.Append(dst, v)
	case lwm2m.FormatOpaque:
		return opaque.Append(dst, v)
	default:
		return text.Append(dst, v)
	}
}

// Decode returns what a Write to base, or the answer to a Read of base, says;
// base is the root for the composite operations. The nodes lie at or below base
// and are in path order, equal paths in the payload's. shapes may be nil.
//
// SenML's relative times are left for ResolveTimes.
//
// The error is an *lwm2m.Error: 4.15 if the format is unknown or cannot carry
// what lies at base, 4.13 if the payload has too many nodes, 4.00 if it is
// malformed, leaves base, says a path twice, or does not fit the shapes.
//
// In SenML-ETCH a null takes away what is there: a node without a value.
//
// An empty payload, of a format that knows one, is an instance or a multiple
// resource with nothing in it: a node without a value.
func Decode(f lwm2m.Format, data []byte, base lwm2m.Path, shapes lwm2m.Shapes) ([]lwm2m.Node, error) {
	nodes, err := decode(f, data, base, shapes)
	if err != nil {
		return nil, err
	}
	return checked(nodes, base, shapes, Removes(f))
}

// Removes reports whether the format can say that something is to be taken away: a node
// without a value means that then.
func Removes(f lwm2m.Format) bool {
	return f == lwm2m.FormatSenMLETCHJSON || f == lwm2m.FormatSenMLETCHCBOR
}

func decode(f lwm2m.Format, data []byte, base lwm2m.Path, shapes lwm2m.Shapes) ([]lwm2m.Node, error) {
	switch f.Canonical() {
	case lwm2m.FormatTLV:
		return tlv.Decode(data, base, shapes)
	case lwm2m.FormatSenMLJSON:
		return senml.DecodeJSON(data, base, shapes)
	case lwm2m.FormatSenMLETCHJSON:
		return senml.DecodeETCHJSON(data, base, shapes)
	case lwm2m.FormatSenMLCBOR:
		return senml.DecodeCBOR(data, base, shapes)
	case lwm2m.FormatSenMLETCHCBOR:
		return senml.DecodeETCHCBOR(data, base, shapes)
	case lwm2m.FormatLwM2MCBOR:
		return lwm2mcbor.Decode(data, base, shapes)
	case lwm2m.FormatOMAJSON:
		return omajson.Decode(data, base, shapes)
	case lwm2m.FormatText, lwm2m.FormatCBOR, lwm2m.FormatOpaque:
		return decodeSingle(f.Canonical(), data, base, shapes)
	default:
		return nil, lwm2m.Errorf(lwm2m.UnsupportedContentFormat, "format %v is not known", f)
	}
}

func decodeSingle(f lwm2m.Format, data []byte, base lwm2m.Path, shapes lwm2m.Shapes) ([]lwm2m.Node, error) {
	shape, _ := shapes.Of(base)
	if !CanCarry(f, base.Level(), shape) {
		return nil, lwm2m.Errorf(lwm2m.UnsupportedContentFormat, "%v carries one value, not all of %v", f, base)
	}
	var (
		v   lwm2m.Value
		err error
	)
	switch f {
	case lwm2m.FormatCBOR:
		v, err = cbor.Decode(data, shape.Type)
	case lwm2m.FormatOpaque:
		v = opaque.Decode(data)
	default:
		v, err = text.Decode(data, shape.Type)
	}
	if err != nil {
		return nil, lwm2m.Errorf(lwm2m.CodeOf(err), "%v: %w", base, err)
	}
	return []lwm2m.Node{{Path: base, Value: v}}, nil
}

// DecodeCreate returns what a Create on an object says. If the payload names the
// new instances, named is true and the nodes have those identifiers. If it leaves
// the choice to the client (TLV without object instance TLV, LwM2M CBOR that begins
// with resources, or no resources at all), named is false and the nodes are those of the instance free. Errors are as
// with Decode.
func DecodeCreate(
	f lwm2m.Format, data []byte, object lwm2m.Path, free uint16, shapes lwm2m.Shapes,
) (nodes []lwm2m.Node, named bool, err error) {
	if object.Level() != lwm2m.LevelObject {
		return nil, false, lwm2m.Errorf(lwm2m.MethodNotAllowed, "create at %v, which is no object", object)
	}
	switch f.Canonical() {
	case lwm2m.FormatTLV:
		nodes, named, err = tlv.DecodeCreate(data, object, free, shapes)
	case lwm2m.FormatLwM2MCBOR:
		nodes, named, err = lwm2mcbor.DecodeCreate(data, object, free, shapes)
	default:
		nodes, err = decode(f, data, object, shapes)
		named = len(nodes) > 0
	}
	if len(nodes) == 0 && err == nil {
		nodes = []lwm2m.Node{{Path: object.Child(free)}}
	}
	if err != nil {
		return nil, false, err
	}
	nodes, err = checked(nodes, object, shapes, false)
	return nodes, named, err
}
