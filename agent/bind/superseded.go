package bind

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"lwm2m-agent/agent/store"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/objects"
)

// Keys of the records of superseded accounts, in the bucket of accounts.
const (
	keySuperseded         = "superseded" // a Trial
	keySupersededSecurity = "superseded/security"
	keySupersededServer   = "superseded/server"
)

// Trial is what accounts have to show of which there are others to go back to.
type Trial struct {
	Wanted []uint16  `json:"wanted"`           // the servers of which one has to register
	Until  time.Time `json:"until"`            // then the others are tried
	Former bool      `json:"former,omitempty"` // the others are those of the bootstrap

	Delay time.Duration `json:"delay,omitempty"` // of Until, in which they may have to wait before they register
}

// longestDelay bounds the delay of a Trial: nobody is to lose a device for longer by a mistake in it.
const longestDelay = 24 * time.Hour

// delayOf returns the longest Initial Registration Delay Timer (/1/x/14) of servers in the nodes of object 1.
func delayOf(nodes []lwm2m.Node, ssids []uint16) time.Duration {
	const shortServerID, initialDelay = 0, 14
	wanted := make(map[uint16]bool)
	for _, n := range nodes {
		if n.Path.Level() == lwm2m.LevelResource && n.Path.Resource() == shortServerID {
			wanted[n.Path.Instance()] = slices.Contains(ssids, uint16(n.Value.Int())) //nolint:gosec // within range, says the object
		}
	}
	var longest time.Duration
	for _, n := range nodes {
		if n.Path.Level() != lwm2m.LevelResource || n.Path.Resource() != initialDelay || !wanted[n.Path.Instance()] {
			continue
		}
		longest = max(longest, time.Duration(min(n.Value.Uint(), uint64(longestDelay/time.Second)))*time.Second)
	}
	return longest
}

// Supersede adds to what is kept under a context of Together the accounts that are replaced by it, to
// be gone back to: if one of them stands, and there are new or other ones, which have to show first
// that they can register until a time, to which their delay is added. Former accounts that are superseded already stay, with their time.
func (a *Accounts) Supersede(within context.Context, standing []uint16, until time.Time) error {
	t, ok := within.Value(togetherKey{}).(*together)
	if !ok {
		return nil
	}
	next, err := t.accounts()
	if err != nil || next == nil {
		return err
	}
	var before [2][]lwm2m.Node
	for oid, key := range [2]string{keySecurity, keyServer} {
		if before[oid], err = a.load(key); err != nil {
			return err
		}
		if next[oid] == nil {
			next[oid] = before[oid] // it is not written
		}
	}
	old, now := contents(before), contents(*next)
	p := Trial{Until: until}
	for ssid, content := range now {
		if old[ssid] != content {
			p.Wanted = append(p.Wanted, ssid)
		}
	}
	slices.Sort(p.Wanted)
	p.Delay = delayOf(next[objectServer], p.Wanted)
	p.Until = p.Until.Add(p.Delay)
	stays := slices.ContainsFunc(standing, func(ssid uint16) bool { return old[ssid] != "" && old[ssid] == now[ssid] })
	earlier, superseding := a.OnTrial()
	switch {
	case len(p.Wanted) == 0 || stays:
		return nil // there is nothing to try, or somebody who can put it right
	case superseding && !earlier.Former:
		p.Until, before = earlier.Until.Add(max(0, p.Delay-earlier.Delay)), [2][]lwm2m.Node{}
	case !superseding && !slices.ContainsFunc(standing, func(ssid uint16) bool { return old[ssid] != "" }):
		return nil // there is nothing to go back to
	}
	records, err := p.records(before)
	if err == nil {
		t.add(store.Accounts, records)
	}
	return err
}

// records are those of a trial and of the accounts to go back to; none for these keeps those that there are.
func (p *Trial) records(others [2][]lwm2m.Node) (map[string][]byte, error) {
	trial, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	records := map[string][]byte{keySuperseded: trial}
	for oid, key := range [2]string{keySupersededSecurity, keySupersededServer} {
		if others[oid] == nil {
			continue
		}
		if records[key], err = encodeNodes(others[oid]); err != nil {
			return nil, err
		}
	}
	return records, nil
}

