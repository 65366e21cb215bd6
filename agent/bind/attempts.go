package bind

import (
	"encoding/json"
	"log/slog"
	"slices"
	"sync"
	"time"

	"lwm2m-agent/agent/store"
	"lwm2m-agent/modem/heal"
)

// attempts is what was tried with a modem in the last 24 hours, whoever did: the limits of package heal hold for all of it together (TS.34,
// 4.0_REQ_012), also over restarts of the agent.
type attempts struct {
	kept *store.SmallBucket // nil: nothing outlives the process
	name string
	log  *slog.Logger

	mu    sync.Mutex
	tried []heal.Attempt
}

// newAttempts returns what the store has of a modem; without a store, nothing.
func newAttempts(st *store.Store, name string, log *slog.Logger) *attempts {
	a := &attempts{name: name, log: log}
	if st != nil {
		a.kept = st.SmallBucket("heal/")
		a.load()
	}
	return a
}

// decide has somebody say, by what was tried, what counts from now on, and whether that has another attempt, which is on disk when decide returns.
func (a *attempts) decide(by func(tried []heal.Attempt) (counts []heal.Attempt, another bool)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	counts, another := by(a.tried)
	a.tried = counts
	if another && a.kept != nil {
		a.save()
	}
}

// allow counts an attempt that is made for another reason than a lost link, for so many servers. One that is not allowed yet is not counted;
// allow returns how long it has to wait.
func (a *attempts) allow(s heal.Stage, servers int, now time.Time) (later time.Duration) {
	a.decide(func(tried []heal.Attempt) ([]heal.Attempt, bool) {
		course := heal.Course{Servers: servers}
		course.Remember(tried, now)
		course, later = course.Allow(s, now)
		return course.Tried(), later == 0
	})
	return later
}

// takeBack has the latest attempts of a stage, so many, count no more: they came to nothing.
func (a *attempts) takeBack(s heal.Stage, n int) {
	a.decide(func(tried []heal.Attempt) ([]heal.Attempt, bool) {
		for i := len(tried) - 1; i >= 0 && n > 0; i-- {
			if tried[i].Stage == s {
				tried = slices.Delete(tried, i, i+1)
				n--
			}
		}
		return tried, true
	})
}

// load reads them: by the name of the stage, in seconds since 1970.
func (a *attempts) load() {
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
				a.tried = append(a.tried, heal.Attempt{Stage: stage, At: time.Unix(at, 0)})
			}
		}
	}
}

func (a *attempts) save() {
	stages := make(map[string][]int64)
	for _, t := range a.tried {
		stages[t.Stage.String()] = append(stages[t.Stage.String()], t.At.Unix())
	}
	record, _ := json.Marshal(stages) // numbers
	if err := a.kept.Save(a.name, record); err != nil {
		a.log.Warn("what was tried with the modem is not kept", slog.Any("error", err))
	}
}
