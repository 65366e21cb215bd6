package control

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"lwm2m-agent/lwm2m"
)

// ConfigurationBackend sets the configuration by transactions. Errors are those of Backend.
type ConfigurationBackend interface {
	// Configuration says what is in force and how the last transactions went.
	Configuration(ctx context.Context) (Configuration, error)
	// Validate says what a text would change.
	Validate(ctx context.Context, toml string) (Plan, error)
	// Apply begins a transaction.
	Apply(ctx context.Context, toml string) (Plan, error)
	// Confirm keeps what is being tried, without waiting for further servers.
	Confirm(ctx context.Context) error
	// Rollback brings back what was in force before.
	Rollback(ctx context.Context) error
	// ResetAccounts makes the server accounts anew from the configuration.
	ResetAccounts(ctx context.Context) error
}

// The actions.
const (
	ConfigurationValidate      = "validate"
	ConfigurationApply         = "apply"
	ConfigurationConfirm       = "confirm"
	ConfigurationRollback      = "rollback"
	ConfigurationResetAccounts = "reset-accounts"
)

// Configuration is what is in force, as object 26241 shows it.
type Configuration struct {
	State       string             `json:"state"` // "idle", "candidate", "valid", "invalid", "awaiting confirmation", "reverted"
	Message     string             `json:"message,omitempty"`
	Active      string             `json:"active"`            // TOML, secrets as ***
	Hash        string             `json:"hash"`              // SHA-256 of Active, hexadecimal
	Changes     []string           `json:"changes,omitempty"` // of the overlay against the files
	By          string             `json:"by,omitempty"`      // who wants what is tried
	Until       time.Time          `json:"until,omitzero"`    // end of the trial
	ConfirmTime int64              `json:"confirm_time"`      // seconds
	History     []ConfigurationRun `json:"history,omitempty"` // the newest first
}

// ConfigurationRun is one transaction that is over.
type ConfigurationRun struct {
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	Result string    `json:"result"` // "kept", "reverted"
	Reason string    `json:"reason,omitempty"`
}

// Plan is what a text comes to.
type Plan struct {
	Changes []string `json:"changes"`           // against what is in force
	Restart []string `json:"restart,omitempty"` // sections among them that are read at the start only
}

// ConfigurationRequest is the body of POST /v1/config.
type ConfigurationRequest struct {
	Action string `json:"action"`
	TOML   string `json:"toml,omitempty"` // of validate and apply
}

const configurationPath = "/v1/config"

// ofConfiguration is a route of what only an agent with a configuration in files has.
func ofConfiguration(f func(*handler, http.ResponseWriter, *http.Request) error) func(*handler, http.ResponseWriter, *http.Request) error {
	return func(h *handler, w http.ResponseWriter, r *http.Request) error {
		if h.configuration == nil {
			return lwm2m.Errorf(lwm2m.NotFound, "the configuration of this agent is not in files")
		}
		return f(h, w, r)
	}
}

func (h *handler) showConfiguration(w http.ResponseWriter, r *http.Request) error {
	c, err := h.configuration.Configuration(r.Context())
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, c)
}

func (h *handler) actOnConfiguration(w http.ResponseWriter, r *http.Request) error {
	var request ConfigurationRequest
	if err := body(r, &request); err != nil {
		return err
	}
	status, plan := http.StatusNoContent, Plan{}
	var err error
	switch request.Action {
	case ConfigurationValidate:
		status = http.StatusOK
		plan, err = h.configuration.Validate(r.Context(), request.TOML)
	case ConfigurationApply:
		status = http.StatusAccepted
		plan, err = h.configuration.Apply(r.Context(), request.TOML)
	case ConfigurationConfirm:
		err = h.configuration.Confirm(r.Context())
	case ConfigurationRollback:
		err = h.configuration.Rollback(r.Context())
	case ConfigurationResetAccounts:
		err = h.configuration.ResetAccounts(r.Context())
	default:
		return lwm2m.Errorf(lwm2m.BadRequest, "there is no action %.20q; there are validate, apply, confirm, rollback and reset-accounts", request.Action)
	}
	switch {
	case err != nil:
		return err
	case status == http.StatusNoContent:
		w.WriteHeader(status)
		return nil
	}
	if plan.Changes == nil {
		plan.Changes = []string{}
	}
	return answer(w, status, plan)
}

// Configuration asks what is in force.
func (c *Client) Configuration(ctx context.Context) (Configuration, error) {
	var out Configuration
	return out, c.get(ctx, configurationPath, nil, &out)
}

// PlanConfiguration has a text validated or applied, as the action says.
func (c *Client) PlanConfiguration(ctx context.Context, action, toml string) (Plan, error) {
	b, err := json.Marshal(ConfigurationRequest{action, toml})
	if err != nil {
		return Plan{}, err
	}
	response, err := c.do(ctx, http.MethodPost, configurationPath, b)
	if err != nil {
		return Plan{}, err
	}
	var plan Plan
	return plan, readAnswer(response, configurationPath, &plan)
}

// ActOnConfiguration does one of the other actions.
func (c *Client) ActOnConfiguration(ctx context.Context, action string) error {
	return c.send(ctx, http.MethodPost, configurationPath, ConfigurationRequest{Action: action})
}
