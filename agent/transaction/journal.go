package transaction

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// The files.
const (
	overlayFile = "overlay.toml"
	journalFile = "overlay.journal"
)

// Result is how a transaction ended.
type Result string

// The results.
const (
	Kept     Result = "kept"
	Reverted Result = "reverted"
)

// Entry is one transaction that is over.
type Entry struct {
	At     time.Time `json:"at"`
	By     string    `json:"by"` // "server 101", "local user"
	Result Result    `json:"result"`
	Reason string    `json:"reason,omitempty"` // why it was reverted; what was kept
}

// maxHistory bounds the history.
const maxHistory = 8

// layout is that of the journal.
const layout = 1

// record is the journal.
type record struct {
	Layout int    `json:"layout"`
	Phase  Phase  `json:"phase,omitempty"`
	By     string `json:"by,omitempty"`     // of the transaction under way
	Before string `json:"before,omitempty"` // the text to go back to; in a trial only
	Reason string `json:"reason,omitempty"` // why it is reverted

	Undo    *string `json:"undo,omitempty"` // the text before the one that was kept last, its secrets as ***
	History []Entry `json:"history,omitempty"`

	ConfirmTime int64 `json:"confirm_time,omitempty"` // seconds; 0: the default
}

func readJournal(d Disk) (record, error) {
	content, err := d.Read(journalFile)
	if err != nil || content == nil {
		return record{Layout: layout}, err
	}
	var r record
	if err := json.Unmarshal(content, &r); err != nil {
		return record{Layout: layout}, fmt.Errorf("%s is damaged", journalFile) // its text may hold keys
	}
	if r.Layout != layout {
		return record{Layout: layout}, fmt.Errorf("%s has layout %d, this agent knows %d", journalFile, r.Layout, layout)
	}
	if r.Phase != Resting {
		if _, known := next(r.Phase, started); !known {
			r.Phase = Reverting // a phase of another release
		}
	}
	return r, nil
}

// after returns the journal when an event has led to the next phase, or as it is if it leads nowhere.
func (r record) after(on event) (record, bool) {
	t, ok := next(r.Phase, on)
	if ok {
		r.Phase = t.to
	}
	return r, ok
}

// over returns the journal when an event has brought the transaction to its end.
func (r record) over(on event, at time.Time, reason string) record {
	t, _ := next(r.Phase, on)
	over, _ := r.after(on)
	over.By, over.Before, over.Reason = "", "", ""
	over.History = slices.Insert(slices.Clone(r.History), 0, Entry{at.UTC(), r.By, t.ends, reason})
	over.History = over.History[:min(len(over.History), maxHistory)]
	return over
}
