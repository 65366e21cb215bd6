package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// disablement is what outlives the process of a Disable (/1/x/4).
type disablement struct {
	Version int           `json:"version"` // 1
	Until   time.Time     `json:"until"`
	Within  time.Duration `json:"within"` // its time-out

	Bootstrapped int64 `json:"bootstrapped,omitempty"` // /1/x/12 at that time: a bootstrap of the account ends it
}

func disabledKey(ssid uint16) string { return fmt.Sprintf("disabled/%d", ssid) }

// waitDisabled sets the time at which Disable ends, over restarts.
func (a *account) waitDisabled() {
	timeout := a.disabled
	if timeout <= 0 {
		timeout = a.settings.disableTimeout
	}
	a.waitUntil = a.now().Add(timeout)
	record, err := json.Marshal(&disablement{Version: 1, Until: a.waitUntil, Within: timeout, Bootstrapped: a.settings.bootstrapped})
	if err != nil {
		a.log.Error("a Disable ends with a restart", slog.Any("err", err))
		return
	}
	a.saveDisabled(record)
}

// saveDisabled keeps a record of a Disable; nil: there is none any more.
func (a *account) saveDisabled(record []byte) {
	if a.client.config.Store == nil {
		return
	}
	if err := a.client.config.Store.Save(disabledKey(a.ssid), record); err != nil {
		a.log.Error("a restart would not find a Disable as it is", slog.Any("err", fmt.Errorf("save %q: %w", disabledKey(a.ssid), err)))
	}
}

// disabledBefore returns when a Disable of an earlier run ends, zero if there is none that goes on. A clock that is behind
// does not make it longer than it was at first.
func (a *account) disabledBefore() time.Time {
	if a.client.config.Store == nil {
		return time.Time{}
	}
	record, err := a.client.config.Store.Load(disabledKey(a.ssid))
	if len(record) == 0 && err == nil {
		return time.Time{}
	}
	var d disablement
	if err == nil {
		if err = json.Unmarshal(record, &d); err == nil && d.Version != 1 {
			err = errors.New("it is no record of version 1")
		}
	}
	if err != nil {
		a.log.Error("a Disable of an earlier run is forgotten", slog.Any("err", fmt.Errorf("load %q: %w", disabledKey(a.ssid), err)))
	}
	now := a.now()
	if err != nil || a.resuming != nil || d.Bootstrapped != a.settings.bootstrapped || !d.Until.After(now) {
		a.saveDisabled(nil)
		return time.Time{}
	}
	return earliest(d.Until, now.Add(d.Within))
}
