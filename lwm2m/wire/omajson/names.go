package omajson

import (
	"fmt"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/outline"
)

// names turns the names of entries into paths.
type names struct {
	origin lwm2m.Path // of an entry without a name
	text   []byte     // the text of origin and a slash, and a name after it
	stem   int        // length of the text up to the name
}

// newNames returns the names after a base name, which stands for base if it is empty.
func newNames(bn []byte, base lwm2m.Path) (names, error) {
	if len(bn) > 0 {
		p, err := lwm2m.ParsePath(string(bn))
		if err != nil {
			return names{}, fmt.Errorf("the base name: %w", err)
		}
		base = p
	}
	text := outline.WithSlash(base.Append(nil))
	return names{origin: base, text: text, stem: len(text)}, nil
}

// path returns what an entry of the given name is about.
func (n *names) path(name []byte) (lwm2m.Path, error) {
	switch {
	case len(name) == 0:
		return n.origin, nil
	case name[0] == '/':
		return lwm2m.ParsePath(string(name))
	default:
		n.text = append(n.text[:n.stem], name...)
		return lwm2m.ParsePath(string(n.text))
	}
}
