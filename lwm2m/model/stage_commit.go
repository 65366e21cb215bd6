package model

import (
	"context"
	"maps"
	"slices"

	"lwm2m-agent/lwm2m"
)

// Commit brings what is staged into force, as one transaction: each owner is asked to
// Prepare, with a bootstrap server as the origin, all commit, then last is called, and
// then the tree changes at once. An error, of last too, leaves all as it was.
//
// Instances of other objects than those that hold bootstrap information are deleted
// after that, one by one; those whose owner refuses stay, and are returned.
func (s *Stage) Commit(ctx context.Context, last OnCommit) (stayed []lwm2m.Path, err error) {
	oids := s.changed()
	if len(oids) == 0 {
		err = last(ctx)
	} else {
		err = s.tree.transact(ctx, oids, func() ([]*Edit, error) {
			edits := make([]*Edit, len(oids))
			for i, oid := range oids {
				edits[i] = s.edit(oid)
			}
			return edits, nil
		}, last)
	}
	if err != nil {
		return nil, err
	}
	for at, in := range s.over {
		if in != nil || provisioned(at.Object()) {
			continue
		}
		if err := s.tree.Delete(ctx, Origin{Kind: OriginBootstrap}, at); err != nil && lwm2m.CodeOf(err) != lwm2m.NotFound {
			stayed = append(stayed, at)
		}
	}
	slices.SortFunc(stayed, lwm2m.Path.Compare)
	return stayed, nil
}

// changed returns the objects that Commit changes, in order.
func (s *Stage) changed() []uint16 {
	oids := make(map[uint16]bool)
	for at := range s.over {
		if oid := at.Object(); !oids[oid] {
			e := s.edit(oid)
			oids[oid] = len(e.Create)+len(e.Delete)+len(e.Set) > 0
		}
	}
	maps.DeleteFunc(oids, func(_ uint16, changes bool) bool { return !changes })
	return slices.Sorted(maps.Keys(oids))
}

// edit returns what makes an object of the tree what is staged.
func (s *Stage) edit(oid uint16) *Edit {
	e := &Edit{Origin: Origin{Kind: OriginBootstrap}}
	for at, after := range s.over {
		if at.Object() != oid {
			continue
		}
		before, there := s.tree.resourcesOf(at)
		switch {
		case after != nil:
			if !there {
				e.Create = append(e.Create, at.Instance())
			}
			e.change(before, after)
		case there && provisioned(oid):
			e.Delete = append(e.Delete, at)
		}
	}
	slices.Sort(e.Create)
	slices.SortFunc(e.Delete, lwm2m.Path.Compare)
	lwm2m.SortNodes(e.Set)
	return e
}

// change enters how the values of an instance differ from those of the tree. What the stage
// has neither given nor taken away is the tree's: a clock goes on.
func (e *Edit) change(before resourceValues, after *stagedInstance) {
	left := make(map[lwm2m.Path]bool) // resources that stay
	for p, v := range after.values {
		left[p.At(lwm2m.LevelResource)] = true
		if before == nil || after.written[p] && before[p] != v {
			e.Set = append(e.Set, lwm2m.Node{Path: p, Value: v})
		}
	}
	gone := make(map[lwm2m.Path]bool)
	for p := range after.removed {
		if _, there := before[p]; !there {
			continue
		}
		if resource := p.At(lwm2m.LevelResource); !left[resource] {
			p = resource // with all its instances
		}
		gone[p] = true
	}
	e.Delete = slices.AppendSeq(e.Delete, maps.Keys(gone))
}

// Changes says in a few words how much a stage holds.
func (s *Stage) Changes() (written, deleted int) {
	for _, in := range s.over {
		if in == nil {
			deleted++
		} else {
			written++
		}
	}
	return written, deleted
}
