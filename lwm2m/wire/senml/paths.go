package senml

import (
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/cboritem"
	"lwm2m-agent/lwm2m/wire/internal/jsontext"
)

// AppendPathsJSON adds a pack of names without values to dst: what a composite
// operation is to read (Core, section 6.3.8).
func AppendPathsJSON(dst []byte, paths []lwm2m.Path) []byte {
	dst = append(dst, '[')
	for i, p := range paths {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(jsontext.AppendText(append(dst, `{"n":`...), p.String()), '}')
	}
	return append(dst, ']')
}

// AppendPathsCBOR is AppendPathsJSON in CBOR.
func AppendPathsCBOR(dst []byte, paths []lwm2m.Path) []byte {
	dst = cboritem.AppendArray(dst, len(paths))
	for _, p := range paths {
		dst = cboritem.AppendInt(cboritem.AppendMap(dst, 1), int64(labelName))
		dst = cboritem.AppendText(dst, p.String())
	}
	return dst
}

// DecodePathsJSON reads the names of a pack, in its order; values and times are
// ignored. The error is an *lwm2m.Error: 4.00, or 4.13 for too many records.
func DecodePathsJSON(data []byte) ([]lwm2m.Path, error) {
	src := jsonSource{jsontext.NewReader(data)}
	var names names
	src.records(func(rec *record) { names.add(src, rec) })
	if err := src.Err(); err != nil {
		return nil, refused("JSON", err)
	}
	return names.paths, nil
}

// DecodePathsCBOR is DecodePathsJSON in CBOR.
func DecodePathsCBOR(data []byte) ([]lwm2m.Path, error) {
	src := cborSource{cboritem.NewReader(data)}
	var names names
	src.records(func(rec *record) { names.add(src, rec) })
	if err := src.Err(); err != nil {
		return nil, refused("CBOR", err)
	}
	return names.paths, nil
}

// names collects the paths of records.
type names struct {
	resolver
	paths []lwm2m.Path
}

func (n *names) add(src source, rec *record) {
	if src.Failed() {
		return
	}
	p, _, err := n.resolve(rec)
	if err != nil {
		src.Fail(err)
		return
	}
	n.paths = append(n.paths, p)
}
