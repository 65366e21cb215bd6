package bind

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"lwm2m-agent/lwm2m/model"
	"lwm2m-agent/modem"
	"lwm2m-agent/objects"
)

// CellularModem is what servers change of a modem.
type CellularModem interface {
	CheckProfile(cid int, p modem.Profile) error // what of it SetProfile would refuse
	SetProfile(ctx context.Context, cid int, p modem.Profile) error
	// Profile returns one as it is in the modem, without its login: also while no connection is made with it.
	Profile(ctx context.Context, cid int) (modem.Profile, error)
	Reconnect(ctx context.Context, cid int) error
	SetPSM(ctx context.Context, p modem.PSM) error
	SetEDRX(ctx context.Context, e modem.EDRX) error
	SetOrder(ctx context.Context, order []modem.Technology) error
	SetOperators(ctx context.Context, operators []string) error
}

// Cellular joins a modem with objects 10, 11, 13, 27 and 10308.
type Cellular struct {
	modem     CellularModem
	wishes    *Wishes
	log       *slog.Logger
	power     *objects.CellularConnectivity
	profiles  *objects.APNConnectionProfile
	selection *objects.BearerSelection
	identity  *objects.CellularExtension
	nr        *objects.NRObject
	seen      bool                            // there was a modem
	seenNR    bool                            // it is one for 5G
	selected  atomic.Pointer[modem.Selection] // what the modem goes by
	bearers   atomic.Pointer[[]modem.Bearer]  // likewise
	trial     APNTrial
	tried     atomic.Int64                // the context whose new APN is on trial, which connects it; 0: none
	untry     func(context.Context) error // takes back what was noted for that trial; of requests, which come one after the other
	before    map[int]formerWish          // of contexts before they were written; of requests, which come one after the other
	there     map[int]bool                // the contexts that the modem had last; of publish

	anew       chan struct{} // receives when something is due
	registered chan struct{} // has something while the modem is registered
	mu         sync.Mutex
	due        map[int]bool // contexts to be connected anew; true: since a start
}

// APNTrial puts an APN that a server has written in force for a trial.
type APNTrial struct {
	// Takes reports whether the APN of a context is tried: that of the one that carries the connection is, if the configuration can be set.
	Takes func(cid int) bool
	Begin func(apn string) error
	// Withdraw ends the trial that Begin has begun.
	Withdraw func()
}

// formerWish is what was wished of a context, and whether nothing was connected with that yet.
type formerWish struct {
	wish     *wishedBearer // nil: nothing
	unproved bool
}

// edrxModes are the resources of object 10 for the kinds of cell.
var edrxModes = map[modem.EDRXMode]objects.EDRXMode{
	modem.AGb: objects.EDRXAGb, modem.Iu: objects.EDRXIu, modem.WBS1: objects.EDRXWBS1, modem.NBS1: objects.EDRXNBS1,
}

// pdnTypes are the types of object 11.
var pdnTypes = map[modem.PDNType]objects.PDNType{
	modem.IPv4: objects.PDNIPv4, modem.IPv6: objects.PDNIPv6, modem.IPv4v6: objects.PDNIPv4v6, modem.NonIP: objects.PDNNonIP,
}

// NewCellular adds objects 10, 11, 13, 27 and 10308 for a modem. With nil wishes nothing is kept.
func NewCellular(tree *model.Tree, m CellularModem, wishes *Wishes, trial APNTrial, log *slog.Logger) (*Cellular, error) {
	if wishes == nil {
		wishes = newWishes("", nil, log)
	}
	c := &Cellular{
		modem: m, wishes: wishes, log: log, trial: trial, before: make(map[int]formerWish),
		anew: make(chan struct{}, 1), registered: make(chan struct{}, 1), due: make(map[int]bool),
	}
	c.bearers.Store(new([]modem.Bearer))
	var err error
	c.power, err = objects.NewCellularConnectivity(tree, objects.CellularHooks{Exact: exactTimers, SetPSM: c.setPSM, SetEDRX: c.setEDRX})
	if err != nil {
		return nil, err
	}
	c.profiles, err = objects.NewAPNConnectionProfile(tree, objects.APNHooks{Set: c.setProfile, TakeBack: c.takeBack, Changed: c.changed})
	if err != nil {
		return nil, err
	}
	c.selected.Store(new(modem.Selection))
	c.selection, err = objects.NewBearerSelection(tree, c.selectionNow, objects.SelectionHooks{SetBearers: c.setBearers, SetOperators: m.SetOperators})
	if err != nil {
		return nil, err
	}
	if c.identity, err = objects.NewCellularExtension(tree); err != nil {
		return nil, err
	}
	c.nr, err = objects.NewNRObject(tree)
	return c, err
}

