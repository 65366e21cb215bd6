package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"lwm2m-agent/agent/apps"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// Access is what a request needs.
type Access uint8

// The kinds of access. Changing includes reading.
const (
	Reading Access = iota
	Changing
	// Owning is acting for an application: its own user may, and who may change
	// everything.
	Owning
)

// Authorizer decides whether a request may be served. The error's text goes to
// the client.
type Authorizer func(r *http.Request, need Access) error

// HandlerOptions are what Handler stands on. The zero value of a field is its
// default.
type HandlerOptions struct {
	Log  *slog.Logger    // nil discards
	Done <-chan struct{} // closed: streams end
	Apps *apps.Apps      // nil: none

	Firmware FirmwareBackend // nil: no updates

	Configuration ConfigurationBackend // nil: it is not in files
}

// The bounds of requests.
const (
	maxBody     = 1 << 20 // bytes
	maxPaths    = 64      // of one request
	maxStreams  = 16      // at a time
	writeTime   = 30 * time.Second
	executeTime = 60 * time.Second
)

// route is one line of the table of routes. docs/api.yaml describes them.
type route struct {
	method, path string
	need         Access
	serve        func(h *handler, w http.ResponseWriter, r *http.Request) error
}

func routes() []route {
	return []route{
		{http.MethodGet, "/v1/status", Reading, (*handler).status},
		{http.MethodGet, "/v1/health", Reading, (*handler).health},
		{http.MethodGet, "/v1/tree", Reading, (*handler).tree},
		{http.MethodGet, "/v1/value", Reading, (*handler).values},
		{http.MethodPut, "/v1/value", Changing, (*handler).write},
		{http.MethodPost, "/v1/execute", Changing, (*handler).execute},
		{http.MethodPost, "/v1/send", Changing, (*handler).send},
		{http.MethodPost, "/v1/update", Changing, (*handler).update},
		{http.MethodPost, "/v1/bootstrap", Changing, (*handler).bootstrap},
		{http.MethodPost, "/v1/deregister", Changing, (*handler).deregister},
		{http.MethodGet, "/v1/events", Reading, (*handler).events},
		{http.MethodGet, "/v1/trace", Reading, (*handler).trace},
		{http.MethodGet, firmwarePath, Reading, ofFirmware((*handler).showFirmware)},
		{http.MethodPost, firmwarePath, Changing, ofFirmware((*handler).actOnFirmware)},
		{http.MethodPut, firmwarePath, Changing, ofFirmware((*handler).installFirmware)},
		{http.MethodGet, configurationPath, Reading, ofConfiguration((*handler).showConfiguration)},
		{http.MethodPost, configurationPath, Changing, ofConfiguration((*handler).actOnConfiguration)},
		{http.MethodGet, "/v1/apps", Reading, (*handler).listApps},
		{http.MethodPut, "/v1/apps/{name}", Owning, ofApp((*handler).registerApp)},
		{http.MethodDelete, "/v1/apps/{name}", Owning, ofApp((*handler).withdrawApp)},
		{http.MethodPatch, "/v1/apps/{name}/values", Owning, ofApp((*handler).publish)},
		{http.MethodGet, "/v1/apps/{name}/requests", Owning, ofApp((*handler).requests)},
		{http.MethodPost, "/v1/apps/{name}/answers/{id}", Owning, ofApp((*handler).answerRequest)},
	}
}

type handler struct {
	backend Backend
	may     Authorizer
	log     *slog.Logger
	done    <-chan struct{}
	apps    *apps.Apps
	updates FirmwareBackend
	streams chan struct{} // holds a token for each event stream

	configuration ConfigurationBackend
}

