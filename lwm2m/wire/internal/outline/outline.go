// Package outline is what SenML and OMA JSON have in common: a list of values, each with
// a name below a base name and a time after a base time.
//
// It knows nodes. It must not know the syntax of a format.
package outline

import (
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/fit"
	"lwm2m-agent/lwm2m/wire/internal/instant"
)

// Outline is what the values of a payload have in common.
type Outline struct {
	BaseName []byte // the name of a value is its path's text after as many bytes
	BaseTime int64  // in ms since 1970, 0 if the values' times differ
	Count    int    // of values
}

// Of looks at what is to be written in a format, whose name is for errors. The base
// name is the path that was asked for, with a slash at the end if the nodes lie below
// it: what other implementations write, and some expect. The error is an *lwm2m.Error
// with 5.00 if a node lies outside of base, has a value above a resource or one that is
// no number, or if base has a value and more below it.
func Of(format string, base lwm2m.Path, nodes []lwm2m.Node) (Outline, error) {
	o := Outline{BaseName: base.Append(nil)}
	below := 0
	for i := range nodes {
		n := &nodes[i]
		if err := writable(format, base, n); err != nil {
			return Outline{}, err
		}
		if n.Value.IsZero() {
			continue
		}
		if n.Path != base {
			below++
		}
		if t := instant.Millis(n.Time); o.Count == 0 {
			o.BaseTime = t
		} else if o.BaseTime != t {
			o.BaseTime = 0
		}
		o.Count++
	}
	if below > 0 && below < o.Count {
		return Outline{}, lwm2m.Errorf(lwm2m.InternalServerError, "write %s: %v has a value and more below it", format, base)
	}
	if below > 0 {
		o.BaseName = WithSlash(o.BaseName)
	}
	return o, nil
}

// writable returns an error if a node cannot be in the payload of base.
func writable(format string, base lwm2m.Path, n *lwm2m.Node) error {
	if !Within(base, n.Path) {
		return lwm2m.Errorf(lwm2m.InternalServerError, "write %s: %v is not below %v", format, n.Path, base)
	}
	if !n.Value.IsZero() && n.Path.Level() < lwm2m.LevelResource {
		return lwm2m.Errorf(lwm2m.InternalServerError, "write %s: %v has a value", format, n.Path)
	}
	if err := fit.Finite(n.Value, lwm2m.InternalServerError); err != nil {
		return lwm2m.Errorf(lwm2m.InternalServerError, "write %s: %v: %w", format, n.Path, err)
	}
	return nil
}

// Within reports whether a name may occur in the payload of an operation on base.
// Operations on the root of the own device also reach behind gateway prefixes.
func Within(base, p lwm2m.Path) bool { return base == lwm2m.Path{} || base.Contains(p) }

// WithSlash ends the text of a path in a slash, as that of the root does anyway.
func WithSlash(text []byte) []byte {
	if text[len(text)-1] == '/' {
		return text
	}
	return append(text, '/')
}