func exactTimers(periodic, active time.Duration) (exactPeriodic, exactActive time.Duration) {
	_, periodic = modem.EncodePeriodic(periodic)
	_, active = modem.EncodeActive(active)
	return periodic, active
}

func (c *Cellular) setPSM(ctx context.Context, on bool, periodic, active time.Duration) error {
	p := modem.PSM{On: on, Periodic: periodic, Active: active}
	return c.wishes.set(ctx, func() error { return c.modem.SetPSM(ctx, p) }, func(w *wished) { w.PSM = &p })
}

func (c *Cellular) setEDRX(ctx context.Context, mode objects.EDRXMode, on bool, cycle uint8) error {
	for kind, resource := range edrxModes {
		if resource == mode {
			e := modem.EDRX{Mode: kind, On: on, Cycle: cycle}
			return c.wishes.set(ctx, func() error { return c.modem.SetEDRX(ctx, e) }, func(w *wished) { w.setEDRX(e) })
		}
	}
	return fmt.Errorf("no kind of cell is /10/0/%d", mode)
}

func profileOf(apn string, t objects.PDNType) modem.Profile {
	p := modem.Profile{APN: apn, Type: modem.IPv4}
	for kind, number := range pdnTypes {
		if number == t {
			p.Type = kind
		}
	}
	return p
}

func (c *Cellular) setProfile(ctx context.Context, instance uint16, apn string, t objects.PDNType, login *objects.APNLogin) error {
	p, cid := profileOf(apn, t), int(instance)
	if login != nil {
		kinds := map[objects.APNAuthentication]modem.Authentication{objects.APNPAP: modem.PAP, objects.APNCHAP: modem.CHAP, objects.APNPAPOrCHAP: modem.CHAP}
		p.Login = &modem.Login{Authentication: kinds[login.Authentication], User: login.User, Password: modem.Secret(login.Secret)}
	}
	i := slices.IndexFunc(*c.bearers.Load(), func(b modem.Bearer) bool { return b.CID == cid })
	if i < 0 {
		return fmt.Errorf("the modem has no context %d any more", cid)
	}
	old := (*c.bearers.Load())[i]
	if taken, err := c.tries(ctx, cid, p, &old); taken || err != nil {
		return err
	}
	before := unprovedProfile{APN: old.APN, Type: old.Type, Wish: c.wishes.profile(cid, old.APN)}
	_, unproved := c.wishes.unproved(cid)
	c.before[cid] = formerWish{before.Wish, unproved}
	return c.wishes.set(ctx, func() error { return c.modem.SetProfile(ctx, cid, p) }, func(w *wished) {
		w.doubt(cid, before)
		w.setProfile(cid, p)
	})
}

// takeBack undoes setProfile: another part of the request was refused.
func (c *Cellular) takeBack(ctx context.Context, instance uint16, apn string, t objects.PDNType) error {
	cid := int(instance)
	if c.tried.CompareAndSwap(int64(cid), 0) {
		c.trial.Withdraw()
		return c.untry(ctx)
	}
	defer latest(c.anew, struct{}{}) // what was published meanwhile
	before := c.before[cid]
	old := c.former(cid, profileOf(apn, t), before.wish)
	return c.wishes.set(ctx, func() error { return c.modem.SetProfile(ctx, cid, old) }, func(w *wished) {
		w.enter(cid, apn, before.wish)
		if !before.unproved {
			delete(w.Unproved, cid)
		}
	})
}

// tries begins the trial of an APN that is another one, with all that is written with it.
func (c *Cellular) tries(ctx context.Context, cid int, p modem.Profile, old *modem.Bearer) (bool, error) {
	if modem.SameAPN(p.APN, old.APN) || !c.trial.Takes(cid) {
		return false, nil
	}
	if err := c.modem.CheckProfile(cid, p); err != nil {
		return false, err
	}
	undo, err := c.wishes.configure(ctx, cid, old, p)
	if err != nil {
		return false, err
	}
	if err := c.trial.Begin(p.APN); err != nil {
		return false, errors.Join(err, undo(ctx))
	}
	c.untry = undo
	c.tried.Store(int64(cid))
	return true, nil
}