// Handler serves the control interface's routes, below /v1/.
func Handler(b Backend, may Authorizer, opts HandlerOptions) http.Handler {
	h := &handler{backend: b, may: may, log: opts.Log, done: opts.Done, apps: opts.Apps, updates: opts.Firmware, streams: make(chan struct{}, maxStreams), configuration: opts.Configuration}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	return h
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var methods []string
	for _, rt := range routes() {
		if !rt.matches(r) {
			continue
		}
		if rt.method == r.Method {
			h.serve(rt, w, r)
			return
		}
		methods = append(methods, rt.method)
	}
	if len(methods) == 0 {
		refuse(w, lwm2m.Errorf(lwm2m.NotFound, "there is no route %.60q; docs/api.yaml lists them", r.URL.Path))
		return
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	refuse(w, lwm2m.Errorf(lwm2m.MethodNotAllowed, "%.10s is no method of %s", r.Method, r.URL.Path))
}

// matches reports whether the request's path is the route's, and notes what stands
// for {name}.
func (rt *route) matches(r *http.Request) bool {
	pattern, path := strings.Split(rt.path, "/"), strings.Split(r.URL.Path, "/")
	if len(pattern) != len(path) {
		return false
	}
	for i, segment := range pattern {
		switch {
		case strings.HasPrefix(segment, "{") && path[i] != "":
			r.SetPathValue(strings.Trim(segment, "{}"), path[i])
		case segment != path[i]:
			return false
		}
	}
	return true
}

func (h *handler) serve(rt route, w http.ResponseWriter, r *http.Request) {
	if err := h.allows(r, rt.need); err != nil {
		refuse(w, lwm2m.Errorf(lwm2m.Forbidden, "%w", err))
		return
	}
	if rt.takesPackage() {
		// It takes as long as it takes; what is not served by a connection has no deadline.
		c := http.NewResponseController(w)
		_, _ = c.SetReadDeadline(time.Time{}), c.SetWriteDeadline(time.Time{})
	} else {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	}
	if err := rt.serve(h, w, r); err != nil {
		h.log.Debug("control request refused", slog.String("route", r.Method+" "+rt.path), slog.Any("error", err))
		refuse(w, err)
	}
}

// answer sends a JSON answer.
func answer(w http.ResponseWriter, status int, body any) error {
	var b bytes.Buffer
	if err := encoder(&b).Encode(body); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // to a client that may have gone
	return nil
}

// encoder returns a JSON encoder that leaves the < and > of links as they are.
func encoder(w io.Writer) *json.Encoder {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e
}

// Refusal is the answer to a request that was refused, and the error that a Client
// makes of it.
type Refusal struct { //nolint:errname // it is an answer first
	Code    string `json:"error"` // the response code that a server would get: "4.04"
	Message string `json:"message"`
}

// refuse answers with an error.
func refuse(w http.ResponseWriter, err error) {
	code, message := lwm2m.CodeOf(err), err.Error()
	if e, ok := errors.AsType[*lwm2m.Error](err); ok {
		message = e.Reason
	}
	text := code.String()
	_ = answer(w, httpStatus(code), Refusal{Code: text[:4], Message: message})
}

// httpStatus is the HTTP status for a response code: that of the same number. 4.01
// becomes 403: nobody is asked for credentials.
func httpStatus(c lwm2m.Code) int {
	if c == lwm2m.Unauthorized {
		return http.StatusForbidden
	}
	return int(c>>5)*100 + int(c&31)
}

// paths reads the path parameters of a request.
func (h *handler) paths(r *http.Request) ([]lwm2m.Path, error) {
	return h.parsePaths(r.URL.Query()["path"])
}

func (h *handler) parsePaths(texts []string) ([]lwm2m.Path, error) {
	if len(texts) > maxPaths {
		return nil, lwm2m.Errorf(lwm2m.BadRequest, "%d paths, at most %d", len(texts), maxPaths)
	}
	paths := make([]lwm2m.Path, len(texts))
	for i, text := range texts {
		p, err := h.backend.ParsePath(text)
		if err != nil {
			return nil, lwm2m.Errorf(lwm2m.BadRequest, "%w", err)
		}
		paths[i] = p
	}
	return paths, nil
}

// body reads the JSON body of a request, strictly.
func body(r *http.Request, into any) error {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			return lwm2m.Errorf(lwm2m.RequestEntityTooLarge, "the body is longer than %d bytes", maxBody)
		}
		return lwm2m.Errorf(lwm2m.BadRequest, "the body did not come whole: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return lwm2m.Errorf(lwm2m.BadRequest, "the body is not the JSON that this route takes: %s", wrongJSON(err))
	}
	if d.More() {
		return lwm2m.Errorf(lwm2m.BadRequest, "there is something behind the JSON of the body")
	}
	return nil
}

