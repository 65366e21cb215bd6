package bind

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"lwm2m-agent/agent/config"
	"lwm2m-agent/agent/store"
	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/objects"
)

// AccessControl keeps object 2 in the state directory, and in step with accounts,
// object instances and the configuration.
type AccessControl struct {
	tree    *model.Tree
	store   *store.Store
	log     *slog.Logger
	control *objects.AccessControl

	mu     sync.Mutex           // held by one Provision at a time
	policy objects.AccessPolicy // last applied
}

// Keys of the records in the bucket of accounts: one for each instance of object 2,
// since there are as many as there are sensors, and what the configuration gave.
const (
	keyAccess = "access/" // and the instance
	keyRights = "rights"
)

// NewAccessControl adds object 2 to the tree, as the state directory has it.
func NewAccessControl(tree *model.Tree, s *store.Store, log *slog.Logger) (*AccessControl, error) {
	a := &AccessControl{tree: tree, store: s, log: log}
	var err error
	if a.control, err = objects.NewAccessControl(tree, a.save); err != nil {
		return nil, err
	}
	records, err := a.records()
	if err != nil {
		return nil, err
	}
	var nodes []lwm2m.Node
	for key, record := range records {
		instance, err := decodeNodes(record)
		if err != nil {
			return nil, fmt.Errorf("read access control %q: %w", key, err)
		}
		nodes = append(nodes, instance...)
	}
	lwm2m.SortNodes(nodes)
	return a, a.control.Restore(nodes)
}

// records returns the records of all instances by key.
func (a *AccessControl) records() (map[string][]byte, error) {
	all, err := a.store.Bucket(store.Accounts).List()
	if err != nil {
		return nil, fmt.Errorf("read access control: %w", err)
	}
	for key := range all {
		if !strings.HasPrefix(key, keyAccess) {
			delete(all, key)
		}
	}
	return all, nil
}

// save is the objects.Save of object 2. What has not changed costs no write.
func (a *AccessControl) save(ctx context.Context, nodes []lwm2m.Node) error {
	records, err := a.records()
	if err != nil {
		return err
	}
	for key := range records {
		records[key] = nil // unless it is there again
	}
	for len(nodes) > 0 {
		iid := nodes[0].Path.Instance()
		end := slices.IndexFunc(nodes, func(n lwm2m.Node) bool { return n.Path.Instance() != iid })
		if end < 0 {
			end = len(nodes)
		}
		if records[fmt.Sprint(keyAccess, iid)], err = encodeNodes(nodes[:end]); err != nil {
			return err
		}
		nodes = nodes[end:]
	}
	if err := saveAll(ctx, a.store, store.Accounts, records); err != nil {
		return fmt.Errorf("keep access control: %w", err)
	}
	return nil
}

// ErrLater says that object 2 still lacks something: the tree's default holds for that, and Run tries again.
var ErrLater = errors.New("object 2 lacks new object instances")

// Provision makes what object 2 lacks and applies the rights of a configuration
// where they were edited. It is called before new accounts get into force, so that
// no server loses rights in between, and after; seeded says which: then servers of the
// configuration without an account have lost it to a bootstrap server, and none is to come.
// Errors: ErrLater where no rights were edited, which nobody could wait for.
func (a *AccessControl) Provision(ctx context.Context, cfg *config.Config, seeded bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	before, err := a.loadRights()
	if err != nil {
		return err
	}
	policy := objects.AccessPolicy{Rights: make(map[uint16]model.Rights)}
	for i := range cfg.Servers {
		s := &cfg.Servers[i]
		if !seeded {
			policy.Servers = append(policy.Servers, s.ShortServerID)
		}
		if s.Rights != nil {
			policy.Rights[s.ShortServerID] = rightsOf(s.Rights)
		}
	}
	policy.Changed = changedRights(before, policy.Rights)
	if err := a.control.Provision(ctx, policy); err != nil {
		err = fmt.Errorf("provide access control: %w", err)
		if seeded && len(policy.Changed) == 0 {
			a.policy = policy
			err = fmt.Errorf("%w: %w", ErrLater, err)
		}
		return err
	}
	if err := a.saveRights(policy.Rights); err != nil {
		return err
	}
	policy.Changed = nil
	a.policy = policy
	return nil
}

// rightsOf returns the bits of rights.
func rightsOf(given []config.Right) model.Rights {
	bits := map[config.Right]model.Rights{
		config.RightRead: model.RightRead, config.RightWrite: model.RightWrite, config.RightExecute: model.RightExecute,
		config.RightDelete: model.RightDelete, config.RightCreate: model.RightCreate,
	}
	var r model.Rights
	for _, right := range given {
		r |= bits[right]
	}
	return r
}

// changedRights returns the servers that are given others than before, or none any
// more, in order.
func changedRights(before, now map[uint16]model.Rights) []uint16 {
	var changed []uint16
	for server, r := range now {
		if was, ok := before[server]; !ok || was != r {
			changed = append(changed, server)
		}
	}
	for server := range before {
		if _, ok := now[server]; !ok {
			changed = append(changed, server)
		}
	}
	slices.Sort(changed)
	return changed
}

// rightsRecord is what the configuration gave when it was last applied.
type rightsRecord struct {
	Version int                     `json:"version"` // 1
	Rights  map[uint16]model.Rights `json:"rights"`  // by Short Server ID
}

func (a *AccessControl) loadRights() (map[uint16]model.Rights, error) {
	record, err := a.store.Bucket(store.Accounts).Load(keyRights)
	if err != nil || record == nil {
		return nil, err
	}
	var r rightsRecord
	if err := json.Unmarshal(record, &r); err != nil {
		return nil, fmt.Errorf("read the rights that were given: %w", err)
	}
	if r.Version != 1 {
		return nil, fmt.Errorf("the record of rights has version %d, this agent knows 1", r.Version)
	}
	return r.Rights, nil
}

func (a *AccessControl) saveRights(given map[uint16]model.Rights) error {
	record, err := json.Marshal(rightsRecord{1, given})
	if err != nil {
		return err
	}
	if err := a.store.Bucket(store.Accounts).Save(keyRights, record); err != nil {
		return fmt.Errorf("keep the rights that were given: %w", err)
	}
	return nil
}

// retryProvision is how long what could not be kept waits for the next attempt.
const retryProvision = time.Minute

// Run provides access control for object instances and accounts that come, and
// takes back what accounts that go leave, until ctx ends.
func (a *AccessControl) Run(ctx context.Context) error {
	sub := a.tree.Subscribe()
	defer sub.Close()
	sub.Watch(lwm2m.NewPath(objectServer)) // which server an account is of
	for {
		var retry <-chan time.Time
		if err := a.follow(ctx); err != nil && ctx.Err() == nil {
			a.log.Warn("object 2 lacks new object instances; it is tried again", slog.Any("error", err))
			retry = time.After(retryProvision)
		}
		select {
		case <-sub.Wake():
			sub.Take(nil)
		case <-retry:
		case <-ctx.Done():
			return nil
		}
	}
}

func (a *AccessControl) follow(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.control.Provision(ctx, a.policy)
}
