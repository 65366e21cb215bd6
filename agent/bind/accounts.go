package bind

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/keys"
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
	store      *store.Store
	references *keys.References
}

// NewAccounts returns the keeper of accounts. For a key that is held elsewhere object 0
// has a reference.
func NewAccounts(s *store.Store, r *keys.References) *Accounts {
	return &Accounts{store: s, references: r}
}

// section remembers from which configuration an account was made.
type section struct {
	Fingerprint string `json:"fingerprint"`
	Security    uint16 `json:"security"` // instance of object 0
	Server      uint16 `json:"server"`   // instance of object 1
	Bootstrap   bool   `json:"bootstrap"`

	// Seal is a digest of what the section made of its instance of object 0. Where it does
	// not fit, a bootstrap server has been there since: the instance is not the
	// section's any more.
	Seal string `json:"seal,omitempty"`

	detached bool // it is not the section's any more
}

// Keys of the records in the bucket of accounts.
const (
	keySecurity = "security"
	keyServer   = "server"
	keySections = "sections"
)

// SaveSecurity is the objects.Save of object 0.
func (a *Accounts) SaveSecurity(ctx context.Context, nodes []lwm2m.Node) error {
	return a.save(ctx, keySecurity, nodes)
}

// SaveServer is the objects.Save of object 1.
func (a *Accounts) SaveServer(ctx context.Context, nodes []lwm2m.Node) error {
	return a.save(ctx, keyServer, nodes)
}

func (a *Accounts) save(ctx context.Context, key string, nodes []lwm2m.Node) error {
	record, err := encodeNodes(nodes)
	if err != nil {
		return err
	}
	if err := saveAll(ctx, a.store, store.Accounts, map[string][]byte{key: record}); err != nil {
		return fmt.Errorf("keep the accounts: %w", err)
	}
	return nil
}

// Seed fills objects 0 and 1 from the state directory and the configuration. It
// may be called again with another configuration: an object whose content stays
// the same is not touched.
func (a *Accounts) Seed(tree *model.Tree, security *objects.Security, server *objects.Server, cfg *config.Config) error {
	before, err := a.sections()
	if err != nil {
		return err
	}
	var saved [2][]lwm2m.Node
	for oid, key := range [2]string{keySecurity, keyServer} {
		if saved[oid], err = a.load(key); err != nil {
			return err
		}
	}
	detach(before, saved)
	if before != nil && (saved[objectSecurity] == nil || saved[objectServer] == nil) {
		before, saved = salvage(before, saved)
	}
	return a.seed(tree, security, server, cfg, before, saved)
}

// Reset is Seed as at the first start: what bootstrap servers and servers wrote is forgotten.
func (a *Accounts) Reset(tree *model.Tree, security *objects.Security, server *objects.Server, cfg *config.Config) error {
	return a.seed(tree, security, server, cfg, nil, [2][]lwm2m.Node{})
}

func (a *Accounts) seed(
	tree *model.Tree, security *objects.Security, server *objects.Server, cfg *config.Config, before map[string]section, saved [2][]lwm2m.Node,
) error {
	accounts, now := accountsOf(cfg, before, saved, a.accountOf)
	fresh, err := contentOf(tree, accounts)
	if err != nil {
		return err
	}
	var wanted [2][]lwm2m.Node
	for oid := range wanted {
		wanted[oid] = merge(uint16(oid), saved[oid], fresh[oid], before, now)
	}
	seal(now, before, wanted[objectSecurity])
	restores := [2]func([]lwm2m.Node) error{security.Restore, server.Restore}
	for oid, restore := range restores {
		present, err := tree.Read(model.FromAgent(), lwm2m.NewPath(uint16(oid)), nil)
		if err != nil {
			return err
		}
		if slices.Equal(present, wanted[oid]) {
			continue
		}
		if err := restore(wanted[oid]); err != nil {
			return err
		}
	}
	if _, onTrial := a.OnTrial(); onTrial && !slices.Equal(saved[objectSecurity], wanted[objectSecurity]) { // the configuration replaces what was tried
		if err := a.Forget(); err != nil {
			return err
		}
	}
	return a.keep(wanted[objectSecurity], wanted[objectServer], now)
}

// Transports are the letters of the transports that this agent speaks.
const Transports = "UT"

