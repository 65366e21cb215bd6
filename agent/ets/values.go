package ets

import (
	"slices"
	"strings"

	"lwm2m-agent/lwm2m"
)

// values are resources and resource instances with their values as text/plain writes
// them: "/1/0/2=101, /1/0/3=1010". Of two values for a path the later one counts.
type values string

// pair is a path and a value.
type pair struct{ path, value string }

// pairs returns the values one by one.
func (v values) pairs() []pair {
	var out []pair
	for text := range strings.SplitSeq(string(v), ", ") {
		path, value, _ := strings.Cut(text, "=")
		if i := slices.IndexFunc(out, func(p pair) bool { return p.path == path }); i >= 0 {
			out[i].value = value
			continue
		}
		out = append(out, pair{path, value})
	}
	return out
}

// nodes returns the values as nodes, in path order, of the types that resources have.
func (v values) nodes(shapes lwm2m.Shapes) ([]lwm2m.Node, error) {
	var nodes []lwm2m.Node
	for _, p := range v.pairs() {
		path, err := lwm2m.ParsePath(p.path)
		if err != nil {
			return nil, err
		}
		shape, _ := shapes.Of(path)
		value, err := lwm2m.ParseValue(shape.Type, p.value)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, lwm2m.Node{Path: path, Value: value})
	}
	lwm2m.SortNodes(nodes)
	return nodes, nil
}

// with returns the values and others, which take precedence.
func (v values) with(others values) values {
	if others == "" {
		return v
	}
	return v + ", " + others
}
