package bind

import (
	"encoding/json"
	"log/slog"
	"time"

	"lwm2m-agent/agent/store"
	"lwm2m-agent/modem/heal"
)

// keepAttempts has the attempts of a healer outlive the process.
func (m *Modems) keepAttempts(h *Healer) {
	if m.Store == nil {
		return
	}
	kept := attempts{m.Store.SmallBucket("heal/"), h.Name, h.Log}
	h.Resume(kept.load())
	h.Keep = kept.save
}

// attempts keeps what was tried with a modem: by the name of the stage, in seconds since 1970.
type attempts struct {
	kept *store.SmallBucket
	name string
	log  *slog.Logger
}

func (a attempts) load() (tried []heal.Attempt) {
	record, err := a.kept.Load(a.name)
	var stages map[string][]int64
	if err == nil && record != nil {
		err = json.Unmarshal(record, &stages)
	}
	if err != nil {
		a.log.Warn("what was tried with the modem before is not known", slog.Any("error", err))
	}
	for name, times := range stages {
		stage, ok := heal.StageOf(name)
		for _, at := range times {
			if ok {
				tried = append(tried, heal.Attempt{Stage: stage, At: time.Unix(at, 0)})
			}
		}
	}
	return tried
}

func (a attempts) save(tried []heal.Attempt) {
	stages := make(map[string][]int64)
	for _, t := range tried {
		stages[t.Stage.String()] = append(stages[t.Stage.String()], t.At.Unix())
	}
	record, _ := json.Marshal(stages) // numbers
	if err := a.kept.Save(a.name, record); err != nil {
		a.log.Warn("what was tried with the modem is not kept", slog.Any("error", err))
	}
}
