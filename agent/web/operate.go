package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"slices"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// requestTimeout bounds one operation; a client that sleeps longer is told of.
const requestTimeout = 30 * time.Second

// maxRequest bounds a request body, in bytes.
const maxRequest = 1 << 20

// request is the body of an operation.
type request struct {
	Path       lwm2m.Path      `json:"path"`
	Value      json.RawMessage `json:"value"`
	Arguments  string          `json:"arguments"`
	Attributes []string        `json:"attributes"`
}

// answer is what came of an operation.
type answer struct {
	Turn    int64    `json:"turn"` // of the values; see Feed
	Values  []Value  `json:"values,omitempty"`
	Found   []Found  `json:"found,omitempty"`
	Refused *failure `json:"refused,omitempty"`
}

// failure says in words why there is no other answer.
type failure struct {
	Message string `json:"message"`
}

func (p *page) operate(w http.ResponseWriter, r *http.Request) {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		reply(w, http.StatusUnsupportedMediaType, failure{"the body must be application/json"})
		return
	}
	var req request
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	d.DisallowUnknownFields()
	if err := d.Decode(&req); err != nil {
		reply(w, http.StatusBadRequest, failure{"the request cannot be read: " + err.Error()})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
	defer cancel()
	operation := r.PathValue("operation")
	out, err := p.perform(ctx, operation, &req)
	switch {
	case errors.Is(err, errUnknown):
		reply(w, http.StatusNotFound, failure{err.Error()})
	case errors.Is(err, errReadOnly):
		reply(w, http.StatusForbidden, failure{err.Error()})
	case err != nil:
		// What the board refuses is no failure of this request: a browser would
		// report another status as an error of the page.
		p.Log.Debug("operation failed", slog.String("operation", operation), slog.String("path", req.Path.String()), slog.Any("error", err))
		reply(w, http.StatusOK, answer{Refused: &failure{words(err)}})
	default:
		reply(w, http.StatusOK, out)
	}
}

var (
	errUnknown  = errors.New("there is no such operation")
	errReadOnly = errors.New("this page only shows")
)

// changing are the operations that change the board.
var changing = []string{"write", "execute", "attributes"}

func (p *page) perform(ctx context.Context, operation string, req *request) (out answer, err error) {
	if p.ReadOnly && slices.Contains(changing, operation) {
		return out, errReadOnly
	}
	out.Turn = p.Feed.turn()
	switch operation {
	case "discover":
		out.Found, err = p.Operator.Discover(ctx, req.Path)
	case "read":
		out.Values, err = p.values(p.Operator.Read(ctx, req.Path))
	case "write":
		err = p.write(ctx, req)
	case "execute":
		err = p.Operator.Execute(ctx, req.Path, req.Arguments)
	case "observe":
		out.Values, err = p.observe(ctx, req.Path)
	case "cancel":
		err = p.Operator.Cancel(ctx, req.Path)
		p.Feed.Observed(p.Operator.Observed())
	case "attributes":
		err = p.Operator.WriteAttributes(ctx, req.Path, req.Attributes...)
	default:
		err = errUnknown
	}
	return out, err
}

func (p *page) values(nodes []lwm2m.Node, err error) ([]Value, error) {
	if err != nil {
		return nil, err
	}
	return valuesOf(nodes), nil
}

// observe begins an observation. Its first values are remembered for the charts:
// what changes seldom would have no course for a long time.
func (p *page) observe(ctx context.Context, path lwm2m.Path) ([]Value, error) {
	nodes, err := p.Operator.Observe(ctx, path)
	if err == nil {
		p.Feed.history.add(nodes, p.Feed.now())
	}
	p.Feed.Observed(p.Operator.Observed())
	return p.values(nodes, err)
}

// write reads the value in the type of its resource and writes it.
func (p *page) write(ctx context.Context, req *request) error {
	shape, ok := model.Shapes(p.Definitions).Of(req.Path)
	if !ok {
		return lwm2m.Errorf(lwm2m.NotFound, "%s is no known resource", req.Path)
	}
	text := string(req.Value)
	if s := ""; json.Unmarshal(req.Value, &s) == nil {
		text = s
	}
	v, err := parse(shape.Type, text)
	if err != nil {
		return lwm2m.Errorf(lwm2m.BadRequest, "%w", err)
	}
	return p.Operator.Write(ctx, req.Path, v)
}

// parse reads a value as people write it: times also as RFC 3339.
func parse(t lwm2m.Type, text string) (lwm2m.Value, error) {
	if t == lwm2m.TypeTime {
		if at, err := time.Parse(time.RFC3339, text); err == nil {
			return lwm2m.Time(at), nil
		}
	}
	return lwm2m.ParseValue(t, text)
}

// words says why an operation failed.
func words(err error) string {
	if e, ok := errors.AsType[*lwm2m.Error](err); ok {
		return e.Error()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Sprintf("the board has not answered within %v", requestTimeout)
	}
	return err.Error()
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // whoever asked has gone if this fails
}
