package apps

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"unicode"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// Object is an object that a program registers: one of the OMA registry by its
// number, or one with a definition of its own. As JSON it is a number or a
// Definition.
type Object struct {
	ID         uint16
	Definition *Definition // nil: the registry's
}

// Definition describes an object as the OMA registry does.
type Definition struct {
	ID        uint16               `json:"id"`
	Name      string               `json:"name"`
	Version   string               `json:"version,omitempty"` // "1.0" if not given
	Multiple  bool                 `json:"multiple,omitempty"`
	Resources []ResourceDefinition `json:"resources"`
}

// ResourceDefinition describes a resource of an object.
type ResourceDefinition struct {
	ID         uint16 `json:"id"`
	Name       string `json:"name"`
	Operations string `json:"operations,omitempty"` // "R", "W", "RW", "E"
	Type       string `json:"type,omitempty"`       // "Float"; none for what is executed
	Multiple   bool   `json:"multiple,omitempty"`
	Mandatory  bool   `json:"mandatory,omitempty"`
	Range      string `json:"range,omitempty"` // "0..100", or the values allowed: "0,1,2"
	Unit       string `json:"unit,omitempty"`
}

// The bounds of a definition.
const (
	maxResources = 256
	maxName      = 64 // bytes, of names and units
)

// UnmarshalJSON implements json.Unmarshaler.
func (o *Object) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if !bytes.HasPrefix(bytes.TrimSpace(b), []byte("{")) {
		return d.Decode(&o.ID)
	}
	o.Definition = &Definition{}
	if err := d.Decode(o.Definition); err != nil {
		return err
	}
	o.ID = o.Definition.ID
	return nil
}

// MarshalJSON implements json.Marshaler.
func (o Object) MarshalJSON() ([]byte, error) {
	if o.Definition == nil {
		return json.Marshal(o.ID)
	}
	return json.Marshal(o.Definition)
}

// define returns an object's definition: its own, else the registry's.
func define(o Object, registry model.Definitions) (*model.Definition, error) {
	if o.Definition != nil {
		return o.Definition.compile()
	}
	def, ok := registry.Object(o.ID)
	if !ok {
		return nil, lwm2m.Errorf(lwm2m.BadRequest, "object %d is not in the OMA registry: give its definition instead of its number", o.ID)
	}
	return def, nil
}

// compile checks a definition and returns it in the tree's terms.
func (d *Definition) compile() (*model.Definition, error) {
	version := lwm2m.Version10
	if d.Version != "" {
		var err error
		if version, err = lwm2m.ParseVersion(d.Version); err != nil {
			return nil, lwm2m.Errorf(lwm2m.BadRequest, "object %d: version %.20q is none; allowed: \"1.0\", \"1.1\" …", d.ID, d.Version)
		}
	}
	switch {
	case !isName(d.Name) || d.Name == "":
		return nil, lwm2m.Errorf(lwm2m.BadRequest, "object %d: name %.80q is none; allowed: 1 to %d printable bytes", d.ID, d.Name, maxName)
	case len(d.Resources) == 0 || len(d.Resources) > maxResources:
		return nil, lwm2m.Errorf(lwm2m.BadRequest, "object %d (%s) has %d resources; allowed: 1 to %d", d.ID, d.Name, len(d.Resources), maxResources)
	}
	def := &model.Definition{ID: d.ID, Name: d.Name, Version: version, Multiple: d.Multiple}
	for i := range d.Resources {
		r, err := d.Resources[i].compile()
		if err != nil {
			return nil, lwm2m.Errorf(lwm2m.BadRequest, "object %d (%s): resource %d: %w", d.ID, d.Name, d.Resources[i].ID, err)
		}
		def.Resources = append(def.Resources, r)
	}
	sort.Slice(def.Resources, func(i, j int) bool { return def.Resources[i].ID < def.Resources[j].ID })
	for i := 1; i < len(def.Resources); i++ {
		if id := def.Resources[i].ID; id == def.Resources[i-1].ID {
			return nil, lwm2m.Errorf(lwm2m.BadRequest, "object %d (%s): resource %d is there twice", d.ID, d.Name, id)
		}
	}
	return def, nil
}

// operations are those of a resource (Core, appendix D.1).
var operations = map[string]model.Ops{
	"R": model.OpRead, "W": model.OpWrite, "RW": model.OpRead | model.OpWrite, "E": model.OpExecute,
}

func (r *ResourceDefinition) compile() (model.ResourceDefinition, error) {
	ops, known := operations[r.Operations]
	typ, err := lwm2m.ParseType(r.Type)
	limits := model.ParseRange(r.Range)
	executed := ops == model.OpExecute
	switch {
	case r.ID == lwm2m.MaxID:
		return model.ResourceDefinition{}, fmt.Errorf("%d is reserved; allowed: 0 to %d", r.ID, lwm2m.MaxID-1)
	case r.Name == "" || !isName(r.Name):
		return model.ResourceDefinition{}, fmt.Errorf("name %.80q is none; allowed: 1 to %d printable bytes", r.Name, maxName)
	case !known:
		return model.ResourceDefinition{}, fmt.Errorf(`operations %.20q are none; allowed: "R", "W", "RW", "E"`, r.Operations)
	case err != nil || typ == lwm2m.TypeNone && !executed:
		return model.ResourceDefinition{}, fmt.Errorf("type %.20q is none; allowed: String, Integer, Unsigned Integer, Float, Boolean, Opaque, Time, Objlnk, Corelnk", r.Type)
	case executed && (typ != lwm2m.TypeNone || r.Multiple):
		return model.ResourceDefinition{}, fmt.Errorf("it is executed, so it has no type and is not multiple")
	case r.Range != "" && limits.IsZero():
		return model.ResourceDefinition{}, fmt.Errorf(`range %.40q is none; allowed: "0..100", or the values: "0,1,2"`, r.Range)
	case !isName(r.Unit):
		return model.ResourceDefinition{}, fmt.Errorf("unit %.80q is none; allowed: at most %d printable bytes", r.Unit, maxName)
	}
	return model.ResourceDefinition{
		ID: r.ID, Name: r.Name, Ops: ops, Multiple: r.Multiple, Mandatory: r.Mandatory, Type: typ, Range: limits, Unit: r.Unit,
	}, nil
}

func isName(s string) bool {
	return len(s) <= maxName && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}
