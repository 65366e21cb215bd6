package bind

import (
	"context"
	"log/slog"

	"lwm2m-agent/lwm2m/client"
	"lwm2m-agent/modem"
)

// wakeUp is a trigger that came by SMS.
type wakeUp struct {
	from    string
	trigger client.Trigger
}

// maxWakeUps bounds those that wait to be looked at.
const maxWakeUps = 8

// Messages are how many short messages have come since the start, how many of them woke an
// account, and how many would have but were ignored.
type Messages struct{ Received, Woken, Ignored uint64 }

// Messages returns the counters as they stand.
func (m *Modems) Messages() Messages {
	return Messages{m.texts.Load(), m.woken.Load(), m.ignored.Load()}
}

// Number returns the telephone number of the first modem that knows its own, digits alone; empty
// if none does.
func (m *Modems) Number() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.states {
		if n := m.states[i].state.SIM.MSISDN; decimal(n) != nil {
			return n
		}
	}
	return ""
}

// received counts a short message, and has a trigger carried out. That alone is for the agent,
// whoever sent it.
func (m *Modems) received(message modem.Message) bool {
	t, ok := client.ParseTrigger(message.Data)
	if ok || !message.Old {
		m.texts.Add(1)
	}
	if !ok {
		return false
	}
	select {
	case m.triggers <- wakeUp{message.From, t}:
	default:
		m.ignored.Add(1)
	}
	return true
}

// Run carries out triggers until ctx ends. An Execute may wait for what else is done to object
// 1, which a modem must not.
func (m *Modems) Run(ctx context.Context) error {
	for {
		select {
		case w := <-m.triggers:
			if err := m.Wake(ctx, w.from, w.trigger); err != nil {
				m.ignored.Add(1)
				m.Log.Info("a short message that should wake the agent is ignored", slog.Any("error", err))
				continue
			}
			m.woken.Add(1)
		case <-ctx.Done():
			return nil
		}
	}
}
