package demo

import (
	"context"
	"sync"
	"time"
)

// Machine is an operating system on which a server's wishes have no effect on
// the real one: it reboots by saying so and has a clock of its own.
type Machine struct {
	// Say is told what would have happened.
	Say func(text string)

	mu     sync.Mutex
	offset time.Duration // of the simulated clock from the real one
	zone   string        // the simulated time zone; "": that of the real machine
}

// CanReboot implements host.Control.
func (m *Machine) CanReboot(context.Context) error { return nil }

// Reboot implements host.Control.
func (m *Machine) Reboot(context.Context) error {
	m.Say("a server asked for a reboot: a real gateway would restart now")
	return nil
}

// SetTime implements host.Control.
func (m *Machine) SetTime(_ context.Context, t time.Time) error {
	m.mu.Lock()
	m.offset = time.Until(t)
	m.mu.Unlock()
	m.Say("a server set the clock to " + t.UTC().Format(time.RFC3339) + ": only the demo's clock has changed")
	return nil
}

// SetTimezone implements host.Control.
func (m *Machine) SetTimezone(_ context.Context, name string) error {
	m.mu.Lock()
	m.zone = name
	m.mu.Unlock()
	m.Say("a server set the time zone to " + name + ": only the demo's has changed")
	return nil
}

// SimulatedTimezone returns the time zone that was set, "" if none was.
func (m *Machine) SimulatedTimezone() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.zone
}

// Now is the simulated clock.
func (m *Machine) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Now().Add(m.offset)
}
