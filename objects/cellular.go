package objects

import (
	"context"
	"slices"
	"time"

	"lwm2m-agent/lwm2m"
	"lwm2m-agent/lwm2m/model"
)

// EDRXMode is a kind of cell for which paging can be rare: the resource of object 10.
type EDRXMode uint16

// The modes.
const (
	EDRXIu   EDRXMode = 7  // UMTS
	EDRXWBS1 EDRXMode = 8  // LTE, LTE-M
	EDRXNBS1 EDRXMode = 9  // NB-IoT
	EDRXAGb  EDRXMode = 10 // GSM
)

var edrxModes = []EDRXMode{EDRXIu, EDRXWBS1, EDRXNBS1, EDRXAGb}

// CellularPower is how a modem is asked to save power.
type CellularPower struct {
	PSM      bool
	Periodic time.Duration      // /10/0/4, T3412 extended
	Active   time.Duration      // /10/0/5, T3324
	EDRX     map[EDRXMode]uint8 // the cycle, four bits, of each mode that is on

	HasPSM, HasEDRX bool
}

// CellularHooks are what writes to object 10 do to the modem.
type CellularHooks struct {
	// Exact returns the times nearest to these that the timers can say.
	Exact   func(periodic, active time.Duration) (time.Duration, time.Duration)
	SetPSM  func(ctx context.Context, on bool, periodic, active time.Duration) error
	SetEDRX func(ctx context.Context, mode EDRXMode, on bool, cycle uint8) error
}

// The resources of object 10 that are served (OMA registry, version 1.1).
const (
	objectCellular     = 10
	ridPSMTimer        = 4
	ridActiveTimer     = 5
	ridActiveProfiles  = 11
	ridSupportedSaving = 12
	ridActiveSaving    = 13
)

// The bits of /10/0/12 and /10/0/13.
const (
	savingPSM  = 1
	savingEDRX = 2
)

// The longest times of the timers, in seconds (3GPP TS 24.008, clauses 10.5.7.4a and
// 10.5.7.4): 31 × 320 h and 31 × 6 min.
const (
	maxPSMTimer    = 31 * 320 * 3600
	maxActiveTimer = 31 * 6 * 60
)

// CellularConnectivity is object 10, from the first modem on.
type CellularConnectivity struct {
	model.Plain
	tree  *model.Tree
	pub   *model.Publisher
	hooks CellularHooks
}

// NewCellularConnectivity adds object 10; its instance appears with the first Publish.
func NewCellularConnectivity(tree *model.Tree, hooks CellularHooks) (*CellularConnectivity, error) {
	c := &CellularConnectivity{tree: tree, hooks: hooks}
	var err error
	c.pub, err = tree.AddRegistered(objectCellular, c)
	return c, err
}

// Publish enters what the modem is asked to do, and which instances of object 11 are
// active.
func (c *CellularConnectivity) Publish(p CellularPower, active []uint16) error {
	var b model.Batch
	b.Create(0)
	links := make([]lwm2m.Value, len(active))
	for i, iid := range active {
		links[i] = lwm2m.Objlnk(objectAPNProfile, iid)
	}
	b.SetAll(0, ridActiveProfiles, links...)
	supported, on := uint64(0), uint64(0)
	if p.HasPSM {
		supported |= savingPSM
		b.Set(0, ridPSMTimer, seconds(p.Periodic))
		b.Set(0, ridActiveTimer, seconds(p.Active))
	}
	if p.PSM {
		on |= savingPSM
	}
	if p.HasEDRX {
		supported |= savingEDRX
	}
	for _, mode := range edrxModes {
		if cycle, is := p.EDRX[mode]; is {
			on |= savingEDRX
			b.Set(0, uint16(mode), lwm2m.Opaque([]byte{cycle}))
		}
	}
	b.Set(0, ridSupportedSaving, lwm2m.Unsigned(supported))
	b.Set(0, ridActiveSaving, lwm2m.Unsigned(on))
	return c.pub.Publish(&b)
}

// Inactive enters that no profile is active.
func (c *CellularConnectivity) Inactive() error {
	var b model.Batch
	b.SetAll(0, ridActiveProfiles)
	return c.pub.Publish(&b)
}

func (c *CellularConnectivity) value(rid uint16) lwm2m.Value {
	return c.tree.Value(lwm2m.NewPath(objectCellular, 0, rid))
}

// cellularWish is what a request wants, beside what there is.
type cellularWish struct {
	saving           uint64
	periodic, active time.Duration
	cycles           map[EDRXMode]uint8
}

func (c *CellularConnectivity) present() cellularWish {
	w := cellularWish{
		saving: c.value(ridActiveSaving).Uint(), periodic: time.Duration(c.value(ridPSMTimer).Int()) * time.Second,
		active: time.Duration(c.value(ridActiveTimer).Int()) * time.Second, cycles: make(map[EDRXMode]uint8),
	}
	for _, mode := range edrxModes {
		if b := c.value(uint16(mode)).Bytes(); len(b) == 1 {
			w.cycles[mode] = b[0]
		}
	}
	return w
}

