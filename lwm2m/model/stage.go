package model

import (
	"maps"
	"slices"
	"sort"

	"lwm2m-agent/lwm2m"
)

// Stage is what a bootstrap server writes and deletes before any of it is in force: it lies
// over the tree, which does not change before Commit. Objects that the stage does not
// touch show through. It belongs to one goroutine.
type Stage struct {
	tree *Tree
	keep []lwm2m.Path                   // instances that nothing deletes
	over map[lwm2m.Path]*stagedInstance // nil: it is deleted
}

// stagedInstance is an instance as it will be.
type stagedInstance struct {
	values  resourceValues
	written map[lwm2m.Path]bool // of these, what the stage has given
	removed map[lwm2m.Path]bool // what it has taken away
}

// resourceValues are the values of an instance, by path.
type resourceValues map[lwm2m.Path]lwm2m.Value

func (in *stagedInstance) set(p lwm2m.Path, v lwm2m.Value) {
	in.values[p], in.written[p] = v, true
	delete(in.removed, p)
}

func (in *stagedInstance) clone() *stagedInstance {
	return &stagedInstance{maps.Clone(in.values), maps.Clone(in.written), maps.Clone(in.removed)}
}

// maxStaged bounds what a stage holds, in bytes, a value counting for stagedValue at least.
const (
	maxStaged   = 256 << 10
	stagedValue = 64
)

// Stage returns an empty stage over the tree. What keep names is never deleted by it.
func (t *Tree) Stage(keep ...lwm2m.Path) *Stage {
	return &Stage{tree: t, keep: keep, over: make(map[lwm2m.Path]*stagedInstance)}
}

// provisioned reports whether an object holds bootstrap information, which is the
// bootstrap server's to make and to delete: accounts, access control, OSCORE, COSE and MQTT.
func provisioned(oid uint16) bool {
	switch oid {
	case objectSecurity, objectServer, objectAccessControl, objectOSCORE, objectCOSE, 24:
		return true
	}
	return false
}

// Write is a Bootstrap-Write of p, an object, an object instance or a resource (Core,
// section 6.1.7.5): what is there is replaced, what is missing is made. Resources that are
// not defined are left out where p does not name them, as are those that are read only in
// objects that do not hold bootstrap information. Errors: 4.00; 4.13 for too much in all.
func (s *Stage) Write(p lwm2m.Path, nodes []lwm2m.Node) error {
	o, err := s.object(p)
	if err != nil {
		return err
	}
	if l := p.Level(); l < lwm2m.LevelObject || l > lwm2m.LevelResource {
		return lwm2m.Errorf(lwm2m.BadRequest, "%s cannot be written: write an object, an instance or a resource", p)
	}
	e := &Edit{Origin: Origin{Kind: OriginBootstrap}}
	instances := make(map[lwm2m.Path]bool)
	for _, n := range nodes {
		if !p.Contains(n.Path) {
			return lwm2m.Errorf(lwm2m.BadRequest, "%s lies outside of %s", n.Path, p)
		}
		if n.Path.Level() >= lwm2m.LevelInstance {
			instances[n.Path.At(lwm2m.LevelInstance)] = true
		}
		if err := o.planStaged(e, p, n); err != nil {
			return err
		}
	}
	before := maps.Clone(s.over)
	for at := range instances {
		if err := s.replace(o, p, at); err != nil {
			return err
		}
	}
	for _, n := range e.Set {
		s.over[n.Path.At(lwm2m.LevelInstance)].set(n.Path, n.Value)
	}
	if s.size() > maxStaged {
		s.over = before
		return lwm2m.Errorf(lwm2m.RequestEntityTooLarge, "the bootstrap server has written more than %d kB", maxStaged>>10)
	}
	return nil
}

// object returns the object of a path, which must be in the tree.
func (s *Stage) object(p lwm2m.Path) (*object, error) {
	s.tree.mu.RLock()
	defer s.tree.mu.RUnlock()
	if !p.IsRoot() && own(p) == nil {
		if o := s.tree.object(p.Object()); o != nil {
			return o, nil
		}
	}
	return nil, lwm2m.Errorf(lwm2m.BadRequest, "%s: there is no such object here", p)
}

