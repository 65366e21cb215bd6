package web

import (
	"context"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// stateOf is the whole of what the page shows before events come in.
type stateOf struct {
	Registration Registration `json:"registration"`
	Objects      []object     `json:"objects"`
	Observed     []lwm2m.Path `json:"observed"`
	Message      string       `json:"message,omitempty"` // why there are no objects
}

type object struct {
	ID        uint16     `json:"id"`
	Name      string     `json:"name"`
	Instances []instance `json:"instances"`
}

type instance struct {
	ID        uint16     `json:"id"`
	Resources []resource `json:"resources"`
}

type resource struct {
	ID        uint16 `json:"id"`
	Name      string `json:"name"`
	Ops       string `json:"ops"` // "R", "RW", "E" …
	Type      string `json:"type"`
	Unit      string `json:"unit"`
	Range     string `json:"range"`
	Multiple  bool   `json:"multiple"`
	Mandatory bool   `json:"mandatory"`
}

func (p *page) state(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
	defer cancel()
	s := stateOf{Registration: p.Operator.Registration(), Objects: []object{}, Observed: p.Operator.Observed()}
	paths, err := p.Operator.Paths(ctx)
	if err != nil {
		s.Message = err.Error()
	}
	for _, path := range paths {
		if path.Level() == lwm2m.LevelResource {
			s.Objects = p.enter(s.Objects, path)
		}
	}
	slices.SortFunc(s.Observed, lwm2m.Path.Compare)
	reply(w, http.StatusOK, s)
}

// enter adds a resource to the objects; paths come in order.
func (p *page) enter(objects []object, path lwm2m.Path) []object {
	def, ok := p.Definitions.Object(path.Object())
	if !ok {
		def = &model.Definition{ID: path.Object(), Name: "Object " + strconv.Itoa(int(path.Object()))}
	}
	if n := len(objects); n == 0 || objects[n-1].ID != def.ID {
		objects = append(objects, object{ID: def.ID, Name: def.Name})
	}
	o := &objects[len(objects)-1]
	if n := len(o.Instances); n == 0 || o.Instances[n-1].ID != path.Instance() {
		o.Instances = append(o.Instances, instance{ID: path.Instance()})
	}
	in := &o.Instances[len(o.Instances)-1]
	in.Resources = append(in.Resources, describe(def, path.Resource()))
	return objects
}

func describe(def *model.Definition, rid uint16) resource {
	r := def.Resource(rid)
	if r == nil {
		return resource{ID: rid, Name: "Resource " + strconv.Itoa(int(rid)), Ops: "RW"}
	}
	return resource{
		ID: rid, Name: r.Name, Ops: r.Ops.String(), Type: r.Type.String(), Unit: r.Unit, Range: r.Range.String(),
		Multiple: r.Multiple, Mandatory: r.Mandatory,
	}
}

// Value is one value as the page shows it.
type Value struct {
	Path  lwm2m.Path `json:"path"`
	Value any        `json:"value"`          // number, string or boolean; opaque in Base64; times as text
	Time  string     `json:"time,omitempty"` // RFC 3339
}

// ValueOf returns a node as the page shows it.
func ValueOf(n lwm2m.Node) Value {
	v := Value{Path: n.Path}
	switch n.Value.Type() {
	case lwm2m.TypeInteger:
		v.Value = n.Value.Int()
	case lwm2m.TypeUnsigned:
		v.Value = n.Value.Uint()
	case lwm2m.TypeFloat:
		v.Value = n.Value.Float()
	case lwm2m.TypeBoolean:
		v.Value = n.Value.Bool()
	case lwm2m.TypeTime:
		v.Value = n.Value.Time().Format(time.RFC3339)
	case lwm2m.TypeOpaque:
		v.Value = base64.StdEncoding.EncodeToString(n.Value.Bytes())
	case lwm2m.TypeNone, lwm2m.TypeString, lwm2m.TypeObjlnk, lwm2m.TypeCorelnk:
		v.Value = n.Value.String()
	}
	if !n.Time.IsZero() {
		v.Time = n.Time.UTC().Format(time.RFC3339Nano)
	}
	return v
}

func valuesOf(nodes []lwm2m.Node) []Value {
	out := make([]Value, 0, len(nodes))
	for _, n := range nodes {
		if !n.Value.IsZero() {
			out = append(out, ValueOf(n))
		}
	}
	slices.SortStableFunc(out, func(a, b Value) int { return a.Path.Compare(b.Path) })
	return out
}
