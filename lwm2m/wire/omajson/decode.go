package omajson

import (
	"errors"
	"fmt"
	"slices"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/instant"
	"lwm2m-agent/lwm2m/wire/internal/jsontext"
	"lwm2m-agent/lwm2m/wire/internal/outline"
)

// Errors of a payload.
var (
	errTooMany   = fmt.Errorf("there are more than %d entries", MaxEntries)
	errNoEntries = errors.New("there is no list of entries")
	errNoValue   = errors.New("there is no value")
	errOutside   = errors.New("the name is not below the path of the operation")
	errNoLeaf    = errors.New("the name is not that of a resource or resource instance")
)

// Decode reads what a Write to base says, or the answer to a Read of base (Core 1.0,
// section 6.4.4). The names lie at or below base; below the root of the own device
// they may also lie behind gateway prefixes. The nodes are in the payload's order,
// none for an empty list. shapes may be nil.
//
// A resource without a shape, or with one of TypeNone, keeps what its member tells:
// String for any text. Unknown members are ignored, whatever they hold.
//
// The error is an *lwm2m.Error: 4.00, or 4.13 for too many entries.
func Decode(data []byte, base lwm2m.Path, shapes lwm2m.Shapes) ([]lwm2m.Node, error) {
	r := reader{jsontext.NewReader(data)}
	p := r.payload()
	if err := r.Err(); err != nil {
		return nil, refused(base, err)
	}
	nodes, err := p.nodes(base, shapes)
	if err != nil {
		return nil, refused(base, err)
	}
	return nodes, nil
}

func refused(base lwm2m.Path, err error) error {
	code := lwm2m.BadRequest
	if errors.Is(err, errTooMany) {
		code = lwm2m.RequestEntityTooLarge
	}
	return lwm2m.Errorf(code, "read OMA JSON of %v: %w", base, err)
}

// payload is a payload as it is written. Its members come in any order: what the
// entries say is known only when all of it is read.
type payload struct {
	bn      []byte
	bt      int64 // µs
	entries []entry
}

func (r reader) payload() (p payload) {
	var seen member
	for name := range r.Object() {
		switch string(name) {
		case "bn":
			r.once(&seen, memberBaseName)
			p.bn = r.Text()
		case "bt":
			r.once(&seen, memberBaseTime)
			p.bt = r.seconds()
		case "e":
			r.once(&seen, memberEntries)
			p.entries = r.entries()
		default:
			r.Skip()
		}
	}
	if seen&memberEntries == 0 {
		r.Fail(errNoEntries)
	}
	return p
}

func (r reader) entries() (entries []entry) {
	for i := range r.Array() {
		if i == MaxEntries {
			r.Fail(errTooMany)
			return nil
		}
		entries = append(entries, r.entry())
	}
	return entries
}

// nodes returns what the entries say.
func (p *payload) nodes(base lwm2m.Path, shapes lwm2m.Shapes) ([]lwm2m.Node, error) {
	names, err := newNames(p.bn, base)
	if err != nil {
		return nil, err
	}
	nodes := slices.Grow([]lwm2m.Node(nil), len(p.entries))
	for i := range p.entries {
		e := &p.entries[i]
		path, err := names.path(e.name)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", i, err)
		}
		n, err := e.node(path, base, shapes)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %v: %w", i, path, err)
		}
		if n.Time, err = instant.At(p.bt + e.t); err != nil {
			return nil, fmt.Errorf("entry %d: %v: %w", i, path, err)
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

// node returns the node of an entry whose name is p, but for its time.
func (e *entry) node(p, base lwm2m.Path, shapes lwm2m.Shapes) (n lwm2m.Node, err error) {
	switch {
	case e.value.IsZero():
		return n, errNoValue
	case !outline.Within(base, p):
		return n, errOutside
	case p.Level() < lwm2m.LevelResource:
		return n, errNoLeaf
	}
	shape, _ := shapes.Of(p)
	n.Path = p
	n.Value, err = fitted(e.value, shape.Type)
	return n, err
}
