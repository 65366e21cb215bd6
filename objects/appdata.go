package objects

import (
	"context"
	"slices"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

const objectAppData = 19

// The resources of object 19 (OMA registry, BinaryAppDataContainer).
const (
	ridData            = 0
	ridDataPriority    = 1
	ridDataCreation    = 2
	ridDataDescription = 3
	ridDataFormat      = 4
	ridAppID           = 5
)

// The instances of object 19.
const (
	uplink   = 0 // what local programs publish for servers; not kept over a restart
	downlink = 1 // what servers write for local programs; kept
)

// The bounds of Data in one instance.
const (
	maxDataItems = 64 // resource instances
	maxDataBytes = 16 << 10
)

// BinaryAppDataContainer is object 19: data that local programs and servers'
// applications exchange, which mean nothing to the agent.
type BinaryAppDataContainer struct {
	model.Plain
	record record
	now    func() time.Time
}

// NewBinaryAppDataContainer adds object 19 with its two instances to the tree.
// What the downlink holds is handed to save; a nil save keeps nothing.
func NewBinaryAppDataContainer(tree *model.Tree, now func() time.Time, save Save) (*BinaryAppDataContainer, error) {
	c := &BinaryAppDataContainer{record: record{tree: tree}, now: now}
	if save != nil {
		c.record.save = func(ctx context.Context, nodes []lwm2m.Node) error {
			return save(ctx, slices.DeleteFunc(slices.Clone(nodes), func(n lwm2m.Node) bool { return n.Path.Instance() != downlink }))
		}
	}
	var err error
	if c.record.pub, err = tree.AddRegistered(objectAppData, c); err != nil {
		return nil, err
	}
	return c, c.Restore(nil)
}

// descriptions are the Data Descriptions until somebody writes them.
var descriptions = [...]string{uplink: "to servers", downlink: "from servers"}

// Contained implements model.Container.
func (c *BinaryAppDataContainer) Contained() {}

// Restore sets the downlink to what Save was given, and empties the uplink.
func (c *BinaryAppDataContainer) Restore(nodes []lwm2m.Node) error {
	var content []lwm2m.Node
	for iid, text := range descriptions {
		id := uint16(iid)
		content = append(content, lwm2m.Node{Path: c.record.path(id, ridData)})
		if !slices.ContainsFunc(nodes, func(n lwm2m.Node) bool { return n.Path.Instance() == id }) {
			content = append(content, lwm2m.Node{Path: c.record.path(id, ridDataDescription), Value: lwm2m.String(text)})
		}
	}
	return c.record.restore(append(content, nodes...))
}

// Prepare checks writes, which both sides may do, and dates new data.
func (c *BinaryAppDataContainer) Prepare(_ context.Context, e *model.Edit) (model.Transaction, error) {
	ofInstance := func(p lwm2m.Path) bool { return p.Level() == lwm2m.LevelInstance }
	if len(e.Create) > 0 || slices.ContainsFunc(e.Delete, ofInstance) {
		return nil, lwm2m.Errorf(lwm2m.MethodNotAllowed, "object 19 (BinaryAppDataContainer) keeps its two instances: 0 to servers, 1 from servers")
	}
	for _, n := range e.Set {
		if err := validAppData(n); err != nil {
			return nil, err
		}
	}
	if err := c.fits(e); err != nil {
		return nil, err
	}
	c.date(e)
	var tx sequence
	if touches(e, downlink) {
		c.record.keep(&tx, e)
	}
	return &tx, nil
}

// validAppData checks the registry's "1 bytes", "2 bytes" and "32 bytes".
func validAppData(n lwm2m.Node) error {
	limits := map[uint16]int64{ridDataPriority: 0xff, ridAppID: 0xffff}
	const longest = 32
	switch rid := n.Path.Resource(); {
	case limits[rid] != 0 && (n.Value.Int() < 0 || n.Value.Int() > limits[rid]):
		return lwm2m.Errorf(lwm2m.BadRequest, "%s: %d is not one of 0 to %d", n.Path, n.Value.Int(), limits[rid])
	case (rid == ridDataDescription || rid == ridDataFormat) && n.Value.Len() > longest:
		return lwm2m.Errorf(lwm2m.BadRequest, "%s: a text of %d bytes, at most %d", n.Path, n.Value.Len(), longest)
	}
	return nil
}

// fits refuses with 4.13 what would make the data of an instance too large.
func (c *BinaryAppDataContainer) fits(e *model.Edit) error {
	if len(e.Set) == 0 {
		return nil
	}
	var items, size [2]int
	for _, n := range edited(c.record.content(), objectAppData, e) {
		if iid := n.Path.Instance(); n.Path.Level() == lwm2m.LevelResourceInstance {
			items[iid]++
			size[iid] += n.Value.Len()
		}
	}
	for iid := range items {
		if items[iid] > maxDataItems || size[iid] > maxDataBytes {
			return lwm2m.Errorf(lwm2m.RequestEntityTooLarge, "/19/%d/0 (Data) has room for %d instances of together %d bytes", iid, maxDataItems, maxDataBytes)
		}
	}
	return nil
}

// date sets the creation time of data that is written without one.
func (c *BinaryAppDataContainer) date(e *model.Edit) {
	for iid := range uint16(2) {
		data, created := c.record.path(iid, ridData), c.record.path(iid, ridDataCreation)
		isData := func(n lwm2m.Node) bool { return data.Contains(n.Path) }
		if slices.ContainsFunc(e.Set, isData) && !slices.ContainsFunc(e.Set, at(created)) {
			e.Set = append(e.Set, lwm2m.Node{Path: created, Value: lwm2m.Time(c.now())})
		}
	}
	lwm2m.SortNodes(e.Set)
}

// touches reports whether an edit changes something in an instance.
func touches(e *model.Edit, iid uint16) bool {
	return slices.ContainsFunc(e.Set, func(n lwm2m.Node) bool { return n.Path.Instance() == iid }) ||
		slices.ContainsFunc(e.Delete, func(p lwm2m.Path) bool { return p.Instance() == iid })
}
