package wire

import (
	"slices"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/link"
)

// checked brings decoded nodes in path order and holds them against what no single
// format sees to.
func checked(nodes []lwm2m.Node, base lwm2m.Path, shapes lwm2m.Shapes, removes bool) ([]lwm2m.Node, error) {
	if len(nodes) == 0 {
		return nothing(base, shapes)
	}
	for i := range nodes {
		if removes && nodes[i].Value.IsZero() {
			continue // what is there says whether it can be
		}
		if err := fits(&nodes[i], shapes); err != nil {
			return nil, err
		}
	}
	if !slices.IsSortedFunc(nodes, func(a, b lwm2m.Node) int { return a.Path.Compare(b.Path) }) {
		lwm2m.SortNodes(nodes)
	}
	for i := range nodes[1:] {
		a, b := &nodes[i], &nodes[i+1]
		if a.Path == b.Path && a.Time.IsZero() && b.Time.IsZero() {
			return nil, lwm2m.Errorf(lwm2m.BadRequest, "%v is there twice", a.Path)
		}
		if a.Path != b.Path && !a.Value.IsZero() && a.Path.Contains(b.Path) {
			return nil, lwm2m.Errorf(lwm2m.BadRequest, "%v has a value and %v too", a.Path, b.Path)
		}
	}
	return nodes, nil
}

// nothing returns what a payload without nodes says of base.
func nothing(base lwm2m.Path, shapes lwm2m.Shapes) ([]lwm2m.Node, error) {
	shape, known := shapes.Of(base)
	switch {
	case base.Level() < lwm2m.LevelInstance:
		return nil, nil
	case base.Level() == lwm2m.LevelResourceInstance, known && !shape.Multiple:
		return nil, lwm2m.Errorf(lwm2m.BadRequest, "there is no value for %v", base)
	default:
		return []lwm2m.Node{{Path: base}}, nil
	}
}

// fits holds a node against the shape of its resource.
func fits(n *lwm2m.Node, shapes lwm2m.Shapes) error {
	shape, known := shapes.Of(n.Path)
	if known && (n.Path.Level() == lwm2m.LevelResourceInstance || n.Value.IsZero()) != shape.Multiple {
		if shape.Multiple {
			return lwm2m.Errorf(lwm2m.BadRequest, "%v has instances", n.Path)
		}
		return lwm2m.Errorf(lwm2m.BadRequest, "%v is a single resource", n.Path.At(lwm2m.LevelResource))
	}
	if n.Value.Type() == lwm2m.TypeCorelnk {
		if _, err := link.Parse([]byte(n.Value.Text())); err != nil {
			return lwm2m.Errorf(lwm2m.BadRequest, "%v: %w", n.Path, err)
		}
	}
	return nil
}
