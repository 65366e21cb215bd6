package model

import (
	"context"
	"time"

	"lwm2m-agent/lwm2m"
)

// Object is what the tree asks of the owner of an object's instances. All
// values live in the tree; the owner decides what may happen to them.
type Object interface {
	// Prepare checks what a request would change in this object and says how to
	// carry it out. It must change nothing. The owner may alter e: drop or
	// replace nodes that shall be stored differently from what was asked for. A
	// refusal is an *lwm2m.Error with the code to answer; any other error
	// becomes 5.00. The context carries the request's deadline.
	Prepare(ctx context.Context, e *Edit) (Transaction, error)

	// Execute runs an executable resource and returns when it has been done or,
	// for what ends the process (Reboot), is certain to be done. It may take
	// long: the answer goes out when it returns, or a time-out at the context's
	// deadline.
	Execute(ctx context.Context, origin Origin, p lwm2m.Path, args Arguments) error
}

// Container is an Object that changes nothing outside when a request creates, writes or deletes:
// all it does is in memory and in the agent's store. It says so by having the method.
type Container interface {
	Object
	Contained()
}

// Contains reports whether what requests but Execute change at p stays in memory and in the
// agent's store.
func (t *Tree) Contains(p lwm2m.Path) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	o := t.object(p.Object())
	if o == nil {
		return false
	}
	_, ok := o.owner.(Container)
	return ok
}

// Transaction is a prepared change. Exactly one of Commit and Abort is called
// first; when a later object of the same request fails to commit, Abort is
// called on those already committed, to undo as well as their hardware allows.
// Commit may still drop nodes of the Edit, for which the owner has published what
// became of them.
type Transaction interface {
	Commit(ctx context.Context) error
	Abort()
}

// Edit is what one request would change in one object.
type Edit struct {
	Origin Origin
	Create []uint16     // instances to be made, not there yet
	Delete []lwm2m.Path // instances, resources or resource instances to be removed; before Set
	Set    []lwm2m.Node // resources and resource instances with their new values, in path order

	// Named are those of Delete that the request itself names; the others are what a Write
	// that replaces does not mention. An owner may drop the others from Delete. Who drops one of
	// Named has the request refused with 4.05, unless it takes it out of Named, too: then it does
	// by itself what was asked for.
	Named []lwm2m.Path

	// Declare are resources without a value that the owner wants there afterwards, such
	// as those to execute in an instance that is made.
	Declare []lwm2m.Path
}

// Origin is who asks. The zero Origin is a server without an account.
type Origin struct {
	Kind   OriginKind
	Server uint16 // Short Server ID, for OriginServer
}

// OriginKind tells what an origin may do.
type OriginKind uint8

// The kinds of origin.
const (
	// OriginServer is an LwM2M server: what definitions and access control allow.
	OriginServer OriginKind = iota
	// OriginBootstrap is the LwM2M bootstrap server: also resources without
	// operations, and objects 0 and 1.
	OriginBootstrap
	// OriginLocal is a user of the control interface: like a server, and reading
	// what has no operations, keys excepted.
	OriginLocal
	// OriginAgent is the agent itself: it reads and writes everything.
	OriginAgent
)

// FromServer returns the origin of a server's request.
func FromServer(shortServerID uint16) Origin {
	return Origin{Kind: OriginServer, Server: shortServerID}
}

// FromLocal returns the origin of a request of the control interface.
func FromLocal() Origin { return Origin{Kind: OriginLocal} }

// FromAgent returns the origin of what the agent does by itself.
func FromAgent() Origin { return Origin{Kind: OriginAgent} }

// Quality tells what a value is worth.
type Quality uint8

// The qualities. A value that is not Good stays readable with the time at which
// it was last good.
const (
	Good      Quality = iota
	Uncertain         // plausible, but out of range, uncalibrated or estimated
	Stale             // the source has been silent for longer than it should
	Invalid           // the source is gone or says that it is broken
)

var qualityNames = [...]string{"good", "uncertain", "stale", "invalid"}

// String returns the word that the control interface uses.
func (q Quality) String() string {
	if int(q) < len(qualityNames) {
		return qualityNames[q]
	}
	return "unknown"
}

// Reading is a value with what is known about it.
type Reading struct {
	Path    lwm2m.Path // a resource or a resource instance
	Value   lwm2m.Value
	Time    time.Time // when the value was measured or set
	Quality Quality
}

// Plain is the behaviour of an object that lets every defined write through and
// executes nothing. Embed it and override what differs.
type Plain struct{}

var _ Object = Plain{}

// Prepare accepts everything.
func (Plain) Prepare(context.Context, *Edit) (Transaction, error) { return Accepted{}, nil }

// Execute refuses with 4.05.
func (Plain) Execute(_ context.Context, _ Origin, p lwm2m.Path, _ Arguments) error {
	return lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s cannot be executed", p)
}

// Accepted is the transaction of a change that needs no work beyond the tree.
type Accepted struct{}

// Commit does nothing.
func (Accepted) Commit(context.Context) error { return nil }

// Abort does nothing.
func (Accepted) Abort() {}

// OnCommit is a transaction whose work is one function and which cannot be
// undone.
type OnCommit func(ctx context.Context) error

// Commit calls the function.
func (f OnCommit) Commit(ctx context.Context) error { return f(ctx) }

// Abort does nothing.
func (OnCommit) Abort() {}
