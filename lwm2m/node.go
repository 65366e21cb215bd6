package lwm2m

import (
	"slices"
	"time"
)

// Node is what all data formats carry: a value at a path. A payload is a list of
// nodes in path order (Path.Compare).
//
// The path names a resource (single) or a resource instance. A node with a zero
// Value names something that is there but empty: an object instance without
// resources, or a multiple resource without instances; formats that can say so
// do, the others leave it out.
type Node struct {
	Path  Path
	Value Value
	Time  time.Time // of the value; zero: now, not told on the wire
}

// SortNodes brings nodes in path order, keeping the order of equal paths.
func SortNodes(nodes []Node) {
	slices.SortStableFunc(nodes, func(a, b Node) int { return a.Path.Compare(b.Path) })
}

// Shape is what a decoder must be told about a resource: some formats do not
// say what their bytes mean.
type Shape struct {
	Type     Type
	Multiple bool // has resource instances
}

// Shapes returns the shape of the resource at a path (of a resource or of one
// of its instances), and false if it is not known. A decoder then keeps what
// the format tells: TLV gives Opaque, SenML the type of its field.
type Shapes func(Path) (Shape, bool)

// Of returns the shape of the resource at a path of resource level or deeper;
// a nil Shapes knows none.
func (s Shapes) Of(p Path) (Shape, bool) {
	if s == nil || p.Level() < LevelResource {
		return Shape{}, false
	}
	return s(p)
}
