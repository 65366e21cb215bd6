// Package registry holds the definitions of all objects that the OMA registry
// describes, and gives access to them by number and by name.
//
// It knows the definitions and nothing of what objects do. The definitions come
// from the XML in the folder xml; "go generate" makes the table from it.
package registry

import (
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// Registry is the table of definitions. It implements model.Definitions; all
// methods may be called from any goroutine.
type Registry struct{}

// Definitions returns the registry. Definitions that were asked for are kept, so
// an agent wants one.
func Definitions() *Registry { return &Registry{} }

// Object returns the newest definition of an object.
func (r *Registry) Object(oid uint16) (*model.Definition, bool) { return nil, false }

// Version returns a definition of an object in the given version.
func (r *Registry) Version(oid uint16, v lwm2m.Version) (*model.Definition, bool) {
	return nil, false
}

// Entry is one object of a List.
type Entry struct {
	ID      uint16
	Name    string // as registered: "Power Measurement"
	Key     string // the name in paths, unique: "power-measurement"
	Version lwm2m.Version
}

// List returns all objects in their newest version, in order of ID.
func (r *Registry) List() []Entry { return nil }

// ByName returns the object that a name stands for. The error lists names that
// are near.
func (r *Registry) ByName(name string) (*model.Definition, error) { return nil, nil }

// ParsePath reads a path whose object and resource may be named:
// "/temperature/0/value" is /3303/0/5700. Definitions that the registry does not
// have can be given. The error wraps lwm2m.ErrPath and lists names that are near.
func (r *Registry) ParsePath(s string, more ...*model.Definition) (lwm2m.Path, error) {
	return lwm2m.ParsePath(s)
}

// PathName returns a path with names: "/temperature/0/sensor-value". What has no
// definition stays a number.
func (r *Registry) PathName(p lwm2m.Path, more ...*model.Definition) string { return p.String() }

// Resource returns the resource of an object that a name or a number stands for.
// The error lists names that are near.
func Resource(def *model.Definition, name string) (*model.ResourceDefinition, error) {
	return nil, nil
}
