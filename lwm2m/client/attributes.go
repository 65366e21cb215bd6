package client

import (
	"encoding/json"
	"fmt"
	"maps"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// maxAttributePaths bounds the paths to which one server can attach attributes.
const maxAttributePaths = 16384

// attributeTable holds the attributes that one server has written, by the path to
// which they are attached (Core, section 7.3).
type attributeTable map[lwm2m.Path]model.Attributes

// effective returns the attributes that hold at a path: its own before those of the
// levels above, and those of the account (/1/x/2 and /1/x/3) last.
func (t attributeTable) effective(p lwm2m.Path, account *model.Attributes) model.Attributes {
	as := t[p]
	for at := p; !at.IsRoot(); {
		at = at.Parent()
		if upper, ok := t[at]; ok {
			as.Inherit(&upper)
		}
	}
	as.Inherit(account)
	return as
}

// has reports whether an attribute is attached to any path.
func (t attributeTable) has(which model.Attribute) bool {
	for _, as := range t {
		if _, ok := as.Get(which); ok {
			return true
		}
	}
	return false
}

// attach applies the queries of a Write-Attributes at a path, whose resource has the
// given type if the path is that deep. The error is a 4.00, or 5.03 if there are
// too many.
func (t attributeTable) attach(p lwm2m.Path, queries []string, typ lwm2m.Type) error {
	as := t[p]
	if err := as.Apply(queries); err != nil {
		return err
	}
	if err := as.Validate(p.Level(), typ); err != nil {
		return err
	}
	if as.IsZero() {
		delete(t, p)
		return nil
	}
	whole := as
	for at := p.Parent(); !at.IsRoot(); at = at.Parent() {
		upper := t[at]
		whole.Inherit(&upper)
	}
	if err := whole.Validate(p.Level(), typ); err != nil {
		return err
	}
	if _, known := t[p]; !known && len(t) >= maxAttributePaths {
		return lwm2m.Errorf(lwm2m.ServiceUnavailable, "attributes are attached to %d paths already", len(t))
	}
	t[p] = as
	return nil
}

// detach drops what is attached to a path and below it, and reports whether there was anything.
func (t attributeTable) detach(p lwm2m.Path) bool {
	before := len(t)
	maps.DeleteFunc(t, func(at lwm2m.Path, _ model.Attributes) bool { return p.Contains(at) })
	return len(t) < before
}

// attributeRecord is what Store keeps of an attributeTable.
type attributeRecord struct {
	Version    int                     `json:"version"` // 1
	Attributes map[lwm2m.Path][]string `json:"attributes"`
}

func attributeKey(ssid uint16) string { return fmt.Sprintf("attributes/%d", ssid) }

func (t attributeTable) record() ([]byte, error) {
	if len(t) == 0 {
		return nil, nil
	}
	r := attributeRecord{Version: 1, Attributes: make(map[lwm2m.Path][]string, len(t))}
	for p, as := range t {
		r.Attributes[p] = as.Queries()
	}
	return json.Marshal(r)
}

// parseAttributes reads a record; an empty one gives an empty table.
func parseAttributes(record []byte) (attributeTable, error) {
	t := make(attributeTable)
	if len(record) == 0 {
		return t, nil
	}
	var r attributeRecord
	if err := json.Unmarshal(record, &r); err != nil {
		return t, err
	}
	if r.Version != 1 {
		return t, fmt.Errorf("record has version %d, not 1", r.Version)
	}
	for p, queries := range r.Attributes {
		var as model.Attributes
		if err := as.Apply(queries); err != nil {
			return t, fmt.Errorf("%s: %w", p, err)
		}
		t[p] = as
	}
	return t, nil
}
