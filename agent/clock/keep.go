package clock

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"
)

// Store keeps one record over restarts. Load returns nil if there is none.
type Store interface {
	Load(key string) ([]byte, error)
	Save(key string, record []byte) error
}

// Key is that of the record.
const Key = "clock"

const (

	// saveEvery is how far what is stored may lag behind: flash memory wears, and a
	// certificate does not expire by the hour.
	saveEvery = 6 * time.Hour
	// pause is the least time between two writes, whoever sets the clock how often.
	pause = time.Hour
)

// record is what the store has.
type record struct {
	Known stored `json:"known"`
	Sure  stored `json:"sure"`
}

// stored is a fact of the instant at which it was stored.
type stored struct {
	Unix   int64  `json:"unix"` // seconds since 1970
	Source Source `json:"source"`
}

func (f fact) stored(elapsed time.Duration) stored { return stored{f.now(elapsed).Unix(), f.source} }

// load takes over what the store has and what is possible of it; the time since does
// not count, since nobody knows it.
func (k *Clock) load(elapsed time.Duration) {
	if k.config.Store == nil {
		return
	}
	b, err := k.config.Store.Load(Key)
	if err == nil && b == nil {
		return
	}
	var r record
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err != nil {
		k.config.Log.Warn("the saved time is not used", slog.Any("error", fmt.Errorf("read the saved time: %w", err)))
		return
	}
	for _, s := range []stored{r.Sure, r.Known} {
		if f := (fact{time.Unix(s.Unix, 0), elapsed, s.Source}); s.Source > Built && s.Source <= Told && k.plausible(f.time) == none {
			k.believe(f)
		}
	}
	k.saved = time.Unix(r.Known.Unix, 0)
}

// save stores what is known.
func (k *Clock) save() {
	k.mu.Lock()
	elapsed := k.config.Elapsed()
	r := record{k.known.stored(elapsed), k.sure.stored(elapsed)}
	k.mu.Unlock()
	if k.config.Store == nil || r.Known.Source == Built {
		return
	}
	b, err := json.Marshal(r)
	if err == nil {
		err = k.config.Store.Save(Key, b)
	}
	if err != nil {
		k.config.Log.Debug("the time is not saved", slog.Any("error", err)) // the store tells of its trouble itself
		return
	}
	k.mu.Lock()
	k.saved, k.savedAt, k.written = time.Unix(r.Known.Unix, 0), elapsed, true
	k.mu.Unlock()
}

// due reports whether what is stored has become too wrong.
func (k *Clock) due() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	elapsed := k.config.Elapsed()
	off := k.known.now(elapsed).Sub(k.saved).Abs()
	return off >= saveEvery && (!k.written || elapsed-k.savedAt >= pause)
}

// Run looks at the machine's clock when it was set and every six hours, and saves the
// time: that often, and when ctx ends. It returns nil.
func (k *Clock) Run(ctx context.Context) error {
	defer k.save()
	for {
		now := k.Now()
		if k.config.Looked != nil {
			k.config.Looked(now)
		}
		if k.due() {
			k.save()
		}
		timer := time.NewTimer(saveEvery)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-k.stepped:
			timer.Stop()
		case <-timer.C:
		}
	}
}
