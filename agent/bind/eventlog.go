package bind

import (
	"encoding/json"
	"fmt"

	"lwm2m-agent/agent/store"
	"lwm2m-agent/objects"
)

// LogStates keeps the states of the logs of object 20, by name.
type LogStates struct{ Store *store.Store }

func keyLog(name string) string { return "event log/" + name }

// Save keeps the state of a log.
func (l LogStates) Save(name string, s objects.LogState) error {
	record, err := json.Marshal(s)
	if err == nil {
		err = l.Store.Bucket(store.Values).Save(keyLog(name), record)
	}
	if err != nil {
		return fmt.Errorf("keep the state of log %q: %w", name, err)
	}
	return nil
}

// Load returns the state of a log, the zero LogState if none was saved.
func (l LogStates) Load(name string) (objects.LogState, error) {
	record, err := l.Store.Bucket(store.Values).Load(keyLog(name))
	if err != nil || record == nil {
		return objects.LogState{}, err
	}
	var s objects.LogState
	if err := json.Unmarshal(record, &s); err != nil {
		return objects.LogState{}, fmt.Errorf("load the state of log %q: %w", name, err)
	}
	return s, nil
}
