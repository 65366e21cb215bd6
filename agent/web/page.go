package web

import (
	"context"
	"crypto/subtle"
	"embed"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"strings"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// Operator carries out what a person asks for. Errors that are *lwm2m.Error are
// the board's refusals.
type Operator interface {
	// Registration says where the board is registered and how that stands.
	Registration() Registration
	// Paths lists the resources that the board has, in path order.
	Paths(ctx context.Context) ([]lwm2m.Path, error)
	Read(ctx context.Context, p lwm2m.Path) ([]lwm2m.Node, error)
	Write(ctx context.Context, p lwm2m.Path, v lwm2m.Value) error
	Execute(ctx context.Context, p lwm2m.Path, args string) error
	Observe(ctx context.Context, p lwm2m.Path) ([]lwm2m.Node, error)
	Cancel(ctx context.Context, p lwm2m.Path) error
	WriteAttributes(ctx context.Context, p lwm2m.Path, queries ...string) error
	// Observed lists the observed paths.
	Observed() []lwm2m.Path
}

// Registration is what the page shows of the registration.
type Registration struct {
	Endpoint   string `json:"endpoint"`
	Server     string `json:"server"` // URI
	State      string `json:"state"`  // in words
	Registered bool   `json:"registered"`
	Version    string `json:"version"`
	Lifetime   int64  `json:"lifetime"` // seconds
	Transport  string `json:"transport"`
	Updated    string `json:"updated"` // RFC 3339, "" if never
}

// Config configures a Page.
type Config struct {
	Operator    Operator
	Definitions model.Definitions
	Feed        *Feed
	Values      http.Handler // the control interface, served below /v1/; nil for none
	Token       string       // what a browser must show once
	Addr        net.Addr     // where the page is served: requests for other hosts are refused
	Log         *slog.Logger
}

// requestTimeout bounds one operation; a client that sleeps longer is told of.
const requestTimeout = 30 * time.Second

//go:embed page
var files embed.FS

type page struct {
	Config
	static http.Handler
}

// Handler returns the handler of the page. It answers only requests whose Host
// is the listening address or localhost, whose Origin, if any, is the page's
// own, and which carry the token: as ?token=, which a browser's first request
// exchanges for a cookie, or as a bearer token.
func Handler(cfg Config) (http.Handler, error) {
	root, err := fs.Sub(files, "page")
	if err != nil {
		return nil, err
	}
	p := &page{Config: cfg, static: http.FileServerFS(root)}
	mux := http.NewServeMux()
	mux.Handle("/", p.static)
	mux.HandleFunc("GET /api/state", p.state)
	mux.HandleFunc("GET /api/events", p.Feed.ServeHTTP)
	mux.HandleFunc("POST /api/{operation}", p.operate)
	if cfg.Values != nil {
		mux.Handle("/v1/", cfg.Values)
	}
	return p.guard(mux), nil
}

// cookie carries the token after the first request.
const cookie = "lwm2m-demo"

// guard lets through what comes from the page itself.
func (p *page) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		switch {
		case !p.ownHost(r.Host):
			http.Error(w, "this page answers only at its own address", http.StatusMisdirectedRequest)
			return
		case !p.ownOrigin(r):
			http.Error(w, "requests of other pages are refused", http.StatusForbidden)
			return
		case !p.hasToken(r):
			http.Error(w, "open the address that lwm2m-agent demo printed: it carries a token", http.StatusUnauthorized)
			return
		}
		if q := r.URL.Query(); q.Has("token") && r.URL.Path == "/" {
			http.SetCookie(w, &http.Cookie{Name: cookie, Value: p.Token, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode}) //nolint:gosec // plain HTTP on loopback
			http.Redirect(w, r, "/", http.StatusSeeOther)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (p *page) ownHost(host string) bool {
	_, port, err := net.SplitHostPort(p.Addr.String())
	if err != nil {
		return false
	}
	return host == p.Addr.String() || host == net.JoinHostPort("localhost", port) ||
		port == "80" && (host == "localhost" || host == strings.TrimSuffix(p.Addr.String(), ":80"))
}

func (p *page) ownOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	return origin == "" || origin == "http://"+r.Host
}

func (p *page) hasToken(r *http.Request) bool {
	given := r.URL.Query().Get("token")
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		given = bearer
	}
	if c, err := r.Cookie(cookie); err == nil && given == "" {
		given = c.Value
	}
	return subtle.ConstantTimeCompare([]byte(given), []byte(p.Token)) == 1
}

// request is the body of an operation.
type request struct {
	Path       lwm2m.Path      `json:"path"`
	Value      json.RawMessage `json:"value"`
	Arguments  string          `json:"arguments"`
	Attributes []string        `json:"attributes"`
}

// maxRequest bounds a request body, in bytes.
const maxRequest = 1 << 20

func (p *page) operate(w http.ResponseWriter, r *http.Request) {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		reply(w, http.StatusUnsupportedMediaType, failure{Message: "the body must be application/json"})
		return
	}
	var req request
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	d.DisallowUnknownFields()
	if err := d.Decode(&req); err != nil {
		reply(w, http.StatusBadRequest, failure{Message: "the request cannot be read: " + err.Error()})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
	defer cancel()
	nodes, err := p.perform(ctx, r.PathValue("operation"), &req)
	switch {
	case errors.Is(err, errUnknown):
		reply(w, http.StatusNotFound, failure{Message: err.Error()})
	case err != nil:
		p.Log.Debug("operation failed", slog.String("operation", r.PathValue("operation")), slog.String("path", req.Path.String()), slog.Any("error", err))
		reply(w, http.StatusUnprocessableEntity, failureOf(err))
	default:
		reply(w, http.StatusOK, map[string]any{"values": valuesOf(nodes)})
	}
}

var errUnknown = errors.New("there is no such operation")

func (p *page) perform(ctx context.Context, operation string, req *request) ([]lwm2m.Node, error) {
	switch operation {
	case "read":
		return p.Operator.Read(ctx, req.Path)
	case "write":
		v, err := p.value(req)
		if err != nil {
			return nil, err
		}
		return nil, p.Operator.Write(ctx, req.Path, v)
	case "execute":
		return nil, p.Operator.Execute(ctx, req.Path, req.Arguments)
	case "observe":
		return p.Operator.Observe(ctx, req.Path)
	case "cancel":
		return nil, p.Operator.Cancel(ctx, req.Path)
	case "attributes":
		return nil, p.Operator.WriteAttributes(ctx, req.Path, req.Attributes...)
	}
	return nil, errUnknown
}

// value reads the value of a write in the type of its resource.
func (p *page) value(req *request) (lwm2m.Value, error) {
	shape, ok := model.Shapes(p.Definitions)(req.Path)
	if !ok {
		return lwm2m.Value{}, lwm2m.Errorf(lwm2m.NotFound, "%s is no known resource", req.Path)
	}
	text := string(req.Value)
	if s := ""; json.Unmarshal(req.Value, &s) == nil {
		text = s
	}
	v, err := lwm2m.ParseValue(shape.Type, text)
	if err != nil {
		return v, lwm2m.Errorf(lwm2m.BadRequest, "%w", err)
	}
	return v, nil
}

// failure is what the page is told of an error.
type failure struct {
	Code    string `json:"code,omitempty"` // "4.05 Method Not Allowed"
	Message string `json:"message"`
}

func failureOf(err error) failure {
	if e, ok := errors.AsType[*lwm2m.Error](err); ok {
		return failure{Code: e.Code.String(), Message: e.Reason}
	}
	return failure{Message: err.Error()}
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // whoever asked has gone if this fails
}