func (c *Cellular) changed(instance uint16) {
	if c.tried.CompareAndSwap(int64(instance), 0) {
		return // the trial connects, and goes back
	}
	c.judge(int(instance), false)
}

// former is the profile to go back to from one that was written, with the login that was wished of it.
func (c *Cellular) former(cid int, p modem.Profile, wish *wishedBearer) modem.Profile {
	if p.Login = wish.login(); p.Login == nil && c.wishes.profile(cid, p.APN).login() != nil {
		p.Login = noLogin()
	}
	return p
}

// gone enters that there is no modem any more: it carries nothing, and nobody knows its card. What was set in it is
// still set.
func (c *Cellular) gone(s *modem.State, now time.Time) {
	bearers := slices.Clone(*c.bearers.Load())
	for i := range bearers {
		b := &bearers[i]
		if b.Active {
			b.Active, b.Since = false, now
		}
		b.Addresses, b.Gateways, b.DNS, b.Traffic = nil, nil, nil, nil
	}
	c.bearers.Store(&bearers)
	if err := errors.Join(c.showProfiles(), c.power.Inactive(), c.identity.Publish(identityOf(s))); err != nil {
		c.log.Warn("modem not published", slog.Any("error", err))
	}
}

// showProfiles enters the contexts that the modem was last seen to have, with what is wished of them.
func (c *Cellular) showProfiles() error {
	bearers := *c.bearers.Load()
	profiles := make([]objects.APNProfile, 0, len(bearers))
	for i := range bearers {
		p := apnProfile(&bearers[i])
		p.Login = apnLogin(c.wishes.profile(bearers[i].CID, bearers[i].APN))
		profiles = append(profiles, p)
	}
	return c.profiles.Publish(profiles)
}

// publish enters what the modem says now.
func (c *Cellular) publish(s *modem.State, now time.Time) {
	if s.Presence == modem.Missing && s.Trouble != nil && c.seen {
		c.gone(s, now)
	}
	if s.Presence != modem.Ready {
		c.there = nil
		return // one that is asleep or silent may well be connected
	}
	c.seen = true
	power := objects.CellularPower{
		PSM: s.Sleep.PSM.On, Periodic: s.Sleep.PSM.Periodic, Active: s.Sleep.PSM.Active,
		HasPSM: s.Sleep.HasPSM, HasEDRX: s.Sleep.HasEDRX, EDRX: make(map[objects.EDRXMode]uint8),
	}
	for _, e := range s.Sleep.EDRX {
		if mode, ok := edrxModes[e.Mode]; ok && e.On {
			power.EDRX[mode] = e.Cycle
		}
	}
	var active []uint16
	for i := range s.Bearers {
		if p := apnProfile(&s.Bearers[i]); p.Active {
			active = append(active, p.Instance)
		}
	}
	c.selected.Store(new(s.Selection))
	c.bearers.Store(new(slices.Clone(s.Bearers)))
	err := errors.Join(c.showProfiles(), c.power.Publish(power, active), c.selection.Publish(c.selectionNow()), c.identity.Publish(identityOf(s)), c.publishNR(s))
	if err != nil {
		c.log.Warn("modem not published", slog.Any("error", err))
	}
	c.came(s)
}

// apnLogin puts a login that a server has written into the words of object 11; nil if none has.
func apnLogin(b *wishedBearer) *objects.APNLogin {
	if b == nil || b.Login == nil {
		return nil
	}
	kinds := map[modem.Authentication]objects.APNAuthentication{modem.PAP: objects.APNPAP, modem.CHAP: objects.APNCHAP, modem.AuthenticationNone: objects.APNNone}
	return &objects.APNLogin{Authentication: kinds[b.Login.Authentication], User: b.Login.User, Secret: b.Login.Password}
}

func apnProfile(b *modem.Bearer) objects.APNProfile {
	p := objects.APNProfile{
		Instance: uint16(b.CID), APN: b.APN, Type: pdnTypes[b.Type], Active: b.Active, Since: b.Since, //nolint:gosec // a number of two digits
		Addresses: b.Addresses, Gateways: b.Gateways, DNS: b.DNS,
	}
	if b.Reject != nil {
		p.Reject = new(int64(b.Reject.Code))
	}
	if b.Traffic != nil {
		p.Sent, p.Received = new(int64(b.Traffic.Sent)), new(int64(b.Traffic.Received)) //nolint:gosec // bytes
	}
	return p
}
