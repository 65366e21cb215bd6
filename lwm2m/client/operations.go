package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/wire"
)

// maxChanges bounds the requests of one server that change something and are not
// done yet, hanging ones included.
const maxChanges = 64

// read answers a Read (Core, section 6.3.1). The message lies in s.
func (a *account) read(r *request, v lwm2m.Version, s *scratch) (*coap.Message, error) {
	format, err := r.answerFormat(v, shapeAt(a.tree, r.path))
	if err != nil {
		return nil, errors.Join(a.tree.May(a.origin(), model.RightRead, r.path), err) // the first decides the code
	}
	t := r.target()
	return a.content(&t, format, s)
}

// content returns a 2.05 with what the server may read at a target.
func (a *account) content(t *target, f lwm2m.Format, s *scratch) (*coap.Message, error) {
	var err error
	if s.nodes, err = a.nodes(t, s.nodes[:0]); err != nil {
		return nil, err
	}
	return s.encode(t, f)
}

// encode returns a 2.05 with the nodes of a target.
func (s *scratch) encode(t *target, f lwm2m.Format) (*coap.Message, error) {
	var err error
	if s.payload, err = wire.Append(s.payload[:0], f, t.base, s.nodes); err != nil {
		return nil, err
	}
	return s.say(f, s.payload), nil
}

// say returns a 2.05 with a payload.
func (s *scratch) say(f lwm2m.Format, payload []byte) *coap.Message {
	m := &s.message
	m.Reset()
	m.Code, m.Payload = coap.Content, payload
	m.SetContentFormat(uint16(f))
	return m
}

func (a *account) origin() model.Origin { return model.FromServer(a.ssid) }

// begin starts a request that changes something, on a goroutine of its own: the owner
// of what it changes may take long, or hang.
func (a *account) begin(r *request) {
	if a.changes.Add(1) > maxChanges {
		a.changes.Add(-1)
		a.refuse(r.exchange, lwm2m.Errorf(lwm2m.ServiceUnavailable, "%d requests are being carried out already", maxChanges))
		return
	}
	own := r.op == opWriteComposite || r.path.Level() > lwm2m.LevelRoot && r.path.Object() == objectServer
	if own {
		a.ownChanges.Add(1)
	}
	a.running.Go(func() {
		a.change(r)
		a.changes.Add(-1)
		if own {
			a.ownChanges.Add(-1)
			a.inbox.put(ownChangeDone{})
		}
	})
}

var errSlow = errors.New("it takes too long")

// change carries out a request that changes something and answers it, with 5.03 when
// its time is over.
func (a *account) change(r *request) {
	ctx, cancel := context.WithTimeoutCause(withToken(a.ctx, r.exchange.Request.Token), r.connection.requestTime, errSlow)
	defer cancel()
	a.undertake(r)
	late := func() *coap.Message {
		return a.refusal(r.exchange, lwm2m.Errorf(lwm2m.ServiceUnavailable, "%s: %w", r.path, context.Cause(ctx)))
	}
	stop := context.AfterFunc(ctx, func() { a.answer(r, late()) })
	m, err := a.carryOut(ctx, r)
	switch {
	case !stop():
		return // it was answered when its time was over
	case err != nil && ctx.Err() != nil: // the owner of what it changes was the first to notice
		m = late()
	case err != nil:
		m = a.refusal(r.exchange, err)
	default:
		a.log.DebugContext(ctx, "request carried out", slog.String("method", r.exchange.Request.Code.String()), slog.String("path", r.path.String()))
	}
	a.answer(r, m)
}

func (a *account) carryOut(ctx context.Context, r *request) (*coap.Message, error) {
	switch r.op {
	case opReplace:
		return a.write(ctx, r, model.Replace)
	case opUpdate:
		return a.write(ctx, r, model.Update)
	case opWriteComposite:
		return a.writeComposite(ctx, r)
	case opExecute:
		return a.execute(ctx, r)
	case opCreate:
		return a.create(ctx, r)
	case opDelete:
		if r.path.IsRoot() {
			return nil, lwm2m.Errorf(lwm2m.MethodNotAllowed, "the root cannot be deleted")
		}
		return a.delete(ctx, r.path)
	case opRead, opObserve, opCancel, opDiscover, opWriteAttributes:
	}
	return nil, fmt.Errorf("operation %d changes nothing", r.op)
}