// planStaged checks a node of a Bootstrap-Write and enters it in the edit.
func (o *object) planStaged(e *Edit, p lwm2m.Path, n lwm2m.Node) error {
	if n.Path.Level() >= lwm2m.LevelResource {
		def := o.def.Resource(n.Path.Resource())
		passed := def == nil || !provisioned(o.def.ID) && !def.Ops.Has(OpWrite)
		switch {
		case passed && p.Level() < lwm2m.LevelResource:
			return nil
		case passed:
			return lwm2m.Errorf(lwm2m.BadRequest, "%s cannot be written", n.Path)
		case void(def, n.Value):
			return nil
		}
	}
	if err := o.planNode(e, n); err != nil {
		return lwm2m.Errorf(lwm2m.BadRequest, "%w", err)
	}
	return nil
}

// void reports whether an empty value stands for none: bootstrap servers write one to what an
// account does not use, whatever length is allowed (Core, appendix E.1: "null").
func void(def *ResourceDefinition, v lwm2m.Value) bool {
	text := v.Type() == lwm2m.TypeOpaque || v.Type() == lwm2m.TypeString
	return text && v.Len() == 0 && !def.Range.Contains(v)
}

// replace makes an instance what it is once a write of p has taken what it replaces away.
func (s *Stage) replace(o *object, p, at lwm2m.Path) error {
	in := s.instance(at)
	if in == nil && !o.def.Multiple && len(s.Instances(o.def.ID)) > 0 {
		return lwm2m.Errorf(lwm2m.BadRequest, "object %d (%s) has a single instance", o.def.ID, o.def.Name)
	}
	if in == nil {
		in = newStaged(make(resourceValues))
	} else {
		in = in.clone()
	}
	for path := range in.values {
		def := o.def.Resource(path.Resource())
		stays := !provisioned(o.def.ID) && p.Level() < lwm2m.LevelResource && (def == nil || def.Mandatory || !def.Ops.Has(OpWrite))
		if p.Contains(path) && !stays {
			delete(in.values, path)
			delete(in.written, path)
			in.removed[path] = true
		}
	}
	s.over[at] = in
	return nil
}

func (s *Stage) size() int {
	size := 0
	for _, in := range s.over {
		size += stagedValue
		if in == nil {
			continue
		}
		for _, v := range in.values {
			size += stagedValue + v.Len()
		}
	}
	return size
}

// instance returns an instance as it will be, nil if it will not be there.
func (s *Stage) instance(at lwm2m.Path) *stagedInstance {
	if in, ok := s.over[at]; ok {
		return in
	}
	if values, ok := s.tree.resourcesOf(at); ok {
		return newStaged(values)
	}
	return nil
}

func newStaged(values resourceValues) *stagedInstance {
	return &stagedInstance{values, make(map[lwm2m.Path]bool), make(map[lwm2m.Path]bool)}
}

// resourcesOf returns the values of an instance that is in the tree.
func (t *Tree) resourcesOf(at lwm2m.Path) (resourceValues, bool) {
	nodes, err := t.Read(FromAgent(), at, nil)
	if err != nil {
		return nil, false
	}
	values := make(resourceValues, len(nodes))
	for _, n := range nodes {
		if !n.Value.IsZero() {
			values[n.Path] = n.Value
		}
	}
	return values, true
}

// Delete is a Bootstrap-Delete of p, an object instance, an object or the root (Core,
// section 6.1.7.6). Of an object and of the root all goes that can: not what the stage
// keeps, nor what an object has a single instance of. Errors: 4.00.
func (s *Stage) Delete(p lwm2m.Path) error {
	if p.Level() > lwm2m.LevelInstance {
		return lwm2m.Errorf(lwm2m.BadRequest, "%s cannot be deleted: delete an instance, an object or everything", p)
	}
	if p.IsRoot() {
		for _, e := range s.Entries(p) {
			if e.Path.Level() == lwm2m.LevelInstance {
				_ = s.deleteInstance(e.Path) // what cannot go stays
			}
		}
		return nil
	}
	if _, err := s.object(p); err != nil {
		return err
	}
	if p.Level() == lwm2m.LevelInstance {
		if s.instance(p) == nil {
			return nil // as it shall be
		}
		return s.deleteInstance(p)
	}
	for _, iid := range s.Instances(p.Object()) {
		_ = s.deleteInstance(p.Child(iid)) // likewise
	}
	return nil
}

