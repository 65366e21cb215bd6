package control

import (
	"context"

	"lwm2m-agent/agent/health"
	"lwm2m-agent/agent/trace"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// Backend is the agent as the control interface sees it. Its methods are called
// from several goroutines. Errors that are an *lwm2m.Error are answered with
// their code, others with 500.
type Backend interface {
	// Status says who the agent is and how its servers stand. Handler fills in
	// what Health says.
	Status() Status
	// Health lists what is wrong now.
	Health() []health.Trouble
	// ParsePath reads a path in numbers or by name: "/3303/0/5700",
	// "/temperature/0/value".
	ParsePath(s string) (lwm2m.Path, error)
	// Definition returns the definition of an object, or nil.
	Definition(oid uint16) *model.Definition
	// Entries lists what is at p and below, down to resources; see model.Tree.
	Entries(p lwm2m.Path) []model.Entry
	// Readings returns what a local user may read at p and below.
	Readings(p lwm2m.Path) ([]model.Reading, error)
	// Write writes all nodes or none, as a local user may. Each node names a
	// resource or a resource instance.
	Write(ctx context.Context, nodes []lwm2m.Node) error
	// Execute runs an executable resource, as a local user may.
	Execute(ctx context.Context, p lwm2m.Path, args model.Arguments) error
	// Send tells the servers with these Short Server IDs, or all if there is none,
	// what is at the paths. It returns one outcome for each, or an error if there is
	// no such server.
	Send(ctx context.Context, servers []uint16, paths []lwm2m.Path) ([]SendOutcome, error)
	// Update sends a registration Update to the servers with these Short Server
	// IDs, or to all if there is none.
	Update(servers []uint16) error
	// Bootstrap has the bootstrap server asked for accounts.
	Bootstrap() error
	// Deregister ends the registrations, until the agent is started anew. It returns when the servers
	// have answered.
	Deregister(ctx context.Context) error
	// Trace returns who hears the messages to and from servers from now on. Close it when done.
	Trace(ctx context.Context) *trace.Listener
	// Subscribe returns what happens from now on: values and structure below the
	// paths, accounts, health. Close it when done.
	Subscribe(paths []lwm2m.Path) Subscription
}

// Subscription delivers what happens to one client of the event stream.
type Subscription interface {
	// Wake receives when there is something to Take.
	Wake() <-chan struct{}
	// Take returns what has happened since the last call.
	Take() Happened
	Close()
}

// Happened is what a subscription took up.
type Happened struct {
	Changes []model.Change
	Lost    bool // some changes are missing: the paths are to be read again
	Servers []Server
	Health  []health.Change

	Bootstrap *Bootstrap // nil: it has not changed
	Firmware  *Firmware  // likewise
}
