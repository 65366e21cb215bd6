package agent

import (
	"errors"
	"fmt"
	"time"

	"lwm2m-agent/agent/control"
	"lwm2m-agent/agent/health"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/client"
)

// bootstrap has the client ask the bootstrap server. by is the server that asks for it, 0 a
// local user.
func (a *Agent) bootstrap(by uint16) error {
	err := a.client.Bootstrap(by)
	if errors.Is(err, client.ErrNoBootstrapServer) {
		return lwm2m.Errorf(lwm2m.MethodNotAllowed, "%w: add a [bootstrap] section to the configuration", err)
	}
	return err
}

// bootstrapChanged is client.Config.OnBootstrap.
func (a *Agent) bootstrapChanged(s client.BootstrapStatus) {
	a.lookSilent()
	if shown := bootstrapStatus(s); shown != nil {
		a.status.each(func(sub *backendSubscription) { sub.bootstrapped(shown) })
	}
	if s.LastError == "" || s.ErrorCleared || !s.Known {
		a.health.Clear(health.BootstrapFailing, "")
		return
	}
	a.health.Set(health.BootstrapFailing, "", withRemedy(fmt.Sprintf("%s: %s", s.URI, s.LastError), s.Remedy))
}

// bootstrapStatus returns the bootstrap as the control interface shows it, nil where there is
// no bootstrap server and has been none.
func bootstrapStatus(s client.BootstrapStatus) *control.Bootstrap {
	if !s.Known && s.Last.IsZero() {
		return nil
	}
	b := &control.Bootstrap{
		URI: s.URI, State: s.State.String(), Words: s.Words, Since: s.Since, Reason: s.Reason.String(), NextAttempt: s.NextAttempt,
		Attempts: s.Attempts, Last: s.Last, Purge: s.PurgeAt, Traffic: traffic(&s.Traffic, &s.Day),
		LastError: s.LastError, Remedy: s.Remedy, LastErrorTime: s.LastErrorTime, ErrorCleared: s.ErrorCleared,
	}
	for _, t := range []*time.Time{&b.Since, &b.NextAttempt, &b.Last, &b.Purge, &b.LastErrorTime} {
		if !t.IsZero() {
			*t = t.UTC()
		}
	}
	return b
}
