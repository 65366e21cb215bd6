package agent

import (
	"context"

	"lwm2m-agent/agent/control"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/objects"
)

// localConfiguration is the configuration as the control interface sees it.
type localConfiguration struct{ *configuration }

var _ control.ConfigurationBackend = localConfiguration{}

// configurable returns what the control interface sets the configuration with; nil: it is not in
// files.
func (a *Agent) configurable() control.ConfigurationBackend {
	if a.configuration == nil {
		return nil
	}
	return localConfiguration{a.configuration}
}

// stateWords are the states of object 26241 for people.
var stateWords = map[objects.ConfigurationState]string{
	objects.ConfigurationIdle: "idle", objects.ConfigurationCandidate: "candidate", objects.ConfigurationValid: "valid",
	objects.ConfigurationInvalid: "invalid", objects.ConfigurationAwaiting: "awaiting confirmation", objects.ConfigurationReverted: "reverted",
}

// Configuration implements control.ConfigurationBackend.
func (l localConfiguration) Configuration(context.Context) (control.Configuration, error) {
	s, m := l.status(), l.machine.Status()
	out := control.Configuration{
		State: stateWords[s.State], Message: s.Message, Active: s.Active, Hash: s.Hash, By: m.By, ConfirmTime: s.ConfirmTime,
	}
	if !m.Until.IsZero() {
		out.Until = m.Until.UTC()
	}
	for _, e := range m.History {
		out.History = append(out.History, control.ConfigurationRun{At: e.At, By: e.By, Result: string(e.Result), Reason: e.Reason})
	}
	changes, err := l.files.Beyond(l.machine.Overlay())
	out.Changes = changes
	return out, err
}

// Validate implements control.ConfigurationBackend.
func (l localConfiguration) Validate(_ context.Context, toml string) (control.Plan, error) {
	layout, err := l.draft(toml, false)
	if err != nil {
		return control.Plan{}, lwm2m.Errorf(lwm2m.BadRequest, "%w", err)
	}
	return control.Plan{Changes: layout.Changes, Restart: layout.Restart}, nil
}

// Apply implements control.ConfigurationBackend.
func (l localConfiguration) Apply(_ context.Context, toml string) (control.Plan, error) {
	layout, err := l.draft(toml, false)
	if err != nil {
		return control.Plan{}, lwm2m.Errorf(lwm2m.BadRequest, "%w", err)
	}
	plan := control.Plan{Changes: layout.Changes, Restart: layout.Restart}
	return plan, l.commit(layout, "a local user", false)
}

// Confirm implements control.ConfigurationBackend.
func (l localConfiguration) Confirm(ctx context.Context) error {
	return l.configuration.Confirm(ctx, model.FromLocal())
}

// Rollback implements control.ConfigurationBackend.
func (l localConfiguration) Rollback(ctx context.Context) error {
	return l.RollBack(ctx, model.FromLocal())
}

// ResetAccounts implements control.ConfigurationBackend.
func (l localConfiguration) ResetAccounts(ctx context.Context) error {
	l.applying.Lock()
	defer l.applying.Unlock()
	a := l.agent
	cfg := a.config.Load()
	if err := a.accounts.Reset(a.tree, a.objects.security, a.objects.server, cfg); err != nil {
		return err
	}
	return a.access.Provision(ctx, cfg, true)
}
