// Package senml is the SenML formats of LwM2M, application/senml+json (110) and
// application/senml+cbor (112): RFC 8428 with the object link field "vlo" (Core,
// sections 7.5.4 and 7.5.6, appendix C.2).
//
// It knows nodes and shapes. It must not know the object tree or a transport.
//
// # Times
//
// A node's Time is written as an absolute time, to the millisecond; one before
// 1978-07-04, which SenML cannot tell from a relative one, is left out. A relative
// time is read as that many seconds from 1970-01-01: see ResolveTimes.
package senml

import (
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/cboritem"
	"lwm2m-agent/lwm2m/wire/internal/jsontext"
	"lwm2m-agent/lwm2m/wire/internal/outline"
)

// MaxRecords bounds what the decoders read: a pack of more is refused with 4.13.
const MaxRecords = 10_000

// label is a field of a record, as CBOR numbers it (RFC 8428, section 6, table 4).
type label int64

const (
	labelBaseSum     label = -6
	labelBaseValue   label = -5
	labelBaseUnit    label = -4
	labelBaseTime    label = -3
	labelBaseName    label = -2
	labelBaseVersion label = -1
	labelName        label = 0
	labelUnit        label = 1
	labelValue       label = 2
	labelString      label = 3
	labelBoolean     label = 4
	labelSum         label = 5
	labelTime        label = 6
	labelUpdateTime  label = 7
	labelData        label = 8
	labelLink        label = 9 // "vlo", which has no number
	labelUnknown     label = 10
)

// AppendJSON adds the pack of what a Read of base answers to dst. The nodes lie at
// or below base; those without a value are left out, as SenML has no way to say
// them. The error is an *lwm2m.Error with 5.00.
func AppendJSON(dst []byte, base lwm2m.Path, nodes []lwm2m.Node) ([]byte, error) {
	o, err := outline.Of("SenML", base, nodes)
	if err != nil {
		return dst, err
	}
	return plan(o).appendJSON(dst, nodes), nil
}

// AppendCBOR is AppendJSON in CBOR.
func AppendCBOR(dst []byte, base lwm2m.Path, nodes []lwm2m.Node) ([]byte, error) {
	o, err := outline.Of("SenML", base, nodes)
	if err != nil {
		return dst, err
	}
	pack, err := plan(o).appendCBOR(dst, nodes)
	if err != nil {
		return dst, err
	}
	return pack, nil
}

// DecodeJSON reads a pack whose names lie at or below base; below the root of the
// own device they may also lie behind gateway prefixes. The nodes are in the
// payload's order. The error is an *lwm2m.Error: 4.00, or 4.13 for too many
// records.
//
// The values bu, u, ut and unknown labels are ignored; bv, bs, s and labels that
// must be understood are refused, as is a bver above 10.
func DecodeJSON(data []byte, base lwm2m.Path, shapes lwm2m.Shapes) ([]lwm2m.Node, error) {
	return pack{base: base, shapes: shapes}.decodeJSON(data)
}

// DecodeETCHJSON is DecodeJSON for what a patch consists of (RFC 8790): a null value takes
// away what is there, and gives a node without a value.
func DecodeETCHJSON(data []byte, base lwm2m.Path, shapes lwm2m.Shapes) ([]lwm2m.Node, error) {
	return pack{base: base, shapes: shapes, patch: true}.decodeJSON(data)
}

func (p pack) decodeJSON(data []byte) ([]lwm2m.Node, error) {
	src := jsonSource{jsontext.NewReader(data)}
	src.records(func(rec *record) { p.add(src, rec) })
	if err := src.Err(); err != nil {
		return nil, refused("JSON", err)
	}
	return p.nodes, nil
}

// DecodeCBOR is DecodeJSON in CBOR.
func DecodeCBOR(data []byte, base lwm2m.Path, shapes lwm2m.Shapes) ([]lwm2m.Node, error) {
	return pack{base: base, shapes: shapes}.decodeCBOR(data)
}

// DecodeETCHCBOR is DecodeETCHJSON in CBOR.
func DecodeETCHCBOR(data []byte, base lwm2m.Path, shapes lwm2m.Shapes) ([]lwm2m.Node, error) {
	return pack{base: base, shapes: shapes, patch: true}.decodeCBOR(data)
}

func (p pack) decodeCBOR(data []byte) ([]lwm2m.Node, error) {
	src := cborSource{cboritem.NewReader(data)}
	src.records(func(rec *record) { p.add(src, rec) })
	if err := src.Err(); err != nil {
		return nil, refused("CBOR", err)
	}
	return p.nodes, nil
}
