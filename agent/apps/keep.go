package apps

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// What an application has registered is kept as compressed JSON in records named
// NAME/0, NAME/1 …, each of at most maxPart bytes. The bounds of an application
// keep it below maxKept.
const (
	maxPart = 60 << 10
	maxKept = 4 << 20 // of the JSON
)

// kept is an application as it is kept. Later fields have to be optional: after a
// roll-back an older agent reads them too.
type kept struct {
	Objects []keptObject `json:"objects"`
}

type keptObject struct {
	Object    Object         `json:"object"`
	Instances []keptInstance `json:"instances"`
}

type keptInstance struct {
	ID       uint16      `json:"id"`
	Declared []uint16    `json:"declared,omitempty"` // resources
	Values   []keptValue `json:"values,omitempty"`
}

type keptValue struct {
	Path    string        `json:"p"` // below the instance: "/5850", "/5850/1"
	Text    string        `json:"v"` // as lwm2m.Value.String writes it
	Time    int64         `json:"t"` // milliseconds since 1970
	Quality model.Quality `json:"q,omitempty"`
}

// keep keeps what is registered: always, or only if since the last time objects
// or instances have come or gone, or a server has written.
func (a *App) keep(always bool) {
	a.changing.Lock()
	defer a.changing.Unlock()
	if a.written.Swap(false) || always || a.shapeNow() != a.shape {
		a.keepNow()
	}
}

// keepNow keeps what is registered. changing is held.
func (a *App) keepNow() {
	records, err := a.records()
	if err == nil {
		err = a.cfg.Store.SaveAll(records)
	}
	if err != nil {
		a.cfg.Log.Error("objects of an application not kept; they will be missing after a restart until its program registers them again",
			slog.String("application", a.name), slog.Any("error", err))
		return
	}
	a.shape = a.shapeNow()
}

// shapeNow tells objects and instances apart from others.
func (a *App) shapeNow() string {
	var shape strings.Builder
	for _, o := range a.served() {
		fmt.Fprint(&shape, o.def.ID, a.cfg.Tree.Instances(o.def.ID))
	}
	return shape.String()
}

// records returns the records that replace all former ones.
func (a *App) records() (map[string][]byte, error) {
	records := make(map[string][]byte)
	former, err := a.cfg.Store.List()
	if err != nil {
		return nil, err
	}
	for i := 0; former[a.part(i)] != nil; i++ {
		records[a.part(i)] = nil
	}
	packed, err := a.pack()
	if err != nil {
		return nil, err
	}
	for i := 0; len(packed) > 0; i++ {
		n := min(len(packed), maxPart)
		records[a.part(i)], packed = packed[:n], packed[n:]
	}
	return records, nil
}

func (a *App) part(i int) string { return fmt.Sprintf("%s/%d", a.name, i) }

// pack returns what is registered as it is kept, nil if there is nothing.
func (a *App) pack() ([]byte, error) {
	var k kept
	for _, o := range a.served() {
		k.Objects = append(k.Objects, o.kept())
	}
	if len(k.Objects) == 0 {
		return nil, nil
	}
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if err := json.NewEncoder(z).Encode(k); err != nil {
		return nil, err
	}
	err := z.Close()
	return out.Bytes(), err
}

func (o *object) kept() keptObject {
	tree, at := o.app.cfg.Tree, lwm2m.NewPath(o.def.ID)
	k := keptObject{Object: o.source}
	for _, e := range tree.Entries(at, lwm2m.LevelResource) {
		switch last := len(k.Instances) - 1; e.Path.Level() {
		case lwm2m.LevelInstance:
			k.Instances = append(k.Instances, keptInstance{ID: e.Path.Instance()})
		case lwm2m.LevelResource:
			k.Instances[last].Declared = append(k.Instances[last].Declared, e.Path.Resource())
		case lwm2m.LevelRoot, lwm2m.LevelObject, lwm2m.LevelResourceInstance:
		}
	}
	readings, err := tree.Readings(model.FromAgent(), at)
	if err != nil {
		return k // it has gone meanwhile
	}
	i := 0
	for _, r := range readings {
		for i < len(k.Instances) && k.Instances[i].ID < r.Path.Instance() {
			i++
		}
		if i < len(k.Instances) && k.Instances[i].ID == r.Path.Instance() {
			below := r.Path.String()[len(r.Path.At(lwm2m.LevelInstance).String()):]
			k.Instances[i].Values = append(k.Instances[i].Values, keptValue{below, r.Value.String(), r.Time.UnixMilli(), r.Quality})
		}
	}
	return k
}

// restore enters what was registered before a restart in the tree, as values of a
// program that is away. A record that cannot be read counts for none.
func (a *App) restore(records map[string][]byte) {
	if len(records) == 0 {
		return
	}
	k, err := a.unpack(records)
	if err == nil {
		err = a.enter(k)
	}
	if err != nil {
		a.cfg.Log.Warn("objects of an application not restored; its program brings them again", slog.String("application", a.name), slog.Any("error", err))
	}
	_ = a.change(func() { a.away = "it has not come back since the agent was started" })
	a.shape = a.shapeNow()
}

func (a *App) unpack(records map[string][]byte) (*kept, error) {
	var packed []byte
	for i := 0; records[a.part(i)] != nil; i++ {
		packed = append(packed, records[a.part(i)]...)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(z, maxKept)) // to the end, where its checksum is
	if err != nil {
		return nil, err
	}
	var k kept
	return &k, json.Unmarshal(text, &k)
}

// enter registers what was kept, without objects that the configuration gives the
// application no more.
func (a *App) enter(k *kept) error {
	var sources []Object
	var updates []Update
	for i := range k.Objects {
		o := &k.Objects[i]
		if !a.owns(o.Object.ID) {
			continue
		}
		def, err := define(o.Object, a.cfg.Definitions)
		if err != nil {
			return err
		}
		sources, updates = append(sources, o.Object), append(updates, o.updates(def)...)
	}
	next, err := a.define(sources)
	if err != nil {
		return err
	}
	p := a.plan(next, true)
	if err := p.addAll(updates); err != nil {
		return err
	}
	if err := a.replace(next); err != nil {
		return err
	}
	return p.publish()
}

func (a *App) owns(oid uint16) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Contains(a.allowed, oid)
}

// updates returns what a program would say to have the object as it was kept.
func (k *keptObject) updates(def *model.Definition) []Update {
	var updates []Update
	for _, in := range k.Instances {
		at := lwm2m.NewPath(k.Object.ID, in.ID)
		updates = append(updates, Update{Kind: Make, Path: at})
		for _, rid := range in.Declared {
			updates = append(updates, Update{Kind: Clear, Path: at.Child(rid)})
		}
		for _, v := range in.Values {
			if u, ok := v.update(at, def); ok {
				updates = append(updates, u)
			}
		}
	}
	return updates
}

// update returns a kept value as one of a program that is away, and false for
// what is none.
func (v *keptValue) update(at lwm2m.Path, def *model.Definition) (Update, bool) {
	p, err := lwm2m.ParsePath(at.String() + v.Path)
	if err != nil || p.Level() < lwm2m.LevelResource || def.Resource(p.Resource()) == nil {
		return Update{}, false
	}
	value, err := lwm2m.ParseValue(def.Resource(p.Resource()).Type, v.Text)
	return Update{Kind: Set, Path: p, Value: value, Time: time.UnixMilli(v.Time), Quality: max(v.Quality, model.Stale)}, err == nil
}
