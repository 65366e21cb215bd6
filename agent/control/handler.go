package control

import (
	"log/slog"
	"net/http"
	"time"
)

// Access is what a request needs.
type Access uint8

// The kinds of access. Changing includes reading.
const (
	Reading Access = iota
	Changing
)

// Authorizer decides whether a request may be served. The error's text goes to
// the client.
type Authorizer func(r *http.Request, need Access) error

// HandlerOptions are what Handler stands on. The zero value of a field is its
// default.
type HandlerOptions struct {
	Now  func() time.Time // wall clock; time.Now
	Log  *slog.Logger     // nil discards
	Done <-chan struct{}  // closed: event streams end
}

// Handler serves the control interface's routes, below /v1/.
func Handler(b Backend, may Authorizer, opts HandlerOptions) http.Handler {
	return http.NotFoundHandler()
}
