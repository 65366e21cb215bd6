// Package senml is the SenML formats of LwM2M, application/senml+json (110) and
// application/senml+cbor (112): RFC 8428 with the object link field "vlo" (Core,
// section 7.5.4).
//
// It knows nodes and shapes. It must not know the object tree or a transport.
package senml

import (
	"time"

	"lwm2m-agent/lwm2m"
)

// MaxRecords bounds what the decoders return.
const MaxRecords = 10_000

// AppendJSON adds the pack of what a Read of base answers to dst.
func AppendJSON(dst []byte, base lwm2m.Path, nodes []lwm2m.Node) ([]byte, error) {
	return dst, lwm2m.Errorf(lwm2m.NotImplemented, "write SenML: not yet")
}

// AppendCBOR is AppendJSON in CBOR.
func AppendCBOR(dst []byte, base lwm2m.Path, nodes []lwm2m.Node) ([]byte, error) {
	return dst, lwm2m.Errorf(lwm2m.NotImplemented, "write SenML: not yet")
}

// DecodeJSON reads a pack whose names lie at or below base.
func DecodeJSON(data []byte, base lwm2m.Path, shapes lwm2m.Shapes) ([]lwm2m.Node, error) {
	return nil, lwm2m.Errorf(lwm2m.NotImplemented, "read SenML: not yet")
}

// DecodeCBOR is DecodeJSON in CBOR.
func DecodeCBOR(data []byte, base lwm2m.Path, shapes lwm2m.Shapes) ([]lwm2m.Node, error) {
	return nil, lwm2m.Errorf(lwm2m.NotImplemented, "read SenML: not yet")
}

// AppendPathsJSON adds a pack of names without values to dst.
func AppendPathsJSON(dst []byte, paths []lwm2m.Path) []byte { return dst }

// AppendPathsCBOR is AppendPathsJSON in CBOR.
func AppendPathsCBOR(dst []byte, paths []lwm2m.Path) []byte { return dst }

// DecodePathsJSON reads the names of a pack.
func DecodePathsJSON(data []byte) ([]lwm2m.Path, error) {
	return nil, lwm2m.Errorf(lwm2m.NotImplemented, "read SenML: not yet")
}

// DecodePathsCBOR is DecodePathsJSON in CBOR.
func DecodePathsCBOR(data []byte) ([]lwm2m.Path, error) {
	return nil, lwm2m.Errorf(lwm2m.NotImplemented, "read SenML: not yet")
}

// ResolveTimes replaces relative times, in place.
func ResolveTimes(nodes []lwm2m.Node, received time.Time) {}