// Prepare takes timers, parameters and which saving modes are on. Times become what the
// timers can say.
func (c *CellularConnectivity) Prepare(_ context.Context, e *model.Edit) (model.Transaction, error) {
	old := c.present()
	want := c.present()
	for i := range e.Set {
		if err := c.wish(&want, &e.Set[i]); err != nil {
			return nil, err
		}
	}
	if err := stays(e, "object 10 (Cellular Connectivity) has the instance that the modem has"); err != nil {
		return nil, err
	}
	want.periodic, want.active = c.hooks.Exact(want.periodic, want.active)
	for i := range e.Set {
		switch n := &e.Set[i]; n.Path.Resource() {
		case ridPSMTimer:
			n.Value = seconds(want.periodic)
		case ridActiveTimer:
			n.Value = seconds(want.active)
		}
	}
	var tx sequence
	c.steps(&tx, old, want)
	return &tx, nil
}

// stays refuses to make or delete instances, and drops what replacing one would take away:
// the modem has it all the same.
func stays(e *model.Edit, why string) error {
	whole := func(p lwm2m.Path) bool { return p.Level() <= lwm2m.LevelInstance }
	if len(e.Create) > 0 || slices.ContainsFunc(e.Delete, whole) {
		return lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s", why)
	}
	e.Delete = nil
	return nil
}

// wish enters one written value.
func (c *CellularConnectivity) wish(w *cellularWish, n *lwm2m.Node) error {
	rid := n.Path.Resource()
	switch rid {
	case ridPSMTimer, ridActiveTimer:
		most := int64(maxPSMTimer)
		if rid == ridActiveTimer {
			most = maxActiveTimer
		}
		v := n.Value.Int()
		if c.value(ridSupportedSaving).Uint()&savingPSM == 0 {
			return lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s: this modem, or its driver (ModemManager), has no power saving mode to set", n.Path)
		}
		if v < 0 || v > most {
			return lwm2m.Errorf(lwm2m.BadRequest, "%s: %d s is not from 0 to %d", n.Path, v, most)
		}
		if rid == ridPSMTimer {
			w.periodic = time.Duration(v) * time.Second
		} else {
			w.active = time.Duration(v) * time.Second
		}
	case ridActiveSaving:
		if v := n.Value.Uint(); v&^c.value(ridSupportedSaving).Uint() != 0 {
			return lwm2m.Errorf(lwm2m.BadRequest, "%s: %d has modes that this modem, or its driver (ModemManager), does not have (/10/0/12 has those it has)", n.Path, v)
		}
		w.saving = n.Value.Uint()
	case uint16(EDRXIu), uint16(EDRXWBS1), uint16(EDRXNBS1), uint16(EDRXAGb):
		octet := n.Value.Bytes()
		if len(octet) != 1 || octet[0] > 15 {
			return lwm2m.Errorf(lwm2m.BadRequest, "%s: want one octet whose upper half, the paging time window, is 0: the network chooses it", n.Path)
		}
		if c.value(ridSupportedSaving).Uint()&savingEDRX == 0 {
			return lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s: this modem, or its driver (ModemManager), has no extended discontinuous reception to set", n.Path)
		}
		w.cycles[EDRXMode(rid)] = octet[0]
		w.saving |= savingEDRX // which writing a cycle asks for
	default:
		return lwm2m.Errorf(lwm2m.MethodNotAllowed, "%s cannot be written: no modem here takes it", n.Path)
	}
	return nil
}

// steps does what differs, and can undo it.
func (c *CellularConnectivity) steps(tx *sequence, old, want cellularWish) {
	psm := func(w cellularWish) func(context.Context) error {
		return func(ctx context.Context) error {
			return c.hooks.SetPSM(ctx, w.saving&savingPSM != 0, w.periodic, w.active)
		}
	}
	if (old.saving^want.saving)&savingPSM != 0 || old.periodic != want.periodic || old.active != want.active {
		tx.add(psm(want), psm(old))
	}
	if want.saving&^old.saving&savingEDRX != 0 && len(want.cycles) == 0 {
		tx.add(c.someEDRX(true), c.someEDRX(false))
	}
	for _, mode := range edrxModes {
		before, had := old.cycles[mode]
		after, has := want.cycles[mode]
		if before == after && had == has && (old.saving^want.saving)&savingEDRX == 0 || !has {
			continue
		}
		if !had {
			before = after // it cannot be taken back alone: off is off in every kind of cell
		}
		tx.add(func(ctx context.Context) error { return c.hooks.SetEDRX(ctx, mode, want.saving&savingEDRX != 0, after) },
			func(ctx context.Context) error { return c.hooks.SetEDRX(ctx, mode, old.saving&savingEDRX != 0, before) })
	}
}

// usualCycle is asked for where no cycle is known: 20.48 s on LTE, LTE-M and NB-IoT (TS 24.008, table 10.5.5.32).
const usualCycle = 2

// someEDRX turns extended discontinuous reception on or off where no cycle is known, in the modes that the modem takes.
func (c *CellularConnectivity) someEDRX(on bool) func(context.Context) error {
	return func(ctx context.Context) error {
		wide := c.hooks.SetEDRX(ctx, EDRXWBS1, on, usualCycle)
		if narrow := c.hooks.SetEDRX(ctx, EDRXNBS1, on, usualCycle); narrow == nil {
			return nil
		}
		return wide
	}
}
