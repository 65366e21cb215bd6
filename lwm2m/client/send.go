package client

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/wire"
)

// Why a Send is not possible.
var (
	ErrMuted        = errors.New("the server has muted Send")
	ErrUnregistered = errors.New("the client is not registered at the server")
	ErrSendVersion  = errors.New("the server speaks LwM2M 1.0, which has no Send")
	ErrSendBusy     = errors.New("too many Sends wait for the server")
	ErrNothing      = errors.New("there is nothing to send that the server may read")
)

// maxSends bounds the Sends of one account that wait.
const maxSends = 64

// dataSend is a Send that somebody waits for.
type dataSend struct {
	ctx     context.Context //nolint:containedctx // of who waits
	target  target
	stored  []*entry     // not nil: what was stored is sent, not what is at the target now
	content []lwm2m.Node // not nil: this is sent
	outcome chan error   // has room for one
}

// dataSent says how a Send ended.
type dataSent struct {
	send *dataSend
	err  error
}

// Send tells a server what it may read at the paths, unasked, and waits for its answer
// (Core, section 6.4.5): the present values, in SenML CBOR. A client that sleeps wakes up
// for it. Errors: [ErrNoAccount], [ErrMuted], [ErrUnregistered] and the others above, an
// *lwm2m.Error that the server answers, one of the message layer if it does not, and what
// ends ctx.
func (c *Client) Send(ctx context.Context, shortServerID uint16, paths ...lwm2m.Path) error {
	if len(paths) == 0 {
		return ErrNothing
	}
	return c.sendAndWait(ctx, shortServerID, &dataSend{target: target{paths: outermost(slices.Clone(paths))}})
}

// SendContent sends a server nodes whose values are in no tree, as LogDataIncremental
// of object 20 is defined; access control holds for their paths. It waits and fails as
// Send does.
func (c *Client) SendContent(ctx context.Context, shortServerID uint16, nodes []lwm2m.Node) error {
	if len(nodes) == 0 {
		return ErrNothing
	}
	return c.sendAndWait(ctx, shortServerID, &dataSend{content: nodes})
}

func (c *Client) sendAndWait(ctx context.Context, shortServerID uint16, d *dataSend) error {
	c.mu.Lock()
	a := c.accounts[shortServerID]
	c.mu.Unlock()
	if a == nil {
		return fmt.Errorf("%w: %d", ErrNoAccount, shortServerID)
	}
	d.ctx, d.outcome = ctx, make(chan error, 1)
	a.inbox.put(d)
	select {
	case err := <-d.outcome:
		if err != nil && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	case <-a.ctx.Done():
		return ErrUnregistered
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// accept takes a Send in. It is sent when the registration stands and is awake.
func (a *account) accept(d *dataSend) {
	switch err := a.maySend(); {
	case err != nil:
		d.outcome <- err
	case a.state == Asleep:
		a.sends = append(a.sends, d)
		a.on(triggered)
	default:
		a.sends = append(a.sends, d)
	}
}

// maySend says why a Send is not possible, nil if it is.
func (a *account) maySend() error {
	switch a.state {
	case Registered, Updating, Asleep:
	case Waiting, Connecting, Registering, Disabling, Disabled, Deregistering, Stopped, stateCount:
		return ErrUnregistered
	}
	switch {
	case a.muted():
		return fmt.Errorf("%w: it takes one once /%d/%d/%d is false", ErrMuted, objectServer, a.settings.instance, serverMuteSend)
	case a.version == lwm2m.Version10:
		return ErrSendVersion
	case len(a.sends) >= maxSends:
		return ErrSendBusy
	}
	return nil
}

// muted reports whether the server wants no Send, which is the default. It asks the tree:
// a server that has written the resource may get, or be spared, a Send with the next
// message.
func (a *account) muted() bool {
	v := a.tree.Value(lwm2m.NewPath(objectServer, a.settings.instance, serverMuteSend))
	return v.IsZero() || v.Bool()
}

// sendWaiting sends the first that waits, once the registration stands and the one before
// has been answered, or gives all up with the registration.
func (a *account) sendWaiting() {
	switch a.state {
	case Registered:
		for len(a.sends) > 0 && !a.sending {
			d := a.sends[0]
			a.sends = a.sends[1:]
			if d.ctx.Err() == nil { // else nobody waits for it any more
				a.sendData(d)
			}
		}
	case Waiting, Disabling, Disabled, Deregistering, Stopped:
		for _, d := range a.sends {
			d.outcome <- ErrUnregistered
		}
		a.sends = nil
	case Updating, Connecting, Registering, Asleep, stateCount: // it comes or comes back
	}
}

// sendData sends one Send.
func (a *account) sendData(d *dataSend) {
	m, err := a.sendMessage(d)
	if err != nil {
		d.outcome <- err
		a.deposited(d.stored, err)
		return
	}
	conn := a.connection.conn
	a.spokeAt = a.now()
	a.sending = true
	a.running.Go(func() {
		answer, err := conn.Do(d.ctx, m)
		if err == nil && !answer.Code.IsSuccess() {
			err = &lwm2m.Error{Code: lwm2m.Code(answer.Code), Reason: string(answer.Payload)}
		}
		d.outcome <- err
		a.inbox.put(dataSent{d, err})
	})
}

// sent takes in that a Send has been answered or was given up.
func (a *account) sent(s dataSent) {
	a.sending = false
	a.deposited(s.send.stored, s.err)
	if errors.Is(s.err, coap.ErrTimeout) {
		a.trouble(s.err)
		a.on(updateDue) // finds out whether the server is still there
	}
}

// sendMessage returns a Send of what the server may read at a target, of what was
// stored, or of content.
func (a *account) sendMessage(d *dataSend) (*coap.Message, error) {
	var nodes []lwm2m.Node
	var err error
	switch {
	case d.stored != nil:
		nodes = a.unpack(d.stored, a.now())
	case d.content != nil:
		nodes = slices.DeleteFunc(slices.Clone(d.content), func(n lwm2m.Node) bool { return !a.mayHear(n.Path) })
	default:
		nodes, err = a.nodes(&d.target, nil)
	}
	if err != nil {
		return nil, err
	}
	if len(nodes) == 0 {
		return nil, ErrNothing
	}
	m := &coap.Message{Code: coap.POST}
	m.SetPath("/dp")
	m.SetContentFormat(uint16(lwm2m.FormatSenMLCBOR))
	m.Payload, err = wire.Append(nil, lwm2m.FormatSenMLCBOR, lwm2m.Path{}, nodes)
	return m, err
}
