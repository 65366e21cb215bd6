package apps

import (
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// Op is what a program is asked to do, or told.
type Op string

// The operations. All but the last two want an answer before the deadline.
const (
	OpWrite   Op = "write"
	OpExecute Op = "execute"
	OpCreate  Op = "create"
	OpDelete  Op = "delete"
	// OpAbort takes a request back that was answered with ok, or was not answered
	// in time: nothing of it has happened, and the program has to undo its part.
	OpAbort Op = "abort"
	// OpEnd is the last line of a stream and says why it ends.
	OpEnd Op = "end"
)

// Request is what a program is asked or told.
type Request struct {
	ID       uint64 // 0 for OpEnd; for OpAbort that of the request taken back
	Op       Op
	Path     lwm2m.Path   // of the one place concerned, else what all of them have in common
	Set      []lwm2m.Node // for OpWrite and OpCreate: new values at and below Path
	Removed  []lwm2m.Path // for OpWrite: what the write takes away
	Args     string       // for OpExecute, as the payload of an Execute has them
	Server   uint16       // Short Server ID; 0: a local user
	Deadline time.Time    // for the answer
	Message  string       // for OpEnd
}

// requestOf says in one request what an edit of one object would change.
func requestOf(oid uint16, e *model.Edit) Request {
	r := Request{Op: OpWrite, Set: e.Set, Removed: e.Delete, Server: e.Origin.Server}
	switch {
	case len(e.Create) == 1:
		r.Op, r.Path = OpCreate, lwm2m.NewPath(oid, e.Create[0])
	case len(e.Delete) == 1 && len(e.Set) == 0:
		r.Op, r.Path, r.Removed = OpDelete, e.Delete[0], nil
	default:
		r.Path = inCommon(e)
	}
	return r
}

// inCommon returns the deepest path that contains all that an edit concerns.
func inCommon(e *model.Edit) lwm2m.Path {
	var common lwm2m.Path
	take := func(p lwm2m.Path) {
		if common.IsRoot() {
			common = p
		}
		for !common.Contains(p) {
			common = common.Parent()
		}
	}
	for _, n := range e.Set {
		take(n.Path)
	}
	for _, p := range e.Delete {
		take(p)
	}
	return common
}
