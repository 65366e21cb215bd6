package control

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// Value is one value of a resource or resource instance, as the answers of GET
// /v1/value list them.
type Value struct {
	Path    string    `json:"path"`
	Name    string    `json:"name"`  // of the resource
	Type    string    `json:"type"`  // of the resource: "Float"
	Value   any       `json:"value"` // see encode
	Unit    string    `json:"unit"`  // "" if it has none
	Time    time.Time `json:"time"`  // when it was measured or set
	Quality string    `json:"quality"`
}

// encode returns a value as JSON shows it: a String, Corelnk or Objlnk ("3:0") as
// a string, Opaque as a Base64 string, numbers as numbers, Time as the number of
// seconds since 1970, what JSON has no number for as null.
func encode(v lwm2m.Value) any {
	switch v.Type() {
	case lwm2m.TypeInteger, lwm2m.TypeTime:
		return v.Int()
	case lwm2m.TypeUnsigned:
		return v.Uint()
	case lwm2m.TypeFloat:
		if f := v.Float(); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f
		}
	case lwm2m.TypeBoolean:
		return v.Bool()
	case lwm2m.TypeString, lwm2m.TypeCorelnk:
		return v.Text()
	case lwm2m.TypeOpaque:
		return base64.StdEncoding.EncodeToString(v.Bytes())
	case lwm2m.TypeObjlnk:
		return v.String()
	case lwm2m.TypeNone:
	}
	return nil
}

// decode reads a value of a type from JSON: what encode makes of it, and any type
// from a string as the plain text format has it (Core, section 7.5.1).
func decode(t lwm2m.Type, raw json.RawMessage) (lwm2m.Value, error) {
	text := strings.TrimSpace(string(raw))
	switch {
	case text == "":
	case text[0] == '"':
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return lwm2m.Value{}, err
		}
		return lwm2m.ParseValue(t, s)
	case (text == "true" || text == "false") && t == lwm2m.TypeBoolean:
		return lwm2m.Boolean(text == "true"), nil
	case strings.IndexByte("-0123456789", text[0]) >= 0 && t != lwm2m.TypeString && t != lwm2m.TypeCorelnk && t != lwm2m.TypeOpaque:
		return lwm2m.ParseValue(t, text)
	}
	return lwm2m.Value{}, fmt.Errorf("%w: %.40s is no %v", lwm2m.ErrValue, text, t)
}

// nodes reads what a path shall become: one value, or for a multiple resource an
// object with a value for each resource instance.
func (h *handler) nodes(p lwm2m.Path, raw json.RawMessage) ([]lwm2m.Node, error) {
	if p.Level() < lwm2m.LevelResource {
		return nil, lwm2m.Errorf(lwm2m.BadRequest, "%s is an %s; a value has a path down to its resource", p, p.Level())
	}
	def := h.resource(p)
	if def == nil {
		return nil, lwm2m.Errorf(lwm2m.NotFound, "there is no resource %s", p)
	}
	if !def.Multiple || p.Level() > lwm2m.LevelResource {
		v, err := decode(def.Type, raw)
		if err != nil {
			return nil, lwm2m.Errorf(lwm2m.BadRequest, "%s (%s): %w", p, def.Name, err)
		}
		return []lwm2m.Node{{Path: p, Value: v}}, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, lwm2m.Errorf(lwm2m.BadRequest, `%s (%s) is a multiple resource: give its instances like {"0": …, "1": …}`, p, def.Name)
	}
	nodes := make([]lwm2m.Node, 0, len(members))
	for id, member := range members {
		riid, err := strconv.ParseUint(id, 10, 16)
		if err != nil || riid == lwm2m.MaxID {
			return nil, lwm2m.Errorf(lwm2m.BadRequest, "%s (%s): %.20q is no resource instance", p, def.Name, id)
		}
		v, err := decode(def.Type, member)
		if err != nil {
			return nil, lwm2m.Errorf(lwm2m.BadRequest, "%s (%s): %w", p.Child(uint16(riid)), def.Name, err)
		}
		nodes = append(nodes, lwm2m.Node{Path: p.Child(uint16(riid)), Value: v})
	}
	lwm2m.SortNodes(nodes)
	return nodes, nil
}

// resource returns the definition of the resource at a path, or nil.
func (h *handler) resource(p lwm2m.Path) *model.ResourceDefinition {
	if def := h.backend.Definition(p.Object()); def != nil && p.Level() >= lwm2m.LevelResource {
		return def.Resource(p.Resource())
	}
	return nil
}

// The resources of smart objects whose unit is the value of Sensor Units, a
// resource beside them: measured and range limits, the value, the set point (OMA
// registry, objects 3300 to 3411).
const sensorUnits = 5701

var inSensorUnits = []uint16{5601, 5602, 5603, 5604, 5700, 5900}

// unit returns the unit of a resource, "" if it has none or it is not known.
func (h *handler) unit(p lwm2m.Path) string {
	def := h.resource(p)
	if def == nil || def.Unit != "" || !slices.Contains(inSensorUnits, def.ID) {
		if def == nil {
			return ""
		}
		return def.Unit
	}
	found, err := h.backend.Readings(p.At(lwm2m.LevelInstance).Child(sensorUnits))
	if err != nil || len(found) != 1 {
		return ""
	}
	return found[0].Value.Text()
}

// value returns a reading as the interface shows it.
func (h *handler) value(r model.Reading) Value {
	v := Value{
		Path: r.Path.String(), Value: encode(r.Value), Unit: h.unit(r.Path),
		Time: inUTC(r.Time), Quality: r.Quality.String(),
	}
	if def := h.resource(r.Path); def != nil {
		v.Name, v.Type = def.Name, def.Type.String()
	}
	return v
}

// inUTC is the time with milliseconds, which is more than any sensor tells.
func inUTC(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.UTC().Truncate(time.Millisecond)
}
