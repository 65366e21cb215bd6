package bind

import (
	"log/slog"
	"strings"
)

// owedOf returns what a modem has to be told as an earlier life of the agent has left it off the network, and keeps that of this one.
func (m *Modems) owedOf(name string) (owed []string, keep func([]string)) {
	if m.Store == nil {
		return nil, nil
	}
	kept, log := m.Store.SmallBucket("owed/"), m.Log.With(slog.String("modem", name))
	record, err := kept.Load(name)
	if err != nil {
		log.Warn("whether the modem was left off the network is not known", slog.Any("error", err))
	}
	return strings.Fields(string(record)), func(owed []string) {
		var record []byte // nil: nothing
		if len(owed) > 0 {
			record = []byte(strings.Join(owed, " "))
		}
		if err := kept.Save(name, record); err != nil {
			log.Warn("that the modem is off the network is not kept", slog.Any("error", err))
		}
	}
}
