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

// Phase is where a transaction stands.
type Phase string

// The phases.
const (
	Resting   Phase = ""          // none is under way
	Trying    Phase = "trying"    // a new text is in force, and nobody has vouched for it
	Reverting Phase = "reverting" // the former text comes back
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
	return r, nil
}

// over returns the journal when the transaction has come to its end.
func (r *record) over(at time.Time, result Result, reason string) record {
	next := *r
	next.Phase, next.By, next.Before, next.Reason = Resting, "", "", ""
	next.History = slices.Insert(slices.Clone(r.History), 0, Entry{at.UTC(), r.By, result, reason})
	next.History = next.History[:min(len(next.History), maxHistory)]
	return next
}
