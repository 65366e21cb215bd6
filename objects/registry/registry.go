// Package registry holds the definitions of all objects that the OMA registry
// describes, and gives access to them by number and by name.
//
// It knows the definitions and nothing of what objects do. The definitions come
// from the XML in the folder xml; "go generate" makes the table from it. Those
// of objects that the registry lacks can be read from a folder at run time.
package registry

import (
	_ "embed"
	"sort"
	"sync"
	"sync/atomic"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/objects/registry/internal/table"
)

//go:generate go run ./internal/generate

//go:embed objects.bin
var objects string

// Registry is the table of definitions. It implements model.Definitions; all
// methods may be called from any goroutine. A definition is decoded when it is
// first asked for, and kept.
type Registry struct {
	table *table.Table
	made  []atomic.Pointer[model.Definition] // by position in the table
	keys  func() []string                    // by position; "" for superseded versions

	own     []*model.Definition // those of a folder, in order of ID
	ownKeys func() []string     // of them
}

var _ model.Definitions = (*Registry)(nil)

// Definitions returns the registry. Each call gives one with a store of its own:
// an agent wants one.
func Definitions() *Registry {
	t, err := table.Open(objects)
	if err != nil {
		panic("registry: " + err.Error()) // a broken build: the tests read all of it
	}
	r := &Registry{table: t, made: make([]atomic.Pointer[model.Definition], t.Len())}
	r.keys = sync.OnceValue(r.makeKeys)
	r.ownKeys = sync.OnceValue(r.makeOwnKeys)
	return r
}

// Object returns the newest definition of an object.
func (r *Registry) Object(oid uint16) (*model.Definition, bool) {
	if i, ok := r.findOwn(oid); ok {
		return r.own[i], true
	}
	position, ok := r.table.Find(oid)
	if !ok {
		return nil, false
	}
	return r.at(position), true
}

// Version returns the definition of an object in a version, for servers of an
// older LwM2M version.
func (r *Registry) Version(oid uint16, v lwm2m.Version) (*model.Definition, bool) {
	if i, ok := r.findOwn(oid); ok {
		return r.own[i], r.own[i].Version == v
	}
	position, ok := r.table.Find(oid)
	for ; ok && position < r.table.Len(); position++ {
		switch id, version := r.table.Entry(position); {
		case id != oid:
			return nil, false
		case version == v:
			return r.at(position), true
		}
	}
	return nil, false
}

// at returns the definition at a position of the table.
func (r *Registry) at(position int) *model.Definition {
	if d := r.made[position].Load(); d != nil {
		return d
	}
	r.made[position].CompareAndSwap(nil, r.table.Definition(position))
	return r.made[position].Load()
}

// newest reports whether no newer version of the same object precedes a
// position.
func (r *Registry) newest(position int) bool {
	if position == 0 {
		return true
	}
	before, _ := r.table.Entry(position - 1)
	oid, _ := r.table.Entry(position)
	return before != oid
}

// Entry is one object of a List.
type Entry struct {
	ID      uint16
	Name    string // as registered: "Power Measurement"
	Key     string // the name in paths, unique: "power-measurement"
	Version lwm2m.Version
}

// List returns all objects in their newest version, in order of ID.
func (r *Registry) List() []Entry {
	list := make([]Entry, 0, r.table.Len()+len(r.own))
	for i, key := range r.ownKeys() {
		list = append(list, Entry{ID: r.own[i].ID, Name: r.own[i].Name, Key: key, Version: r.own[i].Version})
	}
	for position, key := range r.keys() {
		if key != "" {
			oid, v := r.table.Entry(position)
			list = append(list, Entry{ID: oid, Name: r.table.Name(position), Key: key, Version: v})
		}
	}
	sort.Slice(list, func(i, j int) bool { return list[i].ID < list[j].ID })
	return list
}
