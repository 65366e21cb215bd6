package bind

import (
	"encoding/json"
	"log/slog"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/store"
	"lwm2m-agent/modem"
)

// pinOf returns the PIN of a section, nil for none, with the cards that have refused it in this or an earlier life. A section
// without one forgets them.
func (m *Modems) pinOf(section *config.Modem) *modem.PIN {
	secret, log := section.PIN.Reveal(), m.Log.With(slog.String("modem", section.Name))
	if m.Store == nil {
		return nil
	}
	kept, key := m.Store.Bucket(store.Values), "pin/"+section.Name
	record, err := kept.Load(key)
	var refused []string
	if err == nil && record != nil {
		err = json.Unmarshal(record, &refused)
	}
	if err != nil {
		log.Warn("which SIM has refused the PIN is not known", slog.Any("error", err))
	}
	if len(secret) == 0 {
		if record != nil {
			if err := kept.Save(key, nil); err != nil {
				log.Warn("that a SIM has refused the PIN is not forgotten", slog.Any("error", err))
			}
		}
		return nil
	}
	return modem.NewPIN(modem.Secret(secret), refused, func(refused []string) {
		record, _ := json.Marshal(refused) // texts
		if err := kept.Save(key, record); err != nil {
			log.Error("that the SIM refuses the PIN is not kept", slog.Any("error", err))
		}
	})
}
