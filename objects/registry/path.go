package registry

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// ParsePath reads a path whose object and resource may be named instead of
// numbered: "/temperature/0/value" is /3303/0/5700. A first segment that names no
// object is a gateway prefix if a path follows it. Definitions that the registry
// does not have can be given; they come first. The error wraps lwm2m.ErrPath and
// lists names that are near.
func (r *Registry) ParsePath(s string, more ...*model.Definition) (lwm2m.Path, error) {
	if len(s) > maxPath {
		return lwm2m.Path{}, fmt.Errorf("%w: %d characters are too many", lwm2m.ErrPath, len(s))
	}
	segments := strings.Split(strings.TrimSuffix(strings.TrimPrefix(s, "/"), "/"), "/")
	if numbers(segments) {
		return lwm2m.ParsePath(s)
	}
	numbered, err := r.number(segments, more)
	if err != nil && len(segments) > 1 && !number(segments[0]) {
		// Numbers need no definition, and a name below a prefix must have one.
		if rest, err2 := r.number(segments[1:], more); err2 == nil {
			numbered, err = append([]string{segments[0]}, rest...), nil
		}
	}
	if err != nil {
		return lwm2m.Path{}, fmt.Errorf("%w: %q: %w", lwm2m.ErrPath, s, err)
	}
	return lwm2m.ParsePath("/" + strings.Join(numbered, "/"))
}

// maxPath bounds the text of a path, in bytes.
const maxPath = 1024

// number returns the segments of a path, without prefix, as numbers.
func (r *Registry) number(segments []string, more []*model.Definition) ([]string, error) {
	out := slices.Clone(segments)
	var def *model.Definition
	if oid, err := strconv.ParseUint(segments[0], 10, 16); err == nil {
		def = r.definition(uint16(oid), more)
	} else {
		if def, err = r.named(segments[0], more); err != nil {
			return nil, err
		}
		out[0] = strconv.Itoa(int(def.ID))
	}
	if len(segments) > 1 && !number(segments[1]) {
		return nil, fmt.Errorf("instance %q is not a number", segments[1])
	}
	if len(segments) > 2 && !number(segments[2]) {
		if def == nil {
			return nil, fmt.Errorf("object %s is not known, so its resources have no names", segments[0])
		}
		res, err := Resource(def, segments[2])
		if err != nil {
			return nil, err
		}
		out[2] = strconv.Itoa(int(res.ID))
	}
	return out, nil
}

func (r *Registry) named(name string, more []*model.Definition) (*model.Definition, error) {
	for _, d := range more {
		if key(d.Name) == key(name) {
			return d, nil
		}
	}
	return r.ByName(name)
}

func (r *Registry) definition(oid uint16, more []*model.Definition) *model.Definition {
	for _, d := range more {
		if d.ID == oid {
			return d
		}
	}
	d, _ := r.Object(oid)
	return d
}

// PathName returns a path with names, as ParsePath reads it:
// "/temperature/0/sensor-value". What has no definition stays a number.
func (r *Registry) PathName(p lwm2m.Path, more ...*model.Definition) string {
	if p.IsRoot() {
		return p.String()
	}
	def := r.definition(p.Object(), more)
	if def == nil {
		return p.String()
	}
	out := "/" + r.objectKey(def, more)
	if p.Prefix() != "" {
		out = "/" + p.Prefix() + out
	}
	if p.Level() >= lwm2m.LevelInstance {
		out += "/" + strconv.Itoa(int(p.Instance()))
	}
	if p.Level() >= lwm2m.LevelResource {
		out += "/" + resourceName(def, p.Resource())
	}
	if p.Level() == lwm2m.LevelResourceInstance {
		out += "/" + strconv.Itoa(int(p.ResourceInstance()))
	}
	return out
}

func (r *Registry) objectKey(def *model.Definition, more []*model.Definition) string {
	if slices.Contains(more, def) {
		return key(def.Name)
	}
	if position, ok := r.table.Find(def.ID); ok {
		return r.keys()[position]
	}
	if i, ok := r.findOwn(def.ID); ok {
		return r.ownKeys()[i]
	}
	return key(def.Name)
}

func resourceName(def *model.Definition, rid uint16) string {
	for i := range def.Resources {
		if def.Resources[i].ID == rid {
			return resourceKeys(def)[i]
		}
	}
	return strconv.Itoa(int(rid))
}

// number reports whether a segment is in digits, which is all that decides
// between a number and a name.
func number(segment string) bool {
	return segment != "" && strings.Trim(segment, "0123456789") == ""
}

func numbers(segments []string) bool {
	for _, s := range segments {
		if s != "" && !number(s) {
			return false
		}
	}
	return true
}
