package agent

import (
	"crypto/rand"
	"log/slog"

	"lwm2m-agent/host"
)

// bootID tells this boot of the machine from others.
func (a *Agent) bootID() []byte {
	b, _ := host.ReadBoot(a.opts.Root) // there are machines that do not tell it
	return []byte(b.ID)
}

// mark tells this state directory on this machine from copies of it, on which sessions
// must not go on. Without a way to tell, none does.
func (a *Agent) mark() []byte {
	m, err := a.store.Mark()
	if err != nil {
		a.log.Warn("sessions do not outlive this run: a copy of the state directory could not be told from it", slog.Any("error", err))
		return []byte(rand.Text())
	}
	id, _ := host.MachineID(a.opts.Root, applicationID) // there are machines without one
	return append(m, id...)
}
