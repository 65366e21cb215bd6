package client

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// The bounds of what one server can attach. What is attached has at most maxAttributeBytes in its records, so that
// all of it is kept over restarts: as JSON, in as many records of maxAttributePart bytes as it takes.
const (
	maxAttributePaths = 16384
	maxAttributePart  = 60 << 10
	maxAttributeParts = 16
	maxAttributeBytes = maxAttributeParts * (maxAttributePart - maxAttributeEntry)
	maxAttributeEntry = 4 << 10 // of one path: ten attributes, numbers of up to 327 digits
)

// attributeTable holds the attributes that one server has written, by the path to
// which they are attached (Core, section 7.3).
type attributeTable struct {
	at   map[lwm2m.Path]model.Attributes
	size int // of at in records, in bytes
}

func newAttributeTable() *attributeTable {
	return &attributeTable{at: make(map[lwm2m.Path]model.Attributes)}
}

// put replaces what is attached to a path; without attributes nothing is.
func (t *attributeTable) put(p lwm2m.Path, as model.Attributes) {
	if old, known := t.at[p]; known {
		t.size -= entrySize(p, &old)
	}
	if as.IsZero() {
		delete(t.at, p)
		return
	}
	t.size += entrySize(p, &as)
	t.at[p] = as
}

// entrySize returns how many bytes the attributes of a path take in a record.
func entrySize(p lwm2m.Path, as *model.Attributes) int {
	n := len(p.String()) + len(`"":[]`) // and the comma of the last query
	for _, q := range as.Queries() {
		n += len(q) + len(`"",`)
	}
	return n
}

// effective returns the attributes that hold at a path: its own before those of the
// levels above, and those of the account (/1/x/2 and /1/x/3) last.
func (t *attributeTable) effective(p lwm2m.Path, account *model.Attributes) model.Attributes {
	as := t.at[p]
	for at := p; !at.IsRoot(); {
		at = at.Parent()
		if upper, ok := t.at[at]; ok {
			as.Inherit(&upper)
		}
	}
	as.Inherit(account)
	return as
}

// has reports whether an attribute is attached to any path.
func (t *attributeTable) has(which model.Attribute) bool {
	for _, as := range t.at {
		if _, ok := as.Get(which); ok {
			return true
		}
	}
	return false
}

// attach applies the queries of a Write-Attributes at a path, whose resource has the
// given type if the path is that deep. The error is a 4.00, or 5.03 if there are
// too many.
func (t *attributeTable) attach(p lwm2m.Path, queries []string, typ lwm2m.Type) error {
	as := t.at[p]
	if err := as.Apply(queries); err != nil {
		return err
	}
	if err := as.Validate(p.Level(), typ); err != nil {
		return err
	}
	if as.IsZero() {
		t.put(p, as)
		return nil
	}
	whole := as
	for at := p.Parent(); !at.IsRoot(); at = at.Parent() {
		upper := t.at[at]
		whole.Inherit(&upper)
	}
	if err := whole.Validate(p.Level(), typ); err != nil {
		return err
	}
	size := t.size + entrySize(p, &as)
	old, known := t.at[p]
	if known {
		size -= entrySize(p, &old)
	}
	if !known && len(t.at) >= maxAttributePaths || size > max(t.size, maxAttributeBytes) {
		return lwm2m.Errorf(lwm2m.ServiceUnavailable, "attributes are attached to %d paths already, of %d bytes", len(t.at), t.size)
	}
	t.put(p, as)
	return nil
}

// detach drops what is attached to a path and below it, and reports whether there was anything.
func (t *attributeTable) detach(p lwm2m.Path) bool {
	before := len(t.at)
	for at := range t.at {
		if p.Contains(at) {
			t.put(at, model.Attributes{})
		}
	}
	return len(t.at) < before
}

// attributeRecord is what Store keeps of an attributeTable, or of a part of it. An agent that knows no parts reads
// the first one, and writes one without Parts: others that are still there then are out of date.
type attributeRecord struct {
	Version    int                     `json:"version"`         // 1
	Parts      int                     `json:"parts,omitempty"` // of the first part, where there are others
	Attributes map[lwm2m.Path][]string `json:"attributes"`
}

// attributeKey returns the key of a part, from 0.
func attributeKey(ssid uint16, part int) string {
	if part == 0 {
		return fmt.Sprintf("attributes/%d", ssid)
	}
	return fmt.Sprintf("attributes/%d/%d", ssid, part)
}

// attributeKeys returns the keys of all parts that there can be.
func attributeKeys(ssid uint16) []string {
	keys := make([]string, maxAttributeParts)
	for i := range keys {
		keys[i] = attributeKey(ssid, i)
	}
	return keys
}

// records returns the records that replace all former ones.
func (t *attributeTable) records(ssid uint16) (map[string][]byte, error) {
	var parts []*attributeRecord
	room := 0
	for _, p := range slices.SortedFunc(maps.Keys(t.at), lwm2m.Path.Compare) {
		as := t.at[p]
		size := entrySize(p, &as)
		if room -= size; room < 0 {
			parts = append(parts, &attributeRecord{Version: 1, Attributes: make(map[lwm2m.Path][]string)})
			room = maxAttributePart - size - len(`{"version":1,"parts":16,"attributes":{}}`)
		}
		parts[len(parts)-1].Attributes[p] = as.Queries()
	}
	if len(parts) > 1 {
		parts[0].Parts = len(parts)
	}
	records := make(map[string][]byte)
	for i, key := range attributeKeys(ssid) {
		records[key] = nil
		if i >= len(parts) {
			continue
		}
		record, err := json.Marshal(parts[i])
		if err != nil {
			return nil, err
		}
		records[key] = record
	}
	return records, nil
}

// load adds what a record has, and returns how many parts there are; an empty one has nothing.
func (t *attributeTable) load(record []byte) (parts int, err error) {
	if len(record) == 0 {
		return 0, nil
	}
	var r attributeRecord
	if err := json.Unmarshal(record, &r); err != nil {
		return 0, err
	}
	if r.Version != 1 {
		return 0, fmt.Errorf("record has version %d, not 1", r.Version)
	}
	for p, queries := range r.Attributes {
		var as model.Attributes
		if err := as.Apply(queries); err != nil {
			return r.Parts, fmt.Errorf("%s: %w", p, err)
		}
		t.put(p, as)
	}
	return r.Parts, nil
}
