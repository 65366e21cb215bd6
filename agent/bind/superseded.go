package bind

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"lwm2m-agent/agent/store"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/objects"
)

// Keys of the records of superseded accounts, in the bucket of accounts.
const (
	keySuperseded         = "superseded" // the Short Server IDs that one of has to register
	keySupersededSecurity = "superseded/security"
	keySupersededServer   = "superseded/server"
)

// Supersede adds to what is kept under a context of Together the accounts that are replaced by it, to
// be gone back to: if one of them stands, and there are new or other ones, which have to show first
// that they can register. Accounts that are superseded already stay.
func (a *Accounts) Supersede(within context.Context, standing []uint16) error {
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
	var wanted []uint16
	for ssid, content := range now {
		if old[ssid] != content {
			wanted = append(wanted, ssid)
		}
	}
	stays := slices.ContainsFunc(standing, func(ssid uint16) bool { return old[ssid] != "" && old[ssid] == now[ssid] })
	switch {
	case len(wanted) == 0 || stays:
		return nil // there is nothing to try, or somebody who can put it right
	case !a.Superseding() && !slices.ContainsFunc(standing, func(ssid uint16) bool { return old[ssid] != "" }):
		return nil // there is nothing to go back to
	}
	slices.Sort(wanted)
	ids, _ := json.Marshal(wanted) // numbers
	records := map[string][]byte{keySuperseded: ids}
	if !a.Superseding() {
		for key, nodes := range map[string][]lwm2m.Node{keySupersededSecurity: before[objectSecurity], keySupersededServer: before[objectServer]} {
			if records[key], err = encodeNodes(nodes); err != nil {
				return err
			}
		}
	}
	t.add(store.Accounts, records)
	return nil
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
		content[oid] = append([]lwm2m.Node{}, nodes...)
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

// Superseding reports whether there are accounts to go back to.
func (a *Accounts) Superseding() bool { return len(a.Wanted()) > 0 }

// Wanted are the servers of which one has to register for the superseded accounts to be forgotten.
func (a *Accounts) Wanted() []uint16 {
	record, err := a.store.Bucket(store.Accounts).Load(keySuperseded)
	var ids []uint16
	if err != nil || json.Unmarshal(record, &ids) != nil {
		return nil
	}
	return ids
}

// forgotten removes the records of superseded accounts.
func forgotten(records map[string][]byte) map[string][]byte {
	for _, key := range []string{keySuperseded, keySupersededSecurity, keySupersededServer} {
		records[key] = nil
	}
	return records
}

// Forget forgets the superseded accounts.
func (a *Accounts) Forget() error {
	return a.store.Bucket(store.Accounts).SaveAll(forgotten(make(map[string][]byte)))
}

// GoBack puts the superseded accounts in force.
func (a *Accounts) GoBack(tree *model.Tree, security *objects.Security, server *objects.Server) error {
	var saved [2][]lwm2m.Node
	records := make(map[string][]byte)
	var err error
	for oid, key := range [2]string{keySupersededSecurity, keySupersededServer} {
		if saved[oid], err = a.load(key); err != nil {
			return err
		}
	}
	if saved[objectServer] == nil {
		return errors.Join(fmt.Errorf("there are no accounts to go back to"), a.Forget())
	}
	if records[keySecurity], err = encodeNodes(saved[objectSecurity]); err != nil {
		return err
	}
	if records[keyServer], err = encodeNodes(saved[objectServer]); err != nil {
		return err
	}
	// First on disk: a cut leaves a trial that goes on, or one that is over.
	if err := a.store.Bucket(store.Accounts).SaveAll(forgotten(records)); err != nil {
		return fmt.Errorf("keep the accounts: %w", err)
	}
	return errors.Join(security.Restore(saved[objectSecurity]), server.Restore(saved[objectServer]))
}
