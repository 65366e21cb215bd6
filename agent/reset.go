package agent

import (
	"context"
	"errors"
	"log/slog"

	"lwm2m-agent/agent/clock"
	"lwm2m-agent/agent/store"
	"lwm2m-agent/fota"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// ErrReset says that an agent has ended for a factory reset, which the next New on its state directory
// carries out.
var ErrReset = errors.New("the agent starts anew, reset to factory defaults")

// errUpdating is the refusal of a reset that is possible later: whose system runs must not be forgotten in between.
var errUpdating = lwm2m.Errorf(lwm2m.ServiceUnavailable, "a firmware update is under way; reset when it has ended")

// updating reports whether a firmware update is being installed, or on trial.
func (a *Agent) updating() bool {
	return a.firmware != nil && a.firmware.now.Load().Status().Phase.State() == fota.Updating
}

// factoryReset orders a reset of this agent (/3/0/5; Core, appendix E.4): the accounts as they were
// provisioned, and nothing that came later. It returns when the order is on disk, so that no power
// cut can leave half of it; the rest follows the answer.
func (a *Agent) factoryReset(_ context.Context, origin model.Origin) error {
	if a.updating() {
		return errUpdating
	}
	ordered := make(chan error, 1)
	err := a.afterAnswer("factory reset", func(ctx context.Context) error {
		select {
		case err := <-ordered:
			if err == nil {
				a.resetting.Store(true)
				a.end(ErrReset)
			}
		case <-ctx.Done():
		}
		return nil // what is wrong with the order the server was told
	})
	if err != nil {
		return err
	}
	err = a.store.OrderReset(store.Kept{
		Records: map[store.Name][]string{store.Meta: {keyEndpoint, keyMachine, clock.Key}},
		Set:     a.lock.afterReset(),
		Folders: []string{slotsFolder}, // systems, not settings
	})
	ordered <- err
	if err == nil {
		a.log.Warn("factory reset was asked for", slog.Int("server", int(origin.Server)))
	}
	return err
}