func (h *handler) status(w http.ResponseWriter, _ *http.Request) error {
	s := h.backend.Status()
	servers := make([]Server, len(s.Servers))
	for i := range s.Servers {
		servers[i] = *shown(s.Servers[i])
	}
	s.Started, s.Servers, s.Health = inUTC(s.Started), servers, h.troubles()
	return answer(w, http.StatusOK, s)
}

func (h *handler) health(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, http.StatusOK, h.troubles())
}

func (h *handler) values(w http.ResponseWriter, r *http.Request) error {
	paths, err := h.paths(r)
	if err != nil {
		return err
	}
	if len(paths) == 0 {
		return lwm2m.Errorf(lwm2m.BadRequest, "there is no path: /v1/value?path=/3/0/0")
	}
	values := []Value{}
	for _, p := range paths {
		readings, err := h.backend.Readings(p)
		if err != nil {
			return err
		}
		for _, reading := range readings {
			values = append(values, h.value(reading))
		}
	}
	return answer(w, http.StatusOK, values)
}

func (h *handler) write(w http.ResponseWriter, r *http.Request) error {
	var values map[string]json.RawMessage
	if err := body(r, &values); err != nil {
		return err
	}
	if len(values) == 0 || len(values) > maxPaths {
		return lwm2m.Errorf(lwm2m.BadRequest, "%d values, at least 1 and at most %d", len(values), maxPaths)
	}
	var nodes []lwm2m.Node
	for text, raw := range values {
		p, err := h.backend.ParsePath(text)
		if err != nil {
			return lwm2m.Errorf(lwm2m.BadRequest, "%w", err)
		}
		more, err := h.nodes(p, raw)
		if err != nil {
			return err
		}
		nodes = append(nodes, more...)
	}
	lwm2m.SortNodes(nodes)
	for i := 1; i < len(nodes); i++ {
		if nodes[i-1].Path.Contains(nodes[i].Path) {
			return lwm2m.Errorf(lwm2m.BadRequest, "%s is there twice", nodes[i].Path)
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), writeTime)
	defer cancel()
	if err := h.backend.Write(ctx, nodes); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// ExecuteRequest is the body of POST /v1/execute.
type ExecuteRequest struct {
	Path string `json:"path"`
	Args string `json:"args,omitempty"` // as in the payload of an Execute: "0='a',1"
}

func (h *handler) execute(w http.ResponseWriter, r *http.Request) error {
	var request ExecuteRequest
	if err := body(r, &request); err != nil {
		return err
	}
	p, err := h.backend.ParsePath(request.Path)
	if err != nil {
		return lwm2m.Errorf(lwm2m.BadRequest, "%w", err)
	}
	args, err := model.ParseArguments(request.Args)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), executeTime)
	defer cancel()
	if err := h.backend.Execute(ctx, p, args); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (h *handler) bootstrap(w http.ResponseWriter, _ *http.Request) error {
	if err := h.backend.Bootstrap(); err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// deregisterTime bounds how long servers may take to answer.
const deregisterTime = 10 * time.Second

func (h *handler) deregister(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeoutCause(r.Context(), deregisterTime, fmt.Errorf("no answer within %v", deregisterTime))
	defer cancel()
	if err := h.backend.Deregister(ctx); err != nil {
		return lwm2m.Errorf(lwm2m.ServiceUnavailable, "%w", err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// UpdateRequest is the body of POST /v1/update, which may be missing.
type UpdateRequest struct {
	Servers []uint16 `json:"servers,omitempty"` // Short Server IDs; none: all
}

func (h *handler) update(w http.ResponseWriter, r *http.Request) error {
	var request UpdateRequest
	if r.ContentLength != 0 {
		if err := body(r, &request); err != nil {
			return err
		}
	}
	if err := h.backend.Update(request.Servers); err != nil {
		return lwm2m.Errorf(lwm2m.NotFound, "%w", err)
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}
