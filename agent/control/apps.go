package control

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os/user"
	"slices"
	"strconv"
	"time"

	"lwm2m-agent/agent/apps"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// AppStatus is one application, as GET /v1/apps lists them.
type AppStatus struct {
	Name       string    `json:"name"`
	User       string    `json:"user"`  // of the operating system
	State      string    `json:"state"` // "unregistered", "publishing", "present", "away"
	Since      time.Time `json:"since"` // of the state
	Objects    []uint16  `json:"objects"`
	Registered []uint16  `json:"registered"` // of the objects
	Instances  int       `json:"instances"`
	Waiting    int       `json:"waiting"` // requests that wait for an answer
}

// AppRegistration is the body of PUT /v1/apps/{name}.
type AppRegistration struct {
	Objects   []apps.Object              `json:"objects"`
	Instances map[string]json.RawMessage `json:"instances,omitempty"` // by path; missing: those there are stay
}

// serveApp serves a request for an application.
type serveApp func(h *handler, app *apps.App, w http.ResponseWriter, r *http.Request) error

// ofApp finds the application that a request names.
func ofApp(serve serveApp) func(*handler, http.ResponseWriter, *http.Request) error {
	return func(h *handler, w http.ResponseWriter, r *http.Request) error {
		app, err := h.app(r)
		if err != nil {
			return err
		}
		return serve(h, app, w, r)
	}
}

func (h *handler) app(r *http.Request) (*apps.App, error) {
	if h.apps == nil {
		return nil, lwm2m.Errorf(lwm2m.NotFound, "applications are not served here")
	}
	return h.apps.App(r.PathValue("name"))
}

// allows decides whether a request may be served.
func (h *handler) allows(r *http.Request, need Access) error {
	if need != Owning {
		return h.may(r, need)
	}
	err := h.may(r, Changing)
	if err == nil {
		return nil
	}
	app, appErr := h.app(r)
	if appErr != nil {
		return err
	}
	return owns(r, app.User())
}

// owns reports an error if the client is not this user of the operating system.
func owns(r *http.Request, name string) error {
	p, ok := r.Context().Value(peerKey{}).(peer)
	if !ok || p.err != nil {
		return fmt.Errorf("nobody is known at the other end")
	}
	uid := name
	if u, err := user.Lookup(name); err == nil {
		uid = u.Uid
	}
	if uid != strconv.FormatUint(uint64(p.uid), 10) {
		return fmt.Errorf("user %d may not act for this application; user %s may (user of its [[app]]), root, and members of group %s", p.uid, name, GroupChanging)
	}
	return nil
}

func (h *handler) listApps(w http.ResponseWriter, _ *http.Request) error {
	list := []AppStatus{}
	if h.apps == nil {
		return answer(w, http.StatusOK, list)
	}
	for _, s := range h.apps.List() {
		list = append(list, AppStatus{
			Name: s.Name, User: s.User, State: string(s.State), Since: inUTC(s.Since),
			Objects: s.Allowed, Registered: s.Objects, Instances: s.Instances, Waiting: s.Waiting,
		})
	}
	return answer(w, http.StatusOK, list)
}

func (h *handler) registerApp(app *apps.App, w http.ResponseWriter, r *http.Request) error {
	var request AppRegistration
	if err := body(r, &request); err != nil {
		return err
	}
	if len(request.Objects) == 0 {
		return lwm2m.Errorf(lwm2m.BadRequest, `there are no objects: {"objects": [3305], "instances": {"/3305/0": {"5800": 21.5}}}; DELETE withdraws all`)
	}
	p := publication{handler: h, definitions: make(map[uint16]*model.Definition)}
	for _, o := range request.Objects {
		def, err := h.apps.Define(o)
		if err != nil {
			return err
		}
		p.definitions[o.ID] = def
	}
	if err := p.places(request.Instances); err != nil {
		return err
	}
	err := app.Register(apps.Registration{Objects: request.Objects, Whole: request.Instances != nil, Updates: p.updates})
	return done(w, err)
}

func (h *handler) withdrawApp(app *apps.App, w http.ResponseWriter, _ *http.Request) error {
	return done(w, app.Withdraw())
}

func (h *handler) publish(app *apps.App, w http.ResponseWriter, r *http.Request) error {
	var values map[string]json.RawMessage
	if err := body(r, &values); err != nil {
		return err
	}
	if len(values) == 0 {
		return lwm2m.Errorf(lwm2m.BadRequest, `there are no values: {"/3305/0/5800": 21.5}`)
	}
	p := publication{handler: h}
	if err := p.places(values); err != nil {
		return err
	}
	return done(w, app.Publish(p.updates))
}

// done answers a request that has no more to say than that it was carried out.
func done(w http.ResponseWriter, err error) error {
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}

// sorted returns the keys of a JSON object in order, so that an error names the
// same place each time.
func sorted(members map[string]json.RawMessage) []string {
	return slices.Sorted(maps.Keys(members))
}
