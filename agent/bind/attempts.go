package bind

import (
	"encoding/json"
	"log/slog"
	"time"

	"lwm2m-agent/modem/heal"
)

// keepAttempts has the attempts of a healer outlive the process: by the name of their stage, in seconds since 1970.
func (m *Modems) keepAttempts(h *Healer) {
	if m.Store == nil {
		return
	}
	kept := m.Store.SmallBucket("heal/")
	record, err := kept.Load(h.Name)
	var stages map[string][]int64
	if err == nil && record != nil {
		err = json.Unmarshal(record, &stages)
	}
	if err != nil {
		h.Log.Warn("what was tried to mend the link before is not known", slog.Any("error", err))
	}
	var tried []heal.Attempt
	for name, times := range stages {
		stage, ok := heal.StageOf(name)
		for _, at := range times {
			if ok {
				tried = append(tried, heal.Attempt{Stage: stage, At: time.Unix(at, 0)})
			}
		}
	}
	h.Resume(tried)
	h.Keep = func(tried []heal.Attempt) {
		stages := make(map[string][]int64)
		for _, a := range tried {
			stages[a.Stage.String()] = append(stages[a.Stage.String()], a.At.Unix())
		}
		record, _ := json.Marshal(stages) // numbers
		if err := kept.Save(h.Name, record); err != nil {
			h.Log.Warn("what was tried to mend the link is not kept", slog.Any("error", err))
		}
	}
}
