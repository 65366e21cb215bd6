package web

import (
	"net/http"
	"slices"
	"strconv"

	"lwm2m-agent/agent/control"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// stateOf is what the page shows before events come in. To answer it, the board
// is not asked: its resources and their values are asked for as they come into
// view, so that neither a slow board nor one of many instances holds up the page.
type stateOf struct {
	Run          string              `json:"run"`
	Turn         int64               `json:"turn"` // of the registration and of what is observed
	Registration Registration        `json:"registration"`
	Troubles     []control.Trouble   `json:"troubles"` // the gravest first
	Direct       bool                `json:"direct"`
	ReadOnly     bool                `json:"readOnly"`
	Demo         bool                `json:"demo"`
	Objects      []object            `json:"objects"`
	Observed     []lwm2m.Path        `json:"observed"`
	History      map[string][]moment `json:"history"` // by path, the oldest first
	Packages     []Package           `json:"packages,omitempty"`
}

type object struct {
	ID        uint16     `json:"id"`
	Name      string     `json:"name"`
	Instances []uint16   `json:"instances"`
	Resources []resource `json:"resources"` // all that the definition has
}

type resource struct {
	ID       uint16 `json:"id"`
	Name     string `json:"name"`
	Ops      string `json:"ops"` // "R", "RW", "E" …
	Type     string `json:"type"`
	Unit     string `json:"unit"`
	Range    string `json:"range"`
	Multiple bool   `json:"multiple"`
}

func (p *page) state(w http.ResponseWriter, _ *http.Request) {
	s := stateOf{
		Run: p.run, Turn: p.Feed.turn(), Registration: p.Operator.Registration(), Direct: p.Direct, ReadOnly: p.ReadOnly, Demo: p.Demo, Objects: []object{},
		Observed: sorted(p.Operator.Observed()), History: p.Feed.history.tell(p.Feed.now()),
		Packages: p.Packages, Troubles: []control.Trouble{},
	}
	if p.Troubles != nil {
		s.Troubles = append(s.Troubles, p.Troubles()...)
	}
	for _, path := range p.Operator.Instances() {
		if n := len(s.Objects); n == 0 || s.Objects[n-1].ID != path.Object() {
			s.Objects = append(s.Objects, p.describe(path.Object()))
		}
		o := &s.Objects[len(s.Objects)-1]
		o.Instances = append(o.Instances, path.Instance())
	}
	reply(w, http.StatusOK, s)
}

// describe returns an object without instances.
func (p *page) describe(oid uint16) object {
	def, ok := p.Definitions.Object(oid)
	if !ok {
		def = &model.Definition{ID: oid, Name: "Object " + strconv.Itoa(int(oid))}
	}
	o := object{ID: def.ID, Name: def.Name, Resources: make([]resource, 0, len(def.Resources))}
	for i := range def.Resources {
		r := &def.Resources[i]
		o.Resources = append(o.Resources, resource{
			ID: r.ID, Name: r.Name, Ops: r.Ops.String(), Type: r.Type.String(), Unit: r.Unit, Range: r.Range.String(), Multiple: r.Multiple,
		})
	}
	return o
}

// sorted returns the paths in path order, never nil.
func sorted(paths []lwm2m.Path) []lwm2m.Path {
	paths = append([]lwm2m.Path{}, paths...)
	slices.SortFunc(paths, lwm2m.Path.Compare)
	return paths
}
