package client

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/coap"
	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/lwm2m/wire/link"
)

// discover answers a Discover with what is at a path and below, and the attributes
// that this server has attached (Core, section 6.3.2).
func (a *account) discover(r *request) {
	entries, err := a.discoverable(r)
	if err != nil {
		a.refuse(r.exchange, err)
		return
	}
	m := &coap.Message{Code: coap.Content, Payload: a.links(r.path, entries)}
	m.SetContentFormat(uint16(lwm2m.FormatLink))
	a.respond(r.exchange, m)
}

// discoverable needs no right and returns the entries that a Discover lists: an object with its instances
// and their resources, an instance with its resources, a resource from 1.1 on with its
// instances. From 1.2 on the query depth gives another number of levels.
func (a *account) discoverable(r *request) ([]model.Entry, error) {
	p := r.path
	if err := a.tree.MayTouch(a.origin(), p); err != nil {
		return nil, err
	}
	down := lwm2m.LevelResource
	switch {
	case p.Level() == lwm2m.LevelResourceInstance:
		return nil, lwm2m.Errorf(lwm2m.MethodNotAllowed, "a resource instance has nothing to discover")
	case p.Level() == lwm2m.LevelResource && a.version != lwm2m.Version10:
		down = lwm2m.LevelResourceInstance
	}
	if depth, ok := r.exchange.Request.Query("depth"); ok && !a.version.Less(lwm2m.Version12) {
		if len(depth) != 1 || depth < "0" || depth > "3" {
			return nil, lwm2m.Errorf(lwm2m.BadRequest, "depth is 0 to 3, not %.20q", depth)
		}
		down = min(p.Level()+lwm2m.Level(depth[0]-'0'), lwm2m.LevelResourceInstance)
	}
	entries := a.tree.Entries(p, down)
	if len(entries) == 0 {
		return nil, lwm2m.Errorf(lwm2m.NotFound, "there is no %s", p)
	}
	return entries, nil
}

// links lists entries with the attributes attached to each. What is asked for itself has
// those that it inherits too, a resource in all versions and an instance from 1.2 on: with
// them the server has all that hold below.
func (a *account) links(base lwm2m.Path, entries []model.Entry) []byte {
	links := make([]link.Link, len(entries))
	for i, e := range entries {
		var attrs []link.Attr
		if e.Path.Level() == lwm2m.LevelObject && announced(a.version, e.Path.Object(), e.Version) {
			attrs = append(attrs, versionAttr(e.Version))
		}
		if e.Dim >= 0 {
			attrs = append(attrs, link.Int("dim", int64(e.Dim)))
		}
		as := a.attributes.at[e.Path]
		if e.Path == base && (base.Level() == lwm2m.LevelResource || !a.version.Less(lwm2m.Version12)) {
			as = a.attributes.effective(base, &model.Attributes{})
		}
		for _, q := range as.Queries() {
			name, value, _ := strings.Cut(q, "=")
			attrs = append(attrs, link.Token(name, value))
		}
		links[i] = link.To("", e.Path, attrs...)
	}
	return link.Append(nil, links)
}

// writeAttributes carries out a Write-Attributes (Core, section 6.3.4).
func (a *account) writeAttributes(r *request) {
	if err := a.attach(r); err != nil {
		a.refuse(r.exchange, err)
		return
	}
	single := r.path.Level() == lwm2m.LevelResource && !shapeAt(a.tree, r.path).Multiple
	a.regovern(a.observations.around(r.path, !single && r.path.Level() < lwm2m.LevelResourceInstance))
	a.attributesChanged()
	a.respond(r.exchange, &coap.Message{Code: coap.Changed})
}

// deleted drops the attributes of what a server has deleted: what takes its place is another thing.
func (a *account) deleted(p lwm2m.Path) {
	if a.attributes.detach(p) {
		a.regovern(a.observations.around(p, false))
		a.attributesChanged()
	}
}

// attributesChanged has the record follow the attributes, soon.
func (a *account) attributesChanged() {
	a.saveAt = a.now()
	if len(a.attributes.at) > saveAtOnce {
		a.saveAt = a.saveAt.Add(saveQuiet)
	} else {
		a.saveAttributes()
	}
}

// A table of up to saveAtOnce paths is saved before a Write-Attributes is answered. The
// record of a larger one is long: it is saved once for all that come in saveQuiet.
const (
	saveAtOnce = 64
	saveQuiet  = time.Second
)

func (a *account) attach(r *request) error {
	if err := a.tree.May(a.origin(), model.RightRead, r.path); err != nil {
		return err
	}
	if len(a.tree.Entries(r.path, r.path.Level())) == 0 {
		return lwm2m.Errorf(lwm2m.NotFound, "there is no %s", r.path)
	}
	return a.attributes.attach(r.path, r.exchange.Request.Queries(), shapeAt(a.tree, r.path).Type)
}

func (a *account) loadAttributes() {
	a.attributes = newAttributeTable()
	store := a.client.config.Store
	if store == nil {
		return
	}
	for i, parts := 0, 1; i < min(parts, maxAttributeParts); i++ {
		key := attributeKey(a.ssid, i)
		record, err := store.Load(key)
		if err == nil && i > 0 && len(record) == 0 {
			err = errors.New("there is none")
		}
		if err == nil {
			var n int
			n, err = a.attributes.load(record)
			parts = max(parts, n)
		}
		if err != nil {
			a.log.Error("attributes of an earlier run are lost", slog.Any("err", fmt.Errorf("load %q: %w", key, err)))
		}
	}
}

func (a *account) saveAttributes() {
	a.saveAt = time.Time{}
	store := a.client.config.Store
	if store == nil {
		return
	}
	records, err := a.attributes.records(a.ssid)
	if err == nil {
		err = store.SaveAll(records)
	}
	if err != nil {
		a.log.Error("attributes will be lost at the next start", slog.Any("err", fmt.Errorf("save %q: %w", attributeKey(a.ssid, 0), err)))
	}
}
