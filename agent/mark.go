package agent

import (
	"crypto/rand"
	"log/slog"

	"lwm2m-agent/host"
)

// bootID tells this boot of the machine from others.
func (a *Agent) bootID() []byte { return []byte(host.BootID(a.opts.Root)) }

// mark tells this state directory on this machine from copies of it, on which sessions
// must not go on. Without a way to tell, none does.
func (a *Agent) mark() []byte {
	m, err := a.store.Mark()
	if err != nil {
		a.log.Warn("sessions do not outlive this run: a copy of the state directory could not be told from it", slog.Any("error", err))
		return []byte(rand.Text())
	}
	return append(m, a.machineID...)
}
