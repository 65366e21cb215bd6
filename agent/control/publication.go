package control

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"lwm2m-agent/agent/apps"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// publication reads what a program says about its objects.
type publication struct {
	*handler
	definitions map[uint16]*model.Definition // of objects that are about to be registered
	updates     []apps.Update
}

// annotated is a value with what is known about it. Without a value it says how
// good the last one is.
type annotated struct {
	Value   json.RawMessage `json:"value"`
	Time    json.RawMessage `json:"time"`
	Quality string          `json:"quality"`
}

// note is time and quality of a value.
type note struct {
	time    time.Time
	quality model.Quality
	judged  bool // a quality was given
}

// places reads values by path: of objects {"0": {"5800": 21.5, …}, …}, of object
// instances {"5800": 21.5, …}, of resources and resource instances a value.
func (p *publication) places(values map[string]json.RawMessage) error {
	for _, text := range sorted(values) {
		path, err := p.backend.ParsePath(text)
		if err != nil {
			return lwm2m.Errorf(lwm2m.BadRequest, "%w", err)
		}
		if path.Prefix() != "" {
			return lwm2m.Errorf(lwm2m.BadRequest, "%s lies behind a gateway; applications serve objects of this device", path)
		}
		if err := p.place(path, values[text]); err != nil {
			return err
		}
	}
	return nil
}

func (p *publication) place(at lwm2m.Path, raw json.RawMessage) error {
	switch at.Level() {
	case lwm2m.LevelRoot:
		return lwm2m.Errorf(lwm2m.BadRequest, "%s takes no value; allowed: objects and what is below them", at)
	case lwm2m.LevelObject:
		return p.below(at, raw, `give values by instance and resource like {"0": {"5800": 21.5}}`)
	case lwm2m.LevelInstance:
		return p.instance(at, raw)
	case lwm2m.LevelResource, lwm2m.LevelResourceInstance:
	}
	return p.resource(at, raw)
}

// below reads the members of a JSON object as what lies below a path.
func (p *publication) below(at lwm2m.Path, raw json.RawMessage, allowed string) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil || members == nil {
		return lwm2m.Errorf(lwm2m.BadRequest, "%s is an %s: %s", at, at.Level(), allowed)
	}
	for _, key := range sorted(members) {
		path, err := p.backend.ParsePath(at.String() + "/" + key)
		if err != nil {
			return lwm2m.Errorf(lwm2m.BadRequest, "%s: %w", at, err)
		}
		if path == at {
			return lwm2m.Errorf(lwm2m.BadRequest, "%s: %.20q names nothing below it", at, key)
		}
		if err := p.place(path, members[key]); err != nil {
			return err
		}
	}
	return nil
}

func (p *publication) instance(at lwm2m.Path, raw json.RawMessage) error {
	if isNull(raw) {
		p.add(apps.Remove, at)
		return nil
	}
	p.add(apps.Make, at)
	return p.below(at, raw, `give values by resource like {"5800": 21.5}, or null to remove it`)
}

func (p *publication) resource(at lwm2m.Path, raw json.RawMessage) error {
	def, err := p.defined(at)
	if err != nil {
		return err
	}
	value, n, err := annotation(raw, note{})
	if err != nil {
		return lwm2m.Errorf(lwm2m.BadRequest, "%s (%s): %w", at, def.Name, err)
	}
	if def.Multiple && at.Level() == lwm2m.LevelResource {
		return p.multiple(at, def, value, n)
	}
	return p.single(at, def, value, n)
}

// defined returns the definition of the resource at a path.
func (p *publication) defined(at lwm2m.Path) (*model.ResourceDefinition, error) {
	def := p.definitions[at.Object()]
	if p.definitions == nil {
		def = p.backend.Definition(at.Object())
	}
	if def == nil {
		return nil, lwm2m.Errorf(lwm2m.NotFound, "%s: object %d is not registered", at, at.Object())
	}
	if r := def.Resource(at.Resource()); r != nil {
		return r, nil
	}
	return nil, lwm2m.Errorf(lwm2m.NotFound, "%s: object %d (%s) has no resource %d", at, def.ID, def.Name, at.Resource())
}

