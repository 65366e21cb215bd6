package bind

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/objects"
)

// What tells whose an instance of object 0 or 1 is.
const (
	ridServerShortID   = 0  // of object 1
	ridBootstrapServer = 1  // of object 0
	ridSecurityShortID = 10 // likewise
)

// digest returns the digest of what one instance of object 0 holds, "" if there is none.
func digest(security []lwm2m.Node, iid uint16) string {
	nodes := slices.DeleteFunc(slices.Clone(security), func(n lwm2m.Node) bool { return n.Path.Instance() != iid })
	record, err := encodeNodes(nodes)
	if err != nil || len(nodes) == 0 {
		return ""
	}
	sum := sha256.Sum256(record)
	return hex.EncodeToString(sum[:])
}

// detach finds the sections whose accounts a bootstrap server has replaced or deleted, or whose
// time is over.
func detach(sections map[string]section, saved [2][]lwm2m.Node) {
	for name, s := range sections {
		if s.Seal == "" {
			continue // of an earlier release, which did not bootstrap
		}
		s.detached = s.Seal != digest(saved[objectSecurity], s.Security)
		if !s.Bootstrap && shortID(saved[objectServer], s.Server) != shortID(saved[objectSecurity], s.Security) {
			s.detached = true
		}
		sections[name] = s
	}
}

// salvage returns what is left to go on with when the record of object 0 or of object 1 was damaged; all are written
// at once, so none is missing otherwise. Half an account reaches no server: the configuration makes it anew. A
// bootstrap account is whole, and stays: it may be the only way to the servers.
func salvage(before map[string]section, saved [2][]lwm2m.Node) (map[string]section, [2][]lwm2m.Node) {
	spared := make(map[uint16]bool)
	for _, n := range saved[objectSecurity] {
		if n.Path.Level() == lwm2m.LevelResource && n.Path.Resource() == ridBootstrapServer && n.Value.Bool() {
			spared[n.Path.Instance()] = true
		}
	}
	bootstrap := slices.DeleteFunc(saved[objectSecurity], func(n lwm2m.Node) bool { return !spared[n.Path.Instance()] })
	maps.DeleteFunc(before, func(_ string, s section) bool { return !s.Bootstrap || len(bootstrap) == 0 })
	return before, [2][]lwm2m.Node{objectSecurity: bootstrap}
}

// seal notes what sections have made; one that is not made anew keeps its seal.
func seal(now, before map[string]section, security []lwm2m.Node) {
	for name, s := range now {
		if b, ok := before[name]; !ok || b.Fingerprint != s.Fingerprint || b.Seal == "" {
			s.Seal = digest(security, s.Security)
			now[name] = s
		}
	}
}

// shortID returns the Short Server ID of an instance of object 0 or 1, -1 if it has none.
func shortID(nodes []lwm2m.Node, iid uint16) int64 {
	for _, n := range nodes {
		if n.Path.Instance() == iid && namesServer(n) {
			return n.Value.Int()
		}
	}
	return -1
}

// namesServer reports whether a node is a Short Server ID.
func namesServer(n lwm2m.Node) bool {
	if n.Path.Level() != lwm2m.LevelResource {
		return false
	}
	if n.Path.Object() == objectServer {
		return n.Path.Resource() == ridServerShortID
	}
	return n.Path.Resource() == ridSecurityShortID
}

