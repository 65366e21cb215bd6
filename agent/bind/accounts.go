package bind

import (
	"encoding/json"
	"fmt"
	"slices"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/store"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/objects"
)

const (
	objectSecurity = 0
	objectServer   = 1
)

// Accounts keeps objects 0 and 1 in the state directory. The configuration's
// sections seed them when there are none, and again when a section was edited;
// otherwise what a bootstrap server or a server's writes said stays.
type Accounts struct {
	store *store.Store
}

// NewAccounts returns the keeper of accounts.
func NewAccounts(s *store.Store) *Accounts { return &Accounts{store: s} }

// section remembers from which configuration an account was made.
type section struct {
	Fingerprint string `json:"fingerprint"`
	Security    uint16 `json:"security"` // instance of object 0
	Server      uint16 `json:"server"`   // instance of object 1
	Bootstrap   bool   `json:"bootstrap"`
}

// Keys of the records in the bucket of accounts.
const (
	keySecurity = "security"
	keyServer   = "server"
	keySections = "sections"
)

// SaveSecurity is the objects.Save of object 0.
func (a *Accounts) SaveSecurity(nodes []lwm2m.Node) error { return a.save(keySecurity, nodes) }

// SaveServer is the objects.Save of object 1.
func (a *Accounts) SaveServer(nodes []lwm2m.Node) error { return a.save(keyServer, nodes) }

func (a *Accounts) save(key string, nodes []lwm2m.Node) error {
	record, err := encodeNodes(nodes)
	if err != nil {
		return err
	}
	if err := a.store.Bucket(store.Accounts).Save(key, record); err != nil {
		return fmt.Errorf("keep the accounts: %w", err)
	}
	return nil
}

// Seed fills objects 0 and 1 from the state directory and the configuration.
func (a *Accounts) Seed(tree *model.Tree, security *objects.Security, server *objects.Server, cfg *config.Config) error {
	accounts, sections := accountsOf(cfg)
	if err := security.Seed(accounts...); err != nil {
		return err
	}
	if err := server.Seed(accounts...); err != nil {
		return err
	}
	kept, err := a.sections()
	if err != nil {
		return err
	}
	var all [2][]lwm2m.Node
	for i, object := range []struct {
		oid uint16
		key string
	}{{objectSecurity, keySecurity}, {objectServer, keyServer}} {
		fresh, err := tree.Read(model.FromAgent(), lwm2m.NewPath(object.oid), nil)
		if err != nil {
			return err
		}
		saved, err := a.load(object.key)
		if err != nil {
			return err
		}
		all[i] = merge(object.oid, saved, fresh, kept, sections)
	}
	if err := security.Restore(all[0]); err != nil {
		return err
	}
	if err := server.Restore(all[1]); err != nil {
		return err
	}
	return a.keep(all[0], all[1], sections)
}

