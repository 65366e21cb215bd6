package web

import (
	"crypto/rand"
	"crypto/subtle"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"lwm2m-agent/agent/control"
	"lwm2m-agent/lwm2m/model"
)

// Config configures a page.
type Config struct {
	Operator    Operator
	Direct      bool      // the Operator acts on the board itself, not as its server
	ReadOnly    bool      // what changes the board is refused
	Demo        bool      // the page is that of a demo, which has messages on the wire
	Packages    []Package // of firmware, which the page offers
	Definitions model.Definitions
	Feed        *Feed
	Troubles    func() []control.Trouble // what is wrong with the gateway now; nil: it does not say
	Values      http.Handler             // the control interface, served below /v1/; nil for none
	Token       string                   // what requests must show; "": nothing
	Hint        string                   // tells a person without the token where it is
	// Addr is where the page is served: requests for other hosts are refused. nil: on this
	// machine or behind a port that is forwarded to it, by names of the loopback interface
	// with any port.
	Addr net.Addr
	Log  *slog.Logger
}

// Package is one of firmware that a person may try.
type Package struct {
	Text string `json:"text"` // which it is: "version 2.0"
	URI  string `json:"uri"`
}

//go:embed page
var files embed.FS

type page struct {
	Config
	port string // of Addr
	run  string // of the program, so that a browser can tell one from the next
}

// Handler returns the handler of the page. It answers only requests whose Host
// is the address that they came to, the listening address or localhost, whose
// Origin, if any, is the page's own, and which carry the token, as a bearer token
// or ?token=. The page's own files, which say nothing of the gateway, need none: they
// take the token out of the address.
func Handler(cfg Config) (http.Handler, error) {
	root, err := fs.Sub(files, "page")
	if err != nil {
		return nil, fmt.Errorf("find the page's files: %w", err)
	}
	p := &page{Config: cfg, run: rand.Text()}
	if cfg.Addr != nil {
		if _, p.port, err = net.SplitHostPort(cfg.Addr.String()); err != nil {
			return nil, fmt.Errorf("the address of the page: %w", err)
		}
	}
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServerFS(root))
	mux.HandleFunc("GET /api/state", p.known(p.state))
	mux.HandleFunc("GET /api/events", p.known(p.Feed.ServeHTTP))
	mux.HandleFunc("POST /api/{operation}", p.known(p.operate))
	if cfg.Values != nil {
		mux.HandleFunc("/v1/", p.known(cfg.Values.ServeHTTP))
	}
	return p.guard(mux), nil
}

// policy lets the page load nothing but its own files.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// guard lets through what comes from the page itself.
func (p *page) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		switch {
		case !p.ownHost(r):
			http.Error(w, "this page answers only at its own address", http.StatusMisdirectedRequest)
		case !ownOrigin(r):
			http.Error(w, "requests of other pages are refused", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// known lets through who has the token.
func (p *page) known(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !p.hasToken(r) {
			http.Error(w, p.Hint, http.StatusUnauthorized)
			return
		}
		next(w, r)
	}
}

// hostPort is what a request says it is for, with the port of HTTP if it has none.
func hostPort(r *http.Request) (host, port string) {
	if host, port, err := net.SplitHostPort(r.Host); err == nil {
		return host, port
	}
	return strings.Trim(r.Host, "[]"), "80"
}

// ownHost refuses names that somebody made point here (DNS rebinding). The
// address that a request came to cannot be forged, so that a page that listens
// on all addresses answers at each of them.
func (p *page) ownHost(r *http.Request) bool {
	name, port := hostPort(r)
	if p.Addr == nil {
		a, err := netip.ParseAddr(name)
		return err == nil && a.Unmap().IsLoopback() || strings.EqualFold(name, "localhost")
	}
	own := []string{p.Addr.String(), net.JoinHostPort("localhost", p.port)}
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		own = append(own, local.String())
	}
	host := net.JoinHostPort(name, port)
	for _, o := range own {
		if strings.EqualFold(host, o) {
			return true
		}
	}
	return false
}

func ownOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	return origin == "" || origin == "http://"+r.Host
}

func (p *page) hasToken(r *http.Request) bool {
	if p.Token == "" {
		return true
	}
	given := r.URL.Query().Get("token")
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		given = bearer
	}
	return subtle.ConstantTimeCompare([]byte(given), []byte(p.Token)) == 1
}
