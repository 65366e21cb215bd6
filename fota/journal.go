package fota

import (
	"encoding/json"
	"fmt"
	"time"
)

// Journal keeps the record of each component. Save replaces a record, which is on
// disk when it returns and is either the old or the new one after a cut. Load
// returns nil if there is none.
type Journal interface {
	Load(key string) ([]byte, error)
	Save(key string, record []byte) error
}

// layout is that of the records. A record of a later layout is not understood: the
// update that it is about is over for this agent.
const layout = 1

// record is all that must survive a cut.
type record struct {
	Layout int       `json:"layout"`
	Phase  Phase     `json:"-"`
	Result Result    `json:"result,omitempty"`
	Reason string    `json:"reason,omitempty"` // why it failed
	Since  time.Time `json:"since"`            // of the State
	Serial uint64    `json:"serial,omitempty"` // counts updates

	Policy  Policy    `json:"policy,omitzero"`
	Now     bool      `json:"now,omitempty"`  // install as soon as it is verified: a local user brought it
	Until   time.Time `json:"until,omitzero"` // end of the defer period, by Config.Clock
	Package Package   `json:"package,omitzero"`

	URI       string   `json:"uri,omitempty"`
	Source    string   `json:"source,omitempty"`    // mirror's URI that it comes from; "": URI
	Spoilt    []string `json:"spoilt,omitempty"`    // URIs from which a bad package has come
	Validator string   `json:"validator,omitempty"` // of the representation there
	Size      int64    `json:"size,omitempty"`      // of the package; 0: unknown
	OnDisk    int64    `json:"on_disk,omitempty"`   // bytes of it

	Cost Spending `json:"cost,omitzero"` // of all downloads, in the budget's period

	Old    string `json:"old,omitempty"` // slots
	New    string `json:"new,omitempty"`
	Image  Image  `json:"image,omitzero"`
	Boot   string `json:"boot,omitempty"`   // ID of the boot in which the phase was entered
	Starts int    `json:"starts,omitempty"` // in this phase
	// Summoned is, of a local rollback, that the boot environment has been told to boot Old.
	Summoned bool `json:"summoned,omitempty"`
}

// updates reports whether the slots are those of an update. Otherwise a local user leaves the one for the other.
func (r *record) updates() bool { return r.Package != (Package{}) || r.Image != (Image{}) }

// Policy is what servers say about how to update.
type Policy struct {
	Severity  uint8  `json:"severity"`            // /5/0/11: 0 critical, 1 mandatory, 2 optional
	MaxDefer  uint64 `json:"max_defer,omitempty"` // /5/0/13, seconds; 0: the local user is not asked
	Automatic bool   `json:"automatic,omitempty"` // /5/0/14
}

// firstRecord is that of a component that was never updated.
func firstRecord(now time.Time) record {
	return record{Layout: layout, Since: now, Policy: Policy{Severity: 1}}
}

// named is a record with its phase in words.
type named struct {
	record
	Phase string `json:"phase"`
}

func (r *record) encode() ([]byte, error) { return json.Marshal(named{*r, r.Phase.String()}) }

func decodeRecord(b []byte) (record, error) {
	var n named
	if err := json.Unmarshal(b, &n); err != nil {
		return record{}, fmt.Errorf("read the firmware journal: %w", err)
	}
	if n.Layout > layout {
		return record{}, fmt.Errorf("read the firmware journal: its layout is %d, this agent knows %d", n.Layout, layout)
	}
	for p := range phaseCount {
		if p.String() == n.Phase {
			n.record.Phase = p
			return n.record, nil
		}
	}
	return record{}, fmt.Errorf("read the firmware journal: there is no phase %.20q", n.Phase)
}