// keep saves both objects and where they came from, at once.
func (a *Accounts) keep(security, server []lwm2m.Node, sections map[string]section) error {
	records := make(map[string][]byte)
	var err error
	if records[keySecurity], err = encodeNodes(security); err != nil {
		return err
	}
	if records[keyServer], err = encodeNodes(server); err != nil {
		return err
	}
	if records[keySections], err = json.Marshal(sections); err != nil {
		return err
	}
	err = a.store.Update(func(tx *store.Tx) error {
		for key, record := range records {
			if err := tx.Save(store.Accounts, key, record); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("keep the accounts: %w", err)
	}
	return nil
}

// merge returns the content of object 0 or 1: what was saved, but for instances
// whose section of the configuration was edited or removed, and what the edited
// and the new sections say.
func merge(oid uint16, saved, fresh []lwm2m.Node, before, now map[string]section) []lwm2m.Node {
	stale, wanted := make(map[uint16]bool), make(map[uint16]bool)
	instance := func(s section) uint16 {
		if oid == objectSecurity {
			return s.Security
		}
		return s.Server
	}
	for name, s := range before {
		if n, ok := now[name]; !ok || n.Fingerprint != s.Fingerprint {
			if oid == objectSecurity || !s.Bootstrap {
				stale[instance(s)] = true
			}
		}
	}
	for name, s := range now {
		if b, ok := before[name]; !ok || b.Fingerprint != s.Fingerprint {
			if oid == objectSecurity || !s.Bootstrap {
				stale[instance(s)], wanted[instance(s)] = true, true
			}
		}
	}
	out := slices.DeleteFunc(saved, func(n lwm2m.Node) bool { return stale[n.Path.Instance()] })
	for _, n := range fresh {
		if wanted[n.Path.Instance()] {
			out = append(out, n)
		}
	}
	lwm2m.SortNodes(out)
	return out
}

// accountsOf returns the accounts of a configuration: the first server is
// instance 0 of both objects, the next 1, and so on; the bootstrap server takes
// the next instance of object 0.
func accountsOf(cfg *config.Config) ([]objects.Account, map[string]section) {
	var accounts []objects.Account
	sections := make(map[string]section)
	for i := range cfg.Servers {
		s := &cfg.Servers[i]
		a := accountOf(&s.Account)
		a.SecurityInstance, a.ServerInstance = uint16(i), uint16(i)
		if s.Instance != config.NoInstance {
			a.ServerInstance = uint16(s.Instance) //nolint:gosec // checked by config
		}
		a.ShortServerID, a.Lifetime = s.ShortServerID, s.Lifetime
		accounts = append(accounts, a)
		sections[fmt.Sprintf("server %d", s.ShortServerID)] = section{s.Fingerprint, a.SecurityInstance, a.ServerInstance, false}
	}
	if b := cfg.Bootstrap; b != nil {
		a := accountOf(&b.Account)
		a.SecurityInstance = uint16(len(cfg.Servers)) //nolint:gosec // few
		if b.Instance != config.NoInstance {
			a.SecurityInstance = uint16(b.Instance) //nolint:gosec // checked by config
		}
		a.Bootstrap, a.HoldOff = true, b.HoldOff
		accounts = append(accounts, a)
		sections["bootstrap"] = section{b.Fingerprint, a.SecurityInstance, 0, true}
	}
	return accounts, sections
}

func accountOf(c *config.Account) objects.Account {
	a := objects.Account{URI: c.URI.String(), Mode: objects.ModeNoSec, Binding: "U"}
	if c.Security == config.SecurityPSK {
		a.Mode, a.Identity, a.Key = objects.ModePSK, []byte(c.Identity), objects.Secret(c.Key.Reveal())
	}
	return a
}

func (a *Accounts) sections() (map[string]section, error) {
	record, err := a.store.Bucket(store.Accounts).Load(keySections)
	if err != nil || record == nil {
		return nil, err
	}
	var out map[string]section
	if err := json.Unmarshal(record, &out); err != nil {
		return nil, fmt.Errorf("read where the accounts came from: %w", err)
	}
	return out, nil
}

func (a *Accounts) load(key string) ([]lwm2m.Node, error) {
	record, err := a.store.Bucket(store.Accounts).Load(key)
	if err != nil || record == nil {
		return nil, err
	}
	return decodeNodes(record)
}

// storedNode is a node as the state directory has it.
type storedNode struct {
	Path  lwm2m.Path `json:"path"`
	Type  string     `json:"type"`
	Value string     `json:"value"`
}

// storedNodes is a record; a later layout gets another version.
type storedNodes struct {
	Version int          `json:"version"`
	Nodes   []storedNode `json:"nodes"`
}

func encodeNodes(nodes []lwm2m.Node) ([]byte, error) {
	out := storedNodes{Version: 1, Nodes: []storedNode{}}
	for _, n := range nodes {
		out.Nodes = append(out.Nodes, storedNode{n.Path, n.Value.Type().String(), n.Value.String()})
	}
	return json.Marshal(out)
}

func decodeNodes(record []byte) ([]lwm2m.Node, error) {
	var in storedNodes
	if err := json.Unmarshal(record, &in); err != nil {
		return nil, fmt.Errorf("read stored nodes: %w", err)
	}
	if in.Version != 1 {
		return nil, fmt.Errorf("stored nodes have version %d, this agent knows 1", in.Version)
	}
	var out []lwm2m.Node
	for _, n := range in.Nodes {
		t, err := lwm2m.ParseType(n.Type)
		if err != nil {
			return nil, fmt.Errorf("stored %s: %w", n.Path, err)
		}
		v, err := lwm2m.ParseValue(t, n.Value)
		if err != nil {
			return nil, fmt.Errorf("stored %s: not of its type", n.Path) // the value may be a key
		}
		out = append(out, lwm2m.Node{Path: n.Path, Value: v})
	}
	return out, nil
}