// multiple reads the instances of a multiple resource; others go.
func (p *publication) multiple(at lwm2m.Path, def *model.ResourceDefinition, raw json.RawMessage, n note) error {
	members := make(map[string]json.RawMessage)
	if err := json.Unmarshal(raw, &members); err != nil {
		return lwm2m.Errorf(lwm2m.BadRequest, `%s (%s) is a multiple resource: give its instances like {"0": …, "1": …}`, at, def.Name)
	}
	p.add(apps.Clear, at)
	for _, id := range sorted(members) {
		riid, err := strconv.ParseUint(id, 10, 16)
		if err != nil || riid == lwm2m.MaxID {
			return lwm2m.Errorf(lwm2m.BadRequest, "%s (%s): %.20q is no resource instance", at, def.Name, id)
		}
		value, of, err := annotation(members[id], n)
		if err != nil {
			return lwm2m.Errorf(lwm2m.BadRequest, "%s (%s): %w", at.Child(uint16(riid)), def.Name, err)
		}
		if err := p.single(at.Child(uint16(riid)), def, value, of); err != nil {
			return err
		}
	}
	return nil
}

func (p *publication) single(at lwm2m.Path, def *model.ResourceDefinition, raw json.RawMessage, n note) error {
	switch {
	case isNull(raw) && n.judged:
		p.updates = append(p.updates, apps.Update{Kind: apps.Judge, Path: at, Quality: n.quality})
		return nil
	case isNull(raw):
		p.add(apps.Clear, at)
		return nil
	case def.Type == lwm2m.TypeNone:
		return lwm2m.Errorf(lwm2m.BadRequest, "%s (%s) is executed and has no value; allowed: null", at, def.Name)
	}
	v, err := decode(def.Type, raw)
	if err != nil {
		return lwm2m.Errorf(lwm2m.BadRequest, "%s (%s): %w", at, def.Name, err)
	}
	p.updates = append(p.updates, apps.Update{Kind: apps.Set, Path: at, Value: v, Time: n.time, Quality: n.quality})
	return nil
}

func (p *publication) add(k apps.Kind, at lwm2m.Path) {
	p.updates = append(p.updates, apps.Update{Kind: k, Path: at})
}

func isNull(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// annotation returns the value in raw and what is said about it, before where
// nothing is: {"value": 21.5, "time": "2026-01-02T03:04:05Z", "quality": "good"}.
func annotation(raw json.RawMessage, before note) (json.RawMessage, note, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil || !annotates(members) {
		return raw, before, nil //nolint:nilerr // a plain value
	}
	var a annotated
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil {
		return nil, before, fmt.Errorf(`%w; allowed: {"value": …, "time": …, "quality": …}`, err)
	}
	n := before
	if !isNull(a.Time) {
		var err error
		if n.time, err = parseTime(a.Time); err != nil {
			return nil, n, err
		}
	}
	if a.Quality == "" {
		return a.Value, n, nil
	}
	for q := model.Good; q <= model.Invalid; q++ {
		if q.String() == a.Quality {
			n.quality, n.judged = q, true
			return a.Value, n, nil
		}
	}
	return nil, n, fmt.Errorf("quality %.20q is none; allowed: good, uncertain, stale, invalid", a.Quality)
}

// annotates reports whether a JSON object is a value with time or quality, and
// not the instances of a multiple resource.
func annotates(members map[string]json.RawMessage) bool {
	for _, key := range []string{"value", "time", "quality"} {
		if _, ok := members[key]; ok {
			return true
		}
	}
	return false
}

// parseTime reads a time as RFC 3339 writes it, or in seconds since 1970-01-01
// UTC.
func parseTime(raw json.RawMessage) (time.Time, error) {
	var t time.Time
	if err := json.Unmarshal(raw, &t); err == nil && t.Year() >= 1970 {
		return t, nil
	}
	var seconds float64
	if err := json.Unmarshal(raw, &seconds); err == nil && seconds >= 0 && seconds < math.MaxInt32*64 {
		return time.UnixMilli(int64(seconds * 1000)), nil
	}
	return t, fmt.Errorf(`time %.40s is none; allowed: "2026-01-02T03:04:05Z", or seconds since 1970-01-01 UTC`, raw)
}