// accounts returns what objects 0 and 1 are to be, nil each that is not written; nil if neither is.
func (t *together) accounts() (*[2][]lwm2m.Node, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var content [2][]lwm2m.Node
	records := t.records[store.Accounts]
	if records[keySecurity] == nil && records[keyServer] == nil {
		return nil, nil
	}
	for oid, key := range [2]string{keySecurity, keyServer} {
		if records[key] == nil {
			continue
		}
		nodes, err := decodeNodes(records[key])
		if err != nil {
			return nil, err
		}
		content[oid] = nodes
	}
	return &content, nil
}

// contents returns what objects 0 and 1 say of each server, by Short Server ID: the same text for the same account.
func contents(objects [2][]lwm2m.Node) map[uint16]string {
	ssidOf := func(nodes []lwm2m.Node, iid, rid uint16) uint16 {
		for _, n := range nodes {
			if n.Path == lwm2m.NewPath(n.Path.Object(), iid, rid) {
				return uint16(n.Value.Int()) //nolint:gosec // within range, says the object
			}
		}
		return 0
	}
	out := make(map[uint16]string)
	for oid, rid := range [2]uint16{10, 0} { // where each says whose it is
		for _, n := range objects[oid] {
			if n.Path.Level() < lwm2m.LevelResource {
				continue // the instance itself
			}
			ssid := ssidOf(objects[oid], n.Path.Instance(), rid)
			if ssid != 0 && (oid == objectSecurity || n.Path.Resource() == 0) { // settings of object 1 do not decide who is reached
				out[ssid] += fmt.Sprintf("%d/%d=%v;", oid, n.Path.Resource(), n.Value)
			}
		}
	}
	return out
}

// OnTrial returns what the accounts in force have to show, false if there are no others.
func (a *Accounts) OnTrial() (Trial, bool) {
	record, err := a.store.Bucket(store.Accounts).Load(keySuperseded)
	var p Trial
	if err != nil || json.Unmarshal(record, &p) != nil {
		return Trial{}, false
	}
	return p, len(p.Wanted) > 0
}

// Forget forgets the accounts that are not in force.
func (a *Accounts) Forget() error {
	return a.store.Bucket(store.Accounts).SaveAll(map[string][]byte{keySuperseded: nil, keySupersededSecurity: nil, keySupersededServer: nil})
}

// Swap puts the other accounts in force, until a time and their delay: those that were are the others now.
func (a *Accounts) Swap(tree *model.Tree, security *objects.Security, server *objects.Server, until time.Time) error {
	p, _ := a.OnTrial()
	var inForce, others [2][]lwm2m.Node
	for oid, keys := range [2][2]string{{keySecurity, keySupersededSecurity}, {keyServer, keySupersededServer}} {
		var errs [2]error
		inForce[oid], errs[0] = a.load(keys[0])
		others[oid], errs[1] = a.load(keys[1])
		if err := errors.Join(errs[:]...); err != nil {
			return err
		}
	}
	if others[objectSecurity] == nil || others[objectServer] == nil { // damaged
		return errors.Join(errors.New("there are no accounts to go back to"), a.Forget())
	}
	p = Trial{Former: !p.Former, Wanted: slices.Sorted(maps.Keys(contents(others)))}
	p.Delay = delayOf(others[objectServer], p.Wanted)
	p.Until = until.Add(p.Delay)
	records, err := p.records(inForce)
	if err != nil {
		return err
	}
	for oid, key := range [2]string{keySecurity, keyServer} {
		if records[key], err = encodeNodes(others[oid]); err != nil {
			return err
		}
	}
	// First on disk: after a cut the one or the other accounts are on trial.
	if err := a.store.Bucket(store.Accounts).SaveAll(records); err != nil {
		return fmt.Errorf("keep the accounts: %w", err)
	}
	return errors.Join(security.Restore(others[objectSecurity]), server.Restore(others[objectServer]))
}
