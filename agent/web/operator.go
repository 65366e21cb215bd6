package web

import (
	"context"

	"lwm2m-agent/lwm2m"
)

// Operator carries out what a person asks for. Errors that are *lwm2m.Error are
// the board's refusals. Its methods are called from several goroutines.
type Operator interface {
	// Registration says where the board is registered and how that stands.
	Registration() Registration
	// Instances lists the object instances that the board has, in path order. It
	// does not ask the board.
	Instances() []lwm2m.Path
	// Discover lists the resources of an object instance, and the instance itself
	// if it has attributes, in path order.
	Discover(ctx context.Context, instance lwm2m.Path) ([]Found, error)
	Read(ctx context.Context, p lwm2m.Path) ([]lwm2m.Node, error)
	// Write gives a resource, or a resource instance, a value.
	Write(ctx context.Context, p lwm2m.Path, v lwm2m.Value) error
	Execute(ctx context.Context, p lwm2m.Path, args string) error
	// Observe returns the present values; the Feed is given those that follow.
	Observe(ctx context.Context, p lwm2m.Path) ([]lwm2m.Node, error)
	Cancel(ctx context.Context, p lwm2m.Path) error
	// WriteAttributes takes what stands in the query of a Write-Attributes:
	// "pmin=10" sets an attribute, "pmin" takes it away.
	WriteAttributes(ctx context.Context, p lwm2m.Path, queries ...string) error
	// Observed lists the paths that are observed, or will be again once the board
	// is back.
	Observed() []lwm2m.Path
}

// Registration is what the page shows of the registration.
type Registration struct {
	Endpoint   string `json:"endpoint"`
	Server     string `json:"server"` // URI
	State      string `json:"state"`  // in words
	Registered bool   `json:"registered"`
	Version    string `json:"version"`  // of LwM2M, "" if not known yet
	Lifetime   int64  `json:"lifetime"` // seconds, 0: infinite
	Transport  string `json:"transport"`
	Since      string `json:"since"`  // of the state, RFC 3339, "" if never
	Update     string `json:"update"` // when the next Update is due, RFC 3339, "" if none is
	// Others are further servers, each with its state in words.
	Others []string `json:"others,omitempty"`
}

// Found is a place that Discover lists.
type Found struct {
	Path       lwm2m.Path `json:"path"`
	Attributes []string   `json:"attributes"` // "pmin=10"
}