func (s *Stage) deleteInstance(at lwm2m.Path) error {
	o, err := s.object(at)
	if err != nil {
		return err
	}
	if !o.def.Multiple || slices.Contains(s.keep, at) {
		return lwm2m.Errorf(lwm2m.BadRequest, "%s cannot be deleted", at)
	}
	s.over[at] = nil
	return nil
}

// Entries lists what is at p and below as it will be, down to instances, in path order;
// nil if there is nothing at p.
func (s *Stage) Entries(p lwm2m.Path) []Entry {
	entries := slices.DeleteFunc(s.tree.Entries(p, lwm2m.LevelInstance), func(e Entry) bool {
		_, over := s.over[e.Path]
		return over
	})
	for at, in := range s.over {
		if in != nil && p.Contains(at) {
			entries = append(entries, Entry{Path: at, Dim: -1})
		}
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].Path.Compare(entries[j].Path) < 0 })
	return entries
}

// Instances returns the identifiers that an object's instances will have, in order.
func (s *Stage) Instances(oid uint16) []uint16 {
	var ids []uint16
	for _, e := range s.Entries(lwm2m.NewPath(oid)) {
		if e.Path.Level() == lwm2m.LevelInstance {
			ids = append(ids, e.Path.Instance())
		}
	}
	return ids
}

// Touched reports whether the stage has written or deleted an instance.
func (s *Stage) Touched(at lwm2m.Path) bool {
	_, ok := s.over[at]
	return ok
}

// Value returns the value that a single resource will have, the zero Value if none.
func (s *Stage) Value(p lwm2m.Path) lwm2m.Value {
	if in := s.instance(p.At(lwm2m.LevelInstance)); in != nil {
		return in.values[p]
	}
	return lwm2m.Value{}
}

// Set gives a single resource a value that the client fills in itself. The instance must be
// there.
func (s *Stage) Set(p lwm2m.Path, v lwm2m.Value) {
	at := p.At(lwm2m.LevelInstance)
	if in := s.instance(at); in != nil {
		s.over[at] = in
		in.set(p, v)
	}
}

// Read returns what a Bootstrap-Read of p, an object or an instance, answers: what can be
// read, as it will be, in path order. Errors: 4.04.
func (s *Stage) Read(p lwm2m.Path) ([]lwm2m.Node, error) {
	entries := s.Entries(p)
	if len(entries) == 0 {
		return nil, lwm2m.Errorf(lwm2m.NotFound, "there is no %s", p)
	}
	o, err := s.object(p)
	if err != nil {
		return nil, err
	}
	var nodes []lwm2m.Node
	for _, e := range entries {
		if e.Path.Level() != lwm2m.LevelInstance {
			continue
		}
		in, before := s.instance(e.Path), len(nodes)
		if in == nil {
			continue // the tree has lost it meanwhile
		}
		for path, v := range in.values {
			if def := o.def.Resource(path.Resource()); def != nil && def.Ops.Has(OpRead) {
				nodes = append(nodes, lwm2m.Node{Path: path, Value: v})
			}
		}
		if len(nodes) == before {
			nodes = append(nodes, lwm2m.Node{Path: e.Path})
		}
	}
	lwm2m.SortNodes(nodes)
	return nodes, nil
}

// Nodes returns the values that an instance will have, in path order.
func (s *Stage) Nodes(at lwm2m.Path) []lwm2m.Node {
	in := s.instance(at)
	if in == nil {
		return nil
	}
	nodes := make([]lwm2m.Node, 0, len(in.values))
	for p, v := range in.values {
		nodes = append(nodes, lwm2m.Node{Path: p, Value: v})
	}
	lwm2m.SortNodes(nodes)
	return nodes
}

// Purge takes an instance away that Delete keeps.
func (s *Stage) Purge(at lwm2m.Path) { s.over[at] = nil }