// write carries out a Write (Core, section 6.3.3).
func (a *account) write(ctx context.Context, r *request, mode model.WriteMode) (*coap.Message, error) {
	if err := a.tree.May(a.origin(), model.RightWrite, r.path); err != nil {
		return nil, err
	}
	format, err := r.payloadFormat(shapeAt(a.tree, r.path))
	if err != nil {
		return nil, err
	}
	nodes, err := wire.Decode(format, r.exchange.Request.Payload, r.path, a.shapes)
	if err != nil {
		return nil, err
	}
	return &coap.Message{Code: coap.Changed}, a.tree.Write(ctx, a.origin(), mode, r.path, nodes)
}

// execute carries out an Execute (Core, section 6.3.5).
func (a *account) execute(ctx context.Context, r *request) (*coap.Message, error) {
	payload := r.exchange.Request.Payload
	if r.given && r.format != lwm2m.FormatText && len(payload) > 0 {
		return nil, lwm2m.Errorf(lwm2m.UnsupportedContentFormat, "the arguments of an Execute are text/plain, not %s", r.format)
	}
	args, err := model.ParseArguments(string(payload))
	if err != nil {
		return nil, err
	}
	err = a.tree.Execute(ctx, a.origin(), r.path, args)
	if err == nil && (r.path == deviceReboot || r.path == deviceReset || r.path == firmwareUpdate) {
		a.inbox.put(restartAsked{})
	}
	return &coap.Message{Code: coap.Changed}, err
}

// What restarts the device.
var (
	deviceReboot   = lwm2m.NewPath(3, 0, 4)
	deviceReset    = lwm2m.NewPath(3, 0, 5)
	firmwareUpdate = lwm2m.NewPath(5, 0, 2)
)

// create carries out a Create (Core, section 6.3.6): the payload names the instance,
// or leaves the choice to the client.
func (a *account) create(ctx context.Context, r *request) (*coap.Message, error) {
	if err := a.tree.May(a.origin(), model.RightCreate, r.path); err != nil {
		return nil, err
	}
	at, nodes, err := a.createNodes(r)
	if err != nil {
		return nil, err
	}
	iid, err := a.tree.Create(ctx, a.origin(), at, nodes)
	if err != nil {
		return nil, err
	}
	m := &coap.Message{Code: coap.Created}
	m.SetLocationPath(r.path.Child(iid).String())
	return m, nil
}

// delete carries out a Delete (Core, section 6.3.7).
func (a *account) delete(ctx context.Context, p lwm2m.Path) (*coap.Message, error) {
	if err := a.tree.Delete(ctx, a.origin(), p); err != nil {
		return nil, err
	}
	a.client.deleted(p)
	return &coap.Message{Code: coap.Deleted}, nil
}

// createNodes decodes the payload of a Create and returns where to create.
func (a *account) createNodes(r *request) (lwm2m.Path, []lwm2m.Node, error) {
	payload := r.exchange.Request.Payload
	if len(payload) == 0 {
		return r.path, nil, nil
	}
	format, err := r.payloadFormat(lwm2m.Shape{})
	if err != nil {
		return r.path, nil, err
	}
	nodes, named, err := wire.DecodeCreate(format, payload, r.path, 0, a.shapes)
	if err != nil || !named || len(nodes) == 0 {
		return r.path, nodes, err
	}
	at := nodes[0].Path.At(lwm2m.LevelInstance)
	for _, n := range nodes {
		if n.Path.At(lwm2m.LevelInstance) != at {
			return at, nil, lwm2m.Errorf(lwm2m.BadRequest, "the payload has more than one instance: %s and %s", at, n.Path.At(lwm2m.LevelInstance))
		}
	}
	return at, nodes, nil
}

// reason returns an error's text as a diagnostic payload.
func reason(err error) []byte {
	text := err.Error()
	if e, ok := errors.AsType[*lwm2m.Error](err); ok {
		text = e.Reason
	}
	if len(text) > maxReason {
		text = text[:maxReason]
	}
	return []byte(text)
}
