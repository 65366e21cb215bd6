package control

import (
	"net/http"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// Place is one place of the object tree, as the answer of GET /v1/tree lists them
// in path order: an object, an object instance, a resource, or an instance of a
// multiple resource.
type Place struct {
	Path       string    `json:"path"`
	Name       string    `json:"name,omitempty"`       // of an object or resource
	Version    string    `json:"version,omitempty"`    // of an object
	Type       string    `json:"type,omitempty"`       // of a resource: "Float"
	Operations string    `json:"operations,omitempty"` // of a resource: "R", "RW", "E"
	Multiple   bool      `json:"multiple,omitempty"`   // of a resource that has instances
	Mandatory  bool      `json:"mandatory,omitempty"`
	Range      string    `json:"range,omitempty"`
	Unit       string    `json:"unit,omitempty"`
	Value      any       `json:"value,omitempty"` // if there is one that can be read
	Time       time.Time `json:"time,omitzero"`
	Quality    string    `json:"quality,omitempty"`
}

func (h *handler) tree(w http.ResponseWriter, r *http.Request) error {
	paths, err := h.paths(r)
	if err != nil {
		return err
	}
	if len(paths) > 1 {
		return lwm2m.Errorf(lwm2m.BadRequest, "the tree of one path at a time")
	}
	var p lwm2m.Path
	if len(paths) == 1 {
		p = paths[0]
	}
	if p.Level() > lwm2m.LevelResource {
		return lwm2m.Errorf(lwm2m.BadRequest, "%s is an instance of a resource: ask for the resource or the value", p)
	}
	entries := h.backend.Entries(p)
	if len(entries) == 0 && !p.IsRoot() {
		return lwm2m.Errorf(lwm2m.NotFound, "there is no %s %s", p.Level(), p)
	}
	readings, err := h.backend.Readings(p)
	if err != nil {
		readings = nil // a resource that cannot be read has a place all the same
	}
	return answer(w, http.StatusOK, h.places(entries, readings))
}

// places lists entries with their readings; both come in path order.
func (h *handler) places(entries []model.Entry, readings []model.Reading) []Place {
	places := make([]Place, 0, len(entries))
	for _, e := range entries {
		place := h.place(e)
		for len(readings) > 0 && e.Path.Compare(readings[0].Path) > 0 {
			readings = readings[1:]
		}
		if len(readings) > 0 && readings[0].Path == e.Path {
			place.set(readings[0])
			readings = readings[1:]
		}
		places = append(places, place)
		for e.Path.Level() == lwm2m.LevelResource && len(readings) > 0 && e.Path.Contains(readings[0].Path) {
			instance := Place{Path: readings[0].Path.String(), Unit: place.Unit}
			instance.set(readings[0])
			places = append(places, instance)
			readings = readings[1:]
		}
	}
	return places
}

func (p *Place) set(r model.Reading) {
	p.Value, p.Time, p.Quality = encode(r.Value), inUTC(r.Time), r.Quality.String()
}

func (h *handler) place(e model.Entry) Place {
	place := Place{Path: e.Path.String()}
	def := h.backend.Definition(e.Path.Object())
	switch {
	case def == nil:
	case e.Path.Level() == lwm2m.LevelObject:
		place.Name, place.Version = def.Name, e.Version.String()
		place.Multiple, place.Mandatory = def.Multiple, def.Mandatory
	case e.Path.Level() == lwm2m.LevelResource:
		if r := def.Resource(e.Path.Resource()); r != nil {
			place.Name, place.Type, place.Operations, place.Range = r.Name, r.Type.String(), r.Ops.String(), r.Range.String()
			place.Multiple, place.Mandatory, place.Unit = r.Multiple, r.Mandatory, h.unit(e.Path)
		}
	}
	return place
}
