package lwm2mcbor

import (
	"slices"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/wire/internal/cboritem"
)

// Append adds what a Read of base answers to dst, with identifiers from the object
// on (Core 1.2, section 7.4.4). The nodes lie at or below base, are in path order,
// and no path is there twice. One without a value becomes an empty map, no nodes at
// all become an empty payload map. Times are not told, nor is base's prefix.
//
// The maps are of definite length, one for each level. The error is an *lwm2m.Error
// with 5.00 if the nodes are not as described or hold a float that is no number;
// dst is then returned as it was.
func Append(dst []byte, base lwm2m.Path, nodes []lwm2m.Node) ([]byte, error) {
	const usual = 16 // bytes of a node
	data := slices.Grow(dst, 1+usual*len(nodes))
	if len(nodes) == 0 {
		return cboritem.AppendMap(data, 0), nil
	}
	var (
		before trail
		err    error
	)
	for i := range nodes {
		if err = writable(base, &nodes[i]); err != nil {
			return dst, err
		}
		t, from := trailOf(&nodes[i].Path), lwm2m.LevelRoot
		if i > 0 {
			if err = follows(&nodes[i-1], &nodes[i], before, t); err != nil {
				return dst, err
			}
			from = before.shared(t) + 1
		}
		if data, err = appendNode(data, t, nodes[i:], from); err != nil {
			return dst, err
		}
		before = t
	}
	return data, nil
}

// writable returns an error if a node cannot be in the payload of base.
func writable(base lwm2m.Path, n *lwm2m.Node) error {
	if !base.Contains(n.Path) {
		return lwm2m.Errorf(lwm2m.InternalServerError, "write LwM2M CBOR: %v is not below %v", n.Path, base)
	}
	if err := leaf(n); err != nil {
		return lwm2m.Errorf(lwm2m.InternalServerError, "write LwM2M CBOR: %v: %w", n.Path, err)
	}
	return nil
}

// follows returns an error if b cannot come after a; t and u are their trails.
func follows(a, b *lwm2m.Node, t, u trail) error {
	switch c := t.compare(u); {
	case c == 0:
		return lwm2m.Errorf(lwm2m.InternalServerError, "write LwM2M CBOR: %v is there twice", b.Path)
	case c > 0:
		return lwm2m.Errorf(lwm2m.InternalServerError, "write LwM2M CBOR: %v comes after %v", b.Path, a.Path)
	case !a.Value.IsZero() && t.shared(u) == t.level:
		return lwm2m.Errorf(lwm2m.InternalServerError, "write LwM2M CBOR: %v has a value and %v too", a.Path, b.Path)
	}
	return nil
}

// appendNode adds the first of the nodes, whose trail is t: the keys from the level
// on at which it leaves the path of the node before it, each with the map that it
// opens, and the value.
func appendNode(dst []byte, t trail, nodes []lwm2m.Node, from lwm2m.Level) ([]byte, error) {
	n := &nodes[0]
	empty := n.Value.IsZero()
	var keys counts
	if from < t.level || empty {
		keys = opened(t, nodes[1:], from)
	}
	for l := from; l <= t.level; l++ {
		if l > lwm2m.LevelRoot {
			dst = cboritem.AppendInt(dst, int64(t.at(l)))
		}
		if l < t.level || empty {
			dst = cboritem.AppendMap(dst, keys[l])
		}
	}
	if empty {
		return dst, nil
	}
	dst, err := cboritem.AppendValue(dst, n.Value)
	if err != nil {
		return dst, lwm2m.Errorf(lwm2m.InternalServerError, "write LwM2M CBOR: %v: %w", n.Path, err)
	}
	return dst, nil
}

// counts are numbers of keys, by the level of what their map is in. That of a
// resource instance has none, but nodes that are still to be refused may seem so.
type counts [lwm2m.LevelResourceInstance + 1]int

// opened returns how many keys the maps have that a node opens, which are those
// from a level on; t is its trail and rest the nodes after it.
//
// It looks ahead to where the first of the maps ends. As the maps of one level have
// no node in common, all calls together look at a node once a level at most.
func opened(t trail, rest []lwm2m.Node, from lwm2m.Level) (keys counts) {
	open := t.level // the deepest map that may get another key
	for l := from; l < open; l++ {
		keys[l] = 1
	}
	for i := range rest {
		next := trailOf(&rest[i].Path)
		l := t.shared(next)
		if l < from {
			break
		}
		if l <= open { // else the key is in a map that a later node opens
			open = l
			keys[l]++
		}
		t = next
	}
	return keys
}
