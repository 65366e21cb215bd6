package lwm2mcbor

import (
	"errors"
	"fmt"

	"lwm2m-agent/lwm2m"
)

// Errors of what a payload says at a path.
var (
	errOutside = errors.New("it is not below the path of the operation")
	errDeep    = errors.New("with those of the path there are more than four identifiers")
	errAbove   = errors.New("there is a value above the resource")
	errEmpty   = errors.New("there is no value")
)

// place brings the nodes from the identifiers of a payload to their paths. Only a
// Write or a Create may leave out those of its path (Core 1.2, section 7.4.4), and
// does not say whether it does: what makes sense with the object's identifier in
// front is taken for that.
func place(base lwm2m.Path, nodes []lwm2m.Node) error {
	err := each(base, nodes, absolute)
	if err == nil || base.IsRoot() {
		return err
	}
	// absolute changes no identifier, so that this can begin anew.
	if err2 := each(base, nodes, relative); err2 != nil {
		return fmt.Errorf("with identifiers from the object on, %w; with those below %v, %w", err, base, err2)
	}
	return nil
}

// each brings all nodes to where read says, up to the first that cannot be there.
func each(base lwm2m.Path, nodes []lwm2m.Node, read func(base, ids lwm2m.Path) (lwm2m.Path, error)) error {
	for i := range nodes {
		n := &nodes[i]
		ids := n.Path.WithPrefix("")
		p, err := read(base, ids)
		if err != nil {
			return fmt.Errorf("%v: %w", ids, err)
		}
		n.Path = p
		if err := leaf(n); err != nil {
			return fmt.Errorf("%v: %w", ids, err)
		}
	}
	return nil
}

// absolute returns the path of identifiers from the object on.
func absolute(base, ids lwm2m.Path) (lwm2m.Path, error) {
	p := ids.WithPrefix(base.Prefix())
	if !base.Contains(p) {
		return ids, errOutside
	}
	return p, nil
}

// relative returns the path of identifiers below base.
func relative(base, ids lwm2m.Path) (lwm2m.Path, error) {
	if base.Level()+ids.Level() > lwm2m.LevelResourceInstance {
		return ids, errDeep
	}
	p, t := base, trailOf(&ids)
	for l := lwm2m.LevelObject; l <= t.level; l++ {
		p = p.Child(t.at(l))
	}
	return p, nil
}

// leaf returns an error if a node's path is none of what it says: a value is that of
// a resource or of one of its instances, and nothing is in anything but these.
func leaf(n *lwm2m.Node) error {
	switch l := n.Path.Level(); {
	case !n.Value.IsZero() && l < lwm2m.LevelResource:
		return errAbove
	case n.Value.IsZero() && l == lwm2m.LevelResourceInstance:
		return errEmpty
	}
	return nil
}
