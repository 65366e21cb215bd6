package bind

import (
	"fmt"
	"log/slog"

	"lwm2m-agent/agent/store"
	"lwm2m-agent/lwm2m"
)

// Values that servers wrote are kept by what their instance is bound to, not by
// its number, so that they follow the sensor: "3303/cold room/5750".
func valueKey(oid uint16, name string, rid uint16) string {
	return fmt.Sprintf("%d/%s/%d", oid, name, rid)
}

const resourceApplicationType = 5750

// applicationType is what a server wrote, else the configuration's, else the name.
func (b *Board) applicationType(g *group) string {
	record, err := b.cfg.Store.Bucket(store.Values).Load(valueKey(g.oid, g.name, resourceApplicationType))
	if err != nil {
		b.cfg.Log.Warn("application type not restored", slog.String("instance", g.name), slog.Any("error", err))
	}
	switch {
	case record != nil:
		return string(record)
	case g.appType != "":
		return g.appType
	default:
		return g.name
	}
}

// save keeps a value that a server wrote into an instance.
func (b *Board) save(oid, iid, rid uint16, v lwm2m.Value) error {
	name, ok := b.boundTo(oid, iid)
	if !ok {
		return lwm2m.Errorf(lwm2m.NotFound, "there is no instance /%d/%d", oid, iid)
	}
	if err := b.cfg.Store.Bucket(store.Values).Save(valueKey(oid, name, rid), []byte(v.String())); err != nil {
		return fmt.Errorf("keep /%d/%d/%d: %w", oid, iid, rid, err)
	}
	return nil
}

// boundTo returns what an instance is bound to.
func (b *Board) boundTo(oid, iid uint16) (string, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, u := range b.units {
		for _, g := range u.groups {
			if g.oid == oid && g.there && g.iid == iid {
				return g.name, true
			}
		}
	}
	return "", false
}
