package control

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"lwm2m-agent/agent/apps"
	"lwm2m-agent/lwm2m"
)

// AppRequest is one line of GET /v1/apps/{name}/requests.
type AppRequest struct {
	ID       uint64    `json:"id,omitempty"`      // all but end
	Op       string    `json:"op"`                // write, execute, create, delete, abort, end
	Path     string    `json:"path,omitempty"`    // all but end
	Value    any       `json:"value,omitempty"`   // write, create
	Args     string    `json:"args,omitempty"`    // execute
	Server   uint16    `json:"server,omitempty"`  // Short Server ID; missing: a local user
	Deadline time.Time `json:"deadline,omitzero"` // for the answer
	Message  string    `json:"message,omitempty"` // end: why
}

// AppAnswer is the body of POST /v1/apps/{name}/answers/{id}.
type AppAnswer struct {
	OK      bool   `json:"ok,omitempty"`
	Error   string `json:"error,omitempty"` // response code: "4.05"
	Message string `json:"message,omitempty"`
}

// requests streams what the program is asked, until it goes, does not keep up, is
// replaced, or the agent ends.
func (h *handler) requests(app *apps.App, w http.ResponseWriter, r *http.Request) error {
	s, err := app.Listen()
	if err != nil {
		return err
	}
	defer s.Close()
	out := beginLines(w)
	for pending := []AppRequest(nil); sendLines(out, pending); {
		if n := len(pending); n > 0 && pending[n-1].Op == string(apps.OpEnd) {
			return nil
		}
		select {
		case <-s.Wake():
			pending = shownRequests(s.Take())
		case <-r.Context().Done():
			return nil
		case <-h.done:
			pending = []AppRequest{{Op: string(apps.OpEnd), Message: "the agent ends"}}
		}
	}
	return nil
}

func shownRequests(requests []apps.Request) []AppRequest {
	shown := make([]AppRequest, len(requests))
	for i := range requests {
		r := &requests[i]
		shown[i] = AppRequest{
			ID: r.ID, Op: string(r.Op), Args: r.Args, Server: r.Server, Deadline: inUTC(r.Deadline), Message: r.Message,
		}
		if !r.Path.IsRoot() {
			shown[i].Path = r.Path.String()
		}
		if r.Op == apps.OpWrite || r.Op == apps.OpCreate {
			shown[i].Value = written(r)
		}
	}
	return shown
}

// written returns what a request writes: the value at its path, or values by the
// numbers below it, null for what is taken away: {"5850": true, "5853": null}.
func written(r *apps.Request) any {
	if len(r.Set) == 1 && r.Set[0].Path == r.Path {
		return encode(r.Set[0].Value)
	}
	members := make(map[string]any)
	for _, n := range r.Set {
		enter(members, below(n.Path, r.Path), encode(n.Value))
	}
	for _, p := range r.Removed {
		enter(members, below(p, r.Path), nil)
	}
	return members
}

// below returns the numbers of p below one that contains it.
func below(p, at lwm2m.Path) []string {
	return strings.Split(strings.TrimPrefix(p.String(), at.String()+"/"), "/")
}

func enter(members map[string]any, keys []string, v any) {
	for _, key := range keys[:len(keys)-1] {
		inner, ok := members[key].(map[string]any)
		if !ok {
			inner = make(map[string]any)
			members[key] = inner
		}
		members = inner
	}
	members[keys[len(keys)-1]] = v
}

// refusals are the response codes that a program may refuse with.
var refusals = []lwm2m.Code{
	lwm2m.BadRequest, lwm2m.Unauthorized, lwm2m.Forbidden, lwm2m.NotFound, lwm2m.MethodNotAllowed, lwm2m.NotAcceptable,
	lwm2m.RequestEntityTooLarge, lwm2m.InternalServerError, lwm2m.NotImplemented, lwm2m.ServiceUnavailable,
}

// maxMessage bounds what a program says about a refusal, in bytes.
const maxMessage = 256

func (h *handler) answerRequest(app *apps.App, w http.ResponseWriter, r *http.Request) error {
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
	if err != nil {
		return lwm2m.Errorf(lwm2m.BadRequest, "%.40q is no number of a request", r.PathValue("id"))
	}
	var a AppAnswer
	if err := body(r, &a); err != nil {
		return err
	}
	refusal, err := a.refusal(app)
	if err != nil {
		return err
	}
	return done(w, app.Answer(id, refusal))
}

// refusal returns what the program refuses with, nil if it agrees, and an error if
// it says neither.
func (a *AppAnswer) refusal(app *apps.App) (refusal, err error) {
	switch {
	case a.OK && a.Error == "":
		return nil, nil
	case a.OK || a.Error == "" || len(a.Message) > maxMessage:
		return nil, lwm2m.Errorf(lwm2m.BadRequest, `an answer is {"ok": true} or {"error": "4.05", "message": "why"}, the message of at most %d bytes`, maxMessage)
	}
	allowed := make([]string, len(refusals))
	for i, code := range refusals {
		if allowed[i], _, _ = strings.Cut(code.String(), " "); allowed[i] == a.Error {
			return lwm2m.Errorf(code, "application %s: %s", app.Name(), a.Message), nil
		}
	}
	return nil, lwm2m.Errorf(lwm2m.BadRequest, "error %.20q is none; allowed: %s", a.Error, strings.Join(allowed, ", "))
}
