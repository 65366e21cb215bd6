package objects

import (
	"context"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// The resources of object 26241 (registry/xml/26241.xml).
const (
	objectConfiguration = 26241

	ridActive      = 0
	ridCandidate   = 1
	ridValidate    = 2
	ridCommit      = 3
	ridConfirm     = 4
	ridRollBack    = 5
	ridConfigState = 6
	ridMessage     = 7
	ridHash        = 8
	ridHistory     = 9
	ridConfirmTime = 10
)

// ConfigurationState is a value of /26241/0/6.
type ConfigurationState int

// The states.
const (
	ConfigurationIdle      ConfigurationState = 0
	ConfigurationCandidate ConfigurationState = 1
	ConfigurationValid     ConfigurationState = 2
	ConfigurationInvalid   ConfigurationState = 3
	ConfigurationAwaiting  ConfigurationState = 4 // confirmation
	ConfigurationReverted  ConfigurationState = 5
)

// Configurator sets the configuration. Each method first decides whether the origin may:
// a refusal is an *lwm2m.Error.
type Configurator interface {
	// SetCandidate takes the text of a candidate, or discards it if there is none.
	SetCandidate(ctx context.Context, origin model.Origin, text string) error
	Validate(ctx context.Context, origin model.Origin) error
	// Commit returns when the candidate is certain to be tried, or reverted.
	Commit(ctx context.Context, origin model.Origin) error
	Confirm(ctx context.Context, origin model.Origin) error
	RollBack(ctx context.Context, origin model.Origin) error
	SetConfirmTime(ctx context.Context, origin model.Origin, seconds int64) error
}

// ConfigurationStatus is what object 26241 shows.
type ConfigurationStatus struct {
	Active, Message, Hash string
	State                 ConfigurationState
	History               []string // the newest first
	ConfirmTime           int64    // seconds
}

// GatewayConfiguration is object 26241: the agent's configuration, and transactions that change it.
type GatewayConfiguration struct {
	pub          *model.Publisher
	configurator Configurator
}

// NewGatewayConfiguration adds object 26241 with its instance to the tree.
func NewGatewayConfiguration(tree *model.Tree, c Configurator, s ConfigurationStatus) (*GatewayConfiguration, error) {
	o := &GatewayConfiguration{configurator: c}
	var err error
	if o.pub, err = tree.AddRegistered(objectConfiguration, o); err != nil {
		return nil, err
	}
	var b model.Batch
	b.Create(0)
	b.Declare(0, ridCandidate, ridValidate, ridCommit, ridConfirm, ridRollBack)
	o.enter(&b, s)
	return o, o.pub.Publish(&b)
}

// Publish shows a new status, all of it at once.
func (o *GatewayConfiguration) Publish(s ConfigurationStatus) error {
	var b model.Batch
	o.enter(&b, s)
	return o.pub.Publish(&b)
}

// enter enters a status; State comes last, so that who is told of it finds the rest.
func (o *GatewayConfiguration) enter(b *model.Batch, s ConfigurationStatus) {
	b.Set(0, ridActive, lwm2m.String(s.Active))
	b.Set(0, ridHash, lwm2m.String(s.Hash))
	history := make([]lwm2m.Value, len(s.History))
	for i, line := range s.History {
		history[i] = lwm2m.String(line)
	}
	b.SetAll(0, ridHistory, history...)
	b.Set(0, ridConfirmTime, lwm2m.Integer(s.ConfirmTime))
	b.Set(0, ridMessage, lwm2m.String(s.Message))
	b.Set(0, ridConfigState, lwm2m.Integer(int64(s.State)))
}

// Prepare hands the candidate and the confirm time on. The tree keeps neither: a candidate may
// hold keys, and the status says what the confirm time is.
func (o *GatewayConfiguration) Prepare(_ context.Context, e *model.Edit) (model.Transaction, error) {
	e.Delete = nil // a Write that replaces the instance leaves what it does not mention
	var tx sequence
	for _, n := range e.Set {
		switch n.Path.Resource() {
		case ridCandidate:
			tx.add(func(ctx context.Context) error { return o.configurator.SetCandidate(ctx, e.Origin, n.Value.Text()) }, nil)
		case ridConfirmTime:
			tx.add(func(ctx context.Context) error { return o.configurator.SetConfirmTime(ctx, e.Origin, n.Value.Int()) }, nil)
		}
	}
	e.Set = nil
	return &tx, nil
}

// Execute does what the resource says.
func (o *GatewayConfiguration) Execute(ctx context.Context, origin model.Origin, p lwm2m.Path, _ model.Arguments) error {
	switch p.Resource() {
	case ridValidate:
		return o.configurator.Validate(ctx, origin)
	case ridCommit:
		return o.configurator.Commit(ctx, origin)
	case ridConfirm:
		return o.configurator.Confirm(ctx, origin)
	}
	return o.configurator.RollBack(ctx, origin)
}
