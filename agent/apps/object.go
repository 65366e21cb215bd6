package apps

import (
	"context"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// How long a program may take to answer, unless the request itself ends sooner.
// A write has its objects to itself meanwhile, so it waits for a shorter time.
const (
	writeTime   = 10 * time.Second
	executeTime = 50 * time.Second // less than the client waits: the answer then says who was slow
)

// object is an object of a program in the tree.
type object struct {
	app       *App
	source    Object
	def       *model.Definition
	publisher *model.Publisher // nil: not in the tree yet
}

var _ model.Object = (*object)(nil)

// Prepare implements model.Object: it asks the program.
func (o *object) Prepare(ctx context.Context, e *model.Edit) (model.Transaction, error) {
	if len(e.Create)+len(e.Delete)+len(e.Set) == 0 {
		return model.Accepted{}, nil
	}
	if err := o.app.takes(e); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	return o.app.ask(ctx, requestOf(o.def.ID, e))
}

// Execute implements model.Object: it asks the program.
func (o *object) Execute(ctx context.Context, origin model.Origin, p lwm2m.Path, args model.Arguments) error {
	ctx, cancel := context.WithTimeout(ctx, executeTime)
	defer cancel()
	_, err := o.app.ask(ctx, Request{Op: OpExecute, Path: p, Args: args.String(), Server: origin.Server})
	return err
}

// approved is a request that the program has agreed to.
type approved struct {
	stream  *Stream
	request Request
}

// Commit implements model.Transaction. The program has done its part when it
// answered; what is written now has to be kept.
func (a *approved) Commit(context.Context) error {
	a.stream.app.wrote()
	return nil
}

// Abort implements model.Transaction: it tells the program to undo its part.
func (a *approved) Abort() { a.stream.put(a.request.abort()) }

// abort returns what takes the request back.
func (r *Request) abort() Request {
	return Request{ID: r.ID, Op: OpAbort, Path: r.Path, Server: r.Server}
}
