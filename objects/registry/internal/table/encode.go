package table

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"lwm2m-agent/lwm2m/model"
)

// Encode returns the table of definitions, which are in order of ID, the newest
// version of an object first.
func Encode(definitions []*model.Definition) ([]byte, error) {
	if len(definitions) > math.MaxUint16 {
		return nil, fmt.Errorf("%d definitions are too many", len(definitions))
	}
	var strings, resources pool
	for _, d := range definitions {
		strings.count(d.Name)
		for i := range d.Resources {
			r := &d.Resources[i]
			if !sameRange(r.Range, model.ParseRange(r.Range.String())) {
				return nil, fmt.Errorf("object %d resource %d: range %s changes on the way", d.ID, r.ID, r.Range)
			}
			strings.count(r.Name)
			strings.count(r.Range.String())
			strings.count(r.Unit)
		}
	}
	strings.lay(func(s string) []byte { return append(binary.AppendUvarint(nil, uint64(len(s))), s...) })
	for _, d := range definitions {
		for i := range d.Resources {
			resources.count(string(resource(&d.Resources[i], &strings)))
		}
	}
	resources.lay(func(s string) []byte { return []byte(s) })
	return assemble(definitions, &strings, &resources), nil
}

func sameRange(a, b model.Range) bool {
	return a.IsZero() == b.IsZero() && a.Min == b.Min && a.Max == b.Max && slices.Equal(a.Set, b.Set)
}

// assemble lays out header, index, definitions and the two regions.
func assemble(definitions []*model.Definition, strings, resources *pool) []byte {
	var (
		le    = binary.LittleEndian
		index []byte
		body  []byte
		first = headerSize + entrySize*len(definitions)
	)
	for _, d := range definitions {
		index = le.AppendUint16(index, d.ID)
		index = append(index, d.Version.Major, d.Version.Minor)
		index = le.AppendUint32(index, uint32(first+len(body))) //nolint:gosec // far below 4 GiB
		body = binary.AppendUvarint(body, strings.ref(d.Name))
		body = append(body, flags(d.Multiple, d.Mandatory))
		body = binary.AppendUvarint(body, uint64(len(d.Resources)))
		for i := range d.Resources {
			body = binary.AppendUvarint(body, resources.ref(string(resource(&d.Resources[i], strings))))
		}
	}
	stringsAt := first + len(body)
	resourcesAt := stringsAt + len(strings.region)
	out := append([]byte(nil), magic...)
	for _, n := range []int{resourcesAt + len(resources.region), stringsAt, resourcesAt} {
		out = le.AppendUint32(out, uint32(n)) //nolint:gosec // far below 4 GiB
	}
	out = le.AppendUint16(out, uint16(len(definitions))) //nolint:gosec // checked by Encode
	return slices.Concat(out, index, body, strings.region, resources.region)
}

// resource returns the record of a resource.
func resource(r *model.ResourceDefinition, strings *pool) []byte {
	f := flags(r.Multiple, r.Mandatory) | byte(r.Ops)*flagOps
	if !r.Range.IsZero() {
		f |= flagRange
	}
	if r.Unit != "" {
		f |= flagUnit
	}
	b := binary.AppendUvarint(nil, uint64(r.ID))
	b = append(b, f, byte(r.Type))
	b = binary.AppendUvarint(b, strings.ref(r.Name))
	if !r.Range.IsZero() {
		b = binary.AppendUvarint(b, strings.ref(r.Range.String()))
	}
	if r.Unit != "" {
		b = binary.AppendUvarint(b, strings.ref(r.Unit))
	}
	return b
}

func flags(multiple, mandatory bool) (f byte) {
	if multiple {
		f |= flagMultiple
	}
	if mandatory {
		f |= flagMandatory
	}
	return f
}

// pool is a region of things that are stored once, by what they say.
type pool struct {
	counts  map[string]int
	offsets map[string]int
	region  []byte
}

func (p *pool) count(s string) {
	if p.counts == nil {
		p.counts = make(map[string]int)
	}
	p.counts[s]++
}

// lay brings what was counted in order, frequent things first: they get short
// references.
func (p *pool) lay(encode func(string) []byte) {
	all := make([]string, 0, len(p.counts))
	for s := range p.counts {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b string) int {
		return cmp.Or(cmp.Compare(p.counts[b], p.counts[a]), bytes.Compare([]byte(a), []byte(b)))
	})
	p.offsets = make(map[string]int, len(all))
	for _, s := range all {
		p.offsets[s] = len(p.region)
		p.region = append(p.region, encode(s)...)
	}
}

func (p *pool) ref(s string) uint64 { return uint64(p.offsets[s]) } //nolint:gosec // an offset