// contentOf returns what objects 0 and 1 hold for accounts. It is made in a tree
// of its own, so that no client sees anything half done.
func contentOf(defs model.Definitions, accounts []objects.Account) (content [2][]lwm2m.Node, err error) {
	tree := model.NewTree(defs, time.Now)
	security, err := objects.NewSecurity(tree, nil)
	if err != nil {
		return content, err
	}
	server, err := objects.NewServer(tree, Transports, objects.ServerHooks{})
	if err != nil {
		return content, err
	}
	if err := errors.Join(security.Seed(accounts...), server.Seed(accounts...)); err != nil {
		return content, err
	}
	for oid := range content {
		if content[oid], err = tree.Read(model.FromAgent(), lwm2m.NewPath(uint16(oid)), nil); err != nil {
			return content, err
		}
	}
	return content, nil
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
	if err := a.store.Bucket(store.Accounts).SaveAll(records); err != nil {
		return fmt.Errorf("keep the accounts: %w", err)
	}
	return nil
}

// serverResources are the resources of object 1 that keys of a [[server]] set.
var serverResources = map[string]uint16{
	"default_min_period": 2, "default_max_period": 3, "disable_timeout": 5, "store_notifications": 6,
	"priority": 13, "initial_delay": 14, "failure_block": 15, "bootstrap_on_failure": 16, "retry_count": 17, "retry_timer": 18, "sequence_delay": 19, "sequence_count": 20,
	"transport": 22, "mute_send": 23, "confirm_notifications": 26, "profile_hash": 27,
}

// serverContent returns what settings mean in object 1.
func serverContent(settings map[string]any) map[uint16]lwm2m.Value {
	content := make(map[uint16]lwm2m.Value, len(settings))
	for name, v := range settings {
		rid := serverResources[name]
		switch v := v.(type) {
		case bool:
			content[rid] = lwm2m.Boolean(v)
			if name == "confirm_notifications" {
				content[rid] = lwm2m.Integer(0)
				if v {
					content[rid] = lwm2m.Integer(1)
				}
			}
		case int64:
			content[rid] = lwm2m.Integer(v)
		case string:
			content[rid] = lwm2m.String(letters[v])
		case time.Duration:
			content[rid] = lwm2m.Integer(int64(v / time.Second))
		}
	}
	return content
}

// letters are those of the transports (Core 1.2.2, section 6.2.1.2).
var letters = map[string]string{"udp": "U", "tcp": "T"}

// bindingOf returns the letters of the transports that an account has addresses for.
func bindingOf(c *config.Account) string {
	binding := ""
	for _, u := range append([]*url.URL{c.URI}, c.Secondary...) {
		transport := "udp"
		if strings.HasSuffix(u.Scheme, "+tcp") {
			transport = "tcp"
		}
		if !strings.Contains(binding, letters[transport]) {
			binding += letters[transport]
		}
	}
	if binding == "TU" {
		return "UT"
	}
	return binding
}

func accountOf(c *config.Account) objects.Account {
	a := objects.Account{URI: c.URI.String(), Mode: objects.ModeNoSec, Binding: bindingOf(c)}
	for _, u := range c.Secondary {
		a.Secondary = append(a.Secondary, u.String())
	}
	switch c.Security {
	case config.SecurityPSK:
		a.Mode, a.Identity = objects.ModePSK, []byte(c.Identity)
	case config.SecurityRPK:
		a.Mode, a.Identity = objects.ModeRPK, c.Public
	case config.SecurityX509:
		a.Mode, a.Identity = objects.ModeCertificate, c.Public
	case config.SecurityNone:
		return a
	}
	a.ServerKey, a.Key, a.CipherSuites = c.ServerKey, objects.Secret(c.Key.Reveal()), c.CipherSuites
	a.Security = make(map[uint16]lwm2m.Value)
	if c.MatchingType > 0 {
		a.Security[13] = lwm2m.Unsigned(uint64(c.MatchingType))
	}
	if c.SNI != "" {
		a.Security[14] = lwm2m.String(c.SNI)
	}
	if c.Security == config.SecurityX509 && c.CertificateUsage >= 0 {
		a.Security[15] = lwm2m.Unsigned(uint64(c.CertificateUsage))
	}
	return a
}

// accountOf returns the account of a section, with a reference where it names the place of a
// key.
func (a *Accounts) accountOf(c *config.Account) objects.Account {
	account := accountOf(c)
	if c.Held.Kind != "" {
		account.Key = a.references.Make(c.Held)
	}
	return account
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

// load returns a record of nodes, nil if there is none.
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
	out := []lwm2m.Node{}
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