// merge returns the content of object 0 or 1: what was saved, but for instances
// whose section of the configuration was edited or removed, and what the edited
// and the new sections say. What a bootstrap server made goes only when a section that
// names the same server, or a bootstrap server, is edited.
func merge(oid uint16, saved, fresh []lwm2m.Node, before, now map[string]section) []lwm2m.Node {
	stale, wanted := make(map[uint16]bool), make(map[uint16]bool)
	instance := func(s section) uint16 {
		if oid == objectSecurity {
			return s.Security
		}
		return s.Server
	}
	for name, s := range before {
		if n, ok := now[name]; !s.detached && (!ok || n.Fingerprint != s.Fingerprint) {
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
	fresh = slices.DeleteFunc(fresh, func(n lwm2m.Node) bool { return !wanted[n.Path.Instance()] })
	for _, n := range saved {
		if slices.ContainsFunc(fresh, func(f lwm2m.Node) bool { return displaces(f, n) }) {
			stale[n.Path.Instance()] = true
		}
	}
	out := slices.DeleteFunc(saved, func(n lwm2m.Node) bool { return stale[n.Path.Instance()] })
	out = append(out, fresh...)
	lwm2m.SortNodes(out)
	return out
}

// displaces reports whether the instance of a fresh node takes the place of that of a saved
// one: there is one account for each server, and one bootstrap account.
func displaces(fresh, saved lwm2m.Node) bool {
	if fresh.Path.Level() != lwm2m.LevelResource || saved.Path.Level() != lwm2m.LevelResource {
		return false
	}
	if fresh.Path.Resource() != saved.Path.Resource() || fresh.Value != saved.Value {
		return false
	}
	bootstrap := saved.Path.Object() == objectSecurity && saved.Path.Resource() == ridBootstrapServer
	return namesServer(saved) || bootstrap && saved.Value.Bool()
}

// accountsOf returns the accounts of a configuration and the sections they are
// of. A section that had instances before keeps them; a new one gets the next
// free of both objects, so that the first server of a first start is instance 0,
// the next 1, and so on, and the bootstrap server comes after them. Those of a bootstrap
// server are not free.
func accountsOf(
	cfg *config.Config, before map[string]section, saved [2][]lwm2m.Node, account func(*config.Account) objects.Account,
) ([]objects.Account, map[string]section) {
	var accounts []objects.Account
	now := make(map[string]section)
	numbers := newNumbers(before, saved)
	if b := cfg.Bootstrap; b != nil && b.Instance != config.NoInstance {
		numbers.security[uint16(b.Instance)] = true //nolint:gosec // checked by config
	}
	for i := range cfg.Servers {
		s := &cfg.Servers[i]
		name := fmt.Sprintf("server %d", s.ShortServerID)
		if b := before[name]; b.detached && b.Fingerprint == s.Fingerprint {
			now[name] = b
			continue
		}
		entry := numbers.section(before, name, s.Instance)
		entry.Fingerprint = s.Fingerprint
		a := account(&s.Account)
		a.SecurityInstance, a.ServerInstance = entry.Security, entry.Server
		a.ShortServerID, a.Lifetime = s.ShortServerID, s.Lifetime
		a.Server = serverContent(s.More)
		if s.SMSNumber != "" {
			a.Server[21] = lwm2m.Boolean(true)
			if a.Security == nil {
				a.Security = make(map[uint16]lwm2m.Value)
			}
			a.Security[9] = lwm2m.String(s.SMSNumber)
		}
		accounts, now[name] = append(accounts, a), entry
	}
	if b := cfg.Bootstrap; b != nil {
		const name = "bootstrap"
		entry, known := before[name]
		if entry.detached && entry.Fingerprint == b.Fingerprint {
			now[name] = entry
			return accounts, now
		}
		if !known || entry.detached {
			entry = section{Security: numbers.take(numbers.security, b.Instance), Bootstrap: true}
		}
		entry.Fingerprint = b.Fingerprint
		a := account(&b.Account)
		a.SecurityInstance, a.Bootstrap, a.HoldOff = entry.Security, true, b.HoldOff
		accounts, now[name] = append(accounts, a), entry
	}
	return accounts, now
}

// numbers are the instances of objects 0 and 1 that are taken.
type numbers struct {
	security, server map[uint16]bool
}

func newNumbers(before map[string]section, saved [2][]lwm2m.Node) numbers {
	n := numbers{make(map[uint16]bool), make(map[uint16]bool)}
	for _, node := range saved[objectSecurity] {
		n.security[node.Path.Instance()] = true
	}
	for _, node := range saved[objectServer] {
		n.server[node.Path.Instance()] = true
	}
	for _, s := range before {
		if s.detached {
			continue
		}
		n.security[s.Security] = true
		if !s.Bootstrap {
			n.server[s.Server] = true
		}
	}
	return n
}

// section returns the instances of a server's section.
func (n numbers) section(before map[string]section, name string, wanted int) section {
	entry, known := before[name]
	if !known || entry.detached {
		entry = section{Security: n.take(n.security, config.NoInstance), Server: n.take(n.server, wanted)}
	}
	return entry
}

// take returns the wanted number, else the lowest that is free.
func (n numbers) take(taken map[uint16]bool, wanted int) uint16 {
	id := uint16(0)
	if wanted != config.NoInstance {
		id = uint16(wanted) //nolint:gosec // checked by config
	} else {
		for taken[id] {
			id++
		}
	}
	taken[id] = true
	return id
}
